"""API keys: made once, shown once, never more than their owner and their scopes allow."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from rest_framework.authtoken.models import Token
from rest_framework.test import APIClient

from dam import api_keys, bulk_edits
from dam.models import ApiKey, Asset, AssetState, AuditEntry, BulkEdit, Tag
from tests.factories import AssetFactory, UserFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("space")]
ASSETS, TAGS = "/api/v1/assets/", "/api/v1/tags/"


def key_of(owner: User, *scopes: str, **given: Any) -> APIClient:
    """A client with a new key; its row is the newest."""
    _key, secret = api_keys.create("Shop", owner, scopes, actor=None, **given)
    return APIClient(headers={"Authorization": f"Bearer {secret}"})


def test_a_key_is_shown_once_and_only_its_hash_is_kept(admin_client: Client, admin_user: User) -> None:
    sent = {
        "name": "Shop",
        "owner": admin_user.pk,
        "scopes": ["read"],
        "origins": "https://Shop.example.com/",
    }
    made = admin_client.post(reverse("admin:dam_apikey_add"), sent)
    assert made.status_code == 200 and "no-store" in made["Cache-Control"]
    (secret,) = re.findall(r'value="(atl_[\w-]{43})"', made.content.decode())
    key = ApiKey.objects.get()
    assert (key.owner, key.created_by, key.scopes) == (admin_user, admin_user, ["read"])
    assert (key.origins, key.prefix) == (["https://shop.example.com"], secret[:10])
    assert secret not in str(ApiKey.objects.values().get())
    entry = AuditEntry.objects.get(action="api_key.created")
    assert entry.details["scopes"] == ["read"] and secret not in str(entry.details)
    for page in (reverse("admin:dam_apikey_changelist"), reverse("admin:dam_apikey_change", args=(key.pk,))):
        shown = admin_client.get(page).content.decode()
        assert key.prefix in shown and secret not in shown and key.digest not in shown
    client = APIClient(headers={"Authorization": f"Bearer {secret}"})
    assert client.get(ASSETS).status_code == 200
    admin_client.post(
        reverse("admin:dam_apikey_changelist"), {"action": "revoke", "_selected_action": [key.pk]}
    )
    refused = client.get(ASSETS)
    assert (refused.status_code, refused.json()["code"]) == (401, "revoked_key")
    assert refused["WWW-Authenticate"] == "Bearer"
    assert AuditEntry.objects.filter(action="api_key.revoked").count() == 1


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ({"scopes": ["storefront", "read"]}, "has no other scope"),
        ({"origins": "shop.example.com"}, "“shop.example.com” is no origin"),
        ({"expires_0": "2020-01-01", "expires_1": "00:00"}, "That time is over"),
        ({"scopes": []}, "This field is required"),
    ],
)
def test_what_makes_no_key_is_said_beside_its_field(
    admin_client: Client, admin_user: User, sent: dict[str, Any], said: str
) -> None:
    given = {"name": "Shop", "owner": admin_user.pk, "scopes": ["read"], **sent}
    page = admin_client.post(reverse("admin:dam_apikey_add"), given)
    assert page.status_code == 200 and said in page.content.decode()
    assert not ApiKey.objects.exists() and not AuditEntry.objects.exists()


def test_keys_that_are_over_wrong_or_of_nobody_are_refused(editor: User) -> None:
    client = key_of(editor, "read", expires=timezone.now() + timedelta(hours=1))
    assert client.get(ASSETS).status_code == 200
    ApiKey.objects.update(expires=timezone.now())
    assert client.get(ASSETS).json()["code"] == "expired_key"
    ApiKey.objects.update(expires=None)
    User.objects.update(is_active=False)
    assert client.get(ASSETS).json()["code"] == "owner_inactive"
    editor.delete()
    assert client.get(ASSETS).json()["code"] == "owner_inactive" and ApiKey.objects.count() == 1
    for header in ("Bearer atl_nonsense", "Bearer", "bearer ", "Bearer ключ".encode().decode("latin-1")):
        refused = APIClient(headers={"Authorization": header}).get(ASSETS)
        assert (refused.status_code, refused.json()["code"]) == (401, "unknown_key")


def test_a_reading_key_of_an_administrator_only_reads(administrator: User) -> None:
    asset = AssetFactory(title="As it was", state=AssetState.DRAFT)
    client = key_of(administrator, "read")
    assert client.get(f"{ASSETS}{asset.public_id}/").json()["title"] == "As it was"
    refused = [
        client.patch(f"{ASSETS}{asset.public_id}/", {"title": "New"}, format="json"),
        client.delete(f"{ASSETS}{asset.public_id}/"),
        client.post(TAGS, {"slug": "new", "label": "New"}, format="json"),
    ]
    assert {(answer.status_code, answer.json()["code"]) for answer in refused} == {(403, "scope")}
    assert "contribute" in refused[0].json()["detail"]
    assert client.get("/api/v1/audit/").status_code == 403
    asset.refresh_from_db()
    assert (asset.title, asset.state) == ("As it was", AssetState.DRAFT) and not Tag.objects.exists()


def test_scopes_lower_the_role_in_which_a_key_acts(administrator: User) -> None:
    asset = AssetFactory(title="Coat", state=AssetState.IN_REVIEW)
    address, approved = f"{ASSETS}{asset.public_id}/", {"state": "approved"}
    contributing = key_of(administrator, "contribute")
    assert contributing.patch(address, {"title": "Cape"}, format="json").status_code == 200
    entry = AuditEntry.objects.get(action="asset.updated")
    assert (entry.actor, entry.details["api_key"]) == (administrator, ApiKey.objects.get().prefix)
    assert contributing.patch(address, approved, format="json").status_code == 400
    assert Asset.objects.get().state == AssetState.IN_REVIEW
    reviewing = key_of(administrator, "contribute", "review")
    assert reviewing.patch(address, approved, format="json").status_code == 200
    assert reviewing.get("/api/v1/webhooks/").status_code == 403
    assert key_of(administrator, "admin").get("/api/v1/webhooks/").status_code == 200


def test_no_scope_gives_more_than_the_owner_has(stranger: User) -> None:
    hidden = AssetFactory(title="Hidden", state=AssetState.DRAFT)
    client = key_of(stranger, "admin")
    assert client.get(f"{ASSETS}{hidden.public_id}/").status_code == 404
    assert client.get("/api/v1/audit/").status_code == 403
    assert client.post(TAGS, {"slug": "new", "label": "New"}, format="json").status_code == 403


def test_what_runs_later_runs_in_the_role_of_the_key(administrator: User) -> None:
    asset = AssetFactory(state=AssetState.IN_REVIEW)

    def worked(client: APIClient, path: str, body: Any = None) -> tuple[int, dict[str, int], str]:
        begun = client.post(f"/api/v1/bulk-edits/{path}", body, format="json")
        while bulk_edits.work(begun.json()["id"], seconds=60):
            pass
        asset.refresh_from_db()
        edit = BulkEdit.objects.get(pk=begun.json()["id"])
        return begun.status_code, dict(bulk_edits.outcomes(edit)), asset.state

    def to(state: str) -> dict[str, Any]:
        return {"ids": [str(asset.public_id)], "state": state}

    contributing = key_of(administrator, "contribute")
    reviewing = key_of(administrator, "contribute", "review")
    assert worked(contributing, "", to("approved")) == (202, {"skipped": 1}, "in_review")
    assert worked(reviewing, "", to("approved")) == (202, {"changed": 1}, "approved")
    assert worked(contributing, "", to("draft")) == (202, {"changed": 1}, "draft")
    # To give it back its place on the storefront would be an approval.
    undo = f"{BulkEdit.objects.latest('pk').pk}/undo/"
    assert worked(contributing, undo) == (200, {"kept": 1}, "draft")


def test_a_storefronts_key_sees_what_everybody_sees_and_nothing_of_its_owner(
    administrator: User,
) -> None:
    shown = AssetFactory(title="Shown", owner=administrator)
    draft = AssetFactory(title="Draft", owner=administrator, state=AssetState.DRAFT)
    expired = AssetFactory(title="Expired", rights_expire_on=timezone.localdate() - timedelta(days=1))
    client = key_of(administrator, "storefront")
    listed = client.get(ASSETS).json()["results"]
    assert [one["title"] for one in listed] == ["Shown"]
    assert administrator.username not in str(listed)
    for asset in (draft, expired):
        assert client.get(f"{ASSETS}{asset.public_id}/").status_code == 404
    refused = client.patch(f"{ASSETS}{shown.public_id}/", {"title": "Mine"}, format="json")
    assert (refused.status_code, refused.json()["code"]) == (403, "scope")
    assert client.get("/api/v1/collections/").status_code == 403
    assert Asset.objects.get(pk=shown.pk).title == "Shown"


def test_a_key_is_for_pages_of_its_sites_only(editor: User) -> None:
    client = key_of(editor, "read", origins=["https://shop.example.com"])
    assert client.get(ASSETS).status_code == 200  # no browser sends it
    assert client.get(ASSETS, headers={"Origin": "https://shop.example.com"}).status_code == 200
    refused = client.get(ASSETS, headers={"Origin": "https://elsewhere.example.com"})
    assert (refused.status_code, refused.json()["code"]) == (403, "origin")


def test_a_key_costs_one_query_more_than_a_token_at_most_once_a_minute(editor: User) -> None:
    AssetFactory()
    by_key = key_of(editor, "read")
    by_token = APIClient(headers={"Authorization": f"Token {Token.objects.create(user=editor).key}"})

    def queries(client: APIClient) -> int:
        with CaptureQueriesContext(connection) as seen:
            assert client.get(ASSETS).status_code == 200
        return len(seen)

    usual = queries(by_token)
    assert queries(by_key) == usual + 1
    noted = ApiKey.objects.get().last_used
    assert noted is not None
    assert queries(by_key) == usual
    assert ApiKey.objects.get().last_used == noted
    ApiKey.objects.update(last_used=noted - timedelta(minutes=2))
    assert queries(by_key) == usual + 1
    assert ApiKey.objects.get().last_used > noted - timedelta(minutes=1)


def test_only_administrators_make_and_revoke_keys(editor: User) -> None:
    with pytest.raises(Exception, match="Administrator"):
        api_keys.create("Mine", editor, ["read"], actor=editor)
    key, _secret = api_keys.create("Theirs", UserFactory(), ["read"], actor=None)
    with pytest.raises(Exception, match="Administrator"):
        api_keys.revoke([key], actor=editor)
    assert ApiKey.objects.get().revoked is None
