"""Metadata out as a table and back in: what is exported, and what an edited table changes."""

from __future__ import annotations

import csv
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from openpyxl import load_workbook
from rest_framework.test import APIClient

from dam.models import Asset, AssetKind, AssetState, AuditEntry
from dam.roles import Role
from tests.clients import api_of
from tests.factories import AssetFactory, UserFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("space")]
PAGE, ADMIN_EXPORT = "/admin/dam/asset/table/", "/admin/dam/asset/export/"
EXPORT, UPDATE = "/api/v1/assets/export/", "/api/v1/assets/update-metadata/"


def exported(api: APIClient, query: str = "") -> list[dict[str, str]]:
    answer = api.get(f"{EXPORT}{query}")
    assert answer.status_code == 200
    text = b"".join(answer.streaming_content).decode("utf-8-sig")
    return list(csv.DictReader(StringIO(text, newline="")))


def table_of(rows: list[dict[str, str]]) -> bytes:
    out = StringIO(newline="")
    writer = csv.DictWriter(out, rows[0].keys())
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


def send(api: APIClient, rows: list[dict[str, str]] | bytes, *, dry_run: bool = False) -> Any:
    content = rows if isinstance(rows, bytes) else table_of(rows)
    file = SimpleUploadedFile("metadata.csv", content)
    return api.post(UPDATE, {"file": file, "dry_run": dry_run}, format="multipart")


@pytest.fixture
def dress() -> Asset:
    return AssetFactory(
        title="=Red dress", title_zh="红裙", kind=AssetKind.GARMENT, tags=["Summer look", "linen"],
        skus=[("D-1", "on_model"), ("D-1", "packshot")], credit="A, B", rights_expire_on="2030-01-31",
    )  # fmt: skip


class TestExport:
    def test_the_manifests_columns_and_the_id(self, staff_api: APIClient, dress: Asset) -> None:
        (row,) = exported(staff_api)
        assert dress.current is not None
        assert (row["id"], row["sha256"]) == (str(dress.public_id), dress.current.sha256)
        assert (row["title_en"], row["title_zh"], row["credit"]) == ("'=Red dress", "红裙", "A, B")
        assert (row["kind"], row["tags"]) == ("garment", "Summer look; linen")
        assert row["skus"] == "D-1:on_model; D-1:packshot"
        assert row["rights_expire_on"] == "2030-01-31"
        book = staff_api.get(f"{EXPORT}?as=xlsx")
        sheet = load_workbook(BytesIO(b"".join(book.streaming_content))).active
        assert [cell.value for cell in sheet[1]][:3] == ["id", "sha256", "file"]

    def test_filters_and_visibility_count(self, staff_api: APIClient, api: APIClient, dress: Asset) -> None:
        AssetFactory(state=AssetState.DRAFT)
        AssetFactory(kind=AssetKind.GARMENT, state=AssetState.TRASHED)
        assert len(exported(staff_api)) == 2
        assert [row["id"] for row in exported(staff_api, "?kind=garment")] == [str(dress.public_id)]
        assert [row["id"] for row in exported(api)] == [str(dress.public_id)]

    def test_many_cost_no_more_queries_than_few(self, staff_api: APIClient, dress: Asset) -> None:
        def queries() -> int:
            with CaptureQueriesContext(connection) as captured:
                exported(staff_api)
            return len(captured)

        queries()  # who the caller is, is asked once
        few = queries()
        for _number in range(8):
            AssetFactory(tags=["linen"], skus=[("D-1", "packshot")])
        assert queries() == few

    @pytest.mark.parametrize("words", ["x;=1+1", "x;''=1", ";=1", 'x;"=1"', "x\t=1", "x\n- 1"])
    def test_formulas_behind_a_separator_are_disarmed_and_come_back(
        self, staff_api: APIClient, words: str
    ) -> None:
        asset = AssetFactory(description=words)
        content = b"".join(staff_api.get(EXPORT).streaming_content)
        text = StringIO(content.decode("utf-8-sig"), newline="")
        for separator in ",;\t":
            text.seek(0)
            for row in csv.reader(text, delimiter=separator):
                assert not [cell for cell in row if cell.startswith(("=", "+", "-", "@"))]
        assert send(staff_api, content).json()["unchanged"] == 1
        assert send(staff_api, [{**exported(staff_api)[0], "credit": "A, B"}]).json()["unchanged"] == 0
        asset.refresh_from_db()
        assert (asset.description, asset.credit) == (words, "A, B")


class TestUpdate:
    def test_what_was_exported_changes_nothing(self, staff_api: APIClient, dress: Asset) -> None:
        AssetFactory(tags=["夏天"])
        before = AuditEntry.objects.count()
        answer = send(staff_api, exported(staff_api)).json()
        assert (answer["unchanged"], answer["changes"], answer["faults"]) == (2, [], [])
        assert AuditEntry.objects.count() == before

    def test_a_dry_run_shows_the_difference_and_writes_nothing(
        self, staff_api: APIClient, dress: Asset
    ) -> None:
        rows = exported(staff_api)
        rows[0] |= {"title_en": "Blue dress", "credit": "", "tags": "linen; new", "skus": "D-2"}
        answer = send(staff_api, rows, dry_run=True).json()
        (change,) = answer["changes"]
        assert (change["row"], change["asset"]) == (2, str(dress.public_id))
        assert change["changes"] == {
            "title_en": {"before": "=Red dress", "after": "Blue dress"},
            "credit": {"before": "A, B", "after": ""},
            "tags": {"before": "Summer look; linen", "after": "linen; new"},
            "skus": {"before": "D-1:on_model; D-1:packshot", "after": "D-2:packshot"},
        }
        assert Asset.objects.get().title == "=Red dress"

        assert send(staff_api, rows).json()["changes"] == [change]
        asset = Asset.objects.get()
        assert (asset.title, asset.title_zh, asset.credit) == ("Blue dress", "红裙", "")
        assert {tag.label for tag in asset.tags.all()} == {"linen", "new"}
        assert [(link.sku.code, link.role) for link in asset.sku_links.all()] == [("D-2", "packshot")]
        assert send(staff_api, rows).json()["unchanged"] == 1

    def test_only_the_columns_that_are_there(self, staff_api: APIClient, dress: Asset) -> None:
        assert dress.current is not None
        send(staff_api, [{"sha256": dress.current.sha256, "alt_text_en": "A dress", "kind": ""}])
        dress.refresh_from_db()
        assert (dress.alt_text, dress.title, dress.kind) == ("A dress", "=Red dress", AssetKind.GARMENT)

    def test_bad_rows_are_told_and_stop_none_of_the_others(
        self, staff_api: APIClient, stranger: User, dress: Asset
    ) -> None:
        other, own = AssetFactory(), AssetFactory(owner=stranger)
        rows = [
            {"id": str(dress.public_id), "title_en": "Kept", "kind": "dress"},
            {"id": str(other.public_id), "title_en": "New", "kind": ""},
            {"id": str(other.public_id), "title_en": "Newer", "kind": ""},
            {"id": "01a20b47-fd90-7b0b-a478-f16370a5c6b3", "title_en": "Nobody", "kind": ""},
            {"id": str(own.public_id), "title_en": "Mine", "kind": ""},
        ]
        answer = send(staff_api, rows).json()
        assert [fault["row"] for fault in answer["faults"]] == [2, 4, 5]
        assert answer["faults"][1]["problem"] == "An earlier row names the same asset."
        other.refresh_from_db()
        assert other.title == "New"

        contributor = api_of(stranger)
        answer = send(contributor, [rows[1], rows[4] | {"title_en": "Still mine"}]).json()
        assert [fault["problem"] for fault in answer["faults"]] == ["The asset belongs to somebody else."]
        own.refresh_from_db()
        assert own.title == "Still mine"

    @pytest.mark.parametrize("content", [b"file,title_en\na.jpg,Red\n", b"\xff\xfe\x00binary", b""])
    def test_a_table_that_tells_no_assets_is_refused(self, staff_api: APIClient, content: bytes) -> None:
        assert send(staff_api, content).status_code == 400

    def test_nobody_changes_without_an_account(self, api: APIClient, dress: Asset) -> None:
        assert send(api, [{"id": str(dress.public_id), "title_en": "x"}]).status_code == 401


class TestPage:
    def test_the_list_as_filtered_goes_out_and_comes_back(
        self, client: Client, editor: User, dress: Asset
    ) -> None:
        AssetFactory(kind=AssetKind.PROP)
        client.force_login(editor)
        shown = client.get("/admin/dam/asset/?kind=garment&sort=title").content.decode()
        assert f"{ADMIN_EXPORT}?kind=garment&amp;sort=title" in shown
        answer = client.get(f"{ADMIN_EXPORT}?kind=garment&sort=title")
        text = b"".join(answer.streaming_content).decode("utf-8-sig")
        (row,) = csv.DictReader(StringIO(text, newline=""))
        assert row["id"] == str(dress.public_id)
        book = client.get(f"{ADMIN_EXPORT}?kind=garment&as=xlsx")
        sheet = load_workbook(BytesIO(b"".join(book.streaming_content))).worksheets[0]
        assert sheet.max_row == 2

        def give(do: str, rows: list[dict[str, str]]) -> Any:
            file = SimpleUploadedFile("assets.csv", table_of(rows))
            return client.post(PAGE, {"table": file, "do": do}, headers={"X-Fragment": "report"})

        edited = [row | {"title_en": "Blue dress"}, row | {"id": "nobody"}]
        checked = give("check", edited).content.decode()
        assert "Checked; nothing was changed" in checked
        assert "Changed: 1. As they were: 0. With a problem: 1." in checked
        assert "<ins>Blue dress</ins>" in checked
        dress.refresh_from_db()
        assert dress.title == "=Red dress"
        sheet_of_errors = b"".join(give("errors", edited).streaming_content).decode()
        assert "There is no such asset." in sheet_of_errors
        assert "Done" in give("change", edited).content.decode()
        dress.refresh_from_db()
        assert dress.title == "Blue dress"

    def test_what_is_not_a_table_is_refused_with_a_sentence(self, client: Client, editor: User) -> None:
        client.force_login(editor)
        assert client.get(PAGE).status_code == 200
        assert client.post(PAGE, {"do": "check"}).status_code == 422
        file = SimpleUploadedFile("assets.csv", b"title_en\nRed\n")
        answer = client.post(PAGE, {"table": file, "do": "check"})
        assert answer.status_code == 422
        assert "neither a column “id” nor “sha256”" in answer.content.decode()

    def test_a_contributor_takes_out_and_changes_only_their_own(self, client: Client, dress: Asset) -> None:
        contributor = UserFactory(is_staff=True)
        contributor.groups.add(Group.objects.get(name=Role.CONTRIBUTOR))
        own = AssetFactory(owner=contributor, title="Mine")
        AssetFactory(state=AssetState.DRAFT, title="Secret")
        client.force_login(contributor)
        text = b"".join(client.get(ADMIN_EXPORT).streaming_content).decode("utf-8-sig")
        rows = list(csv.DictReader(StringIO(text, newline="")))
        assert {row["id"] for row in rows} == {str(own.public_id), str(dress.public_id)}  # approved
        file = SimpleUploadedFile(
            "a.csv", table_of([rows[0] | {"id": str(dress.public_id), "title_en": "x"}])
        )
        refused = client.post(PAGE, {"table": file, "do": "change"}).content.decode()
        assert "The asset belongs to somebody else." in refused
        dress.refresh_from_db()
        assert dress.title == "=Red dress"


class TestCommands:
    @pytest.mark.parametrize("ending", ["csv", "xlsx"])
    def test_out_and_back(self, dress: Asset, tmp_path: Path, ending: str) -> None:
        AssetFactory()
        path, out = tmp_path / f"all.{ending}", StringIO()
        call_command("export_metadata", str(path), kind=["garment"])
        call_command("update_metadata", str(path), stdout=out)
        assert "0 changed, 1 the same already." in out.getvalue()
        dress.refresh_from_db()
        assert dress.title == "=Red dress"

    def test_the_difference_and_the_errors(self, dress: Asset, tmp_path: Path) -> None:
        path, sheet, out = tmp_path / "edited.csv", tmp_path / "errors.csv", StringIO()
        path.write_text(f"id,title_en\n{dress.public_id},Blue dress\nnobody,Lost\n", encoding="utf-8")
        with pytest.raises(CommandError, match="1 rows were rejected"):
            call_command("update_metadata", str(path), "--dry-run", "--errors", str(sheet), stdout=out)
        assert "title_en: “=Red dress” → “Blue dress”" in out.getvalue()
        assert "nobody,Lost,There is no such asset." in sheet.read_text("utf-8-sig")
        dress.refresh_from_db()
        assert dress.title == "=Red dress"
