"""Signed links: they open one file without a login, for a time, and nothing else."""

from __future__ import annotations

import re
import time
from datetime import date, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from pytest_django import Settings
from rest_framework.test import APIClient

from dam import editing, presets
from dam.models import Asset, AssetState, AuditEntry, RenditionPreset
from tests.factories import AssetFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("space")]
HOUR = 3600


@pytest.fixture
def preset() -> RenditionPreset:
    row = RenditionPreset(slug="card", width=200, height=200, fit="cover")
    presets.save(row, actor=None)
    return row


def ask(api: APIClient, asset: Asset, **body: Any) -> Any:
    return api.post(f"/api/v1/assets/{asset.public_id}/links/", body, format="json")


def link(api: APIClient, asset: Asset, **body: Any) -> str:
    response = ask(api, asset, **body)
    assert response.status_code == 201, response.json()
    return str(response.json()["url"])


def draft(**known: Any) -> Asset:
    return AssetFactory(state=AssetState.DRAFT, picture__size=(600, 300), **known)


def seconds(header: str, name: str) -> int:
    found = re.search(rf"\b{name}=(\d+)", header)
    assert found
    return int(found[1])


def later(monkeypatch: pytest.MonkeyPatch, passed: float) -> None:
    now = time.time() + passed
    monkeypatch.setattr("dam.links.time.time", lambda: now)


@pytest.mark.usefixtures("preset")
@pytest.mark.parametrize("what", ["card", "web", "original"])
def test_a_link_opens_without_a_login_until_it_expires(
    what: str, staff_api: APIClient, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    asset = draft()
    address = link(staff_api, asset, preset=what, expires_in=HOUR)
    assert client.get(address.split("?")[0]).status_code == 404
    response = client.get(address)
    assert response.status_code == 200
    assert response["Cache-Control"].startswith("public")
    assert HOUR - 5 <= seconds(response["Cache-Control"], "max-age") <= HOUR
    later(monkeypatch, HOUR + 1)
    over = client.get(address)
    assert over.status_code == 410
    assert over["Content-Type"] == "application/problem+json"
    assert over["Cache-Control"] == "no-store"
    assert over.json()["code"] == "expired"


def test_a_changed_address_is_refused_to_everybody(
    staff_api: APIClient, client: Client, preset: RenditionPreset, editor: User
) -> None:
    asset, other = draft(), draft()
    address = link(staff_api, asset, preset="card", expires_in=HOUR)
    expires = re.search(r"expires=(\d+)", address)
    assert expires
    client.force_login(editor)
    for changed in (
        address.replace(expires[1], str(int(expires[1]) + 1)),
        address[:-1] + ("A" if address[-1] != "A" else "B"),
        address.replace(str(asset.public_id), str(other.public_id)),
        address.replace("/card/", "/web/"),
        address.split("&")[0],
        address.replace(f"expires={expires[1]}", "expires=never"),
        re.sub(r"expires=\d+&", "", address),
    ):
        response = client.get(changed)
        assert response.status_code == 403, changed
        assert response.json()["code"] == "tampered"


def test_old_keys_stay_valid_while_they_are_named(
    staff_api: APIClient, client: Client, settings: Settings
) -> None:
    asset = draft()
    address = link(staff_api, asset, preset="web")
    old, settings.SECRET_KEY = settings.SECRET_KEY, "another key, long enough to be one"
    settings.SECRET_KEY_FALLBACKS = [old]
    assert client.get(address).status_code == 200
    settings.SECRET_KEY_FALLBACKS = []
    assert client.get(address).status_code == 403


def test_what_was_thrown_away_or_ran_out_is_served_to_nobody(staff_api: APIClient, client: Client) -> None:
    asset = AssetFactory()
    address = link(staff_api, asset, preset="web")
    editing.update_assets([asset], actor=None, changes={"rights_expire_on": date(2020, 1, 1)})
    gone = client.get(address)
    assert gone.status_code == 410
    assert gone.json()["code"] == "withdrawn"
    assert "The rights ran out" in gone.json()["detail"]
    editing.update_assets([asset], actor=None, changes={"rights_expire_on": None})
    assert client.get(address).status_code == 200
    editing.trash([asset], actor=None)
    assert client.get(address).status_code == 410


@pytest.mark.parametrize("state", [AssetState.REJECTED, AssetState.ARCHIVED])
def test_what_was_rejected_or_archived_is_served_to_nobody_until_it_comes_back(
    staff_api: APIClient, client: Client, state: AssetState
) -> None:
    asset = draft()
    address = link(staff_api, asset, expires_in=30 * 24 * HOUR)
    assert client.get(address).status_code == 200
    editing.set_state([asset], actor=None, state=state)
    gone, refused = client.get(address), ask(staff_api, asset, preset="web")
    said = "The asset was rejected or archived."
    assert (gone.status_code, gone.json()["code"], gone.json()["detail"]) == (410, "withdrawn", said)
    assert (refused.status_code, refused.json()["detail"]) == (409, said)
    editing.set_state([asset], actor=None, state=AssetState.DRAFT)
    assert client.get(address).status_code == 200


def test_caches_keep_nothing_longer_than_the_rights_last(staff_api: APIClient, client: Client) -> None:
    tomorrow = timezone.localdate() + timedelta(days=1)
    asset = AssetFactory(rights_expire_on=tomorrow)
    address = link(staff_api, asset, preset="web", expires_in=30 * 24 * HOUR)
    for there in (address, address.split("?")[0]):
        cached = client.get(there)["Cache-Control"]
        assert 24 * HOUR <= seconds(cached, "max-age") <= 48 * HOUR
        assert seconds(cached, "s-maxage") <= 24 * HOUR


def test_a_link_follows_its_preset(staff_api: APIClient, client: Client, preset: RenditionPreset) -> None:
    asset = draft()
    address = link(staff_api, asset, preset="card")
    editing.update_assets([asset], actor=None, changes={"focal_x": 0.1})
    preset.format = "avif"
    presets.save(preset, actor=None)
    response = client.get(address, follow=True)
    assert response.status_code == 200
    assert response["Content-Type"] == "image/avif"
    assert len(response.redirect_chain) == 1


def test_who_may_give_links(api: APIClient, stranger: User, editor: User) -> None:
    approved, own = AssetFactory(), draft(owner=stranger)
    assert ask(api, approved, preset="web").status_code in (401, 403)
    api.force_authenticate(stranger)
    assert ask(api, approved, preset="web").status_code == 403
    assert ask(api, own, preset="web").status_code == 201
    api.force_authenticate(editor)
    assert ask(api, approved).status_code == 201
    entry = AuditEntry.objects.filter(action="asset.linked", actor=editor).get()
    assert entry.details["preset"] == "original"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"preset": "poster"}, "preset"),
        ({"expires_in": 5}, "expires_in"),
        ({"expires_in": 10**10}, "expires_in"),
        ({"expires_in": "soon"}, "expires_in"),
    ],
)
def test_bad_requests_are_named(staff_api: APIClient, body: dict[str, Any], field: str) -> None:
    response = ask(staff_api, AssetFactory(), **body)
    assert response.status_code == 400
    assert list(response.json()["errors"]) == [field]


def test_no_link_to_what_may_not_be_used(staff_api: APIClient) -> None:
    response = ask(staff_api, AssetFactory(rights_expire_on=date(2020, 1, 1)), preset="web")
    assert response.status_code == 409
    assert response.json()["code"] == "withheld"
