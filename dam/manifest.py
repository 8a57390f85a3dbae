"""Reading a manifest: a CSV table that says what the files of an import are."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from django.utils.translation import gettext as _

from dam.ingest import AssetMetadata
from dam.models import AssetKind, SKURole
from dam.tagging import slug_of

# Column → how many characters it may hold, as the model has it; 0: any number.
TEXTS = {
    "title_en": 255, "title_zh": 255, "alt_text_en": 500, "alt_text_zh": 500, "description_en": 0,
    "description_zh": 0, "licence": 255, "rights_holder": 255,
}  # fmt: skip
COLUMNS = ("file", *TEXTS, "kind", "tags", "skus", "rights_expire_on")
ALSO_WRITTEN = {
    "title": "title_en", "alt_text": "alt_text_en", "description": "description_en", "license": "licence",
    "tag": "tags", "sku": "skus", "filename": "file",
}  # fmt: skip
MAX_CODE = 64
SEPARATORS = str.maketrans("；，,", ";;;")


class ImportProblem(Exception):
    """The import cannot begin; `str()` says why and what to do."""


class RowProblem(Exception):
    """One row is wrong; `str()` says what."""


@dataclass
class Manifest:
    """What a manifest says.

    Attributes:
        rows: number (as a spreadsheet shows it), file and metadata of each good row.
        problems: file and reason of each bad one.
        ignored: columns with names that mean nothing here.
    """

    rows: list[tuple[int, str, AssetMetadata]] = field(default_factory=list)
    problems: list[tuple[str, str]] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)


def read_manifest(path: Path, defaults: AssetMetadata) -> Manifest:
    """Read the table; cells that are empty mean the default, tags are added to the default ones.

    Raises:
        ImportProblem: the table cannot be read at all, or has no column `file`.
    """
    text = _text(path)
    table = enumerate(csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text)), start=1)
    manifest = Manifest()
    try:
        _number, names = next(table, (1, []))
        columns = [_column(name) for name in names]
        if "file" not in columns:
            raise ImportProblem(
                _("The manifest %(path)s has no column “file”. Its first line names columns: %(columns)s.")
                % {"path": path, "columns": ", ".join(COLUMNS)}
            )
        manifest.ignored = [
            name for name, column in zip(names, columns, strict=True) if column not in COLUMNS
        ]
        for number, cells in table:
            _take(number, cells, columns, defaults, manifest)
    except csv.Error as error:
        raise ImportProblem(
            _("The manifest %(path)s is no CSV table (%(reason)s).") % {"path": path, "reason": error}
        ) from error
    return manifest


def _take(
    number: int, cells: list[str], columns: list[str], defaults: AssetMetadata, manifest: Manifest
) -> None:
    row = {column: cell.strip() for column, cell in zip(columns, cells, strict=False)}
    if not any(row.values()):
        return  # an empty line
    file = row["file"]
    try:
        if any(cells[len(columns) :]):
            raise RowProblem(_("It has more cells than there are columns; put quotes around commas."))
        if not file:
            raise RowProblem(_("The column “file” is empty."))
        manifest.rows.append((number, file, _metadata(row, defaults)))
    except RowProblem as problem:
        manifest.problems.append((file, in_row(number, str(problem))))


def in_row(number: int, sentence: str) -> str:
    """A sentence about one row of the manifest."""
    return _("Row %(number)s: %(sentence)s") % {"number": number, "sentence": sentence}


def parse_skus(text: str) -> tuple[tuple[str, str], ...]:
    """`CODE`, `CODE:role` or several with semicolons between them.

    Raises:
        RowProblem: a role or a code that cannot be.
    """
    links = []
    for part in filter(None, (part.strip() for part in text.translate(SEPARATORS).split(";"))):
        code, separator, role = (piece.strip() for piece in part.rpartition(":"))
        if not separator:
            code, role = part, SKURole.PACKSHOT
        if role not in SKURole.values:
            raise RowProblem(
                _("“%(role)s” is no role of a SKU; the roles are %(roles)s.")
                % {"role": role, "roles": ", ".join(SKURole.values)}
            )
        if not 0 < len(code) <= MAX_CODE:
            raise RowProblem(
                _("“%(code)s” is no SKU: a code has 1 to %(limit)s characters.")
                % {"code": code, "limit": MAX_CODE}
            )
        links.append((code, role))
    return tuple(links)


def parse_tags(text: str) -> tuple[str, ...]:
    """Words with semicolons or commas between them.

    Raises:
        RowProblem: a word without a letter or digit.
    """
    words = tuple(filter(None, (word.strip() for word in text.translate(SEPARATORS).split(";"))))
    for word in words:
        if not slug_of(word):
            raise RowProblem(
                _("“%(word)s” is no tag: a tag has at least one letter or digit.") % {"word": word}
            )
    return words


def _metadata(cells: dict[str, str], defaults: AssetMetadata) -> AssetMetadata:
    texts: dict[str, Any] = {}
    for column, limit in TEXTS.items():
        text = cells.get(column, "")
        if limit and len(text) > limit:
            raise RowProblem(
                _("“%(column)s” has %(length)s characters; at most %(limit)s fit.")
                % {"column": column, "length": len(text), "limit": limit}
            )
        texts[column.removesuffix("_en")] = text
    kind = cells.get("kind", "").lower() or defaults.kind
    if kind not in AssetKind.values:
        raise RowProblem(
            _("“%(kind)s” is no kind; the kinds are %(kinds)s.")
            % {"kind": kind, "kinds": ", ".join(AssetKind.values)}
        )
    return AssetMetadata(
        **texts,
        kind=kind,
        rights_expire_on=_date(cells.get("rights_expire_on", "")),
        tags=(*defaults.tags, *parse_tags(cells.get("tags", ""))),
        skus=parse_skus(cells.get("skus", "")),
        state=defaults.state,
    )


def _date(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError as error:
        raise RowProblem(_("“%(text)s” is no date; write it like 2027-12-31.") % {"text": text}) from error


def _text(path: Path) -> str:
    """The table's text: UTF-8, or GB 18030, as spreadsheets in Chinese write it."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise ImportProblem(
            _("The manifest %(path)s cannot be read (%(reason)s).") % {"path": path, "reason": error.strerror}
        ) from error
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise ImportProblem(_("The manifest %(path)s is no text; save it as CSV in UTF-8.") % {"path": path})


def _delimiter(text: str) -> str:
    """What separates the columns in the first line; cells further down may hold any of these."""
    first_line = text.partition("\n")[0]
    return max(",\t;", key=first_line.count)


def _column(name: str) -> str:
    plain = name.strip().lower().replace(" ", "_")
    return ALSO_WRITTEN.get(plain, plain)
