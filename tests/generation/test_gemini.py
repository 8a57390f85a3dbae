"""The `gemini` provider: Google's real client against a server on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from generation.providers.base import Blocked, ProviderRequest, Refused, Transient
from generation.providers.gemini import GeminiProvider
from tests.generation import gemini_server as gemini
from tests.generation.gemini_server import GeminiServer
from tests.generation.inputs import colour_of, given, large

MODEL = "gemini-nano-banana-2.1"


@pytest.fixture
def server() -> Iterator[GeminiServer]:
    with GeminiServer() as running:
        yield running


def provider(server: GeminiServer, **changes: Any) -> GeminiProvider:
    options = {"api_key": "key-1", "base_url": server.url, "model": MODEL, "timeout_seconds": 10}
    return GeminiProvider(**{**options, **changes})


def request(**parameters: Any) -> ProviderRequest:
    inputs = [given("model", "#ff0000", "Anna", "安娜"), given("garment", "#0000ff", "Blue dress", "蓝裙")]
    return ProviderRequest("Anna wears the blue dress.", inputs, parameters, "cell-1")


def test_sends_every_input_after_its_role_and_returns_the_picture(server: GeminiServer) -> None:
    result = provider(server).generate(request(aspect_ratio="4:5", size="2K", seed=7))

    (call,) = server.calls
    assert call.model == MODEL
    assert call.key == "key-1"
    assert call.texts == [
        "Picture 1, model: Anna",
        "Picture 2, garment: Blue dress",
        "Anna wears the blue dress.",
    ]
    assert [one.size for one in call.pictures] == [(64, 48), (64, 48)]
    assert call.config["imageConfig"] == {"aspectRatio": "4:5", "imageSize": "2K"}
    assert call.config["responseModalities"] == ["TEXT", "IMAGE"]
    assert call.config["seed"] == 7
    red, green, blue = colour_of(result.image)
    assert abs(red - 127) < 12 and green < 12 and abs(blue - 127) < 12, "made of the red and the blue input"
    assert (result.mime, result.model, result.currency) == ("image/png", MODEL, "USD")
    assert result.details["text"] == "Here it is."
    assert result.details["response_id"] == "answer-1"


def test_numbers_the_pictures_as_a_chinese_prompt_does(server: GeminiServer) -> None:
    provider(server).generate(request(language="zh"))
    assert server.calls[0].texts[:2] == ["图1：安娜", "图2：蓝裙"]


def test_the_environment_does_not_turn_it_into_vertex(
    server: GeminiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOGLE_GENAI_USE_VERTEXAI", "true")
    monkeypatch.setenv("GOOGLE_API_KEY", "another")
    provider(server).generate(request())
    assert (server.calls[0].model, server.calls[0].key) == (MODEL, "key-1")


# --- Answers with a picture ----------------------------------------------------------------------


def test_drafts_of_a_thinking_model_are_not_the_picture(server: GeminiServer) -> None:
    server.script([gemini.thinking])
    result = provider(server).generate(request())
    assert colour_of(result.image) != (0, 0, 0)
    assert result.details["text"] == ""
    assert result.details["thought_signature"] == "c2lnbmF0dXJl"
    # 1,120 tokens of picture at 30 USD, 200 of thoughts at 7.50, 600 in at 1.50, each a million.
    assert result.cost == Decimal("0.0360")


def test_of_several_pictures_the_first_is_taken_and_all_are_counted(server: GeminiServer) -> None:
    server.script([gemini.several])
    result = provider(server).generate(request())
    assert colour_of(result.image) != (0, 0, 0)
    assert result.details["pictures"] == 2


def test_cost_without_details_counts_the_picture_and_what_went_in(server: GeminiServer) -> None:
    # 1,120 tokens of picture at 30 USD and 600 in at 1.50.
    assert provider(server).generate(request()).cost == Decimal("0.0345")


def test_cost_without_any_count_is_the_table_s(server: GeminiServer) -> None:
    server.script([gemini.uncounted])
    assert provider(server).generate(request()).cost == Decimal("0.0336")


# --- Answers without one -------------------------------------------------------------------------


def test_a_blocked_prompt_is_final_and_says_why(server: GeminiServer) -> None:
    server.script([gemini.blocked_prompt])
    with pytest.raises(Blocked, match="refused the request: PROHIBITED_CONTENT"):
        provider(server).generate(request())
    assert len(server.calls) == 1


@pytest.mark.parametrize(
    ("reason", "meaning"),
    [
        ("SAFETY", "safety policies"),
        ("PROHIBITED_CONTENT", "prohibited content"),
        ("RECITATION", "protected work"),
        ("BLOCKLIST", "blocklist"),
        ("SPII", "personal data"),
        ("IMAGE_SAFETY", "the picture may break the safety policies"),
        ("IMAGE_PROHIBITED_CONTENT", "the picture may show prohibited content"),
        ("IMAGE_RECITATION", "the picture may copy a protected work"),
    ],
)
def test_a_filtered_picture_is_blocked(server: GeminiServer, reason: str, meaning: str) -> None:
    server.script([gemini.finished_with(reason)])
    with pytest.raises(Blocked, match=rf"{meaning} \({reason}\)") as caught:
        provider(server).generate(request())
    assert caught.value.cost == Decimal("0.0009"), "what went in is charged"


@pytest.mark.parametrize("reason", ["NO_IMAGE", "IMAGE_OTHER", "MAX_TOKENS", "A_REASON_OF_TOMORROW"])
@pytest.mark.filterwarnings("ignore:.*is not a valid FinishReason")
def test_no_picture_for_other_reasons_is_refused(server: GeminiServer, reason: str) -> None:
    server.script([gemini.finished_with(reason)])
    with pytest.raises(Refused, match=reason):
        provider(server).generate(request())


def test_an_answer_in_words_is_quoted_and_its_cost_is_told(server: GeminiServer) -> None:
    server.script([gemini.words_only])
    with pytest.raises(Refused, match="It said: “I would rather describe it") as caught:
        provider(server).generate(request())
    assert caught.value.cost == Decimal("0.0012")


def test_an_answer_without_candidates_is_refused(server: GeminiServer) -> None:
    server.script([gemini.no_candidates])
    with pytest.raises(Refused, match="without a result"):
        provider(server).generate(request())


@pytest.mark.parametrize("behaviour", [gemini.damaged_picture, gemini.damaged_base64])
def test_a_damaged_picture_was_paid_and_is_not_bought_again(server: GeminiServer, behaviour: Any) -> None:
    server.script([behaviour])
    with pytest.raises(Refused, match="damaged") as caught:
        provider(server).generate(request())
    assert caught.value.cost > 0


# --- Errors --------------------------------------------------------------------------------------


def test_rate_limit_is_transient_with_the_wait_asked_for(server: GeminiServer) -> None:
    server.script([gemini.exhausted("12.5s")])
    with pytest.raises(Transient, match="exceeded your current quota") as caught:
        provider(server).generate(request())
    assert caught.value.retry_after == 12.5
    assert len(server.calls) == 1, "the client itself must not retry: the queue does"


def test_rate_limit_of_a_proxy_is_transient_with_its_retry_after(server: GeminiServer) -> None:
    server.script([gemini.throttled_by_proxy(7)])
    with pytest.raises(Transient) as caught:
        provider(server).generate(request())
    assert caught.value.retry_after == 7


def test_a_key_without_quota_is_final(server: GeminiServer) -> None:
    server.script([gemini.exhausted("3600s", "Quota exceeded for metric: requests, limit: 0, model: x")])
    with pytest.raises(Refused, match=r"no quota .* Turn billing on"):
        provider(server).generate(request())


@pytest.mark.parametrize("code", [500, 503])
def test_server_errors_are_transient_and_called_once(server: GeminiServer, code: int) -> None:
    server.script([gemini.failing(code, "INTERNAL", "Something broke")])
    with pytest.raises(Transient, match="Something broke"):
        provider(server).generate(request())
    assert len(server.calls) == 1


def test_a_slow_answer_is_transient(server: GeminiServer) -> None:
    server.script([gemini.slow(2)])
    with pytest.raises(Transient, match="did not answer within 1 s") as caught:
        provider(server, timeout_seconds=1).generate(request())
    assert caught.value.maybe_charged


def test_a_server_that_hangs_up_is_transient(server: GeminiServer) -> None:
    server.script([gemini.hung_up])
    with pytest.raises(Transient, match="connection"):
        provider(server).generate(request())


def test_a_lost_server_is_transient() -> None:
    with GeminiServer() as gone:
        pass
    with pytest.raises(Transient, match="connection") as caught:
        provider(gone).generate(request())
    assert not caught.value.maybe_charged


def test_something_else_at_the_address_is_named(server: GeminiServer) -> None:
    server.script([gemini.other_page])
    with pytest.raises(Refused, match=r"127\.0\.0\.1:\d+ does not speak the API of Gemini"):
        provider(server).generate(request())


@pytest.mark.parametrize(
    ("behaviour", "advice"),
    [
        (gemini.failing(401, "UNAUTHENTICATED", "No credentials"), "GEMINI_API_KEY"),
        (gemini.failing(403, "PERMISSION_DENIED", "No"), "GEMINI_API_KEY"),
        (gemini.failing(400, "INVALID_ARGUMENT", "API key not valid"), "GEMINI_API_KEY"),
        (gemini.failing(404, "NOT_FOUND", "models/x is not found"), "GEMINI_IMAGE_MODEL"),
        (gemini.failing(400, "INVALID_ARGUMENT", "Bad aspect"), r"\(400\): Bad aspect\.$"),
    ],
)
def test_a_wrong_configuration_says_what_to_set(server: GeminiServer, behaviour: Any, advice: str) -> None:
    server.script([behaviour])
    with pytest.raises(Refused, match=advice):
        provider(server).generate(request())


@pytest.mark.parametrize(
    ("wrong", "advice"),
    [
        ({"api_key": ""}, "Set GEMINI_API_KEY"),
        ({"api_key": "…"}, "characters that no key has"),
        ({"base_url": "my-proxy"}, "GEMINI_BASE_URL is no address: “my-proxy”"),
    ],
)
def test_what_is_missing_is_said_before_anything_is_called(
    server: GeminiServer, wrong: dict[str, str], advice: str
) -> None:
    misconfigured = provider(server, **wrong)
    assert advice in (misconfigured.check() or "")
    with pytest.raises(Refused, match=advice):
        misconfigured.generate(request())
    assert server.calls == []


# --- Requests ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        ({"aspect_ratio": "7:1"}, "7:1"),
        ({"size": "9K"}, "9K"),
        ({"seed": "a few"}, "seed"),
        ({"seed": -1}, "seed"),
    ],
)
def test_what_the_api_does_not_take_never_leaves_the_house(
    server: GeminiServer, parameters: dict[str, str], named: str
) -> None:
    with pytest.raises(Refused, match=named):
        provider(server).generate(request(**parameters))
    assert server.calls == []


def test_a_model_of_one_size_is_not_asked_for_a_size(server: GeminiServer) -> None:
    provider(server, model="gemini-3.1-flash-lite-image").generate(request(size="1K", aspect_ratio="1:1"))
    assert server.calls[0].config["imageConfig"] == {"aspectRatio": "1:1"}


def test_inputs_over_the_limit_of_a_request_are_made_smaller_and_keep_their_alpha(
    server: GeminiServer,
) -> None:
    noise = large()
    provider(server).generate(ProviderRequest("x", [noise], {}, "cell-2"))

    (call,) = server.calls
    assert len(noise.read()) > 14_000_000
    assert [(one.mode, max(one.size)) for one in call.pictures] == [("RGBA", 1600)]
    assert len(str(call.body)) < 20_000_000
