"""Custom fields: defined by administrators, filled and found everywhere an asset's other fields are."""

from __future__ import annotations

import csv
import json
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import translation
from rest_framework.test import APIClient

from dam import bulk_edits, custom_fields, editing, field_rules, merging, words
from dam.bulk_edits import CannotEdit, Change
from dam.custom_fields import FieldInUse
from dam.custom_values import BadValues, shown
from dam.ingest import AssetMetadata, ingest
from dam.models import (
    Asset,
    AssetKind,
    AssetOrigin,
    AuditEntry,
    CustomField,
    FieldRule,
    Import,
    UploadSession,
)
from dam.signals import assets_changed
from dam.tasks import sweep_fields, tell_of_field
from search.documents import document_for
from tests.clients import api_of
from tests.factories import AssetFactory, ReviewerFactory, UserFactory
from tests.pictures import picture

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("space")]
API, ASSETS, PAGE = "/api/v1/custom-fields/", "/api/v1/assets/", "/admin/dam/customfield/"
SEASONS = [
    {"value": "ss26", "label": "Spring/Summer 26", "label_zh": "26春夏"},
    {"value": "fw26", "label": "Autumn/Winter 26", "label_zh": "26秋冬"},
]
TYPES = ("text", "long_text", "number", "yes_no", "date", "choice", "choices")


def field(slug: str, kind: str = "text", **more: Any) -> CustomField:
    row = CustomField(slug=slug, type=kind, **{"label": slug.title(), **more})
    if kind in ("choice", "choices"):
        row.choices = more.get("choices", SEASONS)
    assert custom_fields.problems_with(row) == {}
    custom_fields.save(row, actor=None)
    return row


@pytest.fixture
def one_of_each() -> dict[str, CustomField]:
    return {kind: field(f"a_{kind}", kind, position=place) for place, kind in enumerate(TYPES)}


@pytest.fixture
def season() -> CustomField:
    return field("season", "choice", label="Season", label_zh="季节", kinds=["garment", "accessory"])


@pytest.fixture
def dress() -> Asset:
    return AssetFactory(title="Dress", kind="garment", state="draft")


def admin_api(user: User) -> APIClient:
    return api_of(user)


class TestUploading:
    ADDRESS = "/admin/dam/asset/upload/"

    def send(self, client: Client, seed: int, **said: Any) -> Any:
        files = [SimpleUploadedFile("dress.jpg", picture(seed=seed))]
        form = {"pictures": files, "kind": "garment", "state": "draft", **said}
        return client.post(self.ADDRESS, form, headers={"Accept-Language": "zh-hans"})

    def test_a_batch_is_described_before_it_is_sent(
        self, client: Client, editor: User, season: CustomField, one_of_each: dict[str, CustomField]
    ) -> None:
        client.force_login(editor)
        offered = client.get(self.ADDRESS, headers={"Accept-Language": "zh-hans"})
        groups = [
            [field.name for field in fields] for _title, fields, _wrong in offered.context["form"].parts
        ]
        assert groups[1][0] == "rights_holder"
        assert set(groups[2]) == {
            "custom.season", *(f"custom.a_{kind}" for kind in TYPES if kind != "long_text")
        }  # fmt: skip
        for label in ("许可", "季节"):
            assert label in offered.content.decode()

        said = {
            "skus": "D-1， D-2", "sku_role": "detail", "licence": "Editorial", "rights_holder": "Studio Nine",
            "rights_expire_on": "2031-05-01", "model_release": "signed", "territories": "DE",
            "custom.season": "ss26", "custom.a_yes_no": "false", "custom.a_choices": ["ss26", "fw26"],
        }  # fmt: skip
        (done,) = self.send(client, 1, **said).context["outcomes"]
        asset = Asset.objects.get(pk=done.asset.pk)
        links = asset.sku_links.order_by("sku__code").values_list("sku__code", "role")
        assert list(links) == [("D-1", "detail"), ("D-2", "detail")]
        assert (asset.licence, asset.rights_holder, asset.model_release) == (
            "Editorial", "Studio Nine", "signed",
        )  # fmt: skip
        assert (str(asset.rights_expire_on), asset.territories) == ("2031-05-01", ["DE"])
        assert asset.custom == {"season": "ss26", "a_yes_no": False, "a_choices": ["ss26", "fw26"]}

        # What is wrong is said where it was typed, in the part that opens for it; no file is taken in.
        wrong = self.send(client, 2, **{"kind": "scene", "custom.season": "ss26", "rights_expire_on": "soon"})
        assert set(wrong.context["form"].errors) == {"custom.season", "rights_expire_on"}
        assert [is_wrong for _title, _fields, is_wrong in wrong.context["form"].parts] == [False, True, True]
        assert wrong.content.decode().count('<details class="at-upload__part" open>') == 2
        assert Asset.objects.count() == 1


class TestDefining:
    def test_administrators_write_by_rest_and_everybody_signed_in_reads(
        self, administrator: User, stranger: User, api: APIClient
    ) -> None:
        given = {
            "slug": "season", "label": "Season", "label_zh": "季节", "type": "choice", "choices": SEASONS,
            "kinds": ["garment"], "help_text": "When it is sold",
        }  # fmt: skip
        assert api.get(API).status_code in (401, 403)
        for user in (stranger, ReviewerFactory()):
            assert admin_api(user).post(API, given, format="json").status_code == 403
        assert not CustomField.objects.exists()
        made = admin_api(administrator).post(API, given, format="json")
        assert (made.status_code, made.json()["choices"]) == (201, SEASONS)
        assert AuditEntry.objects.get(action="custom_field.created").target_id == "season"
        assert [row["slug"] for row in admin_api(stranger).get(API).json()] == ["season"]
        for user in (stranger, ReviewerFactory()):
            client = admin_api(user)
            assert client.patch(f"{API}season/", {"label": "X"}, format="json").status_code == 403
            assert client.delete(f"{API}season/").status_code == 403
        changed = admin_api(administrator).patch(f"{API}season/", {"active": False}, format="json")
        assert (changed.status_code, changed.json()["label"]) == (200, "Season")
        assert admin_api(stranger).get(API).json() == []
        assert [row["slug"] for row in admin_api(ReviewerFactory()).get(API).json()] == ["season"]
        assert admin_api(administrator).delete(f"{API}season/").status_code == 204
        assert not CustomField.objects.exists()

    @pytest.mark.parametrize(
        ("change", "where", "words"),
        [
            ({"slug": "Bad Slug"}, "slug", "letters a–z"),
            ({"slug": "9th"}, "slug", "letters a–z"),
            ({"slug": "taken"}, "slug", "already exists"),
            ({"choices": []}, "choices", "1 to 200"),
            ({"choices": [{"value": "a"}, {"value": "a"}]}, "choices", "twice"),
            ({"choices": [{"value": "A b"}]}, "choices", "no value of a choice"),
            ({"choices": [{"value": f"v{n}"} for n in range(201)]}, "choices", "1 to 200"),
            ({"kinds": ["rocket"]}, "kinds", "rocket"),
            ({"type": "colour"}, "type", "colour"),
            ({"label": "x" * 81}, "label", "80"),
        ],
    )
    def test_a_definition_that_cannot_be_says_why(
        self, administrator: User, change: dict[str, Any], where: str, words: str
    ) -> None:
        field("taken")
        given = {"slug": "season", "label": "S", "type": "choice", "choices": SEASONS} | change
        answer = admin_api(administrator).post(API, given, format="json")
        assert answer.status_code == 400
        assert words in json.dumps(answer.json()["errors"][where], ensure_ascii=False)
        assert CustomField.objects.count() == 1

    def test_there_are_not_more_than_sixty(
        self, administrator: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(custom_fields, "MAX_FIELDS", 1)
        field("first")
        answer = admin_api(administrator).post(API, {"slug": "second", "label": "S"}, format="json")
        assert (answer.status_code, list(answer.json()["errors"])) == (400, ["slug"])

    def test_the_page_takes_choices_as_lines(self, client: Client, administrator: User) -> None:
        client.force_login(administrator)
        given = {
            "slug": "season", "label": "Season", "label_zh": "", "type": "choice", "position": "0",
            "active": "on",
            "choices": "ss26 | Spring | 春\nfw26｜Autumn\n\n", "kinds": ["garment"],
        }  # fmt: skip
        assert client.post(f"{PAGE}add/", given).status_code == 302
        row = CustomField.objects.get()
        assert row.kinds == ["garment"]
        assert row.choices == [
            {"value": "ss26", "label": "Spring", "label_zh": "春"},
            {"value": "fw26", "label": "Autumn", "label_zh": ""},
        ]
        page = client.get(f"{PAGE}{row.pk}/change/").content.decode()
        assert "ss26 | Spring | 春\nfw26 | Autumn</textarea>" in page
        bad = client.post(f"{PAGE}{row.pk}/change/", given | {"choices": "a | b | c | d"})
        assert "too many parts" in bad.content.decode()
        assert CustomField.objects.get().choices == row.choices
        assert b"Season" in client.get(PAGE).content

    def test_the_pages_are_for_administrators(self, client: Client, season: CustomField) -> None:
        client.force_login(ReviewerFactory())
        for address in (PAGE, f"{PAGE}add/", f"{PAGE}{season.pk}/change/", f"{PAGE}{season.pk}/delete/"):
            assert client.get(address).status_code == 403

    def test_slug_and_type_stay_once_there_are_values(
        self, administrator: User, season: CustomField, dress: Asset
    ) -> None:
        api = admin_api(administrator)
        assert api.patch(f"{API}season/", {"type": "choices"}, format="json").status_code == 200
        assert api.patch(f"{API}season/", {"type": "choice"}, format="json").status_code == 200
        editing.update_assets([dress], actor=None, changes={"custom.season": "ss26"})
        for change in ({"type": "text"}, {"slug": "saison"}):
            answer = api.patch(f"{API}season/", change, format="json")
            assert answer.status_code == 400
            assert "stay “season” and “Choice”" in answer.json()["errors"]["type"][0]
        assert api.patch(f"{API}season/", {"label": "Saison"}, format="json").status_code == 200

    def test_a_field_with_values_is_retired_and_not_deleted(
        self, client: Client, administrator: User, season: CustomField, dress: Asset
    ) -> None:
        editing.update_assets([dress], actor=None, changes={"custom.season": "ss26"})
        refused = admin_api(administrator).delete(f"{API}season/")
        assert (refused.status_code, refused.json()["code"]) == (409, "in_use")
        assert refused.json()["detail"].startswith("1 asset has a value of “Season”")
        client.force_login(administrator)
        page = client.post(f"{PAGE}{season.pk}/delete/", {"post": "yes"}, follow=True).content.decode()
        assert "Retire the field instead" in page
        assert CustomField.objects.filter(slug="season").exists()

        season.active = False
        custom_fields.save(season, actor=administrator)
        page = client.get(f"/admin/dam/asset/{dress.pk}/change/").content.decode()
        assert 'value="Spring/Summer 26"' in page
        assert "Retired: its value is kept" in page
        with pytest.raises(BadValues, match="retired"):
            editing.update_assets([dress], actor=None, changes={"custom.season": "fw26"})
        editing.update_assets([dress], actor=None, changes={"custom.season": None})
        assert admin_api(administrator).delete(f"{API}season/").status_code == 204


class TestValues:
    @pytest.mark.parametrize(
        ("kind", "given", "kept"),
        [
            ("text", "  Studio\n 5 ", "Studio 5"),
            ("long_text", "one\r\ntwo", "one\ntwo"),
            ("number", 12.5, 12.5), ("number", "12.50", 12.5), ("number", "7.0", 7), ("number", 0, 0),
            ("yes_no", False, False), ("yes_no", "Yes", True), ("yes_no", "否", False),
            ("date", "2026-05-01", "2026-05-01"),
            ("choice", "ss26", "ss26"), ("choice", "Spring/Summer 26", "ss26"), ("choice", "26秋冬", "fw26"),
            ("choices", ["fw26", "ss26", "fw26"], ["ss26", "fw26"]),
            ("choices", "fw26；ss26", ["ss26", "fw26"]),
        ],
    )  # fmt: skip
    def test_each_type_takes_what_people_write(
        self, staff_api: APIClient, one_of_each: Any, dress: Asset, kind: str, given: Any, kept: Any
    ) -> None:
        address = f"{ASSETS}{dress.public_id}/"
        answer = staff_api.patch(address, {"custom": {f"a_{kind}": given}}, format="json")
        assert (answer.status_code, answer.json()["custom"]) == (200, {f"a_{kind}": kept})
        assert staff_api.get(address).json()["custom"] == {f"a_{kind}": kept}
        told = AuditEntry.objects.filter(action="asset.updated").first()
        assert told.details == {"before": {f"custom.a_{kind}": None}, "after": {f"custom.a_{kind}": kept}}
        emptied = staff_api.patch(address, {"custom": {f"a_{kind}": None}}, format="json")
        assert emptied.json()["custom"] == {}

    @pytest.mark.parametrize(
        ("kind", "given", "words"),
        [
            ("text", "x" * 501, "501 characters; at most 500"), ("text", 5, "takes a text"),
            ("text", "a\x00b", "no database keeps"), ("text", "a\ud800b", "no database keeps"),
            ("text", ["a"], "takes a text"),
            ("long_text", "x" * 10_001, "at most 10000"), ("long_text", {"a": 1}, "takes a text"),
            ("number", "many", "takes a number"), ("number", "12,5", "takes a number"),
            ("number", True, "takes a number"), ("number", "nan", "takes a number"),
            ("number", "1e400", "takes a number"), ("number", 10**16, "takes a number"),
            ("number", [1], "takes a number"),
            ("yes_no", "maybe", "neither"), ("yes_no", 2, "neither"), ("yes_no", [True], "neither"),
            ("date", "1 May 2026", "2027-12-31"), ("date", "2026-02-30", "2027-12-31"),
            ("date", "20260501", "2027-12-31"), ("date", 20260501, "2027-12-31"),
            ("choice", "ss99", "possible are: ss26, fw26"), ("choice", ["ss26"], "no choice"),
            ("choice", 1, "no choice"),
            ("choices", ["ss26", "ss99"], "“ss99” is no choice"), ("choices", 5, "a list of choices"),
            ("choices", [["ss26"]], "no choice"), ("choices", {"a": 1}, "a list of choices"),
        ],
    )  # fmt: skip
    def test_a_bad_value_is_named_and_nothing_is_written(
        self, staff_api: APIClient, one_of_each: Any, dress: Asset, kind: str, given: Any, words: str
    ) -> None:
        address = f"{ASSETS}{dress.public_id}/"
        values = {"a_date": "2026-01-01"} | {f"a_{kind}": given}
        body = json.dumps({"title": "New", "custom": values})
        answer = staff_api.generic("PATCH", address, body, content_type="application/json")
        assert answer.status_code == 400
        (sentence,) = answer.json()["errors"]["custom"][f"a_{kind}"]
        assert words in sentence
        dress.refresh_from_db()
        assert (dress.title, dress.custom) == ("Dress", {})

    def test_unknown_fields_other_kinds_and_no_objects(
        self, staff_api: APIClient, season: CustomField
    ) -> None:
        scene = AssetFactory(kind="scene", state="draft")
        address = f"{ASSETS}{scene.public_id}/"
        for given, sentence in (
            ({"nothing": "x"}, "There is no custom field “nothing”"),
            ({"season": "ss26"}, "“Season” is no field of the kind “Scene”"),
            ("text", "Give an object of values"),
            ([1], "Give an object of values"),
        ):
            answer = staff_api.patch(address, {"custom": given}, format="json")
            assert answer.status_code == 400
            assert sentence in json.dumps(answer.json()["errors"], ensure_ascii=False)
        turned = staff_api.patch(address, {"kind": "garment", "custom": {"season": "ss26"}}, format="json")
        assert turned.json()["custom"] == {"season": "ss26"}
        back = staff_api.patch(address, {"kind": "scene", "title": "Back"}, format="json")
        assert (back.status_code, back.json()["custom"]) == (200, {"season": "ss26"})

    def test_a_removed_choice_stays_on_assets_and_stops_no_saving(
        self, client: Client, editor: User, staff_api: APIClient, season: CustomField, dress: Asset
    ) -> None:
        several = field("lines", "choices")
        editing.update_assets(
            [dress], actor=None, changes={"custom.season": "ss26", "custom.lines": ["ss26"]}
        )
        for row in (season, several):
            row.choices = SEASONS[1:]
            custom_fields.save(row, actor=None)
        address = f"{ASSETS}{dress.public_id}/"
        kept = {"season": "ss26", "lines": ["ss26", "fw26"]}
        answer = staff_api.patch(address, {"title": "Again", "custom": kept}, format="json")
        assert answer.json()["custom"] == {"season": "ss26", "lines": ["fw26", "ss26"]}
        client.force_login(editor)
        page = f"/admin/dam/asset/{dress.pk}/change/"
        form = client.get(page).context["adminform"].form
        assert ("ss26", "ss26 (no longer offered)") in form.fields["custom.season"].choices
        assert client.post(page, sent(form, title="By page")).status_code == 302
        dress.refresh_from_db()
        assert (dress.title, dress.custom["season"]) == ("By page", "ss26")
        assert staff_api.get(f"{ASSETS}?custom.season=ss26").json()["results"][0]["title"] == "By page"
        other = AssetFactory(kind="garment")
        refused = staff_api.patch(
            f"{ASSETS}{other.public_id}/", {"custom": {"season": "ss26"}}, format="json"
        )
        assert refused.status_code == 400

    def test_contributors_fill_their_own_and_no_others(
        self, stranger: User, season: CustomField, dress: Asset
    ) -> None:
        mine = AssetFactory(kind="garment", state="draft", owner=stranger)
        client = admin_api(stranger)
        own = client.patch(f"{ASSETS}{mine.public_id}/", {"custom": {"season": "ss26"}}, format="json")
        assert own.json()["custom"] == {"season": "ss26"}
        others = client.patch(f"{ASSETS}{dress.public_id}/", {"custom": {"season": "ss26"}}, format="json")
        assert others.status_code == 404
        assert Asset.objects.get(pk=dress.pk).custom == {}

    def test_many_assets_take_as_many_queries_as_one(self, editor: User, season: CustomField) -> None:
        assets = Asset.objects.bulk_create(
            Asset(title=f"{n}", kind="garment", custom={} if n % 2 else {"a": n}) for n in range(40)
        )
        numbers = []
        editing.update_assets(assets[:1], actor=editor, changes={})  # asks for the editor's role
        for chosen, value in ((assets[:2], "ss26"), (assets, "fw26")):
            with CaptureQueriesContext(
                connection,
            ) as seen:
                editing.update_assets(chosen, actor=editor, changes={"custom.season": value})
            numbers.append(len(seen))
        assert numbers[0] == numbers[1]
        assert Asset.objects.get(pk=assets[2].pk).custom == {"a": 2, "season": "fw26"}


def sent(form: Any, **changes: Any) -> dict[str, Any]:
    """What a browser sends of the page of an asset."""
    data: dict[str, Any] = {"sku_links-TOTAL_FORMS": "0", "sku_links-INITIAL_FORMS": "0"}
    for bound in form:
        value = bound.value()
        if value is None or bound.field.disabled:
            continue
        data[bound.html_name] = [str(one) for one in value] if isinstance(value, list) else str(value)
    if isinstance(data.get("tags"), list):
        data["tags"] = [getattr(tag, "pk", tag) for tag in form["tags"].value()]
    if isinstance(data.get("territories"), list):
        data["territories"] = ", ".join(data["territories"])
    return data | changes


class TestThePageOfAnAsset:
    def test_the_form_has_the_fields_of_its_kind_and_writes_them(
        self, client: Client, editor: User, one_of_each: Any, dress: Asset
    ) -> None:
        field("only_scenes", kinds=["scene"])
        client.force_login(editor)
        page = f"/admin/dam/asset/{dress.pk}/change/"
        form = client.get(page).context["adminform"].form
        assert {f"custom.a_{kind}" for kind in TYPES} <= set(form.fields)
        assert "custom.only_scenes" not in form.fields
        given = {
            "custom.a_text": "Studio 5", "custom.a_long_text": "Two\r\nlines", "custom.a_number": "12.5",
            "custom.a_yes_no": "false", "custom.a_date": "2026-05-01", "custom.a_choice": "ss26",
            "custom.a_choices": ["fw26", "ss26"],
        }  # fmt: skip
        assert client.post(page, sent(form, **given)).status_code == 302
        dress.refresh_from_db()
        assert dress.custom == {
            "a_text": "Studio 5", "a_long_text": "Two\nlines", "a_number": 12.5, "a_yes_no": False,
            "a_date": "2026-05-01", "a_choice": "ss26", "a_choices": ["ss26", "fw26"],
        }  # fmt: skip
        again = client.get(page).context["adminform"].form
        before = AuditEntry.objects.count()
        assert client.post(page, sent(again)).status_code == 302
        assert AuditEntry.objects.count() == before  # what is as it was is no change
        bad = client.post(page, sent(again, **{"custom.a_number": "many"}))
        assert (bad.status_code, "custom.a_number" in bad.context["adminform"].form.errors) == (200, True)

    def test_those_who_may_not_change_it_read_the_values(self, client: Client, season: CustomField) -> None:
        asset = AssetFactory(kind="garment", custom={"season": "ss26"})
        reader = UserFactory(is_staff=True)
        reader.groups.add(*_group("contributor"))
        client.force_login(reader)
        page = client.get(f"/admin/dam/asset/{asset.pk}/change/")
        assert page.status_code == 200
        assert "Season: Spring/Summer 26" in page.content.decode()
        panel = client.get(f"/admin/dam/asset/{asset.pk}/panel/").content.decode()
        assert "Spring/Summer 26" in panel
        client.force_login(ReviewerFactory())
        with translation.override("zh-hans"):
            page = client.get(f"/admin/dam/asset/{asset.pk}/change/", headers={"accept-language": "zh-hans"})
        assert "季节" in page.content.decode()
        assert "26春夏" in page.content.decode()


def _group(name: str) -> Any:
    from django.contrib.auth.models import Group

    return Group.objects.filter(name=name)


class TestComingIn:
    def test_an_upload_brings_values(
        self, staff_api: APIClient, season: CustomField, one_of_each: Any
    ) -> None:
        for name, given in (
            ("form", {"custom.season": "ss26", "custom.a_choices": ["fw26", "ss26"]}),
            ("json", {"custom": json.dumps({"season": "ss26", "a_choices": ["ss26", "fw26"]})}),
        ):
            file = SimpleUploadedFile("a.jpg", picture(seed=len(name) + len(given)))
            made = staff_api.post(ASSETS, {"file": file, "kind": "garment", **given}, format="multipart")
            assert made.status_code == 201, made.content
            assert made.json()["custom"] == {"season": "ss26", "a_choices": ["ss26", "fw26"]}
        before = Asset.objects.count()
        file = SimpleUploadedFile("b.jpg", picture(seed=77))
        bad = staff_api.post(ASSETS, {"file": file, "custom.season": "ss26"}, format="multipart")
        assert (bad.status_code, list(bad.json()["errors"]["custom"])) == (400, ["season"])
        assert Asset.objects.count() == before

    def test_a_resumable_upload_brings_values(self, staff_api: APIClient, season: CustomField) -> None:
        from base64 import b64encode

        file = picture(seed=123)
        told = {"filename": "a.jpg", "kind": "garment", "custom.season": "ss26"}
        header = ",".join(f"{name} {b64encode(value.encode()).decode()}" for name, value in told.items())
        begun = staff_api.generic(
            "POST", "/api/v1/uploads/", file, content_type="application/offset+octet-stream",
            headers={"Tus-Resumable": "1.0.0", "Upload-Length": str(len(file)), "Upload-Metadata": header},
        )  # fmt: skip
        assert begun.status_code == 201, begun.content
        assert UploadSession.objects.get().asset.custom == {"season": "ss26"}

    def test_a_manifest_names_bad_values_by_row_and_writes_nothing(
        self, tmp_path: Path, season: CustomField, one_of_each: Any, capsys: Any
    ) -> None:
        for number in range(4):
            (tmp_path / f"{number}.jpg").write_bytes(picture(seed=300 + number))
        rows = [
            "file,kind,custom.season,Custom.A_Number,custom.a_choices,custom.typo",
            "0.jpg,garment,Spring/Summer 26,3.50,ss26; fw26,x",
            "1.jpg,garment,summer,1,,",
            "2.jpg,scene,ss26,,,",
            "3.jpg,garment,,many,nothing,",
        ]
        table = tmp_path / "manifest.csv"
        table.write_text("\n".join(rows), encoding="utf-8")
        with pytest.raises(Exception, match="3 files were rejected"):
            call_command("import_assets", str(tmp_path), manifest=table, dry_run=True, json=True)
        out, err = capsys.readouterr()
        said = {entry["file"]: entry["reason"] for entry in json.loads(out)["rejected"]}
        assert said["1.jpg"].startswith("Row 3: “summer” is no choice of “Season”")
        assert said["2.jpg"] == "Row 4: “Season” is no field of the kind “Scene”."
        assert said["3.jpg"].startswith("Row 5: “A_Number” takes a number")
        assert "“nothing” is no choice of “A_Choices”" in said["3.jpg"]
        assert "“custom.typo”" in err
        assert not Asset.objects.exists()
        with pytest.raises(Exception, match="3 files were rejected"):
            call_command("import_assets", str(tmp_path), manifest=table)
        assert Asset.objects.get().custom == {
            "season": "ss26",
            "a_number": 3.5,
            "a_choices": ["ss26", "fw26"],
        }

    def test_what_is_exported_comes_back_as_it_is(
        self, staff_api: APIClient, one_of_each: Any, tmp_path: Path, season: CustomField
    ) -> None:
        values = {
            "a_text": "=Studio, 5", "a_long_text": "Two\nlines", "a_number": 12.5, "a_yes_no": False,
            "a_date": "2026-05-01", "a_choice": "ss26", "a_choices": ["ss26", "fw26"],
        }  # fmt: skip
        full = AssetFactory(title="Full", kind="garment", custom=values, state="draft")
        bare = AssetFactory(title="Bare", kind="garment")
        season.active = False
        custom_fields.save(season, actor=None)
        for ending in ("csv", "xlsx"):
            table = tmp_path / f"metadata.{ending}"
            call_command("export_metadata", str(table))
            out = StringIO()
            call_command("update_metadata", str(table), stdout=out)
            assert not AuditEntry.objects.filter(action="asset.updated").exists()
        text = b"".join(staff_api.get(f"{ASSETS}export/").streaming_content).decode("utf-8-sig")
        rows = list(csv.DictReader(StringIO(text, newline="")))
        assert (rows[0]["custom.a_number"], rows[0]["custom.a_yes_no"]) == ("12.5", "no")
        assert (rows[1]["custom.a_choices"], rows[1]["custom.season"]) == ("", "")

        rows[0] |= {"custom.a_number": "", "custom.a_choice": "fw26", "title_en": "Changed"}
        rows[1] |= {"custom.a_choices": "ss26; ss99"}
        answer = upload_table(staff_api, rows, dry_run=True)
        assert answer["faults"][0]["row"] == 3
        assert "“ss99” is no choice" in answer["faults"][0]["problem"]
        (change,) = answer["changes"]
        assert change["changes"]["custom.a_number"] == {"before": "12.5", "after": ""}
        assert Asset.objects.get(pk=full.pk).custom == values
        upload_table(staff_api, rows, dry_run=False)
        full.refresh_from_db()
        assert full.title == "Changed"
        assert full.custom == {k: v for k, v in values.items() if k != "a_number"} | {"a_choice": "fw26"}
        assert Asset.objects.get(pk=bare.pk).custom == {}
        rows[0] |= {"custom.season": "ss26"}
        assert "retired" in upload_table(staff_api, rows[:1], dry_run=True)["faults"][0]["problem"]

    def test_an_import_in_the_background_brings_values(
        self, tmp_path: Path, settings: Any, administrator: User, season: CustomField
    ) -> None:
        from dam import import_runs

        settings.DAM_IMPORT_FOLDERS = [str(tmp_path)]
        (tmp_path / "a.jpg").write_bytes(picture(seed=400))
        (tmp_path / "manifest.csv").write_text("file,kind,custom.season\na.jpg,garment,fw26\n")
        run = import_runs.create_import(
            administrator, source="folder", location=str(tmp_path), table=_table(administrator, tmp_path),
            dry_run=False,
        )  # fmt: skip
        while import_runs.work(run.pk, seconds=60):
            pass
        assert Import.objects.get().imported == 1
        assert Asset.objects.get().custom == {"season": "fw26"}


def _table(owner: User, folder: Path) -> UploadSession:
    from dam import uploads

    content = (folder / "manifest.csv").read_bytes()
    return uploads.receive(owner, SimpleUploadedFile("manifest.csv", content), "import")


def upload_table(api: APIClient, rows: list[dict[str, str]], *, dry_run: bool) -> Any:
    out = StringIO(newline="")
    writer = csv.DictWriter(out, rows[0].keys())
    writer.writeheader()
    writer.writerows(rows)
    file = BytesIO(out.getvalue().encode())
    file.name = "metadata.csv"
    answer = api.post(f"{ASSETS}update-metadata/", {"file": file, "dry_run": dry_run}, format="multipart")
    assert answer.status_code == 200, answer.content
    return answer.json()


class TestManyAtOnce:
    def finish(self, edit: Any) -> dict[str, int]:
        while bulk_edits.work(edit.pk, seconds=60):
            pass
        return dict(bulk_edits.outcomes(edit))

    def test_a_bulk_edit_fills_those_that_have_the_field_and_is_undone(
        self, client: Client, editor: User, season: CustomField
    ) -> None:
        shot = field("shot", "date")
        garments = [AssetFactory(kind="garment", custom={"season": "fw26"} if n else {}) for n in range(3)]
        scene = AssetFactory(kind="scene", title="Scene")
        client.force_login(editor)
        asked = {
            "action": "edit", "confirmed": "1", "_selected_action": [a.pk for a in (*garments, scene)],
            "change_custom.season": "on", "custom.season": "ss26",
            "change_custom.shot": "on", "custom.shot": "2026-05-01",
        }  # fmt: skip
        answer = client.post("/admin/dam/asset/", asked)
        assert answer.status_code == 302, answer.content.decode()[-3000:]
        edit = bulk_edits.edits_of(editor).get()
        assert edit.changes == {"custom.season": "ss26", "custom.shot": "2026-05-01"}
        assert self.finish(edit) == {"changed": 3, "skipped": 1}
        assert [a.custom for a in Asset.objects.filter(kind="garment")] == [
            {"season": "ss26", "shot": "2026-05-01"}
        ] * 3
        assert Asset.objects.get(pk=scene.pk).custom == {}
        assert "Season: ss26" in client.get("/admin/dam/bulkedit/").content.decode()
        bulk_edits.undo(edit, actor=editor)
        assert self.finish(edit) == {"undone": 3, "skipped": 1}
        assert [a.custom for a in Asset.objects.filter(kind="garment").order_by("pk")] == [
            {}, {"season": "fw26"}, {"season": "fw26"},
        ]  # fmt: skip
        assert shot.name == "custom.shot"

    def test_rest_refuses_what_the_field_does_not_take(
        self, staff_api: APIClient, editor: User, season: CustomField, dress: Asset
    ) -> None:
        season_of = {"filters": {"custom.season": "ss26"}, "changes": {"custom.season": "fw26"}}
        bad = ({"custom.season": "ss99"}, {"custom.nothing": "x"})
        for changes in bad:
            answer = staff_api.post(
                "/api/v1/bulk-edits/", {"ids": [str(dress.public_id)], "changes": changes}, format="json"
            )
            assert answer.status_code == 400
        assert (
            staff_api.post("/api/v1/bulk-edits/", season_of, format="json").status_code == 400
        )  # nobody has it
        editing.update_assets([dress], actor=None, changes={"custom.season": "ss26"})
        made = staff_api.post("/api/v1/bulk-edits/", season_of, format="json")
        assert (made.status_code, made.json()["total"]) == (202, 1)
        assert self.finish(bulk_edits.edits_of(editor).get()) == {"changed": 1}
        assert Asset.objects.get(pk=dress.pk).custom == {"season": "fw26"}
        emptied = bulk_edits.start(Asset.objects.all(), Change({"custom.season": None}), actor=editor)
        assert self.finish(emptied) == {"changed": 1}
        assert Asset.objects.get(pk=dress.pk).custom == {}
        season.active = False
        custom_fields.save(season, actor=None)
        with pytest.raises(CannotEdit, match="Not for many at once"):
            bulk_edits.start(Asset.objects.all(), Change({"custom.season": "ss26"}), actor=editor)

    def test_merging_keeps_ones_own_values_and_fills_the_empty_ones(
        self, editor: User, one_of_each: Any
    ) -> None:
        kept = AssetFactory(custom={"a_text": "mine"})
        first = AssetFactory(custom={"a_text": "theirs", "a_yes_no": False})
        second = AssetFactory(custom={"a_yes_no": True, "a_number": 3})
        merging.merge(kept, [first, second], actor=editor)
        kept.refresh_from_db()
        assert kept.custom == {"a_text": "mine", "a_yes_no": False, "a_number": 3}


class TestFinding:
    def test_rest_filters_by_each_type(self, staff_api: APIClient, one_of_each: Any) -> None:
        values = {
            "a_text": "Studio 5", "a_number": 12.5, "a_yes_no": False, "a_date": "2026-05-01",
            "a_choice": "ss26", "a_choices": ["ss26", "fw26"],
        }  # fmt: skip
        AssetFactory(title="Full", custom=values)
        AssetFactory(title="Other", custom={"a_choice": "fw26", "a_choices": ["fw26"], "a_yes_no": True})
        AssetFactory(title="Bare")

        def found(query: str) -> list[str]:
            answer = staff_api.get(f"{ASSETS}?{query}")
            assert answer.status_code == 200, answer.content
            return sorted(asset["title"] for asset in answer.json()["results"])

        for query in (
            "custom.a_text=Studio 5", "custom.a_number=12.50", "custom.a_yes_no=no",
            "custom.a_date=2026-05-01",
            "custom.a_choice=ss26", "custom.a_choices=ss26", "custom.a_choices=ss26&custom.a_choices=fw26",
            "custom.a_choice=ss26&custom.a_yes_no=false",
        ):  # fmt: skip
            assert found(query) == ["Full"], query
        assert found("custom.a_choices=fw26") == ["Full", "Other"]
        assert found("custom.a_choice=ss26&custom.a_yes_no=yes") == []
        assert found("custom.a_choice=") == ["Bare", "Full", "Other"]
        for query, name in (("custom.nothing=1", "custom.nothing"), ("custom.a_number=x", "custom.a_number")):
            refused = staff_api.get(f"{ASSETS}?{query}")
            assert (refused.status_code, list(refused.json()["errors"])) == (400, [name])

    def test_a_stranger_finds_by_values_what_is_theirs_to_see_only(
        self, stranger: User, season: CustomField
    ) -> None:
        AssetFactory(kind="garment", state="draft", custom={"season": "ss26"})
        shown = AssetFactory(kind="garment", title="Shown", custom={"season": "ss26"})
        found = admin_api(stranger).get(f"{ASSETS}?custom.season=ss26").json()["results"]
        assert [asset["id"] for asset in found] == [str(shown.public_id)]

    def test_the_list_filters_by_choices_at_a_constant_number_of_queries(
        self, client: Client, editor: User, season: CustomField
    ) -> None:
        sale = field("sale", "yes_no", label="On sale")
        AssetFactory(kind="garment", title="Summer thing", custom={"season": "ss26", "sale": False})
        client.force_login(editor)
        address = "/admin/dam/asset/?custom.season=ss26&custom.sale=no"
        page = client.get(address).content.decode()
        assert "Season: Spring/Summer 26" in page
        assert "Summer thing" in page
        assert "Summer thing" not in client.get("/admin/dam/asset/?custom.season=fw26").content.decode()
        assert "Summer thing" not in client.get("/admin/dam/asset/?custom.sale=yes").content.decode()
        assert client.get("/admin/dam/asset/?custom.sale=perhaps").status_code == 200
        with CaptureQueriesContext(connection) as few:
            client.get(address)
        for number in range(8):
            AssetFactory(kind="garment", custom={"season": "ss26", "sale": False})
            field(f"more_{number}", "choice")
        with CaptureQueriesContext(connection) as many:
            client.get(address)
        assert len(many) == len(few)
        assert sale.name == "custom.sale"

    def test_words_and_the_index_know_texts_and_labels_in_both_languages(
        self, client: Client, editor: User, season: CustomField, one_of_each: Any
    ) -> None:
        asset = AssetFactory(kind="garment", title="Plain")
        editing.update_assets(
            [asset], actor=editor, changes={"custom.season": "ss26", "custom.a_text": "Waterfall studio"}
        )
        for text in ("waterfall", "26春夏", "Spring", "ss26"):
            assert words.having(text, editor).filter(asset=asset).exists(), text
        season.choices = [{"value": "ss26", "label": "Estival", "label_zh": ""}]
        custom_fields.save(season, actor=None)
        assert words.having("estival", editor).filter(asset=asset).exists()
        assert not words.having("26春夏", editor).filter(asset=asset).exists()
        asset.refresh_from_db()
        for row in CustomField.objects.all():
            row.public = True
            custom_fields.save(row, actor=None)
        text = document_for(asset, custom_fields.by_slug()).text
        assert "Waterfall studio" in text
        assert "Estival" in text


class TestWhatCannotBeKept:
    def test_huge_numbers_and_half_characters_are_refused_in_words(
        self, staff_api: APIClient, one_of_each: Any, dress: Asset
    ) -> None:
        address = f"{ASSETS}{dress.public_id}/"
        huge = int("1" + "0" * 400)
        for given, slug in (
            ({"a_number": huge}, "a_number"),
            ({"a_number": -huge}, "a_number"),
            ({"a_number": "NaN"}, "a_number"),
            ({"a_yes_no": huge}, "a_yes_no"),
            ({"a_text": "\ud800"}, "a_text"),
            ({"a_number": "\ud800"}, "a_number"),
            ({"a_choices": ["\ud800"]}, "a_choices"),
            ({"\ud800": "1"}, "?"),
            ({"\0": "1"}, "\0"),
        ):
            body = json.dumps({"custom": given})
            refused = staff_api.patch(address, body, content_type="application/json")
            assert (refused.status_code, list(refused.json()["errors"]["custom"])) == (400, [slug]), given
        for asked in (
            {"changes": {"custom.a_number": huge}},
            {"changes": {"custom.\ud800": "1"}},
            {"filters": {"custom.\ud800": "1"}, "changes": {"custom.a_number": 1}},
        ):
            body = json.dumps({"ids": [str(dress.public_id)]} | asked if "filters" not in asked else asked)
            refused = staff_api.post("/api/v1/bulk-edits/", body, content_type="application/json")
            assert refused.status_code == 400, asked
        before = Asset.objects.count()
        sent = {
            "file": SimpleUploadedFile("x.jpg", picture(seed=900)),
            "custom": json.dumps({"a_number": huge}),
        }
        assert staff_api.post(ASSETS, sent, format="multipart").status_code == 400
        assert Asset.objects.count() == before
        assert Asset.objects.get(pk=dress.pk).custom == {}
        fine = staff_api.patch(address, {"custom": {"a_number": -(10**15)}}, format="json")
        assert fine.json()["custom"] == {"a_number": -(10**15)}


class TestTellingAssets:
    @pytest.fixture
    def told(self) -> Any:
        """The keys of those that counted as changed, in batches."""
        batches: list[list[int]] = []

        def note(sender: Any, asset_ids: list[int], **_: Any) -> None:
            if sender is CustomField:
                batches.append(list(asset_ids))

        assets_changed.connect(note)
        yield batches
        assets_changed.disconnect(note)

    def test_only_those_whose_words_changed_are_told(self, told: Any, one_of_each: Any) -> None:
        spring = AssetFactory(custom={"a_choice": "ss26", "a_choices": ["ss26", "fw26"]})
        autumn = AssetFactory(custom={"a_choice": "fw26", "a_choices": ["fw26"]})
        AssetFactory()
        for slug in ("a_choice", "a_choices"):
            row = CustomField.objects.get(slug=slug)
            row.choices = [{"value": "x"}, *reversed(SEASONS)]
            row.label, row.active = "Renamed", False
            custom_fields.save(row, actor=None)
            assert told == []
            row.choices = [{**SEASONS[0], "label": "Estival"}, SEASONS[1]]
            custom_fields.save(row, actor=None)
            assert told == [[spring.pk]]
            told.clear()
            row.choices = [row.choices[0]]
            custom_fields.save(row, actor=None)
            assert told == ([[autumn.pk]] if slug == "a_choice" else [[spring.pk, autumn.pk]])
            told.clear()
        assert words.having("estival", None).count() == 1

    def test_many_are_told_in_the_background_and_after_a_crash(
        self, told: Any, season: CustomField, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(custom_fields, "BATCH", 2)
        keys = [AssetFactory(kind="garment", custom={"season": "ss26"}).pk for _ in range(5)]
        season.choices = [{**SEASONS[0], "label": "Estival"}, SEASONS[1]]
        custom_fields.save(season, actor=None)
        assert told == [keys[:2]]
        assert custom_fields.telling() == [season.pk]
        # A second change meanwhile, of what was told and of what was not; the definition read before it.
        again = CustomField.objects.get()
        again.choices = [SEASONS[0], {**SEASONS[1], "label": "Autumnal"}]
        custom_fields.save(again, actor=None)
        told.clear()
        sweep_fields()
        tell_of_field(season.pk)
        assert [key for batch in told for key in batch][-3:] == keys[2:]
        assert custom_fields.telling() == []
        assert words.having("estival", None).count() == 0
        told.clear()
        tell_of_field(season.pk)
        assert told == []


class TestLeftovers:
    def test_what_another_type_left_behind_is_shown_as_text(
        self, client: Client, editor: User, administrator: User, one_of_each: Any
    ) -> None:
        odd: dict[str, Any] = {
            "a_text": 5, "a_long_text": ["x"], "a_number": "hello", "a_yes_no": "hello", "a_date": "hello",
            "a_choice": 7, "a_choices": 7,
        }  # fmt: skip
        asset = AssetFactory(title="Odd", kind="garment")
        Asset.objects.update(custom=odd)
        client.force_login(editor)
        for address in (
            f"/admin/dam/asset/{asset.pk}/change/",
            "/admin/dam/asset/",
            "/admin/dam/asset/?q=Odd",
        ):
            assert client.get(address).status_code == 200, address
        for slug in ("a_date", "a_number"):
            assert shown(CustomField.objects.get(slug=slug), "hello") == "hello"
        words.rewrite([asset.pk])
        CustomField.objects.filter(slug="a_date").delete()
        row = {"slug": "a_date", "label": "Date"}
        refused = admin_api(administrator).post(API, row, format="json")
        assert refused.status_code == 400
        assert "still have values" in refused.json()["errors"]["slug"][0]

    def test_an_upload_that_ends_after_its_field_went_keeps_everything_else(
        self, season: CustomField
    ) -> None:
        field("shot", "date")
        given = AssetMetadata(
            title="Late", kind="garment", custom={"gone": "hello", "season": "ss26", "shot": "hello"}
        )
        made = ingest(
            picture(seed=901), filename="l.jpg", owner=None, origin=AssetOrigin.UPLOADED, metadata=given
        )
        assert made.asset.custom == {"season": "ss26"}
        assert Asset.objects.get().custom == {"season": "ss26"}
        assert Asset.objects.get().title == "Late"
        assert "custom.gone = “hello”" in made.notice
        assert "custom.shot = “hello”" in made.notice
        assert "season" not in made.notice

    def test_type_and_field_are_checked_again_where_they_are_written(
        self, season: CustomField, dress: Asset
    ) -> None:
        """As where an edit commits between the check of the form and the write."""
        season.type = "date"
        assert custom_fields.problems_with(season) == {}
        editing.update_assets([dress], actor=None, changes={"custom.season": "ss26"})
        with pytest.raises(FieldInUse, match="slug and type stay"):
            custom_fields.save(season, actor=None)
        with pytest.raises(FieldInUse, match="1 asset has a value"):
            custom_fields.delete(season, actor=None)
        assert CustomField.objects.get().type == "choice"


class TestWhoIsTold:
    def test_strangers_are_told_and_find_public_values_only(
        self, api: APIClient, stranger: User, editor: User
    ) -> None:
        field("cost", label="Cost")
        field("fabric", label="Fabric", public=True)
        asset = AssetFactory(title="Coat", kind="garment")
        changes = {"custom.cost": "Wholesale73519", "custom.fabric": "Linen"}
        editing.update_assets([asset], actor=None, changes=changes)
        shopper = UserFactory()
        shopper.groups.add(Group.objects.get(name="storefront"))
        field_rules.save(
            FieldRule(kind="", state="approved", required=["custom.cost", "licence"]), actor=None
        )
        for client in (api, admin_api(shopper)):
            assert client.get(f"{ASSETS}{asset.public_id}/").json()["custom"] == {"fabric": "Linen"}
            assert client.get(ASSETS).json()["results"][0]["custom"] == {"fabric": "Linen"}
            assert len(client.get(f"{ASSETS}?custom.fabric=Linen").json()["results"]) == 1
            hidden, absent = (client.get(f"{ASSETS}?custom.{slug}=x") for slug in ("cost", "nope"))
            assert hidden.status_code == absent.status_code == 400
            assert hidden.content.replace(b"cost", b"nope") == absent.content
            assert len(client.get(f"{ASSETS}?q=linen").json()["results"]) == 1
            for text in ("wholesale73519", "_wholesale73519", "73519"):
                assert client.get(f"{ASSETS}?q={text}").json()["results"] == [], text
            assert client.get(f"{ASSETS}?incomplete=approved").json()["results"] == []
            table = b"".join(client.get(f"{ASSETS}export/").streaming_content).decode()
            assert ("cost" in table, "Wholesale" in table, "Linen" in table) == (False, False, True)
        assert [row["slug"] for row in admin_api(shopper).get(API).json()] == ["fabric"]
        assert admin_api(shopper).get(f"{API}cost/").status_code == 404
        assert admin_api(shopper).get("/api/v1/field-rules/").json()[0]["required"] == ["licence"]
        for user in (stranger, editor):
            client = admin_api(user)
            assert client.get(f"{ASSETS}{asset.public_id}/").json()["custom"]["cost"] == "Wholesale73519"
            for query in ("custom.cost=Wholesale73519", "q=wholesale73519 coat", "q=73519 linen"):
                assert len(client.get(f"{ASSETS}?{query}").json()["results"]) == 1, query
            assert len(client.get(API).json()) == 2
        text = document_for(Asset.objects.get(), custom_fields.by_slug()).text
        assert ("Linen" in text, "Wholesale" in text) == (True, False)

        cost = CustomField.objects.get(slug="cost")
        for public in (True, False):
            cost.public = public
            custom_fields.save(cost, actor=None)
            assert len(api.get(f"{ASSETS}?q=wholesale73519").json()["results"]) == public

    def test_a_list_for_strangers_takes_as_many_queries_for_many(self, api: APIClient) -> None:
        field("cost")
        AssetFactory(custom={"cost": "1"})
        with CaptureQueriesContext(connection) as few:
            api.get(ASSETS)
        for _ in range(4):
            AssetFactory(custom={"cost": "1"})
        with CaptureQueriesContext(connection) as many:
            assert all(row["custom"] == {} for row in api.get(ASSETS).json()["results"])
        assert len(many) == len(few)


def test_kinds_are_those_of_assets() -> None:
    made = field("all_kinds", kinds=[])
    assert all(made.is_for(kind) for kind in AssetKind.values)
