"""Required fields: what must be filled before which step, who hears of it, and that nothing is lost."""

from __future__ import annotations

import json
from base64 import b64encode
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import translation
from rest_framework.test import APIClient

from dam import bulk_edits, custom_fields, editing, field_rules, import_runs
from dam.bulk_edits import Change
from dam.field_rules import Incomplete
from dam.models import (
    Asset,
    AssetOrigin,
    AssetState,
    AuditEntry,
    CustomField,
    FieldRule,
    ImportRow,
    UploadSession,
)
from tests.clients import api_of
from tests.dam.test_custom_fields import SEASONS, field, sent, upload_table
from tests.factories import AssetFactory, ReviewerFactory
from tests.pictures import picture

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("space")]
API, ASSETS, LIST = "/api/v1/field-rules/", "/api/v1/assets/", "/admin/dam/asset/"


def rule(state: str, *required: str, kind: str = "") -> FieldRule:
    made = FieldRule(kind=kind, state=state, required=list(required))
    assert field_rules.problems_with(made) == {}
    field_rules.save(made, actor=None)
    return made


def client_of(user: User) -> APIClient:
    return api_of(user)


@pytest.fixture
def reviewing(reviewer: User) -> APIClient:
    return client_of(reviewer)


class TestManaging:
    def test_administrators_write_rules_by_rest(
        self, administrator: User, stranger: User, reviewer: User, api: APIClient
    ) -> None:
        given = {"kind": "garment", "state": "approved", "required": ["licence", "skus"]}
        assert api.get(API).status_code in (401, 403)
        for user in (stranger, reviewer):
            assert client_of(user).post(API, given, format="json").status_code == 403
        made = client_of(administrator).post(API, given, format="json")
        assert (made.status_code, made.json()["required"]) == (201, ["licence", "skus"])
        address = f"{API}{made.json()['id']}/"
        assert client_of(stranger).get(API).json()[0]["kind"] == "garment"
        again = client_of(administrator).post(API, given, format="json")
        assert (again.status_code, "already" in json.dumps(again.json())) == (400, True)
        for change in ({"required": []}, {"required": ["colour"]}, {"required": ["custom.nothing"]}):
            refused = client_of(administrator).patch(address, change, format="json")
            assert (refused.status_code, list(refused.json()["errors"])) == (400, ["required"])
        assert client_of(reviewer).delete(address).status_code == 403
        assert FieldRule.objects.get().required == ["licence", "skus"]
        assert client_of(administrator).delete(address).status_code == 204
        assert [entry.action for entry in AuditEntry.objects.order_by("pk")] == [
            "field_rule.created",
            "field_rule.deleted",
        ]

    def test_the_page_offers_every_field_and_is_for_administrators(
        self, client: Client, administrator: User, reviewer: User
    ) -> None:
        field("season", "choice", label="Season", kinds=["garment"])
        client.force_login(administrator)
        given = {"kind": "", "state": "in_review", "required": ["title_zh", "custom.season"]}
        page = client.get("/admin/dam/fieldrule/add/").content.decode()
        assert "Season" in page
        assert client.post("/admin/dam/fieldrule/add/", given).status_code == 302
        made = FieldRule.objects.get()
        assert made.required == ["title_zh", "custom.season"]
        listed = client.get("/admin/dam/fieldrule/").content.decode()
        assert "Title (Chinese), Season" in listed
        twice = client.post("/admin/dam/fieldrule/add/", given).content.decode()
        assert "There is a rule for this kind and state already" in twice
        client.force_login(reviewer)
        for address in ("", "add/", f"{made.pk}/change/", f"{made.pk}/delete/"):
            assert client.get(f"/admin/dam/fieldrule/{address}").status_code == 403

    def test_a_field_that_is_retired_or_deleted_is_not_asked_for(self) -> None:
        season = field("season", "choice")
        made = rule("approved", "custom.season", "licence")
        assert field_rules.load().required("garment", "approved") == ["licence", "custom.season"]
        season.active = False
        custom_fields.save(season, actor=None)
        assert field_rules.load().required("garment", "approved") == ["licence"]
        custom_fields.delete(season, actor=None)
        made.refresh_from_db()
        assert made.required == ["licence"]


class TestMoving:
    def test_each_step_asks_for_its_fields_and_approval_for_both(
        self, reviewing: APIClient, reviewer: User
    ) -> None:
        field("season", "choice", label="Season", kinds=["garment"])
        rule("in_review", "title_zh", "tags")
        rule("approved", "licence", "skus")
        rule("approved", "custom.season", kind="garment")
        dress = AssetFactory(title="Dress", kind="garment", state="draft", tags=[])
        address = f"{ASSETS}{dress.public_id}/"
        assert named(reviewing.get(address)) == {
            "in_review": ["title_zh", "tags"],
            "approved": ["title_zh", "licence", "tags", "skus", "custom.season"],
        }
        refused = reviewing.patch(address, {"state": "in_review", "credit": "X"}, format="json")
        assert (refused.status_code, refused.json()["code"]) == (409, "incomplete")
        assert refused.json()["missing"] == {str(dress.public_id): ["title_zh", "tags"]}
        assert refused.json()["detail"] == (
            "“Dress” cannot become “In review” yet; it still needs: “Title (Chinese)”, “Tags”. "
            "Fill that on its page, then try again."
        )
        assert state_of(dress) == "draft"
        assert Asset.objects.get(pk=dress.pk).credit == ""
        filled = {"title_zh": "裙", "tags": ["linen"], "state": "in_review"}
        assert reviewing.patch(address, filled, format="json").json()["state"] == "in_review"
        with pytest.raises(Incomplete):
            editing.set_state([dress], actor=reviewer, state=AssetState.APPROVED)
        rest = {
            "licence": "Own", "skus": ["D-1"], "custom": {"season": "ss26"}, "state": "approved",
        }  # fmt: skip
        answer = reviewing.patch(address, rest, format="json")
        assert (answer.status_code, answer.json()["state"]) == (200, "approved")
        assert answer.json()["missing"] == {"in_review": [], "approved": []}

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("title", "T"), ("title_zh", "T"), ("alt_text", "T"), ("alt_text_zh", "T"), ("description", "T"),
            ("description_zh", "T"), ("rights_holder", "T"), ("licence", "T"), ("credit", "T"),
            ("model_release", "signed"), ("tags", ["linen"]), ("skus", ["D-1"]),
        ],
    )  # fmt: skip
    def test_every_field_can_be_asked_for(self, reviewing: APIClient, name: str, value: Any) -> None:
        rule("approved", name)
        asset = AssetFactory(state="draft", title_zh="题", model_release="missing")
        empty = {"title": " ", "title_zh": ""}.get(name)
        if empty is not None:
            Asset.objects.filter(pk=asset.pk).update(**{name: empty})
        address = f"{ASSETS}{asset.public_id}/"
        assert reviewing.patch(address, {"state": "approved"}, format="json").status_code == 409
        answer = reviewing.patch(address, {"state": "approved", name: value}, format="json")
        assert (answer.status_code, state_of(asset)) == (200, "approved")

    def test_drafts_and_other_states_are_never_refused(self, reviewer: User) -> None:
        asset = AssetFactory(state="approved")
        rule("in_review", "licence")
        rule("approved", "licence")
        for state in ("draft", "rejected", "archived", "draft", "trashed"):
            editing.set_state([asset], actor=reviewer, state=state)
            assert state_of(asset) == state

    def test_restored_from_the_trash_as_a_draft_where_something_is_missing(self, reviewer: User) -> None:
        bare, full = AssetFactory(), AssetFactory(licence="Own")
        editing.trash([bare, full], actor=reviewer)
        rule("approved", "licence")
        assert editing.restore([bare, full], actor=reviewer) == 2
        assert (state_of(bare), state_of(full)) == ("draft", "approved")
        told = AuditEntry.objects.get(action="asset.restored", target_id=str(bare.public_id))
        assert told.details == {"after": "draft", "missing": ["licence"]}

    def test_many_assets_take_as_many_queries_as_one(self, reviewer: User) -> None:
        rule("approved", "licence", "tags", "skus", "title")
        made = [
            AssetFactory(state="draft", licence="Own", tags=["a"], skus=[("D-1", "packshot")])
            for _n in range(9)
        ]
        editing.set_state([], actor=reviewer, state="approved")
        editing.update_assets(made[:1], actor=reviewer, changes={})
        numbers = []
        for chosen in (made[:2], made[2:]):
            with CaptureQueriesContext(connection) as seen:
                editing.set_state(chosen, actor=reviewer, state="approved")
            with CaptureQueriesContext(connection) as edited:
                editing.update_assets(chosen, actor=reviewer, changes={"credit": "X"})
            numbers.append((len(seen), len(edited)))
        assert numbers[0] == numbers[1]
        listing = client_of(reviewer)
        with CaptureQueriesContext(connection) as many:
            assert len(listing.get(ASSETS).json()["results"]) == 9
        Asset.objects.filter(pk__in=[asset.pk for asset in made[1:]]).delete()
        with CaptureQueriesContext(connection) as one:
            assert len(listing.get(ASSETS).json()["results"]) == 1
        assert len(many) == len(one)

    def test_the_sentence_is_in_the_readers_language(self, reviewer: User) -> None:
        CustomField.objects.create(
            slug="season", label="Season", label_zh="季节", type="choice", choices=SEASONS
        )
        rule("approved", "custom.season", "licence")
        asset = AssetFactory(state="draft", title_zh="裙")
        with translation.override("zh-hans"), pytest.raises(Incomplete) as refusal:
            editing.set_state([asset], actor=reviewer, state="approved")
        assert "裙" in str(refusal.value)
        assert "季节" in str(refusal.value)
        assert "许可" in str(refusal.value)


class TestEditing:
    def test_an_edit_empties_nothing_that_the_state_asks_for(
        self, reviewing: APIClient, reviewer: User
    ) -> None:
        field("season", "choice", kinds=["garment"])
        asset = AssetFactory(
            title="Dress", kind="garment", licence="Own", tags=["linen"], skus=[("D-1", "packshot")],
            custom={"season": "ss26"},
        )  # fmt: skip
        rule("approved", "licence", "tags", "skus", "custom.season")
        rule("approved", "rights_holder", kind="scene")
        address = f"{ASSETS}{asset.public_id}/"
        for change in (
            {"licence": ""}, {"licence": "  "}, {"tags": []}, {"skus": []}, {"custom": {"season": None}},
            {"kind": "scene"},
        ):  # fmt: skip
            refused = reviewing.patch(address, {**change, "credit": "X"}, format="json")
            assert refused.status_code == 409, change
            assert refused.json()["detail"].startswith("“Dress” is “Approved”, which asks for: “")
        asset.refresh_from_db()
        assert (asset.licence, asset.kind, asset.credit, asset.custom) == (
            "Own",
            "garment",
            "",
            {"season": "ss26"},
        )
        assert (asset.tags.count(), asset.sku_links.count()) == (1, 1)
        changed = reviewing.patch(
            address, {"licence": "CC0", "tags": ["silk"], "skus": ["D-2"], "credit": "X"}, format="json"
        )
        assert (changed.status_code, changed.json()["skus"][0]["code"]) == (200, "D-2")
        with pytest.raises(Incomplete):
            editing.unlink_sku(asset, asset.skus.get(), "packshot", actor=reviewer)
        assert asset.sku_links.count() == 1
        back = reviewing.patch(address, {"licence": "", "state": "draft"}, format="json")
        assert (back.status_code, back.json()["state"], back.json()["licence"]) == (200, "draft", "")

    def test_what_was_missing_before_there_was_a_rule_stops_no_edit(self, reviewing: APIClient) -> None:
        asset = AssetFactory(credit="Studio")
        rule("approved", "licence", "credit")
        address = f"{ASSETS}{asset.public_id}/"
        assert reviewing.patch(address, {"title": "New"}, format="json").status_code == 200
        assert named(reviewing.get(address))["approved"] == ["licence", "credit"][:1]
        assert reviewing.patch(address, {"credit": ""}, format="json").status_code == 409

    def test_the_page_says_what_is_missing_and_keeps_what_was_typed(
        self, client: Client, reviewer: User
    ) -> None:
        field("season", "choice", label="Season", kinds=["garment"])
        rule("in_review", "title_zh")
        rule("approved", "licence", "skus", "custom.season")
        asset = AssetFactory(title="Dress", kind="garment", state="draft")
        client.force_login(reviewer)
        address = f"{LIST}{asset.pk}/change/"
        page = client.get(address)
        html = page.content.decode()
        assert "To send to review it still needs: “Title (Chinese)”" in html
        assert html.count("Required for review.") == 1
        assert html.count("Required for approval.") == 2
        form = page.context["adminform"].form
        refused = client.post(address, sent(form, state="approved", title_zh="裙", licence="Typed"))
        assert refused.status_code == 200
        html = refused.content.decode()
        assert "it still needs: “SKUs”, “Season”" in html
        assert 'value="Typed"' in html
        asset.refresh_from_db()
        assert (asset.state, asset.title_zh, asset.licence) == ("draft", "", "")

        linked = editing.tagging.ensure_skus(["D-1"])["D-1"]
        inline = {
            "sku_links-TOTAL_FORMS": "1", "sku_links-0-sku": str(linked.pk), "sku_links-0-role": "packshot",
            "sku_links-0-asset": str(asset.pk),
        }  # fmt: skip
        full = {"state": "approved", "title_zh": "裙", "licence": "Own", "custom.season": "ss26"}
        assert client.post(address, sent(form, **full, **inline)).status_code == 302
        asset.refresh_from_db()
        assert (asset.state, asset.licence, asset.custom) == ("approved", "Own", {"season": "ss26"})

        form = client.get(address).context["adminform"].form
        link = asset.sku_links.get()
        kept = {
            "sku_links-TOTAL_FORMS": "1", "sku_links-INITIAL_FORMS": "1", "sku_links-0-id": str(link.pk),
            "sku_links-0-sku": str(linked.pk), "sku_links-0-role": "detail",
            "sku_links-0-asset": str(asset.pk),
        }  # fmt: skip
        assert client.post(address, sent(form, **kept)).status_code == 302
        assert asset.sku_links.get().role == "detail"
        kept |= {"sku_links-0-id": str(asset.sku_links.get().pk), "sku_links-0-DELETE": "on"}
        html = client.post(address, sent(form, **kept)).content.decode()
        assert "“Dress” is “Approved”, which asks for: “SKUs”" in html
        assert client.post(address, sent(form, licence="", state="draft", **kept)).status_code == 302
        asset.refresh_from_db()
        assert (asset.state, asset.licence, asset.sku_links.count()) == ("draft", "", 0)

    def test_buttons_and_actions_leave_what_is_incomplete_and_say_so(
        self, client: Client, reviewer: User
    ) -> None:
        bare, full = AssetFactory(title="Bare", state="draft"), AssetFactory(state="draft", licence="Own")
        rule("approved", "licence")
        client.force_login(reviewer)
        page = client.post(f"{LIST}{bare.pk}/do/approve/", follow=True).content.decode()
        assert "“Bare” cannot become “Approved” yet" in page
        chosen = {"action": "approve", "_selected_action": [bare.pk, full.pk]}
        page = client.post(LIST, chosen, follow=True).content.decode()
        assert "Approved: 1." in page
        assert "1 asset stayed as it is, since required fields are empty: “Bare” lacks “Licence”." in page
        assert "your role does not allow" not in page
        assert (state_of(bare), state_of(full)) == ("draft", "approved")
        Asset.objects.filter(pk=bare.pk).update(state="approved")
        editing.trash([bare, full], actor=reviewer)
        chosen = {"action": "restore", "_selected_action": [bare.pk, full.pk]}
        page = client.post(f"{LIST}?state=trashed", chosen, follow=True).content.decode()
        assert "Restored: 2." in page
        assert "your role does not allow" not in page
        assert (
            "1 of them came back as a draft, since required fields are empty: “Bare” lacks “Licence”." in page
        )
        assert (state_of(bare), state_of(full)) == ("draft", "approved")

    def test_a_table_names_the_rows_that_would_empty_something(self, reviewing: APIClient) -> None:
        asset, other = AssetFactory(licence="Own"), AssetFactory(licence="Own", state="draft")
        rule("approved", "licence")
        rows = [{"id": str(each.public_id), "licence": ""} for each in (asset, other)]
        for dry_run in (True, False):
            report = upload_table(reviewing, rows, dry_run=dry_run)
            assert [fault["row"] for fault in report["faults"]] == [2]
            assert "which asks for: “Licence”" in report["faults"][0]["problem"]
            assert [change["row"] for change in report["changes"]] == [3]
            assert Asset.objects.get(pk=other.pk).licence == ("Own" if dry_run else "")
        assert Asset.objects.get(pk=asset.pk).licence == "Own"


class TestManyAtOnce:
    def finish(self, edit: Any) -> dict[str, int]:
        while bulk_edits.work(edit.pk, seconds=60):
            pass
        return dict(bulk_edits.outcomes(edit))

    def test_those_that_lack_fields_are_left_and_counted(self, reviewer: User) -> None:
        rule("approved", "licence", "tags")
        bare = [AssetFactory(state="draft") for _n in range(2)]
        full = [AssetFactory(state="draft", licence="Own", tags=["a"]) for _n in range(3)]
        edit = bulk_edits.start(Asset.objects.all(), Change(state="approved"), actor=reviewer)
        assert self.finish(edit) == {"skipped": 2, "changed": 3}
        assert {state_of(asset) for asset in bare} == {"draft"}
        assert {state_of(asset) for asset in full} == {"approved"}
        emptying = bulk_edits.start(Asset.objects.all(), Change({"licence": ""}), actor=reviewer)
        assert self.finish(emptying) == {"skipped": 3, "changed": 2}
        assert Asset.objects.filter(licence="Own").count() == 3
        back = bulk_edits.start(Asset.objects.all(), Change({"licence": ""}, state="draft"), actor=reviewer)
        assert self.finish(back) == {"changed": 5}
        assert Asset.objects.filter(licence="", state="draft").count() == 5
        bulk_edits.undo(back, actor=reviewer)
        assert self.finish(back) == {"undone": 5}
        assert Asset.objects.filter(licence="Own", state="approved").count() == 3

    def test_filling_and_approving_go_together(self, reviewer: User) -> None:
        rule("approved", "licence", "tags")
        AssetFactory(state="draft")
        change = Change({"licence": "CC0"}, add_tags=["new"], state="approved")
        edit = bulk_edits.start(Asset.objects.all(), change, actor=reviewer)
        assert self.finish(edit) == {"changed": 1}
        bulk_edits.undo(edit, actor=reviewer)
        assert self.finish(edit) == {"undone": 1}
        assert Asset.objects.get().state == "draft"


class TestComingIn:
    def test_an_upload_that_lacks_fields_is_taken_in_as_a_draft(
        self, reviewing: APIClient, reviewer: User, client: Client
    ) -> None:
        rule("in_review", "licence", "tags")
        file = SimpleUploadedFile("a.jpg", picture(seed=500))
        made = reviewing.post(ASSETS, {"file": file, "state": "approved", "title": "A"}, format="multipart")
        assert (made.status_code, made.json()["state"]) == (201, "draft")
        assert made.json()["notice"] == (
            "Comes in as a draft: “Licence”, “Tags” are still missing. "
            "Fill them on the asset’s page, then move it on."
        )
        told = AuditEntry.objects.get(action="asset.ingested")
        assert told.details["missing"] == ["licence", "tags"]
        file = SimpleUploadedFile("b.jpg", picture(seed=501))
        given = {"file": file, "state": "approved", "licence": "Own", "tags": "linen"}
        full = reviewing.post(ASSETS, given, format="multipart")
        assert (full.json()["state"], "notice" in full.json()) == ("approved", False)

        resumed = picture(seed=502)
        said = {"filename": "c.jpg", "state": "in_review", "tags": "linen"}
        header = ",".join(f"{name} {b64encode(value.encode()).decode()}" for name, value in said.items())
        begun = reviewing.generic(
            "POST", "/api/v1/uploads/", resumed, content_type="application/offset+octet-stream",
            headers={"Tus-Resumable": "1.0.0", "Upload-Length": str(len(resumed)), "Upload-Metadata": header},
        )  # fmt: skip
        outcome = reviewing.get(begun["Location"]).json()
        assert (outcome["state"], outcome["code"]) == ("created", "incomplete")
        assert outcome["problem"].startswith("Comes in as a draft: “Licence” is still missing.")
        assert UploadSession.objects.get().asset.state == "draft"

        client.force_login(reviewer)
        file = SimpleUploadedFile("d.jpg", picture(seed=503))
        page = client.post(
            f"{LIST}upload/", {"pictures": [file], "kind": "other", "state": "in_review", "tags": ""}
        )
        assert "Comes in as a draft: “Licence”, “Tags”" in page.content.decode()

    def test_out_of_the_trash_by_uploading_again_what_it_has_counts(
        self, reviewing: APIClient, reviewer: User
    ) -> None:
        content = picture(seed=510)
        asset = AssetFactory(file=content, owner=reviewer)
        editing.trash([asset], actor=reviewer)
        rule("approved", "licence")
        given = {"file": SimpleUploadedFile("a.jpg", content), "state": "approved", "licence": "Given now"}
        answer = reviewing.post(ASSETS, given, format="multipart")
        assert (answer.status_code, answer.json()["state"]) == (200, "draft")
        assert "“Licence”" in answer.json()["notice"]

    def test_imports_take_in_drafts_and_name_them(
        self, tmp_path: Path, settings: Any, administrator: User, client: Client
    ) -> None:
        rule("approved", "licence")
        for number in range(3):
            (tmp_path / f"{number}.jpg").write_bytes(picture(seed=520 + number))
        (tmp_path / "manifest.csv").write_text("file,licence\n0.jpg,Own\n1.jpg,\n")
        for dry_run in (True, False):
            assert not Asset.objects.exists()
            out = StringIO()
            call_command(
                "import_assets", str(tmp_path), manifest=tmp_path / "manifest.csv", state="approved",
                json=True, dry_run=dry_run, stdout=out,
            )  # fmt: skip
            report = json.loads(out.getvalue())
            assert (report["imported"], report["rejected"]) == (2, [])
            assert [draft["file"] for draft in report["drafts"]] == ["1.jpg"]
        assert sorted(Asset.objects.values_list("state", flat=True)) == ["approved", "draft"]

        settings.DAM_IMPORT_FOLDERS = [str(tmp_path)]
        run = import_runs.create_import(
            administrator, source="folder", location=str(tmp_path),
            defaults=import_runs.AssetMetadata(state="approved"),
        )  # fmt: skip
        import_runs.work(run.pk, seconds=60)
        assert [(row.name, row.asset) for row in ImportRow.objects.all()] == [("2.jpg", None)]
        import_runs.start(run, actor=administrator)
        while import_runs.work(run.pk, seconds=60):
            pass
        run.refresh_from_db()
        assert (run.imported, run.duplicates, run.rejected) == (1, 2, 0)
        row = ImportRow.objects.exclude(problem="").get()
        assert (row.name, row.outcome, row.asset.state) == ("2.jpg", "imported", "draft")
        client.force_login(administrator)
        page = client.get(f"/admin/dam/import/{run.public_id}/").content.decode()
        assert "Comes in as a draft: “Licence” is still missing." in page

    def test_a_generated_picture_comes_in_for_review_and_waits_for_approval(self, reviewer: User) -> None:
        rule("in_review", "licence")
        made = AssetFactory(origin=AssetOrigin.GENERATED, state="in_review")
        assert made.state == "in_review"
        with pytest.raises(Incomplete):
            editing.set_state([made], actor=reviewer, state="approved")
        editing.set_state([made], actor=reviewer, state="rejected")
        editing.set_state([made], actor=reviewer, state="in_review")  # it was made again
        editing.update_assets([made], actor=reviewer, changes={"licence": "Own"})
        editing.set_state([made], actor=reviewer, state="approved")
        assert state_of(made) == "approved"


class TestFinding:
    def test_the_filter_shows_what_is_incomplete(self, client: Client, editor: User) -> None:
        client.force_login(editor)
        assert "Something is missing for review" not in client.get(LIST).content.decode()
        season = field("season", "choice", kinds=["garment"])
        rule("in_review", "title_zh")
        rule("approved", "licence", "tags", "skus", "model_release")
        rule("approved", season.name, kind="garment")
        good = {"title_zh": "题", "licence": "Own", "tags": ["a"], "skus": [("D-1", "packshot")]}
        lacking = {
            name: AssetFactory(title=f"No {name}", kind="scene", **(good | {name: value}))
            for name, value in (
                ("title_zh", ""), ("licence", ""), ("tags", []), ("skus", []), ("model_release", "missing"),
            )
        }  # fmt: skip
        bare = AssetFactory(title="No season", kind="garment", **good)
        AssetFactory(title="Complete", kind="garment", custom={"season": "ss26"}, **good)
        AssetFactory(title="Complete scene", kind="scene", **good)

        def found(state: str) -> set[str]:
            rest = client_of(editor).get(f"{ASSETS}?incomplete={state}").json()["results"]
            page = client.get(f"{LIST}?incomplete={state}")
            titles = {asset.title for asset in page.context["cl"].result_list}
            assert {asset["title"] for asset in rest} == titles
            return titles

        assert found("in_review") == {"No title_zh"}
        assert found("approved") == {*(asset.title for asset in lacking.values()), bare.title}
        assert client_of(editor).get(f"{ASSETS}?incomplete=draft").status_code == 400
        assert "Something is missing for review" in client.get(LIST).content.decode()

    def test_only_who_may_fill_it_hears_what_is_missing(
        self, api: APIClient, stranger: User, staff_api: APIClient
    ) -> None:
        asset = AssetFactory()
        rule("approved", "licence")
        address = f"{ASSETS}{asset.public_id}/"
        assert named(staff_api.get(address))["approved"] == ["licence"]
        assert staff_api.get(address).json()["missing"]["approved"][0]["label"] == "Licence"
        assert client_of(stranger).get(address).json()["missing"] is None
        assert api.get(address).json()["missing"] is None

    def test_without_rules_nothing_is_said_or_asked(self, client: Client, editor: User) -> None:
        asset = AssetFactory(title="", state="draft")
        client.force_login(editor)
        page = client.get(f"{LIST}{asset.pk}/change/").content.decode()
        assert "still needs" not in page
        assert "Required for" not in page
        answer = client_of(ReviewerFactory()).patch(
            f"{ASSETS}{asset.public_id}/", {"state": "approved"}, format="json"
        )
        assert answer.json()["missing"] == {"in_review": [], "approved": []}


def named(answer: Any) -> dict[str, list[str]]:
    return {step: [one["field"] for one in found] for step, found in answer.json()["missing"].items()}


def state_of(asset: Asset) -> str:
    return Asset.objects.get(pk=asset.pk).state
