"""Imports in a browser: mistakes by row and as a sheet, a worker that is killed, tables both ways."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone
from openpyxl import Workbook, load_workbook
from playwright.sync_api import Page, expect

from dam.models import Asset, Import, ImportOutcome, ImportRow, ImportState
from dam.tasks import sweep_imports
from tests.archive_files import zip_of
from tests.factories import AssetFactory, EditorFactory
from tests.journeys.visits import downloaded, sign_in
from tests.pictures import picture, text_as_jpg
from tests.services.processes import Process, Web, eventually

pytestmark = [pytest.mark.services, pytest.mark.browser, pytest.mark.usefixtures("real_passwords")]
PICTURES = 160
COLUMNS = ("file", "title_en", "title_zh", "kind", "tags", "skus", "rights_expire_on", "licence")


def manifest(*, mistakes: bool) -> bytes:
    """One row for each picture; of the mistakes each is in a row of its own."""
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(COLUMNS)
    for number in range(PICTURES):
        row = [f"looks/look-{number:03}.jpg", f"Look {number}", f"造型 {number}", "garment", "spring; linen"]
        row += [f"S-{number:03}:on_model", "2031-12-31", "Web"]
        if mistakes:
            row[3] = {3: "hat"}.get(number, row[3])
            row[5] = {4: "S-004:front"}.get(number, row[5])
            row[6] = {5: "31/12/2031"}.get(number, row[6])
            row[0] = {6: "looks/gone.jpg"}.get(number, row[0])
        sheet.append(row)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def archive(*, mistakes: bool) -> bytes:
    files = {f"looks/look-{number:03}.jpg": picture(seed=number) for number in range(PICTURES)}
    if mistakes:
        files["looks/look-007.jpg"] = text_as_jpg()
    return zip_of({**files, "manifest.xlsx": manifest(mistakes=mistakes)})


def send(page: Page, web: Web, content: bytes, name: str) -> None:
    """Choose the archive on the page of a new import; it is checked first unless somebody unticks that."""
    page.goto(f"{web.url}/admin/dam/import/")
    page.get_by_role("link", name=re.compile("add import", re.IGNORECASE)).first.click()
    page.get_by_label("Archive").first.set_input_files(
        {"name": name, "mimeType": "application/zip", "buffer": content}
    )
    expect(page.get_by_label(re.compile("Check first"))).to_be_checked()
    page.get_by_role("button", name="Import", exact=True).click()


def test_mistakes_by_row_a_killed_worker_and_nothing_twice(
    page: Page, web: Web, worker: Callable[[], Process]
) -> None:
    editor = EditorFactory(username="ines")
    first = worker()
    sign_in(page, web, editor)

    # What is wrong is said by row, before anything is written, and can be taken home.
    send(page, web, archive(mistakes=True), "spring.zip")
    expect(
        page.get_by_text(f"{PICTURES - 5} taken in, 0 in the library already, 5 rejected.")
    ).to_be_visible()
    expect(page.get_by_text("Nothing has been written yet.")).to_be_visible()
    for row, file, problem in (
        ("5", "looks/look-003.jpg", "“hat” is no kind"),
        ("6", "looks/look-004.jpg", "“front” is no role of a SKU"),
        ("7", "looks/look-005.jpg", "“31/12/2031” is no date"),
        ("8", "looks/gone.jpg", "There is no such picture in the archive"),
        ("9", "looks/look-007.jpg", "The file is not a picture"),
    ):
        line = page.get_by_role("row").filter(has=page.get_by_role("cell", name=row, exact=True))
        expect(line).to_contain_text(file)
        expect(line).to_contain_text(problem)
    assert not Asset.objects.exists()
    sheet = load_workbook(downloaded(page, "link", "Error sheet (XLSX)").open("rb")).active
    assert sheet is not None
    lines = list(sheet.iter_rows(values_only=True))
    wrong = [f"looks/{name}.jpg" for name in ("look-003", "look-004", "look-005", "gone", "look-007")]
    assert [line[0] for line in lines[1:]] == wrong

    # Corrected, begun, and the worker dies in the middle.
    send(page, web, archive(mistakes=False), "spring.zip")
    expect(page.get_by_text(f"{PICTURES} taken in, 0 in the library already, 0 rejected.")).to_be_visible()
    page.get_by_role("button", name="Start").click()
    eventually(lambda: Asset.objects.count() > PICTURES // 5, "some are in", process=first)
    first.kill()
    assert Asset.objects.count() < PICTURES
    run = Import.objects.get(state=ImportState.RUNNING)
    # What the killed worker held is free when its lease is over; here, at once.
    Import.objects.filter(pk=run.pk).update(leased_until=timezone.now() - timedelta(seconds=1))

    second = worker()

    def is_over() -> bool:
        sweep_imports.delay()  # as the clock does
        return not Import.objects.get(pk=run.pk).is_at_work

    eventually(is_over, "the import ends", pause=5, process=second)
    expect(page.get_by_text("Done", exact=True)).to_be_visible()  # the page follows by itself
    expect(page.get_by_text(f"{PICTURES} taken in, 0 in the library already, 0 rejected.")).to_be_visible()
    assert second.runs
    rows = ImportRow.objects.filter(run=run)
    assert Counter(rows.values_list("outcome", flat=True)) == {ImportOutcome.IMPORTED: PICTURES}
    assert Asset.objects.filter(owner=editor).count() == Asset.objects.count() == PICTURES
    assert Counter(Asset.objects.values_list("versions__number", flat=True)) == {1: PICTURES}
    look = Asset.objects.get(title="Look 7")
    assert (look.title_zh, look.kind, look.licence) == ("造型 7", "garment", "Web")
    assert sorted(str(tag.slug) for tag in look.tags.all()) == ["linen", "spring"]
    assert list(look.sku_links.values_list("sku__code", "role")) == [("S-007", "on_model")]


def test_words_go_out_as_a_table_and_come_back_changed(page: Page, web: Web, tmp_path: Path) -> None:
    sign_in(page, web, EditorFactory(), "/admin/dam/asset/")
    for number in range(3):
        AssetFactory(title=f"Coat {number}", kind="garment", tags=("winter",), picture={"seed": number})
    hat = AssetFactory(title="Hat", kind="accessory", picture={"seed": 9})

    page.goto(f"{web.url}/admin/dam/asset/?kind=garment")
    sheet = downloaded(page, "link", re.compile("Export$"))
    rows = list(csv.DictReader(sheet.read_text("utf-8-sig").splitlines()))
    assert [row["title_en"] for row in rows] == ["Coat 0", "Coat 1", "Coat 2"]
    assert {row["tags"] for row in rows} == {"winter"}
    rows[1] |= {"title_en": "Long coat", "title_zh": "长大衣"}
    rows[2]["kind"] = "furniture"
    edited = tmp_path / "edited.csv"
    with edited.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)

    page.get_by_role("link", name=re.compile("Change by a table")).click()
    page.get_by_label("Table (CSV or XLSX)").set_input_files(edited)
    page.get_by_role("button", name="Check only").click()
    report = page.get_by_role("region", name="Report")
    expect(report).to_contain_text("Checked; nothing was changed")
    expect(report).to_contain_text("Changed: 1. As they were: 1. With a problem: 1.")
    expect(report.get_by_role("row", name=re.compile("^4 .*“furniture” is no kind"))).to_be_visible()
    assert not Asset.objects.filter(title="Long coat").exists()
    page.get_by_role("button", name="Change assets").click()
    expect(report.get_by_role("heading", name="Done")).to_be_visible()
    report.get_by_role("link", name="Coat 1").click()
    expect(page.get_by_label("Title (English)")).to_have_value("Long coat")
    expect(page.get_by_label("Title (Chinese)")).to_have_value("长大衣")
    hat.refresh_from_db()
    assert (hat.title, Asset.objects.filter(title__startswith="Coat").count()) == ("Hat", 2)
