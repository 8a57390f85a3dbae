"""Encoders behind an API: the vendors' real clients against a server on loopback."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pytest
from PIL import Image

from search.encoders.base import EncoderError
from search.encoders.paid import Outage, PaidEncoder
from search.encoders.registry import get_encoder
from search.models import Spend, SpendAccount
from tests.search import vendor_server as vendor
from tests.search.vendor_server import KEY, VendorServer

pytestmark = pytest.mark.django_db
VENDORS = ("openai", "dashscope", "gemini")


@pytest.fixture
def server(vendors: VendorServer) -> VendorServer:
    return vendors


@pytest.fixture(params=VENDORS)
def encoder(request: pytest.FixtureRequest, server: VendorServer) -> PaidEncoder:
    found = get_encoder(request.param)
    assert isinstance(found, PaidEncoder)
    return found


def pictures(*colours: str) -> list[Image.Image]:
    return [Image.new("RGB", (64, 48), colour) for colour in colours]


def embedding_of(encoder: PaidEncoder) -> str:
    return encoder.space.encoder.partition(":")[0]


def test_pictures_and_texts_come_to_lie_in_one_space(encoder: PaidEncoder, server: VendorServer) -> None:
    many = ["red", "lime", "blue"] * 3
    vectors = encoder.encode_images(pictures(*many))
    assert vectors.shape == (9, encoder.space.dimension)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    texts = encoder.encode_texts(["something red", "something green", "something blue"])
    assert [int(place) for place in (texts @ vectors[:3].T).argmax(axis=1)] == [0, 1, 2]
    assert {call.key for call in server.calls} == {KEY}
    # Batches as the API takes them: 9 pictures are one call of 20, or two of 6; words are one call.
    calls = server.made(embedding_of(encoder))
    assert (
        sorted(len(call.items) for call in calls)
        == {
            "openai": [3, 9],
            "dashscope": [3, 9],
            "gemini": [3, 3, 6],
        }[embedding_of(encoder)]
    )
    # Query vectors are kept: the same words are not paid for again.
    before = len(server.calls)
    again = encoder.encode_texts(["something blue", "something red"])
    assert np.allclose(again, texts[[2, 0]])
    assert len(server.calls) == before


def test_openai_describes_each_picture_in_both_languages(server: VendorServer) -> None:
    get_encoder("openai").encode_images(pictures("red"))
    (call,) = server.made("describe")
    assert call.body["model"] == "gpt-5.4-mini"
    schema = call.body["response_format"]["json_schema"]["schema"]
    assert schema["required"] == ["alt_text", "alt_text_zh", "description", "description_zh"]
    assert "simplified Chinese" in call.body["messages"][0]["content"][0]["text"]
    (embedded,) = server.made("openai")
    assert embedded.body["model"] == "text-embedding-3-large"
    assert embedded.body["dimensions"] == 1536
    assert embedded.items[0].splitlines() == [
        "A red thing", "A plain red thing.", "一件red的东西", "一件素色的red东西。"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("behaviour", "sentence", "retry_after", "maybe_charged"),
    [
        (vendor.failing(429, "rate_limit", after=17), "rate limit", 17.0, False),
        (vendor.failing(503, "down"), "failed (", None, False),
        (vendor.failing(401, "InvalidApiKey"), "does not accept the key", None, False),
        (vendor.failing(404, "model_not_found"), "has no model", None, False),
        (vendor.slow(1.5), "did not answer in time", None, True),
        (vendor.hung_up, "cannot be reached", None, True),
        (vendor.other_page, "cannot be read", None, True),
        (vendor.one_too_few, "cannot be read", None, True),
    ],
)
def test_an_outage_says_what_to_do_and_nothing_of_the_key(
    encoder: PaidEncoder,
    server: VendorServer,
    settings: Any,
    caplog: pytest.LogCaptureFixture,
    behaviour: vendor.Behaviour,
    sentence: str,
    retry_after: float | None,
    maybe_charged: bool,
) -> None:
    if maybe_charged:
        settings.SEARCH_VENDOR_QUERY_SECONDS = 0.5
    server.always[embedding_of(encoder)] = behaviour
    with caplog.at_level(logging.INFO), pytest.raises(Outage) as caught:
        encoder.encode_texts(["a scarf"])
    assert sentence in str(caught.value)
    assert (caught.value.retry_after, caught.value.maybe_charged) == (retry_after, maybe_charged)
    told = [caught.value, caught.value.__cause__]
    assert KEY not in caplog.text + "".join(map(str, told))
    # Nobody waits for it again within half a minute: the same sentence comes at once.
    before = len(server.calls)
    with pytest.raises(Outage, match=r".") as again:
        encoder.encode_texts(["another scarf"])
    assert str(again.value) == str(caught.value)
    assert len(server.calls) == before


def test_vectors_of_another_dimension_are_no_vectors_but_paid_for(
    encoder: PaidEncoder, server: VendorServer
) -> None:
    server.always[embedding_of(encoder)] = vendor.short_vectors
    with pytest.raises(EncoderError, match=f"{encoder.space.dimension} were expected"):
        encoder.encode_images(pictures("red"))
    assert Spend.objects.filter(purpose="embed").count() == 1
    assert SpendAccount.objects.get().spent_micros == sum(Spend.objects.values_list("micros", flat=True))


def test_without_a_key_nobody_is_called(encoder: PaidEncoder, server: VendorServer, settings: Any) -> None:
    for name, value, sentence in (
        (encoder.key_setting, "", f"There is no key. Set {encoder.key_setting}"),
        (encoder.key_setting, "sk-a b", "characters that no key has"),
        (encoder.key_setting.replace("API_KEY", "BASE_URL"), "ftp://x", "no address"),
    ):
        kept = getattr(settings, name)
        setattr(settings, name, value)
        assert sentence in encoder.problem()
        with pytest.raises(Outage, match=r"key|address"):
            encoder.encode_images(pictures("red"))
        setattr(settings, name, kept)
    assert encoder.problem() == ""
    assert server.calls == []


def test_reaching_costs_nothing(encoder: PaidEncoder, server: VendorServer) -> None:
    encoder.reach()
    assert {call.what for call in server.calls} == {"other"}
    assert {call.key for call in server.calls} == {KEY}
    server.always["other"] = vendor.failing(401, "InvalidApiKey")
    with pytest.raises(Outage, match="does not accept the key"):
        encoder.reach()
    assert Spend.objects.count() == 0


@pytest.mark.parametrize(
    ("name", "code", "message", "sentence"),
    [
        ("insufficient_quota", "openai", "You exceeded your quota", "quota of the OpenAI account is used up"),
        ("Arrearage", "dashscope", "Overdue payment", "no credit left"),
        ("RESOURCE_EXHAUSTED", "gemini", "Quota exceeded, limit: 0", "Turn billing on"),
    ],
)
def test_an_account_without_money_is_said_to_be_one(
    server: VendorServer, name: str, code: str, message: str, sentence: str
) -> None:
    server.always[code] = vendor.failing(400 if name == "Arrearage" else 429, name, message)
    with pytest.raises(Outage, match=sentence):
        get_encoder(code).encode_texts(["a scarf"])


def test_words_that_name_a_file_are_words(server: VendorServer, tmp_path: Any) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("the family silver")
    for words in (str(secret), f"file://{secret}"):
        get_encoder("dashscope").encode_texts([words])
    assert {call.what for call in server.calls} == {"dashscope"}, "nothing was uploaded"
    assert [call.items[0].strip() for call in server.calls] == [str(secret), f"file://{secret}"]
    assert "family silver" not in str(server.calls)


def test_prices_have_a_date_and_a_source_and_can_be_set(settings: Any, server: VendorServer) -> None:
    for name in VENDORS:
        for price in get_encoder(name).prices:
            assert price.as_of >= "2026-01-01"
            assert price.source.startswith("https://")
    settings.SEARCH_PRICES = {"gemini-embedding-2": {"pictures": 45, "currency": "EUR"}}
    encoder = get_encoder("gemini")
    assert (encoder.prices[0].source, encoder.currency) == ("SEARCH_PRICES", "EUR")
    encoder.encode_images(pictures("red"))
    assert Spend.objects.get().micros == 258 * 45
    settings.SEARCH_PRICES = {"gemini-embedding-2": {"pictures": "dear"}}
    with pytest.raises(EncoderError, match="SEARCH_PRICES holds no numbers"):
        encoder.encode_images(pictures("red"))


def test_a_model_can_be_named_and_is_a_space_of_its_own(server: VendorServer) -> None:
    named = get_encoder("openai:gpt-5.4-nano/text-embedding-3-small")
    named.encode_images(pictures("red"))
    assert [call.body["model"] for call in server.calls] == ["gpt-5.4-nano", "text-embedding-3-small"]
    assert named.space.slug != get_encoder("openai").space.slug
    assert get_encoder(get_encoder("openai").space.encoder).space == get_encoder("openai").space


def test_calls_of_a_batch_run_side_by_side(server: VendorServer, settings: Any) -> None:
    import time

    settings.SEARCH_VENDOR_CALLS = 4
    server.always["describe"] = vendor.slow(0.4)
    started = time.perf_counter()
    get_encoder("openai").encode_images(pictures(*["red"] * 8))
    assert time.perf_counter() - started < 2.4, "one after the other they take 3.2 s"
    assert len(server.made("describe")) == 8
