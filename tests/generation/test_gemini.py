"""The `gemini` provider: Google's real client against a server on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from io import BytesIO
from typing import Any

import pytest
from PIL import Image

from generation.providers.base import Blocked, ProviderInput, ProviderRequest, Refused, Transient
from generation.providers.gemini import GeminiProvider
from tests.generation import gemini_server as gemini
from tests.generation.gemini_server import GeminiServer
from tests.pictures import picture


@pytest.fixture
def server() -> Iterator[GeminiServer]:
    with GeminiServer() as running:
        yield running


def provider(server: GeminiServer, **changes: Any) -> GeminiProvider:
    options = {"api_key": "key-1", "base_url": server.url, "model": "gemini-3.1-flash-image"}
    return GeminiProvider(**{**options, "timeout_seconds": 10, **changes})


def given(role: str, colour: str, title: str = "") -> ProviderInput:
    content = picture(format="PNG", colour=colour)
    return ProviderInput(role, lambda: content, "image/png", "asset", title)


def request(**parameters: Any) -> ProviderRequest:
    inputs = [given("model", "#ff0000", "Anna"), given("garment", "#0000ff", "Blue dress")]
    return ProviderRequest("Anna wears the blue dress.", inputs, parameters, "cell-1")


def test_sends_every_input_after_its_role_and_returns_the_picture(server: GeminiServer) -> None:
    result = provider(server).generate(request(aspect_ratio="4:5", image_size="2K"))

    (call,) = server.calls
    assert call.path == "/v1/models/gemini-3.1-flash-image:generateContent"
    assert call.key == "key-1"
    assert call.texts == [
        "Picture 1, model: Anna",
        "Picture 2, garment: Blue dress",
        "Anna wears the blue dress.",
    ]
    assert [one.size for one in call.pictures] == [(64, 48), (64, 48)]
    assert call.body["generationConfig"]["imageConfig"] == {"aspectRatio": "4:5", "imageSize": "2K"}
    assert call.body["generationConfig"]["responseModalities"] == ["TEXT", "IMAGE"]
    with Image.open(BytesIO(result.image)) as made:
        red, green, blue = made.convert("RGB").getpixel((5, 5))
    assert abs(red - 127) < 12 and green < 12 and abs(blue - 127) < 12
    assert result.mime == "image/png"
    assert result.model == "gemini-3.1-flash-image"
    assert result.details["text"] == "Here it is."


def test_cost_counts_the_tokens_of_the_answer(server: GeminiServer) -> None:
    # 1,120 output tokens at 60 USD and 600 input tokens at 0.50 USD a million.
    assert provider(server).generate(request()).cost == Decimal("0.0675")


def test_takes_the_final_picture_where_drafts_came_before_it(server: GeminiServer) -> None:
    server.script([gemini.several])
    with Image.open(BytesIO(provider(server).generate(request()).image)) as made:
        assert made.size == (256, 256)


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [(gemini.blocked_prompt, "PROHIBITED_CONTENT"), (gemini.blocked_picture, "IMAGE_SAFETY")],
)
def test_a_block_is_final_and_says_why(server: GeminiServer, behaviour: Any, words: str) -> None:
    server.script([behaviour])
    with pytest.raises(Blocked, match=words):
        provider(server).generate(request())
    assert len(server.calls) == 1


def test_an_answer_in_words_is_quoted(server: GeminiServer) -> None:
    server.script([gemini.words_only])
    with pytest.raises(Refused, match="I would rather describe it"):
        provider(server).generate(request())


def test_an_answer_without_candidates_is_refused(server: GeminiServer) -> None:
    server.script([gemini.no_candidates])
    with pytest.raises(Refused, match="without a result"):
        provider(server).generate(request())


def test_rate_limit_is_transient_with_the_wait_asked_for(server: GeminiServer) -> None:
    server.script([gemini.exhausted("12.5s")])
    with pytest.raises(Transient) as caught:
        provider(server).generate(request())
    assert caught.value.retry_after == 12.5
    assert len(server.calls) == 1, "the client itself must not retry: the queue does"


@pytest.mark.parametrize("code", [500, 503])
def test_server_errors_are_transient_and_called_once(server: GeminiServer, code: int) -> None:
    server.script([gemini.failing(code, "INTERNAL", "Something broke")])
    with pytest.raises(Transient, match="Something broke"):
        provider(server).generate(request())
    assert len(server.calls) == 1


def test_a_slow_answer_is_transient(server: GeminiServer) -> None:
    server.script([gemini.slow(3)])
    with pytest.raises(Transient, match="did not answer within 1 s"):
        provider(server, timeout_seconds=1).generate(request())


def test_a_lost_server_is_transient() -> None:
    with GeminiServer() as gone:
        pass
    with pytest.raises(Transient, match="connection"):
        provider(gone).generate(request())


def test_a_damaged_picture_is_transient(server: GeminiServer) -> None:
    server.script([gemini.damaged_picture])
    with pytest.raises(Transient, match="damaged"):
        provider(server).generate(request())


@pytest.mark.parametrize(
    ("behaviour", "advice"),
    [
        (gemini.failing(403, "PERMISSION_DENIED", "No"), "GEMINI_API_KEY"),
        (gemini.failing(400, "INVALID_ARGUMENT", "API key not valid"), "GEMINI_API_KEY"),
        (gemini.failing(404, "NOT_FOUND", "models/x is not found"), "GEMINI_IMAGE_MODEL"),
        (gemini.failing(400, "INVALID_ARGUMENT", "Bad aspect"), "Bad aspect"),
    ],
)
def test_a_wrong_configuration_says_what_to_set(server: GeminiServer, behaviour: Any, advice: str) -> None:
    server.script([behaviour])
    with pytest.raises(Refused, match=advice):
        provider(server).generate(request())


def test_without_a_key_nothing_is_called(server: GeminiServer) -> None:
    keyless = provider(server, api_key="")
    assert "GEMINI_API_KEY" in (keyless.check() or "")
    with pytest.raises(Refused, match="GEMINI_API_KEY"):
        keyless.generate(request())
    assert server.calls == []


def test_an_unknown_aspect_ratio_never_leaves_the_house(server: GeminiServer) -> None:
    with pytest.raises(Refused, match="7:1"):
        provider(server).generate(request(aspect_ratio="7:1"))
    assert server.calls == []


def test_large_inputs_are_made_smaller_before_they_are_sent(server: GeminiServer) -> None:
    noise = Image.effect_noise((3000, 2600), 120).convert("RGB")
    content = BytesIO()
    noise.save(content, "PNG")
    large = ProviderInput("scene", content.getvalue, "image/png", "asset", "Noise")
    provider(server).generate(ProviderRequest("x", [large, large], {}, "cell-2"))
    assert max(server.calls[0].pictures[0].size) == 1280
