"""Tables as people send them and get them back: CSV and XLSX."""

from __future__ import annotations

import csv
import io
import random
import re
import zipfile
from collections.abc import Callable, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies
from openpyxl import Workbook, load_workbook
from openpyxl.worksheet.worksheet import Worksheet
from pytest_django import Settings

from dam.ingest import AssetMetadata
from dam.manifest import ImportProblem, read_manifest
from dam.tables import Row, TableError, csv_lines, read_table, write_errors
from tests.archive_files import zip_of


def workbook(
    rows: Sequence[Sequence[Any]], change: Callable[[Worksheet], None] = lambda sheet: None
) -> bytes:
    book = Workbook()
    for row in rows:
        book.active.append(row)
    change(book.active)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def part_changed(content: bytes, name: str, change: Callable[[str], str]) -> bytes:
    """The workbook with one of its XML parts rewritten."""
    with zipfile.ZipFile(io.BytesIO(content)) as book:
        parts = {part: book.read(part) for part in book.namelist()}
    parts[name] = change(parts[name].decode()).encode()
    return zip_of(parts)


def cells(content: bytes) -> list[list[str]]:
    return [row.cells for row in read_table(io.BytesIO(content))]


def test_cells_of_a_workbook_read_as_people_typed_them() -> None:
    def change(sheet: Worksheet) -> None:
        sheet["G2"].number_format = "00000"

    content = workbook(
        [
            ["a", "b", "c", "d", "e", "f", "g"],
            [10023, 10023.0, 1.5, date(2027, 12, 31), datetime(2027, 12, 31, 14, 30), True, 123],
            ["10023", " 红色 ", None, 6901234567892],
        ],
        change,
    )

    assert cells(content) == [
        ["a", "b", "c", "d", "e", "f", "g"],
        ["10023", "10023", "1.5", "2027-12-31", "2027-12-31 14:30:00", "TRUE", "00123"],
        ["10023", " 红色 ", "", "6901234567892"],
    ]


def test_a_workbook_and_a_csv_file_say_the_same() -> None:
    rows = [["File", "Title", "SKU", "rights expire on"], ["a.jpg", "红裙", "10023", "2027-12-31"]]
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    rows[1][2:] = [10023, date(2027, 12, 31)]  # type: ignore[list-item]

    manifests = [
        read_manifest(io.BytesIO(content), AssetMetadata())
        for content in (text.getvalue().encode(), workbook(rows))
    ]

    assert manifests[0] == manifests[1]
    [(number, file, metadata)] = manifests[0].rows
    assert (number, file, metadata.title) == (2, "a.jpg", "红裙")
    assert metadata.skus == (("10023", "packshot"),)
    assert metadata.rights_expire_on == date(2027, 12, 31)


def test_the_sheet_called_manifest_is_read_or_else_the_first() -> None:
    book = Workbook()
    book.active.append(["first"])
    out = io.BytesIO()
    book.save(out)
    assert cells(out.getvalue()) == [["first"]]

    book.create_sheet("Manifest").append(["second"])
    out = io.BytesIO()
    book.save(out)
    assert cells(out.getvalue()) == [["second"]]


def test_rows_keep_the_numbers_that_a_spreadsheet_shows() -> None:
    def change(sheet: Worksheet) -> None:
        sheet["A7"] = "below"

    rows = list(read_table(io.BytesIO(workbook([["head"], [], ["row"]], change))))

    assert [(row.number, row.cells) for row in rows] == [(1, ["head"]), (3, ["row"]), (7, ["below"])]
    assert [row.number for row in read_table(io.BytesIO(b"head\n\n\nrow\n"))] == [1, 4]


def test_a_formula_counts_with_the_value_that_was_saved() -> None:
    content = workbook([["file"], ["=A3"], ["a.jpg"]])
    formula = re.compile(r'<c r="A2"[^>]*><f>A3</f><v(?: ?/>|></v>)')
    value = '<c r="A2" t="str"><f>A3</f><v>a.jpg</v>'
    saved = part_changed(content, "xl/worksheets/sheet1.xml", lambda xml: formula.sub(value, xml))

    assert cells(saved)[1:] == [["a.jpg"], ["a.jpg"]]


def test_a_formula_without_value_and_an_error_are_problems_of_their_rows() -> None:
    content = workbook([["file", "title"], ["=A3", "x"], ["a.jpg", "#N/A"], ["b.jpg", "fine"]])

    manifest = read_manifest(io.BytesIO(content), AssetMetadata())

    assert [row[1] for row in manifest.rows] == ["b.jpg"]
    assert [fault.number for fault in manifest.faults] == [2, 3]
    assert "Cell A2 holds a formula without its value" in manifest.faults[0].sentence
    assert "Cell B3 holds an error" in manifest.faults[1].sentence


def test_all_that_is_wrong_with_a_row_is_said_at_once() -> None:
    content = b"file,kind,tags,rights_expire_on\na.jpg,vehicle,!!,tomorrow\n"

    [fault] = read_manifest(io.BytesIO(content), AssetMetadata()).faults

    for part in ("no kind", "no tag", "no date"):
        assert part in fault.sentence


# ── Bounds and hostile files ──────────────────────────────────────────────────────────────────────


def test_more_rows_than_allowed_are_refused() -> None:
    exactly = b"file\n" + b"a.jpg\n" * 100_000
    assert sum(1 for _row in read_table(io.BytesIO(exactly))) == 100_001

    with pytest.raises(TableError, match="more than 100,000 rows"):
        list(read_table(io.BytesIO(exactly + b"a.jpg\n")))


@pytest.mark.parametrize("content", [b"file\n" + b"a" * 9000, workbook([["x" * 9000]])], ids=["csv", "xlsx"])
def test_larger_tables_than_allowed_are_refused(content: bytes, settings: Settings) -> None:
    settings.DAM_MAX_TABLE_BYTES = 8000

    with pytest.raises(TableError, match="MB"):
        list(read_table(io.BytesIO(content)))


def test_a_workbook_that_is_a_bomb_is_refused() -> None:
    bomb = part_changed(workbook([["file"]]), "xl/workbook.xml", lambda xml: xml + " " * 30_000_000)

    with pytest.raises(TableError, match="200 times"):
        list(read_table(io.BytesIO(bomb)))


@pytest.mark.parametrize(
    ("part", "change"),
    [
        (
            "xl/worksheets/sheet1.xml",
            lambda xml: '<!DOCTYPE s [<!ENTITY a "aaaa">]>' + xml.replace("file", "&a;"),
        ),
        ("xl/worksheets/sheet1.xml", lambda xml: xml.replace("<sheetData>", "<sheetData><row")),
        ("xl/worksheets/sheet1.xml", lambda xml: xml.replace('r="1"', 'r="99999999999"')),
        ("xl/worksheets/sheet1.xml", lambda xml: xml.replace('r="A1"', 'r="XFD1"')),
        ("[Content_Types].xml", lambda xml: ""),
    ],
    ids=["entities", "broken XML", "row far away", "column far away", "no types"],
)
def test_a_hostile_workbook_is_refused_with_a_sentence(part: str, change: Callable[[str], str]) -> None:
    with pytest.raises(TableError, match="again"):
        list(read_table(io.BytesIO(part_changed(workbook([["file"], ["a.jpg"]]), part, change))))


def test_a_false_dimension_changes_nothing() -> None:
    content = part_changed(
        workbook([["file"], ["a.jpg"]]),
        "xl/worksheets/sheet1.xml",
        lambda xml: re.sub(r'<dimension ref="[^"]*"', '<dimension ref="A1:XFD1048576"', xml),
    )

    assert cells(content) == [["file"], ["a.jpg"]]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1 old", "old or locked workbook"),
        (zip_of({"hello.txt": b"no workbook"}), "no readable workbook"),
        (b"\xff\xff\xff\xff", "no text"),
        (b"file\n" + b"a" * 200_000, "no CSV table"),
    ],
)
def test_what_is_no_table_is_refused_with_a_sentence(content: bytes, sentence: str) -> None:
    with pytest.raises(TableError, match=sentence):
        list(read_table(io.BytesIO(content)))


def test_flipped_bytes_of_a_workbook_end_in_rows_or_a_sentence() -> None:
    whole = workbook([["file", "title"], ["a.jpg", "x"], ["b.jpg", 5]])
    rng = random.Random(7)
    refused = 0
    for _variant in range(200):
        damaged = bytearray(whole)
        for _flip in range(rng.randint(1, 3)):
            damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
        try:
            read_manifest(io.BytesIO(bytes(damaged)), AssetMetadata(), "x")
        except ImportProblem as problem:
            refused += 1
            assert "manifest" in str(problem)
    assert refused > 50


# ── Giving a table back ───────────────────────────────────────────────────────────────────────────

BAD = [
    Row(1, ["file", "title"]),
    Row(2, ["good.jpg", "fine"]),
    Row(3, ["a.jpg", '=HYPERLINK("http://evil")']),
    Row(5, ["+b.jpg", "@SUM(A1)", "beyond"]),
    Row(6, ["-c.jpg", "＝1"]),
    Row(7, ["\x07bell.jpg"]),
]
PROBLEMS = {3: "There is no such file.", 5: "=bad", 6: "bad", 7: "bad"}
DISARMED = [
    ["file", "title", "problem"],
    ["a.jpg", '\'=HYPERLINK("http://evil")', "There is no such file."],
    ["'+b.jpg", "'@SUM(A1)", "'=bad", "beyond"],
    ["'-c.jpg", "'＝1", "bad"],
]


def test_bad_rows_come_back_as_csv_with_formulas_disarmed(tmp_path: Path) -> None:
    write_errors(BAD, PROBLEMS, tmp_path / "errors.csv")

    with (tmp_path / "errors.csv").open(encoding="utf-8-sig", newline="") as file:
        assert list(csv.reader(file))[:4] == DISARMED


def test_bad_rows_come_back_as_a_workbook_with_formulas_disarmed(tmp_path: Path) -> None:
    write_errors(BAD, PROBLEMS, tmp_path / "errors.XLSX")

    sheet = load_workbook(tmp_path / "errors.XLSX")["manifest"]
    written = [[cell.value for cell in row if cell.value is not None] for row in sheet.iter_rows()]
    assert written[:4] == DISARMED
    assert all(cell.data_type != "f" for row in sheet.iter_rows() for cell in row)
    assert written[4][0] == "bell.jpg"


@pytest.mark.parametrize("name", ["errors.csv", "errors.xlsx"])
def test_a_corrected_error_sheet_is_a_manifest_again(name: str, tmp_path: Path) -> None:
    write_errors(BAD[:5], PROBLEMS, tmp_path / name)
    table = list(read_table(tmp_path / name))

    assert [row.cells[:2] for row in table] == [BAD[0].cells, *(row.cells[:2] for row in BAD[2:5])]
    assert read_manifest(tmp_path / name, AssetMetadata()).ignored == []

    write_errors(table, {2: "new"}, tmp_path / "again.csv")
    assert next(read_table(tmp_path / "again.csv")).cells == ["file", "title", "problem"]


def test_a_table_that_cannot_be_written_says_why(tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"must end in \.csv or \.xlsx"):
        write_errors(BAD, PROBLEMS, tmp_path / "errors.txt")
    for name in ("errors.csv", "errors.xlsx"):
        with pytest.raises(TableError, match="cannot be written"):
            write_errors(BAD, PROBLEMS, tmp_path / "no folder" / name)


# ── Formulas ──────────────────────────────────────────────────────────────────────────────────────

# What matters to spreadsheets and to the disarming, or anything else.
CELLS = strategies.text("a;,\t\r\n'\"=-＝", max_size=8) | strategies.text(
    strategies.characters(codec="utf-8", exclude_characters="\0"), max_size=8
)
TABLES = strategies.lists(strategies.lists(CELLS, min_size=3, max_size=3), min_size=1, max_size=4)
many = hypothesis.settings(max_examples=300, deadline=None, database=None, derandomize=True)


@many
@hypothesis.given(rows=TABLES)
def test_every_table_comes_back_from_csv_as_it_was(rows: list[list[str]]) -> None:
    table = [["file", "title", "note", "more"], *(["a.jpg", *cells] for cells in rows)]

    assert cells("".join(csv_lines(table)).encode()) == table


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@many
@hypothesis.given(rows=TABLES)
def test_wherever_a_spreadsheet_splits_no_cell_is_a_formula(rows: list[list[str]], separator: str) -> None:
    written = "".join(csv_lines(rows)).removeprefix("\ufeff")

    for found in csv.reader(io.StringIO(written, newline=""), delimiter=separator):
        assert not [cell for cell in found if cell.startswith(tuple("=+-@＝＋－＠"))]


@pytest.mark.parametrize(
    ("cell", "written"),
    [
        ("x;=1+1", "x;'=1+1"),
        ("x;'=1", "x;''=1"),
        ("\n=1", "'\n'=1"),
        ("a; b - c", "a; b - c"),
        ("x;y", "x;y"),
    ],
)
def test_what_would_be_a_formula_behind_a_separator_is_disarmed(cell: str, written: str) -> None:
    lines = "".join(csv_lines([["file", "title"], ["a.jpg", cell]]))

    assert [row[1] for row in csv.reader(io.StringIO(lines, newline=""))] == ["title", written]
