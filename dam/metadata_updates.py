"""Changing the words of many assets by a table: what would change is shown first, then written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import IO, Any, cast
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from dam import custom_fields, editing, field_rules, tagging, workflow
from dam.audit import Actor
from dam.custom_values import BadValues, Fields, from_cells, text_of
from dam.exports import cells_of
from dam.field_rules import Incomplete
from dam.ingest import AssetMetadata
from dam.manifest import (
    COLUMNS,
    TEXTS,
    Fault,
    ImportProblem,
    column_of,
    fields_among,
    parse_cells,
    too_many_cells,
)
from dam.models import Asset
from dam.tables import PROBLEM, Row, TableError, read_table

BATCH = 100
MAX_WAITED_FOR = 5000  # rows of an update that a request waits for
NEVER_EMPTY = ("kind", "model_release")  # an empty cell leaves these as they are
FIELDS = tuple(column for column in COLUMNS if column not in ("file", "tags", "skus"))


@dataclass(frozen=True)
class Change:
    """What a row changes: column → before and after, as a table writes them."""

    number: int
    asset: Asset
    columns: dict[str, tuple[str, str]]
    wanted: AssetMetadata


@dataclass
class UpdateReport:
    """What an update did, or would do.

    Attributes:
        changes: rows that change something.
        unchanged: how many rows agree with the library.
        faults: what is wrong with each bad row.
        table: all rows as they were read, the one with the names of the columns first.
        ignored: columns with names that mean nothing here.
    """

    changes: list[Change] = field(default_factory=list)
    unchanged: int = 0
    faults: list[Fault] = field(default_factory=list)
    table: list[Row] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)


def update_metadata(
    source: Path | IO[bytes], *, actor: Actor, dry_run: bool = False, name: str = "", at_most: int = 0
) -> UpdateReport:
    """Change what the table says otherwise than the library; bad rows stop none of the others.

    A column that is not there changes nothing; an empty cell empties. The column “id” (or “sha256”) tells
    the asset. Doing it again changes nothing, so an interrupted update is simply done again.

    Args:
        source: CSV or XLSX (see `dam.tables`), as `export_metadata` writes it.
        name: what a stream is called in messages.
        at_most: rows; 0: as many as a table may have.

    Raises:
        ImportProblem: the table cannot be read at all, tells no assets, or has more rows.
    """
    report = UpdateReport()
    columns, custom = _read(source, name or str(source), report, at_most)
    rows = iter(report.table[1:])
    seen: set[int] = set()
    while batch := list(islice(rows, BATCH)):
        changes = list(_changes(batch, columns, custom, actor, seen, report))
        report.changes += _tried(changes, actor, report) if dry_run else _apply(changes, actor, report)
    return report


def _read(
    source: Path | IO[bytes], shown: str, report: UpdateReport, at_most: int
) -> tuple[list[str], Fields]:
    """The columns, and the custom fields if some of them are called like one."""
    try:
        report.table = list(read_table(source))
    except TableError as error:
        raise ImportProblem(
            _("The table %(path)s cannot be used. %(reason)s") % {"path": shown, "reason": error}
        ) from error
    if at_most and len(report.table) > at_most + 1:
        raise ImportProblem(
            _("The table %(path)s has more than %(limit)s rows. Split it, or use the command line.")
            % {"path": shown, "limit": f"{at_most:,}"}
        )
    names = report.table[0].cells if report.table else []
    columns = [column_of(name) for name in names]
    if not {"id", "sha256"} & set(columns):
        raise ImportProblem(
            _("The table %(path)s has neither a column “id” nor “sha256”. Export one and edit that.")
            % {"path": shown}
        )
    custom = fields_among(columns)
    known = {*COLUMNS, *(field.name for field in custom.values()), "id", "sha256", PROBLEM, ""}
    report.ignored = [name for name, column in zip(names, columns, strict=True) if column not in known]
    return columns, custom


def _changes(
    batch: Sequence[Row],
    columns: list[str],
    custom: Fields,
    actor: Actor,
    seen: set[int],
    report: UpdateReport,
) -> Iterator[Change]:
    """What the rows change; what is wrong with them, or the same already, goes into the report."""
    told = [dict(zip(columns, (cell.strip() for cell in row.cells), strict=False)) for row in batch]
    found = _find(told, actor)
    for row, cells in zip(batch, told, strict=True):
        sentences = [row.problem] if row.problem else []
        if any(row.cells[len(columns) :]):
            sentences.append(too_many_cells())
        wanted = parse_cells(cells, AssetMetadata(), sentences)
        asset = found.get(cells.get("id", "").lower()) or found.get(cells.get("sha256", "").lower())
        sentences += _objections(asset, actor, seen)
        if asset is not None:
            try:
                kind = wanted.kind if cells.get("kind") else asset.kind
                wanted = replace(wanted, custom=from_cells(cells, asset.custom, custom, kind))
            except BadValues as bad:
                sentences.append(str(bad))
        if sentences or asset is None:
            told_as = cells.get("id") or cells.get("sha256") or ""
            report.faults.append(Fault(row.number, cells.get("file") or told_as, " ".join(sentences)))
            continue
        seen.add(asset.pk)
        if difference := _difference(asset, cells, wanted, custom):
            yield Change(row.number, asset, difference, wanted)
        else:
            report.unchanged += 1


def _find(told: Sequence[dict[str, str]], actor: Actor) -> dict[str, Asset]:
    """Id, or digest where there is no id → the asset, as far as the actor may see it."""
    ids = [known for cells in told if (known := _as_id(cells.get("id", "")))]
    digests = [cells["sha256"].lower() for cells in told if not cells.get("id") and cells.get("sha256")]
    visible = Asset.objects.visible_to(cast(Any, actor)).with_listing()
    found: dict[str, Asset] = {}
    for asset in visible.filter(Q(public_id__in=ids) | Q(current__sha256__in=digests)):
        found[str(asset.public_id)] = asset
        if asset.current and asset.current.sha256 in digests:
            found[asset.current.sha256] = asset
    return found


def _as_id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _objections(asset: Asset | None, actor: Actor, seen: set[int]) -> list[str]:
    if asset is None:
        return [_("There is no such asset.")]
    if asset.pk in seen:
        return [_("An earlier row names the same asset.")]
    if not workflow.may_change(actor, asset):
        return [_("The asset belongs to somebody else.")]
    return []


def _difference(
    asset: Asset, cells: dict[str, str], wanted: AssetMetadata, custom: Fields
) -> dict[str, tuple[str, str]]:
    before, after = cells_of(asset, custom), _as_cells(asset, wanted, custom)
    return {
        column: (before[column], after[column])
        for column in (*COLUMNS, *(field.name for field in custom.values()))
        if column != "file"
        and column in cells
        and (cells[column] or column not in NEVER_EMPTY)
        and before[column] != after[column]
    }


def _as_cells(asset: Asset, wanted: AssetMetadata, custom: Fields) -> dict[str, str]:
    """As the asset would be exported, if it were as wanted; tags by the words of those that it has."""
    words = {name: tag.label or tag.slug for tag in asset.tags.all() for name in _names(tag)}
    texts = {column: getattr(wanted, column.removesuffix("_en")) for column in TEXTS}
    return {
        **texts,
        "kind": wanted.kind,
        "tags": "; ".join(sorted({words.get(tagging.slug_of(word), word) for word in wanted.tags})),
        "skus": "; ".join(sorted({f"{code}:{role}" for code, role in wanted.skus})),
        "rights_expire_on": wanted.rights_expire_on.isoformat() if wanted.rights_expire_on else "",
        "model_release": wanted.model_release,
        "release_expires_on": wanted.release_expires_on.isoformat() if wanted.release_expires_on else "",
        "territories": "; ".join(wanted.territories),
        **{field.name: text_of(wanted.custom.get(slug)) for slug, field in custom.items()},
    }


def _names(tag: Any) -> set[str]:
    return {tag.slug, tagging.slug_of(tag.label), tagging.slug_of(tag.label_zh)} - {""}


@transaction.atomic
def _tried(changes: Sequence[Change], actor: Actor, report: UpdateReport) -> list[Change]:
    """Those that could be written. What rules refuse shows when it is done, so it is done and undone."""
    if not field_rules.load():
        return list(changes)
    done = _apply(changes, actor, report)
    transaction.set_rollback(True)
    return done


@transaction.atomic
def _apply(changes: Sequence[Change], actor: Actor, report: UpdateReport) -> list[Change]:
    """Write them; a row that would empty what its asset's state asks for is left, and said to be bad.

    Returns:
        Those that were written.
    """
    done = []
    for change in changes:
        try:
            with transaction.atomic():
                _write(change, actor)
        except Incomplete as error:
            report.faults.append(Fault(change.number, str(change.asset.public_id), str(error)))
        else:
            done.append(change)
    return done


def _write(change: Change, actor: Actor) -> None:
    asset, wanted = change.asset, change.wanted
    fields = {name.removesuffix("_en") for name in FIELDS if name in change.columns}
    custom = {
        name: wanted.custom.get(slug)
        for name in change.columns
        if (slug := custom_fields.slug_in(name)) is not None
    }
    add, remove = _tags(asset, wanted) if "tags" in change.columns else ((), ())
    if fields or custom or add or remove:
        editing.update_assets(
            [asset],
            actor=actor,
            changes={**{name: _kept(getattr(wanted, name)) for name in fields}, **custom},
            add_tags=add,
            remove_tags=remove,
        )
    if "skus" in change.columns:
        _set_skus(asset, set(wanted.skus), actor)


def _kept(value: Any) -> Any:
    """As the columns of assets hold it."""
    return list(value) if isinstance(value, tuple) else value


def _tags(asset: Asset, wanted: AssetMetadata) -> tuple[Sequence[str], Sequence[str]]:
    kept = {tag.pk for tag in tagging.find_tags(wanted.tags).values()}
    return wanted.tags, [tag.slug for tag in asset.tags.all() if tag.pk not in kept]


def _set_skus(asset: Asset, wanted: set[tuple[str, str]], actor: Actor) -> None:
    present = {(link.sku.code, link.role): link.sku for link in asset.sku_links.all()}
    for code, role in sorted(wanted - present.keys()):  # first, so that it is never without any
        editing.link_sku(asset, code, role, actor=actor)
    for code, role in present.keys() - wanted:
        editing.unlink_sku(asset, present[code, role], role, actor=actor)
