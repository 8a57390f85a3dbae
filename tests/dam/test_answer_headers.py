"""Headers of the API: what is left of a quota, tags and preconditions, pages of other sites."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings
from rest_framework.test import APIClient
from rest_framework.throttling import SimpleRateThrottle

from dam.models import Asset, Collection, CustomField, RenditionPreset, Tag
from generation.models import StyleSet
from tests.clients import api_of
from tests.factories import AssetFactory, CollectionFactory, SKUFactory, TagFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("space")]
API = "/api/v1"
SHOP = "https://shop.example.com"


@pytest.fixture
def api(administrator: User) -> APIClient:
    return api_of(administrator)


def test_every_answer_says_what_is_left(api: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
    rates = {**SimpleRateThrottle.THROTTLE_RATES, "user": "3/min", "anon": "1/hour", "provenance": "1/min"}
    for name, rate in rates.items():
        monkeypatch.setitem(SimpleRateThrottle.THROTTLE_RATES, name, rate)
    answers = [api.get(f"{API}/tags/"), api.get(f"{API}/tags/none/"), api.post(f"{API}/tags/", {})]
    assert [answer.status_code for answer in answers] == [200, 404, 400]
    assert {answer["RateLimit-Policy"] for answer in answers} == {'"user";q=3;w=60'}
    assert [answer["RateLimit"] for answer in answers] == [f'"user";r={left};t=60' for left in (2, 1, 0)]
    refused = api.get(f"{API}/tags/")
    assert (refused.status_code, refused["RateLimit"].partition(";t=")[0]) == (429, '"user";r=0')
    assert 0 < int(refused["Retry-After"]) <= 60
    assert refused["Content-Type"] == "application/problem+json"
    nobody = APIClient()
    both = nobody.post(f"{API}/provenance/")
    assert both["RateLimit-Policy"] == '"anon";q=1;w=3600, "user";q=3;w=60, "provenance";q=1;w=60'
    assert nobody.get(f"{API}/tags/").status_code == 429
    assert "RateLimit" not in Client().get("/health/live")


def test_what_is_refused_counts_and_says_so_too(stranger: User, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("user", "anon"):
        monkeypatch.setitem(SimpleRateThrottle.THROTTLE_RATES, name, "2/min")
    guessing = APIClient(headers={"Authorization": "Bearer atl_guess"})
    guesses = [guessing.get(f"{API}/tags/") for _number in range(3)]
    assert [answer.status_code for answer in guesses] == [401, 401, 429]
    assert [answer["RateLimit"].partition(";t=")[0] for answer in guesses] == [
        '"anon";r=1', '"anon";r=0', '"anon";r=0',
    ]  # fmt: skip
    assert guesses[0]["WWW-Authenticate"] and 0 < int(guesses[2]["Retry-After"]) <= 60
    assert {answer["Content-Type"] for answer in guesses} == {"application/problem+json"}
    client = api_of(stranger)
    refused = [client.post(f"{API}/webhooks/", {}) for _number in range(3)]
    assert [answer.status_code for answer in refused] == [403, 403, 429]
    assert refused[0]["RateLimit"] == '"user";r=1;t=60'


def test_a_copy_that_is_still_good_is_not_sent_again(api: APIClient) -> None:
    asset = AssetFactory(title="Coat")
    one, every = f"{API}/assets/{asset.public_id}/", f"{API}/assets/"
    for address in (one, every, f"{API}/tags/", f"{API}/rendition-presets/"):
        with CaptureQueriesContext(connection) as asked:
            etag = api.get(address)["ETag"]
        usual = len(asked)
        assert etag.startswith('"') and api.get(address)["ETag"] == etag
        with CaptureQueriesContext(connection) as asked_again:
            same = api.get(address, headers={"If-None-Match": f'"other", W/{etag}'})
        assert (same.status_code, same.content, same["ETag"]) == (304, b"", etag)
        assert "RateLimit" in same and 0 < len(asked_again) <= usual
    before = api.get(one)["ETag"]
    asset.tags.add(TagFactory())  # nothing of the asset's own row
    after = api.get(one, headers={"If-None-Match": before})
    assert after.status_code == 200 and after["ETag"] != before
    assert "ETag" not in api.get(f"{API}/search/?q=coat")


@pytest.mark.parametrize("sort", ["asset", "collection", "tag", "sku", "preset", "field", "style"])
def test_what_was_changed_meanwhile_is_neither_overwritten_nor_deleted(
    api: APIClient, administrator: User, sort: str
) -> None:
    address, change = _thing(sort, administrator)
    seen = api.get(address)["ETag"]
    with CaptureQueriesContext(connection) as asked:
        assert api.patch(address, change, format="json", headers={"If-Match": seen}).status_code == 200
    assert len(asked) < 60
    now = api.get(address)
    assert now["ETag"] != seen
    for late in (
        api.patch(address, {**change, **_other(change)}, format="json", headers={"If-Match": seen}),
        api.patch(address, {**change, **_other(change)}, format="json", headers={"If-Match": f"W/{seen}"}),
        api.delete(address, headers={"If-Match": f'{seen}, "other"'}),
    ):
        assert (late.status_code, late.json()["code"]) == (412, "changed")
        assert late["Content-Type"] == "application/problem+json"
    assert api.get(address)["ETag"] == now["ETag"]
    assert api.patch(address, _other(change), format="json", headers={"If-Match": "*"}).status_code == 200
    gone = api.get(address)["ETag"]
    assert api.delete(address, headers={"If-Match": f'"other", {gone}'}).status_code == 204
    assert api.get(address).status_code == 404


def _thing(sort: str, owner: User) -> tuple[str, dict[str, Any]]:
    if sort == "asset":
        return f"{API}/assets/{AssetFactory().public_id}/", {"title": "New"}
    if sort == "collection":
        return f"{API}/collections/{CollectionFactory(owner=owner).pk}/", {"name": "New"}
    if sort == "tag":
        return f"{API}/tags/{TagFactory().slug}/", {"label": "New"}
    if sort == "sku":
        return f"{API}/skus/{SKUFactory().code}/", {"name": "New"}
    if sort == "style":
        StyleSet.objects.create(slug="noir", name="Noir")
        return f"{API}/generation/styles/noir/", {"name": "New"}
    if sort == "field":
        CustomField.objects.create(slug="season", label="Season", type="text")
        return f"{API}/custom-fields/season/", {"label": "New"}
    preset = RenditionPreset.objects.create(slug="press", title="Press", width=40, height=40)
    return f"{API}/rendition-presets/{preset.slug}/", {"title": "New"}


def _other(change: dict[str, Any]) -> dict[str, Any]:
    return dict.fromkeys(change, "Newer")


def test_a_precondition_is_asked_of_those_who_may_change_it(stranger: User) -> None:
    asset = AssetFactory(title="Coat")
    client = api_of(stranger)
    address = f"{API}/assets/{asset.public_id}/"
    tag = client.get(address)["ETag"]
    for etag in (tag, '"other"'):
        refused = client.patch(address, {"title": "Mine"}, format="json", headers={"If-Match": etag})
        assert refused.status_code == 403
    assert Asset.objects.get().title == "Coat"


def _preflight(origin: str, method: str = "POST", path: str = f"{API}/collections/") -> Any:
    asked = {
        "Origin": origin,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": "authorization, content-type, idempotency-key, if-match",
    }
    return Client().options(path, headers=asked)


def _allowed(response: Any) -> list[str]:
    return [name for name in response.headers if name.lower().startswith("access-control-")]


def test_pages_of_other_sites_use_the_api_only_where_settings_name_them(settings: Settings) -> None:
    assert not _allowed(_preflight(SHOP))
    assert not _allowed(Client().get(f"{API}/assets/", headers={"Origin": SHOP}))
    settings.CORS_ALLOWED_ORIGINS = [SHOP]
    with CaptureQueriesContext(connection) as asked:
        before = _preflight(SHOP)
    assert (before.status_code, len(asked)) == (200, 0)
    assert before["Access-Control-Allow-Origin"] == SHOP
    for header in ("authorization", "idempotency-key", "if-match", "if-none-match", "tus-resumable"):
        assert header in before["Access-Control-Allow-Headers"]
    assert "PATCH" in before["Access-Control-Allow-Methods"]
    answer = Client().get(f"{API}/assets/", headers={"Origin": SHOP})
    assert (answer.status_code, answer["Access-Control-Allow-Origin"]) == (200, SHOP)
    for header in ("ETag", "RateLimit", "Retry-After", "Link", "Location", "Upload-Offset"):
        assert header in answer["Access-Control-Expose-Headers"]
    assert "Access-Control-Allow-Credentials" not in answer and "origin" in answer["Vary"]
    for elsewhere in (
        _preflight("https://elsewhere.example.com"),
        Client().get(f"{API}/assets/", headers={"Origin": "https://shop.example.com.evil.example"}),
        _preflight(SHOP, "GET", "/admin/login/"),
    ):
        assert not _allowed(elsewhere)
    assert not Collection.objects.exists() and not Tag.objects.exists()
