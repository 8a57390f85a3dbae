"""The `vertex-tryon` provider: Google's real client and its real sign-in against a server on loopback."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from generation.providers.base import Blocked, ProviderRequest, Refused, Transient
from generation.providers.vertex_tryon import VertexTryOnProvider
from tests.generation import vertex_server as vertex
from tests.generation.inputs import colour_of, given, large
from tests.generation.vertex_server import VertexServer

if TYPE_CHECKING:
    from pytest_django.fixtures import SettingsWrapper

TRYON, PRODUCT = "virtual-try-on-001", "imagen-product-recontext-preview-06-30"


@pytest.fixture
def server() -> Iterator[VertexServer]:
    with VertexServer() as running:
        yield running


@pytest.fixture
def provider(
    server: VertexServer, settings: SettingsWrapper, tmp_path: Path
) -> Callable[..., VertexTryOnProvider]:
    """The provider with prices that were given, signed in with a service account."""
    settings.GENERATION_PRICES = {
        TRYON: {"picture": "0.06", "currency": "USD"},
        PRODUCT: {"picture": "0.12", "currency": "USD"},
    }
    key_file = server.key_file(tmp_path)

    def make(**changes: Any) -> VertexTryOnProvider:
        options = {
            "project": "studio",
            "location": "us-central1",
            "credentials": key_file,
            "base_url": server.url,
            "tryon_model": TRYON,
            "product_model": PRODUCT,
            "timeout_seconds": 10,
        }
        return VertexTryOnProvider(**{**options, **changes})

    return make


def request(*inputs: Any, **parameters: Any) -> ProviderRequest:
    pair = (given("model", "#ff0000", "Anna"), given("garment", "#0000ff", "Dress"))
    return ProviderRequest("On a beach.", list(inputs or pair), parameters, "cell-1")


def test_a_person_tries_a_garment_on(server: VertexServer, provider: Any) -> None:
    result = provider().generate(request())
    (call,) = server.calls
    assert (call.model, call.token) == (TRYON, vertex.TOKEN)
    assert "prompt" not in call.instance, (
        "types.RecontextImageSource.prompt: not supported for Virtual Try-On"
    )
    assert (call.person.size, [one.size for one in call.products]) == ((64, 48), [(64, 48)])
    assert call.parameters == {"sampleCount": 1, "outputOptions": {"mimeType": "image/png"}}
    red, green, blue = colour_of(result.image)
    assert abs(red - 127) < 12 and green < 12 and abs(blue - 127) < 12, "made of the red and the blue input"
    assert (result.mime, result.model, result.cost, result.currency) == (
        "image/png",
        TRYON,
        Decimal("0.06"),
        "USD",
    )


def test_views_of_a_product_are_put_where_the_prompt_says(server: VertexServer, provider: Any) -> None:
    views = [given("product", "#00ff00"), given("product", "#00ee00")]
    result = provider().generate(request(*views))
    (call,) = server.calls
    assert call.model == PRODUCT
    assert call.instance["prompt"] == "On a beach."
    assert "personImage" not in call.instance
    assert len(call.products) == 2
    assert (result.model, result.cost) == (PRODUCT, Decimal("0.12"))


def test_a_seed_turns_the_watermark_off_as_the_api_asks(server: VertexServer, provider: Any) -> None:
    provider().generate(request(seed=7))
    assert (server.calls[0].parameters["seed"], server.calls[0].parameters["addWatermark"]) == (7, False)
    with pytest.raises(Refused, match="seed"):
        provider().generate(request(seed=-1))
    assert len(server.calls) == 1


def test_a_picture_of_18_mb_becomes_a_jpeg_of_less_than_7(server: VertexServer, provider: Any) -> None:
    noise = large()
    person = given("model", "#ff0000")
    provider().generate(request(person, type(noise)("garment", noise.read, "image/png", "asset")))
    (sent,) = server.calls[0].products
    assert (sent.format, max(sent.size)) == ("JPEG", 2048)


@pytest.mark.parametrize("behaviour", [vertex.filtered, vertex.blocked_input])
def test_what_the_filters_stop_is_final(server: VertexServer, provider: Any, behaviour: Any) -> None:
    server.script([behaviour])
    with pytest.raises(Blocked, match="filters") as caught:
        provider().generate(request())
    assert caught.value.cost == 0
    assert len(server.calls) == 1


@pytest.mark.parametrize(
    ("behaviour", "says", "cost"),
    [(vertex.nothing, "without a picture", "0"), (vertex.damaged_picture, "damaged", "0.06")],
)
def test_no_usable_picture_is_refused_with_what_it_cost(
    server: VertexServer, provider: Any, behaviour: Any, says: str, cost: str
) -> None:
    server.script([behaviour])
    with pytest.raises(Refused, match=says) as caught:
        provider().generate(request())
    assert caught.value.cost == Decimal(cost)


@pytest.mark.parametrize(
    ("behaviour", "says", "wait"),
    [
        (
            vertex.failing(429, "RESOURCE_EXHAUSTED", "Quota exceeded for predict", Retry_After="9"),
            "Quota exceeded",
            9,
        ),
        (vertex.failing(503, "UNAVAILABLE", "The service is currently unavailable."), "unavailable", None),
        (vertex.slow(2), "within 1 s", None),
        (vertex.hung_up, "connection", None),
    ],
)
def test_what_passes_is_transient_and_called_once(
    server: VertexServer, provider: Any, behaviour: Any, says: str, wait: float | None
) -> None:
    server.script([behaviour])
    with pytest.raises(Transient, match=says) as caught:
        provider(timeout_seconds=1).generate(request())
    assert caught.value.retry_after == wait
    assert len(server.calls) == 1


def test_a_key_file_that_is_refused_or_missing_says_what_to_set(
    server: VertexServer, provider: Any, tmp_path: Path
) -> None:
    server.trusts_keys = False
    with pytest.raises(Refused, match=r"Invalid JWT Signature.*VERTEX_CREDENTIALS"):
        provider().generate(request())
    with pytest.raises(Refused, match="VERTEX_CREDENTIALS"):
        provider(credentials=str(tmp_path / "none.json")).generate(request())
    assert server.calls == []


def test_a_wrong_model_or_permission_is_final(server: VertexServer, provider: Any) -> None:
    server.script(
        [
            vertex.failing(404, "NOT_FOUND", "Publisher Model was not found"),
            vertex.failing(403, "PERMISSION_DENIED", "Permission aiplatform.endpoints.predict denied"),
        ]
    )
    with pytest.raises(Refused, match="VERTEX_TRYON_MODEL"):
        provider().generate(request())
    with pytest.raises(Refused, match=r"aiplatform\.endpoints\.predict denied"):
        provider().generate(request())


def test_pictures_that_make_no_request_never_leave_the_house(server: VertexServer, provider: Any) -> None:
    model, garment, product = (given(role, "#ffffff") for role in ("model", "garment", "product"))
    for inputs in ([model], [garment], [model, garment, garment], [model, product], [product] * 4):
        with pytest.raises(Refused, match="one model and one garment"):
            provider().generate(request(*inputs))
    assert server.calls == []


def test_without_a_project_or_a_price_it_says_what_to_set(
    server: VertexServer, provider: Any, settings: SettingsWrapper
) -> None:
    assert "Set VERTEX_PROJECT" in provider(project="").check()
    assert "VERTEX_BASE_URL is no address" in provider(base_url="proxy").check()
    assert provider().check() is None
    settings.GENERATION_PRICES = {TRYON: {"picture": "0.06"}}
    with pytest.raises(Refused, match=f"No price of {PRODUCT}"):
        provider().generate(request(given("product", "#ffffff")))
    settings.GENERATION_PRICES = {}
    assert f"No price of {TRYON} is known. Set GENERATION_PRICES" in provider().check()
    settings.GENERATION_PRICES = {TRYON: 0.06}
    assert f"No price of {TRYON} is known. Set GENERATION_PRICES" in provider().check()
    assert not provider().capability.price_known
    assert server.calls == []
