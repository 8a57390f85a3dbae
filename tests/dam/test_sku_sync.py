"""Tables of SKUs: what they create, change and refuse, and that an export syncs back unchanged."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from openpyxl import load_workbook
from rest_framework.test import APIClient

from dam.models import SKU, AuditEntry
from dam.signals import assets_changed
from tests.factories import AssetFactory, SKUFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("space")]
SYNC, EXPORT, PAGE = "/api/v1/skus/sync/", "/api/v1/skus/export/", "/admin/dam/sku/sync/"
Table = Callable[..., Path]


@pytest.fixture
def table(tmp_path: Path) -> Table:
    """`table("code,name", "A,Shirt")`: a CSV file of these lines."""

    def write(*lines: str) -> Path:
        path = tmp_path / "skus.csv"
        path.write_text("\n".join(lines), encoding="utf-8")
        return path

    return write


def sync(path: Path, *options: str, capsys: Any = None) -> dict[str, Any]:
    """The report of the command, also where rows are bad."""
    out = io.StringIO()
    try:
        call_command("sync_skus", str(path), "--json", *options, stdout=out, stderr=io.StringIO())
    except CommandError as error:
        if error.returncode != 1:
            raise
    return json.loads(out.getvalue())


def outcome(report: dict[str, Any]) -> tuple[int, int, int, int]:
    problems = sum(row["outcome"] == "problem" for row in report["rows"])
    return report["created"], report["changed"], report["unchanged"], problems


def state() -> dict[str, tuple[Any, ...]]:
    fields = ("name", "name_zh", "parent__code", "status", "barcode", "attributes")
    return {sku.pop("code"): tuple(sku.values()) for sku in SKU.objects.values("code", *fields)}


class TestWhatARowMeans:
    def test_new_changed_and_unchanged(self, table: Table) -> None:
        SKUFactory(
            code="OLD", name="Old", name_zh="旧", attributes={"colour": "red", "size": 38, "kept": "x"}
        )
        SKUFactory(code="SAME", name="Same", name_zh="", attributes={"colour": "blue"})
        path = table(
            "Code,name,parent,status,ean,attr:colour,attr:size,colour",
            "NEW-M,Shirt M,NEW,,,navy,38,ignored",
            "NEW,Shirt,,,4006381333931,,,",
            "OLD,New,,discontinued,,,38,",
            "SAME,Same,,Active,,blue,,",
        )
        report = sync(path)
        assert outcome(report) == (2, 1, 1, 0)
        assert {row["code"]: row["columns"] for row in report["rows"]}["OLD"] == [
            "name", "status", "attributes",
        ]  # fmt: skip
        assert state() == {
            "NEW": ("Shirt", "", None, "active", "4006381333931", {}),
            "NEW-M": ("Shirt M", "", "NEW", "active", "", {"colour": "navy", "size": 38}),
            "OLD": ("New", "旧", None, "discontinued", "", {"size": 38, "kept": "x"}),
            "SAME": ("Same", "", None, "active", "", {"colour": "blue"}),
        }
        assert set(AuditEntry.objects.values_list("action", "target_id")) == {
            ("sku.created", "NEW"), ("sku.created", "NEW-M"), ("sku.updated", "OLD"),
        }  # fmt: skip
        assert outcome(sync(path)) == (0, 0, 4, 0)

    def test_families_are_rearranged(self, table: Table) -> None:
        SKUFactory(code="B", parent=SKUFactory(code="A"))
        sync(table("code,parent", "A,B", "B,"))
        assert state()["A"][2] == "B"
        assert state()["B"][2] is None

    def test_assets_of_changed_skus_count_as_changed(self, table: Table) -> None:
        carriers = [AssetFactory(skus=[(code, "packshot")]).pk for code in ("A", "B")]
        heard: list[int] = []

        def receive(asset_ids: list[int], **_: Any) -> None:
            heard.extend(asset_ids)

        assets_changed.connect(receive)
        sync(table("code,name", "A,Shirt", "B,"))
        assets_changed.disconnect(receive)
        assert heard == carriers[:1]

    @pytest.mark.parametrize(
        ("row", "sentence"),
        [
            (",Shirt,,,", "“code” is empty"),
            ("GOOD,Twice,,,", "in row 2 already"),
            ("x" * 65 + ",,,,", "1 to 64 characters"),
            ("sync,,,,", "has it as an address"),
            (f"A,{'x' * 256},,,", "at most 255"),
            ("A,,NOWHERE,,", "neither in the table nor in the library"),
            ("A,,A,,", "variant of itself"),
            ("A,,M,,", "is a variant itself"),
            ("SHIRT,,GOOD,,", "has variants of its own"),
            ("A,,,sold,", "is no status"),
            ("A,,,,x,y", "more cells than there are columns"),
            (f"A,,,,{'x' * 501}", "needs a text"),
        ],
    )
    def test_one_bad_row_stops_all_but_a_partial_sync(self, table: Table, row: str, sentence: str) -> None:
        SKUFactory(code="M", parent=SKUFactory(code="SHIRT", name="", name_zh=""), name="", name_zh="")
        before = state()
        path = table("code,name,parent,status,attr:colour", "GOOD,Good,,,", row)
        report = sync(path)
        problem = next(found for found in report["rows"] if found["outcome"] == "problem")
        assert (problem["number"], report["written"]) == (3, False)
        assert sentence in problem["sentence"]
        assert state() == before

        assert sync(path, "--partial")["written"]
        assert state() == before | {"GOOD": ("Good", "", None, "active", "", {})}

    def test_what_hangs_on_a_bad_row_is_bad(self, table: Table) -> None:
        report = sync(table("code,parent,status", "M,SHIRT,", "SHIRT,,sold"), "--partial")
        assert outcome(report) == (0, 0, 0, 2)

    def test_too_many_attributes_together(self, table: Table) -> None:
        SKUFactory(code="A", attributes={f"a{number}": 1 for number in range(60)})
        report = sync(table("code,attr:one more", "A,1"))
        assert "more than 60" in report["rows"][0]["sentence"]

    @pytest.mark.parametrize(
        ("header", "sentence"),
        [
            ("name", "no column “code”"),
            ("code,sku", "column “code” twice"),
            ("code,attr:a,attr: a", "column “attr:a” twice"),
            ("code,attr:1", "begins with a letter"),
        ],
    )
    def test_a_table_that_cannot_be_used(self, table: Table, header: str, sentence: str) -> None:
        with pytest.raises(CommandError, match=sentence) as caught:
            call_command("sync_skus", str(table(header, "A,B,C")))
        assert caught.value.returncode == 2


class TestTheCommand:
    def test_a_dry_run_changes_nothing_and_says_all(self, table: Table, capsys: Any) -> None:
        SKUFactory(code="OLD")
        path = table("code", "NEW")
        call_command("sync_skus", str(path), "--dry-run", "--deactivate-missing")
        assert (
            "1 would be created, 0 would be changed, 0 unchanged, 1 would be disc" in capsys.readouterr().out
        )
        assert list(state()) == ["OLD"]
        assert state()["OLD"][3] == "active"

    def test_missing_ones_are_discontinued(self, table: Table) -> None:
        for code in ("A", "B", "C"):
            SKUFactory(code=code)
        assert sync(table("code", "B"), "--deactivate-missing")["discontinued"] == ["A", "C"]
        assert {code: row[3] for code, row in state().items()} == {
            "A": "discontinued", "B": "active", "C": "discontinued",
        }  # fmt: skip
        assert sync(table("code", "B"), "--deactivate-missing")["discontinued"] == []

    def test_nothing_is_discontinued_by_accident(self, table: Table) -> None:
        SKUFactory(code="A")
        with pytest.raises(CommandError, match="no rows"):
            call_command("sync_skus", str(table("code")), "--deactivate-missing")
        report = sync(table("code,status", "B,active", ",active"), "--deactivate-missing", "--partial")
        assert report["written"]
        assert state()["A"][3] == "active"

    def test_the_bad_rows_come_back_as_a_table(self, table: Table, tmp_path: Path) -> None:
        path = table("code,status,name", "A,active,=1+1", "B,sold,=2+2")
        for name in ("bad.csv", "bad.xlsx"):
            sync(path, "--errors", str(tmp_path / name))
        with (tmp_path / "bad.csv").open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.reader(file))
        assert rows[0] == ["code", "status", "name", "problem"]
        assert rows[1][:3] == ["B", "sold", "'=2+2"]
        sheet = load_workbook(tmp_path / "bad.xlsx").active
        assert sheet is not None
        assert [cell.value for cell in sheet[2]] == rows[1]

    @pytest.mark.parametrize("name", ["skus.csv", "skus.xlsx"])
    def test_an_export_syncs_back_unchanged(self, tmp_path: Path, name: str) -> None:
        shirt = SKUFactory(
            code="=SHIRT", name='"Shirt", new\nline', name_zh="＝衬衫",
            attributes={"colour": "-navy", "size (EU)": 38, "weight": -0.5, "code": "0038", "mark": "'=x"},
        )  # fmt: skip
        SKUFactory(
            code="A", name="'=1+1", parent=shirt, status="discontinued", barcode="4006381333931",
            attributes={"size (EU)": "38", "尺码": "大"},
        )  # fmt: skip
        before = state()
        path = tmp_path / name
        call_command("export_skus", str(path))
        assert outcome(sync(path, "--deactivate-missing")) == (0, 0, 2, 0)
        assert state() == before

        SKU.objects.filter(parent__isnull=False).delete()
        SKU.objects.all().delete()
        assert outcome(sync(path)) == (2, 0, 0, 0)
        assert outcome(sync(path)) == (0, 0, 2, 0)
        assert {code: row[:5] for code, row in state().items()} == {
            code: row[:5] for code, row in before.items()
        }

    def test_as_many_queries_for_few_rows_as_for_many(self, table: Table) -> None:
        def queries(rows: Sequence[str]) -> int:
            path = table("code,name,parent,attr:size", *rows)
            with CaptureQueriesContext(
                connection,
            ) as captured:
                assert outcome(sync(path))[3] == 0
            return len(captured)

        few = ["A,Article,,", *(f"A-{number},Variant,A,{number}" for number in range(3))]
        many = ["B,Article,,", *(f"B-{number},Variant,B,{number}" for number in range(80))]
        assert queries(few) == queries(many)
        renamed = [row.replace("Variant", "Renamed") for row in many]
        assert queries([row.replace("Variant", "Renamed") for row in few]) == queries(renamed)


class TestRESTAndPage:
    def upload(self, api: Any, *lines: str, **fields: Any) -> Any:
        file = SimpleUploadedFile("skus.csv", "\n".join(lines).encode())
        return api.post(SYNC, {"file": file, **fields}, format="multipart")

    def test_syncing_over_rest(self, staff_api: APIClient, editor: User) -> None:
        answer = self.upload(staff_api, "code,name", "A,Shirt", dry_run=True)
        assert (answer.status_code, answer.json()["created"], SKU.objects.count()) == (200, 1, 0)
        answer = self.upload(staff_api, "code,name", "A,Shirt")
        assert (answer.json()["written"], AuditEntry.objects.get().actor) == (True, editor)
        answer = self.upload(staff_api, "code,status", "A,sold")
        assert answer.status_code == 422
        assert answer["Content-Type"] == "application/problem+json"
        assert answer.json()["report"]["rows"][0]["number"] == 2
        assert self.upload(staff_api, "name", "A").status_code == 400
        assert self.upload(staff_api, "code", "B", deactivate_missing=True).json()["discontinued"] == ["A"]

    def test_exporting_over_rest(self, staff_api: APIClient) -> None:
        SKUFactory(code="A", name="=1+1", name_zh="", attributes={"size": 38})
        answer = staff_api.get(EXPORT)
        text = b"".join(answer.streaming_content).decode()
        assert answer["Content-Type"] == "text/csv; charset=utf-8"
        assert text.splitlines() == [
            "\ufeffcode,name,name_zh,parent,status,barcode,attr:size", "A,'=1+1,,,active,,38",
        ]  # fmt: skip

    def test_only_editors(self, api: APIClient, stranger: User) -> None:
        for status, login in ((401, None), (403, stranger)):
            api.force_authenticate(login)
            assert self.upload(api, "code", "A").status_code == status
            assert api.get(EXPORT).status_code == status
        assert not SKU.objects.exists()

    def test_the_page(self, client: Client, editor: User) -> None:
        client.force_login(editor)

        def send(do: str, text: str, **more: Any) -> Any:
            file = SimpleUploadedFile("skus.csv", text.encode())
            return client.post(PAGE, {"table": file, "do": do, **more})

        assert client.get(PAGE).status_code == 200
        assert "Checked; nothing was changed" in send("check", "code\nA").content.decode()
        assert not SKU.objects.exists()
        refused = send("sync", "code,status\nA,\nB,sold")
        assert refused.status_code == 422
        assert "“sold” is no status" in refused.content.decode()
        sheet = b"".join(send("errors", "code,status\nA,\nB,sold").streaming_content).decode()
        assert sheet.splitlines()[1].startswith('B,sold,"“sold” is no status')
        assert send("sync", "code,status\nA,\nB,sold", partial="on").status_code == 200
        assert list(state()) == ["A"]
        assert "has no column “code”" in send("check", "name\nA").content.decode()
        assert client.post(PAGE, {"do": "check"}).status_code == 422
        assert "/admin/dam/sku/export/" in client.get("/admin/dam/sku/").content.decode()
        assert b"".join(client.get("/admin/dam/sku/export/").streaming_content).endswith(b"A,,,,active,\r\n")

    def test_the_page_is_for_editors(self, client: Client, stranger: User) -> None:
        client.force_login(stranger)
        assert client.get(PAGE).status_code == 302
