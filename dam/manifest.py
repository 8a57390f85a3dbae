"""What a manifest means: a table whose rows say what the files of an import are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import IO, Any, TypeVar

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from dam import custom_fields, territories
from dam.custom_values import PREFIX, BadValues, Fields, from_cells
from dam.ingest import AssetMetadata
from dam.models import AssetKind, ModelRelease, SKURole
from dam.tables import PROBLEM, Row, TableError, read_table
from dam.tagging import slug_of

# Column → how many characters it may hold, as the model has it; 0: any number.
TEXTS = {
    "title_en": 255, "title_zh": 255, "alt_text_en": 500, "alt_text_zh": 500, "description_en": 0,
    "description_zh": 0, "licence": 255, "rights_holder": 255, "credit": 255,
}  # fmt: skip
COLUMNS = (
    "file", *TEXTS, "kind", "tags", "skus", "rights_expire_on", "model_release", "release_expires_on",
    "territories",
)  # fmt: skip
ALSO_WRITTEN = {
    "title": "title_en", "alt_text": "alt_text_en", "description": "description_en", "license": "licence",
    "tag": "tags", "sku": "skus", "filename": "file",
}  # fmt: skip
MAX_CODE = 64
T = TypeVar("T")
SEPARATORS = str.maketrans("；，,", ";;;")


class ImportProblem(Exception):
    """The import cannot begin; `str()` says why and what to do."""


class RowProblem(Exception):
    """One row is wrong; `str()` says what."""


@dataclass(frozen=True)
class Fault:
    """What is wrong with one row; `number` is the one that a spreadsheet shows."""

    number: int
    file: str
    sentence: str


@dataclass
class Manifest:
    """What a manifest says.

    Attributes:
        rows: number (as a spreadsheet shows it), file and metadata of each good row.
        faults: what is wrong with each bad one.
        ignored: columns with names that mean nothing here.
        table: all rows as they were read, the one with the names of the columns first.
    """

    rows: list[tuple[int, str, AssetMetadata]] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    table: list[Row] = field(default_factory=list)

    @property
    def problems(self) -> list[tuple[str, str]]:
        """File and reason of each bad row."""
        return [(fault.file, in_row(fault.number, fault.sentence)) for fault in self.faults]


def read_manifest(source: Path | IO[bytes], defaults: AssetMetadata, name: str = "") -> Manifest:
    """Read the table; cells that are empty mean the default, tags are added to the default ones.

    Args:
        source: a CSV file or an XLSX workbook (see `dam.tables`).
        name: what a stream is called in messages.

    Raises:
        ImportProblem: the table cannot be read at all, or has no column `file`.
    """
    shown = name or source
    try:
        table = list(read_table(source))
    except TableError as error:
        raise ImportProblem(
            _("The manifest %(path)s cannot be used. %(reason)s") % {"path": shown, "reason": error}
        ) from error
    names = table[0].cells if table else []
    columns = [column_of(name) for name in names]
    if "file" not in columns:
        raise ImportProblem(
            _("The manifest %(path)s has no column “file”. Its first line names columns: %(columns)s.")
            % {"path": shown, "columns": ", ".join(COLUMNS)}
        )
    manifest = Manifest(table=table)
    fields = fields_among(columns)
    known = {*COLUMNS, *(field.name for field in fields.values()), PROBLEM, ""}
    manifest.ignored = [name for name, column in zip(names, columns, strict=True) if column not in known]
    for row in table[1:]:
        _take(row, columns, defaults, fields, manifest)
    return manifest


def fields_among(columns: Sequence[str]) -> Fields:
    """The custom fields that there are, if a column is called like one."""
    return custom_fields.by_slug() if any(column.startswith(PREFIX) for column in columns) else {}


def _take(row: Row, columns: list[str], defaults: AssetMetadata, fields: Fields, manifest: Manifest) -> None:
    cells = {column: cell.strip() for column, cell in zip(columns, row.cells, strict=False)}
    file = cells.get("file", "")
    sentences = [row.problem] if row.problem else []
    if any(row.cells[len(columns) :]):
        sentences.append(too_many_cells())
    elif not file:
        sentences.append(_("The column “file” is empty."))
    metadata = parse_cells(cells, defaults, sentences)
    try:
        metadata = replace(metadata, custom=from_cells(cells, {}, fields, metadata.kind))
    except BadValues as bad:
        sentences.append(str(bad))
    if sentences:
        manifest.faults.append(Fault(row.number, file, " ".join(sentences)))
    else:
        manifest.rows.append((row.number, file, metadata))


def too_many_cells() -> str:
    """The sentence about a row that is longer than the first one."""
    return _("It has more cells than there are columns; put quotes around commas.")


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


def parse_territories(text: str) -> tuple[str, ...]:
    """Codes of the countries that are written with semicolons or commas between them.

    Raises:
        RowProblem: a word that is no country.
    """
    try:
        return tuple(territories.codes_of(text.translate(SEPARATORS).split(";")))
    except ValidationError as error:
        raise RowProblem(" ".join(error.messages)) from error


def parse_cells(cells: dict[str, str], defaults: AssetMetadata, sentences: list[str]) -> AssetMetadata:
    """What the cells of built-in fields say; what is wrong with them is added to the sentences."""

    def parsed(column: str, parse: Callable[[str], T], otherwise: T) -> T:
        try:
            return parse(cells.get(column, ""))
        except RowProblem as problem:
            sentences.append(str(problem))
            return otherwise

    texts: dict[str, Any] = {
        column.removesuffix("_en"): parsed(column, partial(_short, column, limit), "")
        for column, limit in TEXTS.items()
    }
    nothing: tuple[str, ...] = ()
    no_links: tuple[tuple[str, str], ...] = ()
    return AssetMetadata(
        **texts,
        kind=parsed("kind", _kind, "") or defaults.kind,
        rights_expire_on=parsed("rights_expire_on", _date, None),
        model_release=parsed("model_release", _release, "") or defaults.model_release,
        release_expires_on=parsed("release_expires_on", _date, None),
        territories=parsed("territories", parse_territories, nothing) or defaults.territories,
        tags=(*defaults.tags, *parsed("tags", parse_tags, nothing)),
        skus=parsed("skus", parse_skus, no_links),
        state=defaults.state,
    )


def _short(column: str, limit: int, text: str) -> str:
    if limit and len(text) > limit:
        raise RowProblem(
            _("“%(column)s” has %(length)s characters; at most %(limit)s fit.")
            % {"column": column, "length": len(text), "limit": limit}
        )
    return text


def _kind(text: str) -> str:
    kind = text.lower()
    if kind and kind not in AssetKind.values:
        raise RowProblem(
            _("“%(kind)s” is no kind; the kinds are %(kinds)s.")
            % {"kind": kind, "kinds": ", ".join(AssetKind.values)}
        )
    return kind


def _release(text: str) -> str:
    release = text.lower()
    if release and release not in ModelRelease.values:
        raise RowProblem(
            _("“%(text)s” says nothing about a model release; write one of %(values)s.")
            % {"text": text, "values": ", ".join(ModelRelease.values)}
        )
    return release


def _date(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError as error:
        raise RowProblem(_("“%(text)s” is no date; write it like 2027-12-31.") % {"text": text}) from error


def column_of(name: str) -> str:
    """The column that people mean when they write it like this."""
    plain = name.strip().lower().replace(" ", "_")
    return ALSO_WRITTEN.get(plain, plain)
