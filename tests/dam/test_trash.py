"""The trash is emptied after its time, and never of what other pictures were made from."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings
from rest_framework.test import APIClient

from dam import editing, trashed
from dam.models import Asset, AssetState, AuditEntry, Lineage
from dam.tasks import empty_trash, empty_trash_now
from dam.usage_sources import day_of
from dam.workflow import NotPermitted
from tests.clients import api_of
from tests.dam.storages import stored_files
from tests.factories import AssetFactory

LIST, TRASH = "/admin/dam/asset/", "/api/v1/trash/"


@pytest.fixture
def admin_api(administrator: User) -> APIClient:
    return api_of(administrator)


def thrown_away(days: int) -> Asset:
    asset = AssetFactory()
    editing.trash([asset], actor=None)
    Asset.objects.filter(pk=asset.pk).update(trashed_at=timezone.now() - timedelta(days=days))
    return asset


@pytest.fixture
def thirty_days(db: None, settings: Settings) -> None:
    settings.DAM_TRASH_DAYS = 30


def test_what_has_lain_there_for_its_time_goes_with_its_files(
    thirty_days: None, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    before = stored_files()
    old = thrown_away(31)
    files_of_the_old = stored_files() - before
    kept = [thrown_away(29), AssetFactory()]
    with django_capture_on_commit_callbacks(execute=True):
        empty_trash()
    assert list(Asset.objects.order_by("pk")) == kept
    assert not stored_files() & files_of_the_old
    assert AuditEntry.objects.get(action="asset.deleted").target_id == str(old.public_id)


def test_what_something_was_made_from_stays_and_stops_none_of_the_others(thirty_days: None) -> None:
    parent, alone = thrown_away(40), thrown_away(40)
    child = AssetFactory()
    Lineage.objects.create(parent=parent, child=child, role="garment")
    empty_trash()
    assert set(Asset.objects.all()) == {parent, child}
    assert not Asset.objects.filter(pk=alone.pk).exists()
    editing.trash([child], actor=None)
    Asset.objects.filter(pk=child.pk).update(trashed_at=timezone.now() - timedelta(days=40))
    empty_trash()
    assert not Asset.objects.exists()


def test_nothing_goes_where_the_trash_is_never_emptied(db: None, settings: Settings) -> None:
    settings.DAM_TRASH_DAYS = 0
    thrown_away(4000)
    empty_trash()
    assert Asset.objects.count() == 1


class TestOverREST:
    def test_everybody_sees_of_the_trash_what_was_theirs(
        self, thirty_days: None, api: APIClient, staff_api: APIClient, stranger: User
    ) -> None:
        own, other = AssetFactory(owner=stranger, state="draft"), AssetFactory()
        editing.trash([own, other], actor=None)
        AssetFactory()
        assert api.get(TRASH).status_code == 401
        rows = staff_api.get(TRASH).json()["results"]
        assert [row["id"] for row in rows] == [str(other.public_id), str(own.public_id)]
        due = timezone.localdate() + timedelta(days=30)
        assert {row["deleted_on"] for row in rows} == {due.isoformat()}
        api.force_authenticate(stranger)
        assert [row["id"] for row in api.get(TRASH).json()["results"]] == [str(own.public_id)]
        assert api.get(f"{TRASH}{other.public_id}/").status_code == 404
        assert api.post(f"{TRASH}{other.public_id}/restore/").status_code == 404
        assert api.post(f"/api/v1/assets/{other.public_id}/restore/").status_code == 404
        other.refresh_from_db()
        assert other.is_trashed

    @pytest.mark.parametrize("place", ["trash", "assets"])
    def test_what_an_editor_took_off_the_storefront_is_reviewed_before_it_is_there_again(
        self, api: APIClient, staff_api: APIClient, stranger: User, place: str
    ) -> None:
        asset = AssetFactory(owner=stranger, state="approved")
        address = f"/api/v1/assets/{asset.public_id}/"
        assert staff_api.delete(address).status_code == 204
        answer = api_of(stranger).post(f"/api/v1/{place}/{asset.public_id}/restore/")
        assert (answer.status_code, answer.json()["state"]) == (200, "in_review")
        assert api.get(address).status_code == 404

    @pytest.mark.parametrize("place", ["trash", "assets"])
    def test_it_is_restored_with_its_links(self, staff_api: APIClient, place: str) -> None:
        asset = AssetFactory(skus=[("S-1", "packshot")])
        staff_api.delete(f"/api/v1/assets/{asset.public_id}/")
        response = staff_api.post(f"/api/v1/{place}/{asset.public_id}/restore/")
        assert response.status_code == 200, response.content
        assert (response.json()["state"], response.json()["skus"]) == (
            "approved",
            [{"code": "S-1", "role": "packshot"}],
        )
        again = staff_api.post(f"/api/v1/assets/{asset.public_id}/restore/")
        assert (again.status_code, again.json()["state"]) == (200, "approved")
        assert AuditEntry.objects.filter(action="asset.restored").count() == 1

    def test_only_administrators_delete_for_good(
        self, staff_api: APIClient, admin_api: APIClient, thirty_days: None, editor: User
    ) -> None:
        parent, alone, kept = thrown_away(1), thrown_away(1), AssetFactory(title="Board")
        Lineage.objects.create(parent=parent, child=kept, role="garment")
        assert staff_api.delete(f"{TRASH}{alone.public_id}/").status_code == 403
        assert staff_api.post(f"{TRASH}empty/").status_code == 403
        with pytest.raises(NotPermitted):
            trashed.empty(actor=editor, before=timezone.now() - timedelta(days=900))
        assert Asset.objects.count() == 3
        assert admin_api.delete(f"{TRASH}{alone.public_id}/").status_code == 204
        refused = admin_api.delete(f"{TRASH}{parent.public_id}/")
        assert (refused.status_code, refused.json()["code"]) == (409, "in_use")
        assert "“Board”" in refused.json()["detail"]
        assert admin_api.delete(f"{TRASH}{kept.public_id}/").status_code == 404
        assert set(Asset.objects.all()) == {parent, kept}

    def test_emptying_leaves_only_what_something_depends_on(
        self, admin_api: APIClient, thirty_days: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(trashed, "BATCH", 2)
        first, second, third, needed = (thrown_away(1) for _number in range(4))
        Lineage.objects.create(parent=first, child=second, role="garment")
        library = AssetFactory()
        Lineage.objects.create(parent=needed, child=library, role="garment")
        assert third.pk
        response = admin_api.post(f"{TRASH}empty/")
        assert (response.status_code, response.json()) == (200, {"deleted": 3, "left": 1})
        assert set(Asset.objects.all()) == {needed, library}
        assert AuditEntry.objects.filter(action="asset.deleted").count() == 3

    def test_a_full_trash_is_emptied_in_the_background(
        self, admin_api: APIClient, thirty_days: None, monkeypatch: pytest.MonkeyPatch, administrator: User
    ) -> None:
        monkeypatch.setattr(trashed, "AT_ONCE", 1)
        thrown_away(1), thrown_away(1)
        assert admin_api.post(f"{TRASH}empty/").status_code == 202
        asked_at = timezone.now().isoformat()
        later = AssetFactory()
        editing.trash([later], actor=None)
        empty_trash_now(administrator.pk, asked_at)
        assert list(Asset.objects.all()) == [later]
        empty_trash_now(10**6, timezone.now().isoformat())
        assert list(Asset.objects.all()) == [later]

    def test_listing_takes_the_same_number_of_queries_for_any_number(self, staff_api: APIClient) -> None:
        def queries() -> int:
            with CaptureQueriesContext(connection) as captured:
                assert staff_api.get(TRASH).status_code == 200
            return len(captured)

        editing.trash([AssetFactory(tags=["a"], skus=[("S-1", "packshot")])], actor=None)
        queries()
        few = queries()
        editing.trash(
            [AssetFactory(tags=[f"t{n}"], skus=[(f"S-{n}", "detail")]) for n in range(5)], actor=None
        )
        assert queries() == few


class TestPages:
    def test_they_say_when_each_will_be_gone(self, thirty_days: None, client: Client, editor: User) -> None:
        client.force_login(editor)
        asset = thrown_away(10)
        day = day_of(timezone.localdate() + timedelta(days=20))
        sentence = f"will be deleted for good on {day}"
        assert sentence in client.get(f"{LIST}?state=trashed").content.decode()
        assert (
            f"It lies in the trash and {sentence}."
            in client.get(f"{LIST}{asset.pk}/change/").content.decode()
        )
        assert "Empty the trash" not in client.get(f"{LIST}?state=trashed").content.decode()
        assert client.get(f"{LIST}trash/empty/").status_code == 403
        assert client.post(f"{LIST}trash/empty/").status_code == 403
        assert Asset.objects.count() == 1

    def test_the_trash_is_emptied_after_asking(
        self, thirty_days: None, client: Client, administrator: User
    ) -> None:
        client.force_login(administrator)
        gone, needed, library = thrown_away(1), thrown_away(1), AssetFactory()
        Lineage.objects.create(parent=needed, child=library, role="garment")
        assert "Empty the trash" in client.get(f"{LIST}?state=trashed").content.decode()
        asked = client.get(f"{LIST}trash/empty/").content.decode()
        assert "2 assets lie in the trash. Each is deleted for good after 30 days there." in asked
        assert Asset.objects.count() == 3
        done = client.post(f"{LIST}trash/empty/", follow=True).content.decode()
        assert "1 asset was deleted for good." in done
        assert "1 asset stays in the trash: something depends on it." in done
        assert set(Asset.objects.all()) == {needed, library}
        assert not Asset.objects.filter(pk=gone.pk).exists()


def test_what_was_restored_while_the_trash_is_emptied_stays(administrator: User) -> None:
    restored, left = AssetFactory(), AssetFactory()
    editing.trash([restored, left], actor=None)
    looked_at = list(Asset.objects.filter(state=AssetState.TRASHED))  # as the emptying has read them
    editing.restore([restored], actor=administrator)
    assert editing.delete_forever(looked_at, actor=administrator) == 1
    assert list(Asset.objects.all()) == [restored]
