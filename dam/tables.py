"""Reading and writing the tables that people work with: CSV and XLSX, as rows of text."""

from __future__ import annotations

import csv
import io
import re
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import datetime, time
from pathlib import Path
from typing import IO, Any, NamedTuple

from django.conf import settings
from django.utils.translation import gettext as _
from openpyxl import Workbook, load_workbook
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

from dam.archives import unpack_zip
from dam.errors import ArchiveError, EntryError

MAX_ROWS = 100_000
MAX_COLUMNS = 1024
LAST_ROW = 1_048_576  # of a worksheet; a cell may claim to be further down
SHEET = "manifest"
PROBLEM = "problem"
XLSX_MAGIC, OLE_MAGIC = b"PK\3\4", b"\xd0\xcf\x11\xe0"
FORMULA = re.compile(rb"<(?:[\w.-]+:)?f[\s/>]|\0")  # its element in ASCII; a zero: UTF-16, not looked into
# What a spreadsheet takes for a formula (OWASP, CSV Injection), also in the full width of Chinese input.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
# The same within a cell, for a spreadsheet that splits the file elsewhere than at commas: many countries' do
# at “;”, and a line break ends a row there. Quotation marks before it may be taken for those around a cell.
_SPLIT, _FORMULA = r"(?<=[;\t\r\n])", r"(?=['\"]*[=+\-@＝＋－＠])"
_INNER, _INNER_MARK = re.compile(_SPLIT + _FORMULA), re.compile(f"{_SPLIT}'{_FORMULA}")


class TableError(Exception):
    """The table cannot be read or written; `str()` says why and what to do."""


class Row(NamedTuple):
    """A row that is not empty: its number as a spreadsheet shows it, its cells as text, what is wrong."""

    number: int
    cells: list[str]
    problem: str = ""


def read_table(source: Path | IO[bytes]) -> Iterator[Row]:
    """The rows of a CSV file, or of an XLSX workbook's sheet "manifest" or else its first one.

    What it is, is told by its content. Formulas are not evaluated: the value counts that was saved with
    them. Apostrophes that `write_errors` put before formulas are taken off again.

    Raises:
        TableError: before the first row or at any later one: it cannot be read, is no table, or is larger
            than DAM_MAX_TABLE_BYTES or 100,000 rows.
    """
    raw = _content(source)
    if raw.startswith(OLE_MAGIC):
        raise TableError(
            _("It is an old or locked workbook. Save it as .xlsx without a password, or as CSV.")
        )
    rows = _workbook_rows(raw) if raw.startswith(XLSX_MAGIC) else _csv_rows(raw)
    count = 0
    for number, cells, problem in rows:
        if not problem and not any(cell.strip() for cell in cells):
            continue
        count += 1
        if count > MAX_ROWS + 1:  # and one with the names of the columns
            raise TableError(_("It has more than %(limit)s rows. Split it.") % {"limit": f"{MAX_ROWS:,}"})
        if any("\0" in cell for cell in cells):  # which PostgreSQL keeps in no text
            cells = [cell.replace("\0", "") for cell in cells]
            told = _("It holds a sign that is no text (zero byte); type its cells anew.")
            problem = f"{problem} {told}".strip()
        yield Row(number, [_armed(cell) for cell in cells], problem)


def write_errors(rows: Iterable[Row], problems: Mapping[int, str], to: Path) -> None:
    """Give a table back with only its bad rows and one more column, "problem".

    Args:
        rows: the first one names the columns.
        problems: number of a row → what is wrong with it.
        to: a file ending in .csv or .xlsx, which says as what it is written.

    Raises:
        TableError: another ending, or the file cannot be written.
    """
    write_table(with_problems(rows, problems), to)


def write_table(table: Iterable[list[str]], to: Path) -> None:
    """Write rows so that `read_table` gives them back, and no spreadsheet takes a cell for a formula.

    Raises:
        TableError: the file ends in neither .csv nor .xlsx, or cannot be written.
    """
    require_table_name(to)
    try:
        if to.suffix.lower() == ".csv":
            with to.open("w", encoding="utf-8", newline="") as file:
                file.writelines(csv_lines(table))
        else:
            _write_workbook(table, to)
    except OSError as error:
        raise TableError(
            _("%(path)s cannot be written (%(reason)s).") % {"path": to, "reason": error.strerror}
        ) from error


def csv_lines(table: Iterable[list[str]]) -> Iterator[str]:
    """The rows as lines of a CSV file, as `write_table` writes it."""
    yield "\ufeff"  # or Excel takes it for the system's encoding
    line = io.StringIO()
    writer = csv.writer(line)
    for cells in table:
        writer.writerow(map(_disarmed, cells))
        yield line.getvalue()
        line.seek(0)
        line.truncate()


def require_table_name(path: Path) -> None:
    """Check that the name says as what a table is to be written.

    Raises:
        TableError: it ends in neither .csv nor .xlsx.
    """
    if path.suffix.lower() not in (".csv", ".xlsx"):
        raise TableError(_("%(path)s must end in .csv or .xlsx.") % {"path": path})


def _content(source: Path | IO[bytes]) -> bytes:
    limit = settings.DAM_MAX_TABLE_BYTES
    try:
        if isinstance(source, Path):
            with source.open("rb") as stream:
                raw = stream.read(limit + 1)
        else:
            raw = source.read(limit + 1)
    except OSError as error:
        raise TableError(_("It cannot be read (%(reason)s).") % {"reason": error.strerror}) from error
    if len(raw) > limit:
        raise TableError(_("It is larger than %(limit)s MB. Split it.") % {"limit": f"{limit / 1024**2:g}"})
    return raw


# ── CSV ───────────────────────────────────────────────────────────────────────────────────────────


def _csv_rows(raw: bytes) -> Iterator[Row]:
    text = _text(raw)
    table = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text))
    try:
        for number, cells in enumerate(table, start=1):
            yield Row(number, cells)
    except csv.Error as error:
        raise TableError(_("It is no CSV table (%(reason)s).") % {"reason": error}) from error


def _text(raw: bytes) -> str:
    """UTF-8, or GB 18030, as spreadsheets in Chinese write it."""
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise TableError(_("It is no text; save it as CSV in UTF-8, or as XLSX."))


def _delimiter(text: str) -> str:
    """What separates the columns in the first line; cells further down may hold any of these."""
    first_line = text.partition("\n")[0]
    return max(",\t;", key=first_line.count)


# ── XLSX ──────────────────────────────────────────────────────────────────────────────────────────


def _workbook_rows(raw: bytes) -> Iterator[Row]:
    """With formulas, it is read twice at once: for the saved values, and for what they are values of."""
    parts, has_formulas = _counted_parts(raw)
    with parts:
        try:
            with (
                closing(load_workbook(parts, read_only=True, data_only=True)) as values,
                closing(load_workbook(parts, read_only=True)) as formulas,
            ):
                rows = _sheet_rows(values)
                alone = ((row, row) for row in rows)
                pairs = zip(rows, _sheet_rows(formulas), strict=True) if has_formulas else alone
                for number, (cells, written) in enumerate(pairs, start=1):
                    if number > LAST_ROW:
                        raise TableError(_("It has rows that no worksheet has; save it again."))
                    yield _workbook_row(number, cells, written)
        except (TableError, GeneratorExit):
            raise
        except Exception as error:  # parsers of strangers' bytes raise whatever they meet
            raise TableError(_("It is no readable workbook. Save it again as .xlsx, or as CSV.")) from error


def _counted_parts(raw: bytes) -> tuple[IO[bytes], bool]:
    """The workbook's XML packed anew, and whether there may be formulas in it.

    So its reader gets only bytes that were counted here: two readers of one zip archive may see
    different files in it.
    """
    parts: IO[bytes] = tempfile.SpooledTemporaryFile(1024 * 1024)  # noqa: SIM115  closed by the caller
    has_formulas = False
    try:
        with zipfile.ZipFile(parts, "w") as target:
            for name, stream in unpack_zip(io.BytesIO(raw), settings.DAM_MAX_TABLE_BYTES):
                if name.endswith((".xml", ".rels")):
                    content = stream.read()
                    has_formulas = has_formulas or bool(FORMULA.search(content))
                    target.writestr(name, content)
    except (ArchiveError, EntryError) as error:
        parts.close()
        raise TableError(str(error)) from error
    return parts, has_formulas


def _sheet_rows(workbook: Workbook) -> Iterator[tuple[Any, ...]]:
    named = [sheet for sheet in workbook.worksheets if sheet.title.strip().lower() == SHEET]
    sheet = (named or workbook.worksheets)[0]
    sheet.reset_dimensions()  # what the file says about its size may be wrong
    for cells in sheet.iter_rows():
        if len(cells) > MAX_COLUMNS:
            raise TableError(
                _("It has cells beyond column %(limit)s. Delete those columns and save it again.")
                % {"limit": MAX_COLUMNS}
            )
        yield cells


def _workbook_row(number: int, cells: Sequence[Any], written: Sequence[Any]) -> Row:
    """A row from its values, and from what was written where some of them are a formula's."""
    width = next((place for place in range(len(written), 0, -1) if written[place - 1].value is not None), 0)
    pairs = list(zip(cells[:width], written, strict=False))
    problems = [_cell_problem(cell, formula) for cell, formula in pairs]
    texts = [_cell_text(cell) for cell, _formula in pairs]
    return Row(number, texts, " ".join(filter(None, problems)))


def _cell_problem(cell: Any, written: Any) -> str:
    if written.data_type == "f" and cell.value is None:
        sentence = _(
            "Cell %(cell)s holds a formula without its value. Open the table in a spreadsheet and save it, "
            "or paste the value."
        )
    elif cell.data_type == "e":
        sentence = _("Cell %(cell)s holds an error of the spreadsheet. Correct it, or type the value.")
    else:
        return ""
    return sentence % {"cell": written.coordinate}


def _cell_text(cell: Any) -> str:
    value = cell.value
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, int | float):
        return _number_text(value, cell.number_format)
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else str(value)
    return "" if value is None else str(value)


def _number_text(value: float, number_format: str) -> str:
    """As people typed it: 10023 and not 10023.0, and 00123 where the format "00000" shows that."""
    if not float(value).is_integer():
        return repr(value)
    text = str(int(value))
    return text.zfill(len(number_format)) if set(number_format) == {"0"} else text


def _write_workbook(table: Iterable[list[str]], to: Path) -> None:
    workbook = Workbook(write_only=True)
    sheet = workbook.create_sheet(SHEET)
    for cells in table:
        sheet.append([ILLEGAL_CHARACTERS_RE.sub("", _disarmed(cell)) for cell in cells])
    content = io.BytesIO()
    workbook.save(content)
    to.write_bytes(content.getvalue())


# ── Errors ────────────────────────────────────────────────────────────────────────────────────────


def with_problems(rows: Iterable[Row], problems: Mapping[int, str]) -> Iterator[list[str]]:
    """The bad rows; a column "problem" from an earlier round makes room for the new one."""
    remaining = iter(rows)
    names = next(remaining, Row(1, [])).cells
    kept = [place for place, name in enumerate(names) if name.strip().lower() != PROBLEM]
    yield [*(names[place] for place in kept), PROBLEM]
    for number, cells, _problem in remaining:
        if number in problems:
            full = [*cells, *[""] * (len(names) - len(cells))]
            yield [*(full[place] for place in kept), problems[number], *full[len(names) :]]


def _disarmed(cell: str) -> str:
    """With an apostrophe before what a spreadsheet would take for a formula, or `_armed` for our mark."""
    cell = _INNER.sub("'", cell)
    return f"'{cell}" if cell.lstrip("'").startswith(FORMULA_STARTS) else cell


def _armed(cell: str) -> str:
    if cell.startswith("'") and cell.lstrip("'").startswith(FORMULA_STARTS):
        cell = cell[1:]
    return _INNER_MARK.sub("", cell)
