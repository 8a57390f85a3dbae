"""The `openai-images` provider: OpenAI's real client against a server on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from generation.providers.base import Blocked, ProviderRequest, Refused, Transient
from generation.providers.openai_images import OpenAIImagesProvider
from tests.generation import openai_server as openai
from tests.generation.inputs import colour_of, given, large, mask
from tests.generation.openai_server import KEY, OpenAIServer

if TYPE_CHECKING:
    from pytest_django.fixtures import SettingsWrapper


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer() as running:
        yield running


def provider(server: OpenAIServer, **changes: Any) -> OpenAIImagesProvider:
    options = {
        "api_key": KEY,
        "base_url": f"{server.url}/v1",
        "model": "gpt-image-2",
        "timeout_seconds": 10,
    }
    return OpenAIImagesProvider(**{**options, **changes})


def request(masked: Any = None, **parameters: Any) -> ProviderRequest:
    inputs = [given("model", "#ff0000", "Anna", "安娜"), given("garment", "#0000ff", "Blue dress", "蓝裙")]
    return ProviderRequest("Anna wears the blue dress.", inputs, parameters, "cell-1", masked)


def test_sends_every_input_in_its_order_and_returns_the_picture(server: OpenAIServer) -> None:
    result = provider(server).generate(request(aspect_ratio="2:3", quality="high", background="transparent"))

    (call,) = server.calls
    assert call.key == KEY
    assert [(name, mime) for name, mime, _data in call.files] == [("image[]", "image/png")] * 2
    means = [one.convert("RGB").resize((1, 1)).getpixel((0, 0)) for one in call.pictures]
    assert [red > blue for red, _green, blue in means] == [True, False]
    assert dict(call.fields) == {
        "model": "gpt-image-2",
        "prompt": "Anna wears the blue dress.",
        "size": "1024x1536",
        "quality": "high",
        "background": "transparent",
        "output_format": "png",
        "n": "1",
    }
    red, green, blue = colour_of(result.image)
    assert abs(red - 127) < 12 and green < 12 and abs(blue - 127) < 12, "made of the red and the blue input"
    assert (result.mime, result.model, result.currency) == ("image/png", "gpt-image-2", "USD")
    # 1,756 tokens of picture at 30 USD, 1,000 of pictures in at 8, 20 of words in at 5, each a million.
    assert result.cost == Decimal("0.06078")
    assert result.details["size"] == "1024x1536"


def test_a_mask_goes_along_as_large_as_the_first_picture_and_keeps_its_transparency(
    server: OpenAIServer,
) -> None:
    provider(server).generate(request(mask()))
    sent = server.calls[0].mask
    assert sent is not None
    assert (sent.format, sent.mode, sent.size) == ("PNG", "RGBA", (64, 48))
    assert (sent.getpixel((5, 5))[3], sent.getpixel((60, 40))[3]) == (0, 255)


def test_cost_without_a_count_is_the_forecast(server: OpenAIServer) -> None:
    server.script([openai.uncounted])
    gpt = provider(server)
    assert gpt.generate(request(quality="high")).cost == gpt.price({"quality": "high"}) == Decimal("0.21072")


def test_what_is_stopped_by_moderation_is_final(server: OpenAIServer) -> None:
    server.script([openai.moderated("input", "sexual"), openai.moderated("output", "violence")])
    for category in ("sexual", "violence"):
        with pytest.raises(Blocked, match=rf"moderation stopped it: .*\[{category}\]"):
            provider(server).generate(request())
    server.script([openai.failing(400, "content_policy_violation", "Not allowed by our safety system.")])
    with pytest.raises(Blocked, match="safety system"):
        provider(server).generate(request())
    assert len(server.calls) == 3


@pytest.mark.parametrize(
    ("behaviour", "says", "cost"),
    [
        (openai.pictureless, "without a picture", "0"),
        (openai.damaged_picture, "damaged", "0.05268"),
        (openai.damaged_base64, "damaged", "0.05268"),
    ],
)
def test_no_usable_picture_is_refused_with_what_it_cost(
    server: OpenAIServer, behaviour: Any, says: str, cost: str
) -> None:
    server.script([behaviour])
    with pytest.raises(Refused, match=says) as caught:
        provider(server).generate(request())
    assert caught.value.cost == Decimal(cost)


def test_rate_limit_is_transient_with_the_wait_asked_for(server: OpenAIServer) -> None:
    server.script([openai.failing(429, "rate_limit_exceeded", "Limit 5 images/min.", retry_after="12")])
    with pytest.raises(Transient, match="Limit 5 images/min") as caught:
        provider(server).generate(request())
    assert caught.value.retry_after == 12
    assert not caught.value.maybe_charged
    assert len(server.calls) == 1, "the client itself must not retry: the queue does"


@pytest.mark.parametrize(
    "behaviour",
    [
        openai.failing(429, "insufficient_quota", "You exceeded your current quota."),
        openai.failing(400, "billing_hard_limit_reached", "Billing hard limit has been reached."),
    ],
)
def test_an_account_without_money_is_final(server: OpenAIServer, behaviour: Any) -> None:
    server.script([behaviour])
    with pytest.raises(Refused, match="no quota for gpt-image-2"):
        provider(server).generate(request())


@pytest.mark.parametrize("code", [500, 502, 503])
def test_server_errors_are_transient_and_called_once(server: OpenAIServer, code: int) -> None:
    server.script([openai.failing(code, None, "The server had an error")])
    with pytest.raises(Transient, match="The server had an error"):
        provider(server).generate(request())
    assert len(server.calls) == 1


def test_no_answer_is_transient_and_perhaps_charged(server: OpenAIServer) -> None:
    server.script([openai.slow(2), openai.hung_up])
    with pytest.raises(Transient, match="did not answer within 1 s") as slow:
        provider(server, timeout_seconds=1).generate(request())
    with pytest.raises(Transient, match="connection") as broken:
        provider(server).generate(request())
    assert slow.value.maybe_charged and broken.value.maybe_charged
    with OpenAIServer() as gone:
        pass
    with pytest.raises(Transient, match="connection") as unmade:
        provider(gone).generate(request())
    assert not unmade.value.maybe_charged


@pytest.mark.parametrize(
    ("behaviour", "advice"),
    [
        (openai.failing(403, None, "Your organization must be verified"), "OPENAI_API_KEY"),
        (openai.failing(404, "model_not_found", "The model does not exist"), "OPENAI_IMAGE_MODEL"),
        (openai.failing(400, "invalid_value", "Invalid size"), r"\(400\): Invalid size\.$"),
        (openai.other_page, r"127\.0\.0\.1:\d+ does not speak the API of OpenAI.*OPENAI_BASE_URL"),
    ],
)
def test_a_wrong_configuration_says_what_to_set(server: OpenAIServer, behaviour: Any, advice: str) -> None:
    server.script([behaviour])
    with pytest.raises(Refused, match=advice):
        provider(server).generate(request())


def test_a_wrong_key_is_named_and_not_shown(server: OpenAIServer) -> None:
    with pytest.raises(Refused, match=r"does not accept the key.*Check OPENAI_API_KEY") as caught:
        provider(server, api_key="sk-wrong-key").generate(request())
    assert "sk-wrong-key" not in str(caught.value)


@pytest.mark.parametrize(
    ("wrong", "advice"),
    [
        ({"api_key": ""}, "Set OPENAI_API_KEY"),
        ({"api_key": "…"}, "characters that no key has"),
        ({"base_url": "my-proxy"}, "OPENAI_BASE_URL is no address: “my-proxy”"),
        (
            {"model": "gpt-image-2.6-sunburst"},
            "No price of gpt-image-2.6-sunburst is known. Set GENERATION_PRICES",
        ),
        ({"model": "gpt-image-9"}, "No price of gpt-image-9 is known"),
    ],
)
def test_what_is_missing_is_said_before_anything_is_called(
    server: OpenAIServer, wrong: dict[str, str], advice: str
) -> None:
    misconfigured = provider(server, **wrong)
    assert advice in (misconfigured.check() or "")
    with pytest.raises(Refused):
        misconfigured.generate(request())
    assert server.calls == []


def test_a_price_that_is_given_makes_a_model_usable(server: OpenAIServer, settings: SettingsWrapper) -> None:
    settings.GENERATION_PRICES = {"gpt-image-2.6-sunburst": {"picture": "0.07", "currency": "USD"}}
    newer = provider(server, model="gpt-image-2.6-sunburst")
    assert newer.check() is None
    assert newer.capability.price_source == "GENERATION_PRICES"
    assert "xhigh" in newer.capability.qualities
    assert newer.generate(request(quality="max")).cost == Decimal("0.07")
    assert server.calls[0].fields["quality"] == "max"


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ({"aspect_ratio": "7:1"}, "7:1"),
        ({"size": "9K"}, "9K"),
        ({"quality": "best"}, "best"),
        ({"quality": "low"}, "No price"),  # of a square of low quality none was published
        ({"background": "blue"}, "blue"),
    ],
)
def test_what_the_api_does_not_take_never_leaves_the_house(
    server: OpenAIServer, asked: dict[str, str], named: str
) -> None:
    with pytest.raises(Refused, match=named):
        provider(server).generate(request(**asked))
    with pytest.raises(Refused, match="nothing could change"):
        provider(server).generate(request(mask(transparent=False)))
    with pytest.raises(Refused, match="at least one"):
        provider(server).generate(ProviderRequest("x", [], {}, "cell-2"))
    assert server.calls == []


def test_a_picture_of_18_mb_goes_as_it_is_and_three_are_made_smaller(server: OpenAIServer) -> None:
    noise = large()
    gpt = provider(server)
    gpt.generate(ProviderRequest("x", [noise], {}, "cell-1"))
    gpt.generate(ProviderRequest("x", [noise] * 3, {}, "cell-2"))
    assert [[max(one.size) for one in call.pictures] for call in server.calls] == [[2400], [1600] * 3]
    assert {mime for _name, mime, _data in server.calls[1].files} == {"image/webp"}
    assert sum(len(data) for _name, _mime, data in server.calls[1].files) < 45_000_000
