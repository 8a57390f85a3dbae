"""Bulk edits: a selection of any size, in the background, repeated by nobody, with a way back."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from dam import bulk_edits, editing, tasks
from dam.bulk_edits import CannotEdit, Change
from dam.models import Asset, BulkEdit, BulkState
from dam.tasks import sweep_bulk_edits
from tests.factories import AssetFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("space")]
LIST, API = "/admin/dam/asset/", "/api/v1/bulk-edits/"


def many(number: int, **fixed: Any) -> list[Asset]:
    return Asset.objects.bulk_create(
        Asset(**{"title": f"Thing {place}", "kind": "other", "state": "draft"} | fixed)
        for place in range(number)
    )


def finish(edit: BulkEdit) -> None:
    while bulk_edits.work(edit.pk, seconds=60):
        pass
    edit.refresh_from_db()


def test_fields_tags_and_state_of_many_and_back(editor: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk_edits, "SLICE", 7)
    made = many(20, rights_holder="Old")
    editing.update_assets(made[:5], actor=editor, changes={"licence": "Own"}, add_tags=["keep", "drop"])
    until = timezone.localdate() + timedelta(days=9)
    change = Change(
        {"licence": "CC0", "rights_expire_on": until, "territories": ["CN"]},
        add_tags=["new"],
        remove_tags=["drop"],
        state="in_review",
    )
    edit = bulk_edits.start(Asset.objects.filter(rights_holder="Old"), change, actor=editor)
    finish(edit)
    assert (edit.state, edit.total, dict(bulk_edits.outcomes(edit))) == (BulkState.DONE, 20, {"changed": 20})
    first = Asset.objects.get(pk=made[0].pk)
    assert (first.licence, first.rights_expire_on, first.usable_until) == ("CC0", until, until)
    assert (first.state, first.territories) == ("in_review", ["CN"])
    assert set(first.tags.values_list("slug", flat=True)) == {"keep", "new"}

    editing.update_assets([made[9]], actor=editor, changes={"title": "Mine"})
    bulk_edits.undo(edit, actor=editor)
    finish(edit)
    assert dict(bulk_edits.outcomes(edit)) == {"undone": 19, "kept": 1}
    first.refresh_from_db()
    assert (first.licence, first.rights_expire_on, first.state) == ("Own", None, "draft")
    assert set(first.tags.values_list("slug", flat=True)) == {"keep", "drop"}
    assert Asset.objects.get(pk=made[9].pk).licence == "CC0"
    assert not Asset.objects.get(pk=made[19].pk).tags.exists()


def test_what_may_not_be_changed_is_left_and_counted(editor: User, stranger: User) -> None:
    mine, others = many(3, owner=stranger), many(2)
    many(1, state="trashed")
    edit = bulk_edits.start(Asset.objects.all(), Change({"licence": "CC0"}), actor=stranger)
    finish(edit)
    assert dict(bulk_edits.outcomes(edit)) == {"changed": 3, "skipped": 3}
    assert set(Asset.objects.filter(licence="CC0")) == set(mine)
    assert Asset.objects.get(pk=others[0].pk).licence == ""
    approving = bulk_edits.start(Asset.objects.in_library(), Change(state="approved"), actor=editor)
    finish(approving)
    assert dict(bulk_edits.outcomes(approving)) == {"skipped": 5}


def test_an_edit_of_an_account_that_is_deleted_ends(
    editor: User, stranger: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk_edits, "SLICE", 2)
    many(2, owner=stranger)
    many(3, owner=editor)
    edit = bulk_edits.start(Asset.objects.all(), Change({"licence": "CC0"}), actor=stranger)
    stranger.delete()
    finish(edit)
    assert (edit.state, dict(bulk_edits.outcomes(edit))) == (BulkState.STOPPED, {"waiting": 5})
    assert edit.finished is not None
    assert not Asset.objects.filter(licence="CC0").exists()
    assert bulk_edits.due() == []


def test_a_worker_that_is_killed_repeats_nothing(editor: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk_edits, "SLICE", 4)
    many(10)
    edit = bulk_edits.start(Asset.objects.all(), Change({"credit": "Studio"}), actor=editor)
    assert bulk_edits.work(edit.pk, seconds=0)  # held, released, nothing done in no time
    real, slices = bulk_edits._slice, []

    def killed(key: int) -> bool:
        if len(slices) == 2:
            raise KeyboardInterrupt
        slices.append(key)
        return real(key)

    monkeypatch.setattr(bulk_edits, "_slice", killed)
    with pytest.raises(KeyboardInterrupt):
        bulk_edits.work(edit.pk, seconds=60)
    monkeypatch.setattr(bulk_edits, "_slice", real)
    assert bulk_edits.outcomes(edit) == {"changed": 8, "waiting": 2}
    assert bulk_edits.due() == []  # still held by the one that was killed
    BulkEdit.objects.update(leased_until=timezone.now() - timedelta(seconds=1))
    assert bulk_edits.due() == [edit.pk]
    finish(edit)
    assert bulk_edits.outcomes(edit) == {"changed": 10}
    sweep_bulk_edits()


def test_a_failure_holds_an_edit_up_no_longer_than_the_next_turn(
    editor: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    many(3)
    edit = bulk_edits.start(Asset.objects.all(), Change({"credit": "Studio"}), actor=editor)

    def deadlocked(key: int) -> bool:
        raise OperationalError("deadlock detected")

    with monkeypatch.context() as broken, pytest.raises(OperationalError):
        broken.setattr(bulk_edits, "_slice", deadlocked)
        bulk_edits.work(edit.pk, seconds=60)
    assert bulk_edits.due() == [edit.pk]
    finish(edit)
    assert bulk_edits.outcomes(edit) == {"changed": 3}


def test_the_number_of_queries_does_not_grow_with_the_slice(editor: User) -> None:
    def queries(number: int) -> int:
        Asset.objects.all().delete()
        many(number)
        edit = bulk_edits.start(
            Asset.objects.all(), Change({"credit": "Studio"}, add_tags=["new"]), actor=editor
        )
        with CaptureQueriesContext(connection) as captured:
            bulk_edits._slice(edit.pk)
        return len(captured)

    queries(3)
    assert queries(60) == queries(5)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (Change(), "at least one"),
        (Change({"title": "All alike"}), "Not for many"),
        (Change({"kind": "nothing"}), "kind"),
        (Change({"rights_expire_on": "soon"}), "date"),
        (Change({"rights_expire_on": 20270101}), "“20270101” is no date"),
        (Change({"licence": "CC\0"}), "a character that no database keeps"),
        (Change({"licence": "CC\ud800"}), "a character that no database keeps"),
        (Change({"licence": ["CC0"]}), "takes a text"),
        (Change({"territories": [5]}), "Give a list of countries"),
        (Change({"licence": "x" * 300}), "255"),
    ],
)
def test_what_cannot_be_says_why_and_notes_nothing(editor: User, change: Change, told: str) -> None:
    many(2)
    with pytest.raises(CannotEdit, match=told):
        bulk_edits.start(Asset.objects.all(), change, actor=editor)
    with pytest.raises(CannotEdit, match="No asset"):
        bulk_edits.start(Asset.objects.none(), Change({"licence": "CC0"}), actor=editor)
    assert not BulkEdit.objects.exists()


class TestAdmin:
    def post(self, client: Client, assets: list[Asset], **given: Any) -> Any:
        chosen = [str(asset.pk) for asset in assets]
        body = {"action": "edit", "_selected_action": chosen, "index": "0"} | given
        return client.post(LIST, body, follow=True)

    def test_chosen_in_the_list_asked_changed_and_undone(self, client: Client, editor: User) -> None:
        client.force_login(editor)
        made = [AssetFactory(title="One"), AssetFactory(title="Two", picture={"seed": 5})]
        assert "Tick what is to be changed" in self.post(client, made).content.decode()
        nothing = self.post(client, made, confirmed="1", licence="CC0")
        assert "at least one thing" in nothing.content.decode()
        begun = self.post(client, made, confirmed="1", licence="CC0", change_licence="on", add_tags="summer")
        edit = BulkEdit.objects.get()
        assert begun.redirect_chain[-1][0] == f"/admin/dam/bulkedit/{edit.pk}/change/"
        finish(edit)
        told = client.get(f"/admin/dam/bulkedit/{edit.pk}/progress/").json()
        assert (told["at_work"], told["changed"], told["done"]) == (False, 2, 2)
        assert Asset.objects.filter(licence="CC0", tags__slug="summer").count() == 2
        client.post(f"/admin/dam/bulkedit/{edit.pk}/undo/")
        finish(edit)
        assert Asset.objects.filter(licence="").count() == 2

    def test_everything_under_the_filters(self, client: Client, editor: User) -> None:
        client.force_login(editor)
        many(70, kind="scene")
        many(5, kind="prop")
        first = list(Asset.objects.filter(kind="scene")[:60])
        chosen = [str(asset.pk) for asset in first]
        body = {
            "action": "edit", "_selected_action": chosen, "index": "0", "select_across": "1",
            "confirmed": "1", "credit": "Studio", "change_credit": "on",
        }  # fmt: skip
        client.post(f"{LIST}?kind=scene", body)
        finish(BulkEdit.objects.get())
        assert Asset.objects.filter(credit="Studio").count() == 70

    def test_many_change_their_state_in_the_background(
        self, client: Client, editor: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from dam.admin import bulk

        monkeypatch.setattr(bulk, "AT_ONCE", 10)
        client.force_login(editor)
        made = many(11)
        self.post(client, made, action="review")
        assert not Asset.objects.filter(state="in_review").exists()
        finish(BulkEdit.objects.get())
        assert Asset.objects.filter(state="in_review").count() == 11


class TestRest:
    def test_by_filters_and_by_ids(self, staff_api: APIClient, editor: User) -> None:
        many(4, kind="scene")
        asset = AssetFactory()
        begun = staff_api.post(
            API, {"filters": {"kind": "scene"}, "changes": {"credit": "Studio"}}, format="json"
        )
        assert (begun.status_code, begun.data["total"]) == (202, 4)
        finish(BulkEdit.objects.get(pk=begun.data["id"]))
        assert staff_api.get(f"{API}{begun.data['id']}/").data["outcomes"] == {"changed": 4}
        staff_api.post(API, {"ids": [str(asset.public_id)], "add_tags": ["new"]}, format="json")
        assert staff_api.post(f"{API}{begun.data['id']}/undo/").data["state"] == "undoing"
        assert staff_api.post(f"{API}{begun.data['id']}/undo/").status_code == 409

    @pytest.mark.parametrize(
        "body",
        [
            {"changes": {"credit": "x"}},
            {"ids": [], "filters": {}, "changes": {"credit": "x"}},
            {"filters": {"kind": "nothing"}, "changes": {"credit": "x"}},
            {"filters": {}, "changes": {"title": "x"}},
        ],
    )
    def test_bad_requests(self, staff_api: APIClient, body: dict[str, Any]) -> None:
        many(1)
        assert staff_api.post(API, body, format="json").status_code == 400

    def test_others_neither_see_nor_undo_it(
        self, api: APIClient, staff_api: APIClient, stranger: User
    ) -> None:
        many(1)
        begun = staff_api.post(API, {"filters": {}, "changes": {"credit": "x"}}, format="json").data
        api.force_authenticate(stranger)
        assert api.get(f"{API}{begun['id']}/").status_code == 404
        assert api.get(API).data["results"] == []
        many(1)
        refused = api.post(API, {"filters": {"state": "draft"}, "changes": {"credit": "x"}}, format="json")
        assert refused.status_code == 400  # none of them is theirs to see


class TestTooManyForARequest:
    """What lies under the filters of the list may be a million."""

    @pytest.mark.parametrize("action", ["restore", "add_to_collection", "delete_selected"])
    def test_refused_with_a_sentence_and_nothing_changes(
        self, client: Client, administrator: User, monkeypatch: pytest.MonkeyPatch, action: str
    ) -> None:
        monkeypatch.setattr("dam.admin.bulk.MOST", 2)
        assets = [AssetFactory() for _number in range(3)]
        editing.trash(assets, actor=None)
        client.force_login(administrator)
        chosen = {"action": action, "_selected_action": assets[0].pk, "select_across": "1", "post": "yes"}
        answer = client.post(f"{LIST}?state=trashed", chosen, follow=True)
        assert "More than 2 assets are chosen" in answer.content.decode()
        assert set(Asset.objects.values_list("state", flat=True)) == {"trashed"}
        assert Asset.objects.count() == 3

    def test_tags_go_to_the_background(
        self, client: Client, editor: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("dam.admin.bulk.AT_ONCE", 2)
        assets = [AssetFactory() for _number in range(3)]
        client.force_login(editor)
        chosen = {
            "action": "add_tags",
            "_selected_action": assets[0].pk,
            "select_across": "1",
            "confirmed": "1",
            "tags": "summer",
        }
        client.post(LIST, chosen)
        edit = BulkEdit.objects.get()
        assert (edit.add_tags, edit.total) == (["summer"], 3)
        tasks.run_bulk_edit(edit.pk)
        assert all(asset.tags.filter(slug="summer").exists() for asset in assets)
