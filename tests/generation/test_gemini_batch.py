"""The `gemini-batch` provider: Google's real client against a server on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from generation.providers.base import (
    BatchHandle,
    Blocked,
    ProviderError,
    ProviderRequest,
    ProviderResult,
    Refused,
    Transient,
)
from generation.providers.gemini_batch import BATCH_SIZE, GeminiBatchProvider
from tests.generation import gemini_batch_server as batches
from tests.generation import gemini_server as gemini
from tests.generation.gemini_batch_server import GeminiBatchServer
from tests.generation.inputs import colour_of, given, large
from tests.loopback import Answer

MODEL = "gemini-nano-banana-2.1"
CELLS = ("cell-1", "cell-2", "cell-3")


@pytest.fixture
def server() -> Iterator[GeminiBatchServer]:
    with GeminiBatchServer() as running:
        yield running


def provider(server: GeminiBatchServer, **changes: Any) -> GeminiBatchProvider:
    options = {"api_key": "key-1", "base_url": server.url, "model": MODEL, "timeout_seconds": 10}
    return GeminiBatchProvider(**{**options, **changes})


def requests(keys: tuple[str, ...] = CELLS, **parameters: Any) -> list[ProviderRequest]:
    """The first cell is made of red and blue, the others of green."""
    pairs = [[given("model", "#ff0000", "Anna"), given("garment", "#0000ff", "Dress")]]
    pairs += [[given("model", "#00ff00")]] * (len(keys) - 1)
    return [
        ProviderRequest(f"Prompt of {key}.", pair, parameters, key)
        for key, pair in zip(keys, pairs, strict=True)
    ]


def collected(
    provider: GeminiBatchProvider, handle: BatchHandle, keys: tuple[str, ...] = CELLS
) -> dict[str, ProviderResult | ProviderError]:
    found = list(provider.collect(handle, keys))
    assert len(found) == len(keys), "one outcome a request"
    return {one.idempotency_key: one.outcome for one in found}


def test_a_batch_goes_in_as_a_file_and_its_answers_come_back_by_key(server: GeminiBatchServer) -> None:
    gemini_batch = provider(server)
    handle = gemini_batch.submit("batch-1", requests(aspect_ratio="3:4", size="2K", seed=7))

    assert handle == BatchHandle("batch-1", "batches/b1")
    (made,) = server.made("create")
    assert made.key == "key-1"
    assert made.body["batch"]["displayName"] == "batch-1"
    (batch,) = server.store.batches
    assert (batch.model, [line["key"] for line in batch.lines]) == (MODEL, list(CELLS))
    # The REST form of GenerateContentRequest, which the client writes for inlined requests only
    # (`_InlinedRequest_to_mldev` in batches.py) and leaves to the caller in files.
    first = gemini.Call("", "", batch.lines[0]["request"])
    assert first.texts == ["Picture 1, model: Anna", "Picture 2, garment: Dress", "Prompt of cell-1."]
    assert [one.size for one in first.pictures] == [(64, 48), (64, 48)]
    assert first.config == {
        "responseModalities": ["TEXT", "IMAGE"],
        "imageConfig": {"aspectRatio": "3:4", "imageSize": "2K"},
        "seed": 7,
    }
    progress = gemini_batch.progress(handle)
    assert (progress.ended, progress.state) == (False, "JOB_STATE_PENDING")
    with pytest.raises(Transient, match="has not ended"):
        list(gemini_batch.collect(handle, CELLS))

    server.finish(batch)
    assert gemini_batch.progress(handle).ended
    results = collected(gemini_batch, handle)
    assert set(results) == set(CELLS)
    red, green, blue = colour_of(results["cell-1"].image)
    assert abs(red - 127) < 12 and green < 12 and abs(blue - 127) < 12, "made of the red and the blue input"
    assert colour_of(results["cell-2"].image)[1] > 200
    # 1,120 tokens of picture at 30 USD and 600 in at 1.50, at half the price.
    assert {one.cost for one in results.values()} == {Decimal("0.01725")}
    assert {one.idempotency_key for one in gemini_batch.collect(handle, CELLS)} == set(CELLS), "and once more"
    assert len(server.made("create")) == 1


def test_a_batch_costs_half_and_says_how_many_requests_it_takes(server: GeminiBatchServer) -> None:
    gemini_batch = provider(server)
    capability = gemini_batch.capability
    assert (capability.price_per_picture, capability.currency) == (Decimal("0.0168"), "USD")
    assert capability.batch_size == BATCH_SIZE
    assert gemini_batch.price({"size": "4K"}, inputs=2) == Decimal("0.0583515")
    assert gemini_batch.check() is None
    with pytest.raises(Refused, match="makes no single pictures"):
        gemini_batch.generate(requests()[0])
    assert server.calls == []


# --- Killed in between ---------------------------------------------------------------------------


def test_a_batch_that_was_created_but_not_noted_is_found_and_not_made_twice(
    server: GeminiBatchServer,
) -> None:
    lost = provider(server).submit("batch-1", requests())
    again = provider(server).submit("batch-1", requests())
    assert again == lost
    assert len(server.made("create")) == 1
    assert len(server.made("start upload")) == 1, "not even the file goes twice"


def test_a_batch_whose_creation_was_not_answered_is_found(server: GeminiBatchServer) -> None:
    def cut(call: batches.Call) -> Answer:
        server.well(call)
        return Answer(200, None)

    upload = [server.well] * 3  # list, start of the upload, its content
    server.script([*upload, cut])
    with pytest.raises(Transient, match="connection") as caught:
        provider(server).submit("batch-1", requests())
    assert caught.value.maybe_charged
    assert provider(server).submit("batch-1", requests()).name == "batches/b1"
    assert len(server.store.batches) == 1


def test_a_batch_is_found_among_many_and_another_key_is_another_batch(server: GeminiBatchServer) -> None:
    server.page_size = 2
    gemini_batch = provider(server)
    handles = [gemini_batch.submit(f"batch-{number}", requests()) for number in range(5)]
    assert gemini_batch.find("batch-0") == handles[0]
    assert gemini_batch.find("batch-9") is None
    assert len({handle.name for handle in handles}) == 5


# --- Batches that do not end well ----------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:.*is not a valid JobState")
def test_each_request_of_a_batch_fails_for_itself(server: GeminiBatchServer) -> None:
    keys = ("good", "blocked", "filtered", "words", "damaged", "bad", "busy", "down", "unread")
    gemini_batch = provider(server)
    handle = gemini_batch.submit("batch-1", requests(keys))
    server.finish(
        server.store.batches[0],
        "BATCH_STATE_PARTIALLY_SUCCEEDED",
        outcomes={
            "blocked": gemini.blocked_prompt,
            "filtered": gemini.finished_with("IMAGE_SAFETY"),
            "words": gemini.words_only,
            "damaged": gemini.damaged_picture,
            "bad": gemini.failing(400, "INVALID_ARGUMENT", "Unsupported mime type"),
            "busy": gemini.failing(429, "RESOURCE_EXHAUSTED", "Try later"),
            "down": gemini.failing(503, "UNAVAILABLE", "Overloaded"),
            "unread": gemini.damaged_base64,
        },
    )
    assert gemini_batch.progress(handle).ended
    found = collected(gemini_batch, handle, keys)
    assert {key: type(one) for key, one in found.items()} == {
        "good": ProviderResult,
        "blocked": Blocked,
        "filtered": Blocked,
        "words": Refused,
        "damaged": Refused,
        "bad": Refused,
        "busy": Transient,
        "down": Transient,
        "unread": Refused,
    }
    assert {key: found[key].cost for key in ("filtered", "words", "damaged", "bad", "busy", "unread")} == {
        "filtered": Decimal("0.00045"),  # half of what went in
        "words": Decimal("0.0006"),
        "damaged": Decimal("0.01725"),
        "bad": Decimal(0),
        "busy": Decimal(0),
        "unread": Decimal("0.0168"),
    }
    assert "Unsupported mime type" in str(found["bad"])


@pytest.mark.parametrize(
    ("state", "ends_as", "says"),
    [
        ("BATCH_STATE_EXPIRED", Transient, "expired before"),
        ("BATCH_STATE_SUCCEEDED", Transient, "without an answer"),
        ("BATCH_STATE_FAILED", Refused, "could not run the batch"),
    ],
)
def test_what_a_batch_did_not_answer_is_told_and_not_charged(
    server: GeminiBatchServer, state: str, ends_as: type[ProviderError], says: str
) -> None:
    gemini_batch = provider(server)
    handle = gemini_batch.submit("batch-1", requests())
    server.finish(server.store.batches[0], state, answered=["cell-2"])
    assert gemini_batch.progress(handle).ended
    found = collected(gemini_batch, handle)
    assert isinstance(found["cell-2"], ProviderResult), "what was made is taken"
    for key in ("cell-1", "cell-3"):
        assert type(found[key]) is ends_as
        assert says in str(found[key])
        assert found[key].cost == 0


def test_an_expired_batch_without_any_answer_has_no_file(server: GeminiBatchServer) -> None:
    gemini_batch = provider(server)
    handle = gemini_batch.submit("batch-1", requests())
    server.finish(server.store.batches[0], "BATCH_STATE_EXPIRED", answered=[])
    assert {type(one) for one in collected(gemini_batch, handle).values()} == {Transient}
    assert server.made("download") == []


def test_a_cancelled_batch_gives_what_was_made_until_then(server: GeminiBatchServer) -> None:
    gemini_batch = provider(server)
    handle = gemini_batch.submit("batch-1", requests())
    gemini_batch.cancel(handle)
    (cancelled,) = server.made("cancel")
    assert cancelled.path.endswith("/batches/b1:cancel")
    server.finish(server.store.batches[0], "BATCH_STATE_CANCELLED", answered=["cell-1"])
    found = collected(gemini_batch, handle)
    assert isinstance(found["cell-1"], ProviderResult)
    assert "cancelled before" in str(found["cell-3"])


def test_lines_that_nobody_asked_for_are_passed_over(server: GeminiBatchServer) -> None:
    gemini_batch = provider(server)
    handle = gemini_batch.submit("batch-1", requests())
    server.finish(server.store.batches[0])
    answers = server.store.batches[0].answers
    server.store.files[answers] += b'{"response": {}}\nnothing\n' + server.store.files[answers]
    assert set(collected(gemini_batch, handle, ("cell-1",))) == {"cell-1"}


# --- Errors of the calls themselves --------------------------------------------------------------


@pytest.mark.parametrize(
    ("behaviour", "raised", "says"),
    [
        (batches.failing(400, "INVALID_ARGUMENT", "API key not valid"), Refused, "GEMINI_API_KEY"),
        (batches.failing(429, "RESOURCE_EXHAUSTED", "Too many batches"), Transient, "Too many batches"),
        (batches.failing(429, "RESOURCE_EXHAUSTED", "Quota, limit: 0, model: x"), Refused, "no quota"),
        (batches.failing(503, "UNAVAILABLE", "Overloaded"), Transient, "Overloaded"),
        (lambda call: Answer(200, {}, delay=2), Transient, "within 1 s"),
        (lambda call: Answer(200, b"<html>Sign in</html>"), Refused, "GEMINI_BASE_URL"),
    ],
)
def test_nothing_is_handed_in_where_the_vendor_cannot_be_asked(
    server: GeminiBatchServer, behaviour: Any, raised: type[ProviderError], says: str
) -> None:
    server.script([behaviour])
    with pytest.raises(raised, match=says):
        provider(server, timeout_seconds=1).submit("batch-1", requests())
    assert [call.what for call in server.calls] == ["list"], "asked once, and nothing made"


def test_a_failed_creation_leaves_no_batch_and_another_try_makes_one(server: GeminiBatchServer) -> None:
    server.script([*[server.well] * 3, batches.failing(503, "UNAVAILABLE", "Overloaded")])
    with pytest.raises(Transient, match="Overloaded"):
        provider(server).submit("batch-1", requests())
    assert server.store.batches == []
    assert provider(server).submit("batch-1", requests()).name == "batches/b1"


def test_a_batch_that_is_gone_is_final_and_a_lost_line_is_not(server: GeminiBatchServer) -> None:
    gemini_batch = provider(server)
    with pytest.raises(Refused, match="Batch not found"):
        gemini_batch.progress(BatchHandle("batch-1", "batches/gone"))
    handle = gemini_batch.submit("batch-1", requests())
    server.finish(server.store.batches[0])
    server.script([server.well, lambda call: Answer(200, None)])
    with pytest.raises(Transient, match="connection"):
        list(gemini_batch.collect(handle, CELLS))
    assert len(collected(gemini_batch, handle)) == 3


def test_what_the_model_does_not_take_hands_nothing_in(server: GeminiBatchServer) -> None:
    with pytest.raises(Refused, match="9K"):
        provider(server).submit("batch-1", requests(size="9K"))
    with pytest.raises(Refused, match="Set GEMINI_API_KEY"):
        provider(server, api_key="").submit("batch-1", requests())
    assert {call.what for call in server.calls} == {"list"}


def test_a_picture_of_18_mb_is_made_smaller_and_a_large_file_goes_in_parts(
    server: GeminiBatchServer,
) -> None:
    pictures = (large(), large(1200))
    cells = [ProviderRequest("x", [one], {}, f"cell-{number}") for number, one in enumerate(pictures)]
    assert len(pictures[0].read()) > 14_000_000 > len(pictures[1].read())
    provider(server).submit("batch-1", cells)
    (batch,) = server.store.batches
    sizes = [gemini.Call("", "", line["request"]).pictures[0].size for line in batch.lines]
    assert sizes == [(1600, 1333), (1200, 2000)]
    assert len(server.made("upload")) > 1, "8 MB a part, as the client cuts it"
