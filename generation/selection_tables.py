"""Selections that come as a table: a CSV or XLSX file whose rows name assets, SKUs, collections or scenes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING

from django.utils.translation import gettext as _

from dam.models import Asset
from dam.tables import Row, TableError, read_table
from generation.selection import MAX_NAMES, Names, SelectionError, find

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

MAX_ROWS = 5_000
FAULTS_TOLD = 50
# Column → how `Names` is asked for what stands in it; a name is looked for as a sentence is.
_COLUMNS = {"asset": "", "id": "", "sku": "sku:", "collection": "collection:"}
NAME = "name"
_ALSO_WRITTEN = {"素材": "asset", "编号": "asset", "货号": "sku", "收藏集": "collection", "名称": NAME}
_LIMIT = 1  # pictures of one SKU: the first


@dataclass(frozen=True)
class RowFault:
    """What is wrong with one row; `number` is the one that a spreadsheet shows."""

    number: int
    sentence: str

    def __str__(self) -> str:
        return _("Row %(number)s: %(sentence)s") % {"number": self.number, "sentence": self.sentence}


class TableSelectionError(SelectionError):
    """The table cannot be used; the message names the rows."""

    def __init__(self, message: str, faults: Sequence[RowFault] = ()) -> None:
        super().__init__(message)
        self.faults = list(faults)


@dataclass
class _Chosen:
    assets: dict[int, Asset] = field(default_factory=dict)
    faults: list[RowFault] = field(default_factory=list)


def select_from_table(
    source: Path | IO[bytes], *, user: User | AnonymousUser | None, kinds: Sequence[str] | None = None
) -> list[Asset]:
    """The assets that the rows name, in their order, each once; of a SKU its first picture.

    The first row names the columns: any of `asset` (or `id`), `sku`, `collection` and `name`; of each row the
    first that is filled in counts.

    Raises:
        TableSelectionError: it is no table, has no such column, or rows name what there is not.
    """
    try:
        rows = list(_limited(read_table(source)))
    except (TableError, OSError) as error:
        raise TableSelectionError(_("The table cannot be read: %(reason)s") % {"reason": error}) from error
    if not rows:
        raise TableSelectionError(_("The table is empty."))
    columns = _columns(rows[0])
    named = [(row, *_named(row, columns)) for row in rows[1:]]
    names = Names.read([part for _row, column, part in named if column and column != NAME], user)
    if sum(column == NAME for _row, column, _part in named) > MAX_NAMES:
        raise TableSelectionError(
            _("The column “name” holds too many names; at most %(most)s are looked for.")
            % {"most": MAX_NAMES}
        )
    chosen = _Chosen()
    for row, column, part in named:
        try:
            found = _assets(row, column, part, names, user, kinds)
        except SelectionError as error:
            chosen.faults.append(RowFault(row.number, str(error)))
        else:
            chosen.assets |= {asset.pk: asset for asset in found if asset.pk not in chosen.assets}
    if chosen.faults:
        told = " ".join(str(fault) for fault in chosen.faults[:FAULTS_TOLD])
        raise TableSelectionError(told, chosen.faults)
    if not chosen.assets:
        raise TableSelectionError(_("The table names nothing below its first row."))
    return list(chosen.assets.values())


def _limited(rows: Iterator[Row]) -> Iterator[Row]:
    for count, row in enumerate(rows):
        if count > MAX_ROWS:
            raise TableError(_("It has more than %(most)s rows.") % {"most": f"{MAX_ROWS:,}"})
        yield row


def _columns(head: Row) -> list[str]:
    names = [cell.strip().lower() for cell in head.cells]
    columns = [_ALSO_WRITTEN.get(name, name) for name in names]
    if not any(column in _COLUMNS or column == NAME for column in columns):
        raise TableSelectionError(
            _(
                "The first row names none of the columns “asset”, “sku”, “collection” and “name”; "
                "it has: %(columns)s."
            )
            % {"columns": ", ".join(head.cells)}
        )
    return columns


def _named(row: Row, columns: Sequence[str]) -> tuple[str, str]:
    """The column that counts, and what it names; both empty where none is filled in."""
    for column, cell in zip(columns, row.cells, strict=False):
        value = cell.strip()
        if value and column in _COLUMNS:
            return column, _COLUMNS[column] + value
        if value and column == NAME:
            return NAME, value
    return "", ""


def _assets(
    row: Row,
    column: str,
    part: str,
    names: Names,
    user: User | AnonymousUser | None,
    kinds: Sequence[str] | None,
) -> list[Asset]:
    if row.problem:
        raise SelectionError(row.problem)
    if not column:
        raise SelectionError(_("It names nothing."))
    if column != NAME:
        return names.assets(part, limit=_LIMIT)
    found = find(part, user=user, kinds=kinds, limit=1)
    if not found:
        raise SelectionError(_("Nothing was found for “%(text)s”.") % {"text": part})
    return found
