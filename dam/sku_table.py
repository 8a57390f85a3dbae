"""What a table of SKUs means, row by row, and how the library's SKUs are written as one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from dam.articles import (
    ATTRIBUTE_NAME,
    MAX_ATTRIBUTES,
    check_attribute_name,
    check_attribute_value,
    check_barcode,
    check_code,
    text_of,
    value_of,
)
from dam.models import SKU, SKUStatus
from dam.tables import PROBLEM, Row, TableError, read_table

# Column → how many characters it may hold.
TEXTS = {"name": 255, "name_zh": 255, "barcode": 14, "status": 16, "parent": 64}
COLUMNS = ("code", "name", "name_zh", "parent", "status", "barcode")
ALSO_WRITTEN = {
    "sku": "code", "name_en": "name", "variant_of": "parent", "ean": "barcode", "gtin": "barcode",
    "upc": "barcode",
}  # fmt: skip
MAX_CODE = 64
ATTRIBUTE = "attr:"
ATTRIBUTE_COLUMN = re.compile(r"\s*attr(?:ibute)?\s*[:：]\s*(?P<name>.*?)\s*", re.IGNORECASE | re.DOTALL)
READ_AT_ONCE = 1000


class TableProblem(Exception):
    """The table cannot be used at all; `str()` says why and what to do."""


@dataclass(frozen=True)
class SKURow:
    """What one row says of a SKU.

    Attributes:
        number: as a spreadsheet shows it.
        texts: by column, those of TEXTS that the table has.
        attributes: name → text; an empty one takes the attribute away.
    """

    number: int
    code: str
    texts: dict[str, str]
    attributes: dict[str, str]

    @property
    def parent(self) -> str | None:
        """The code of the article that it is a variant of; empty: of none; None: the table does not say."""
        return self.texts.get("parent")


@dataclass
class SKUTable:
    """What a table says.

    Attributes:
        rows: the good ones, by code.
        problems: number of each bad row → its code and what is wrong.
        named: every code in it, of bad rows too.
        ignored: columns with names that mean nothing here.
        table: all rows as they were read, the one with the names of the columns first.
    """

    rows: dict[str, SKURow] = field(default_factory=dict)
    problems: dict[int, tuple[str, str]] = field(default_factory=dict)
    named: set[str] = field(default_factory=set)
    ignored: list[str] = field(default_factory=list)
    table: list[Row] = field(default_factory=list)


def read_sku_table(source: Path | IO[bytes], name: str = "") -> SKUTable:
    """Read a CSV file or an XLSX workbook (see `dam.tables`).

    Args:
        name: what a stream is called in messages.

    Raises:
        TableProblem: it cannot be read, has no column `code`, has a column twice or one for an attribute
            that cannot be.
    """
    try:
        table = list(read_table(source))
    except TableError as error:
        raise TableProblem(
            _("The table %(path)s cannot be used. %(reason)s") % {"path": name or source, "reason": error}
        ) from error
    names = table[0].cells if table else []
    columns = [_column(cell) for cell in names]
    _check_columns(columns, name or str(source))
    read = SKUTable(table=table)
    meant = {*COLUMNS, PROBLEM, ""}
    read.ignored = [
        cell
        for cell, column in zip(names, columns, strict=True)
        if column not in meant and not column.startswith(ATTRIBUTE)
    ]
    for row in table[1:]:
        _take(row, columns, read)
    return read


def _column(name: str) -> str:
    if attribute := ATTRIBUTE_COLUMN.fullmatch(name):
        return ATTRIBUTE + attribute["name"]
    plain = name.strip().lower().replace(" ", "_")
    return ALSO_WRITTEN.get(plain, plain)


def _check_columns(columns: list[str], path: str) -> None:
    if "code" not in columns:
        raise TableProblem(
            _(
                "The table %(path)s has no column “code”. Its first line names columns: %(columns)s, "
                "attr:NAME."
            )
            % {"path": path, "columns": ", ".join(COLUMNS)}
        )
    attributes = [column for column in columns if column.startswith(ATTRIBUTE)]
    for column in (*COLUMNS, *attributes):
        if columns.count(column) > 1:
            raise TableProblem(
                _("The table %(path)s has the column “%(column)s” twice.") % {"path": path, "column": column}
            )
    for column in attributes:
        try:
            check_attribute_name(column.removeprefix(ATTRIBUTE))
        except ValidationError as error:
            raise TableProblem(error.messages[0]) from error


def _take(row: Row, columns: list[str], read: SKUTable) -> None:
    cells = dict.fromkeys(columns, "")
    cells |= {column: cell.strip() for column, cell in zip(columns, row.cells, strict=False)}
    code = cells["code"]
    sentences = [row.problem] if row.problem else []
    if any(row.cells[len(columns) :]):
        sentences.append(_("It has more cells than there are columns; put quotes around commas."))
    if code and code in read.named:
        first = read.rows.get(code)
        sentences.append(
            _("The code “%(code)s” is in row %(number)s already.") % {"code": code, "number": first.number}
            if first
            else _("The code “%(code)s” is in a row above already.") % {"code": code}
        )
    sentences += _wrong(cells)
    read.named.add(code)
    if sentences:
        read.problems[row.number] = (code, " ".join(sentences))
        return
    texts = {column: cells[column] for column in TEXTS if column in cells}
    if "status" in texts:
        texts["status"] = texts["status"].lower()
    attributes = {
        column.removeprefix(ATTRIBUTE): text for column, text in cells.items() if column.startswith(ATTRIBUTE)
    }
    read.rows[code] = SKURow(row.number, code, texts, attributes)


def _wrong(cells: dict[str, str]) -> list[str]:
    """What is wrong with the cells themselves, whatever the other rows and the library say."""
    sentences = _wrong_code(cells["code"])
    for column, limit in TEXTS.items():
        if len(cells.get(column, "")) > limit:
            sentences.append(
                _("“%(column)s” has %(length)s characters; at most %(limit)s fit.")
                % {"column": column, "length": len(cells[column]), "limit": limit}
            )
    if (status := cells.get("status", "").lower()) and status not in SKUStatus.values:
        sentences.append(
            _("“%(status)s” is no status; write one of %(values)s.")
            % {"status": status, "values": ", ".join(SKUStatus.values)}
        )
    if sum(bool(text) for column, text in cells.items() if column.startswith(ATTRIBUTE)) > MAX_ATTRIBUTES:
        sentences.append(too_many_attributes())
    try:
        if cells.get("barcode"):
            check_barcode(cells["barcode"])
        for column, text in cells.items():
            if text and column.startswith(ATTRIBUTE):
                check_attribute_value(column.removeprefix(ATTRIBUTE), value_of(text))
    except ValidationError as error:
        sentences += error.messages
    return sentences


def _wrong_code(code: str) -> list[str]:
    if not code:
        return [_("The column “code” is empty.")]
    if len(code) > MAX_CODE:
        return [
            _("“%(code)s” is no SKU: a code has 1 to %(limit)s characters.")
            % {"code": code, "limit": MAX_CODE}
        ]
    try:
        check_code(code)
    except ValidationError as error:
        return error.messages
    return []


def too_many_attributes() -> str:
    """What is wrong with a SKU that has too many."""
    return _("It has more than %(limit)d attributes.") % {"limit": MAX_ATTRIBUTES}


def sku_rows() -> Iterator[list[str]]:
    """Every SKU as a row, by code, the names of the columns first; syncing them back changes nothing."""
    skus = SKU.objects.order_by("code")
    names: dict[str, None] = {}
    for attributes in skus.values_list("attributes", flat=True).iterator(READ_AT_ONCE):
        names |= dict.fromkeys(name for name in attributes if ATTRIBUTE_NAME.fullmatch(name))
    shown = sorted(names)
    yield [*COLUMNS, *(ATTRIBUTE + name for name in shown)]
    fields = ("code", "name", "name_zh", "parent__code", "status", "barcode", "attributes")
    for *texts, attributes in skus.values_list(*fields).iterator(READ_AT_ONCE):
        values = (text_of(attributes[name]) if name in attributes else "" for name in shown)
        yield [*(text or "" for text in texts), *values]
