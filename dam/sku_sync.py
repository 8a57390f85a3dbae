"""Bringing the library's SKUs in line with a table from the shop's own system.

A table says what is so: it is run as often as one likes and changes nothing the second time. A column that
it lacks is left alone; an empty cell empties the field, or takes the attribute away (an empty status means
nothing). A table with one bad row changes nothing at all, unless the caller wants its good rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, TypeVar

from django.db import transaction
from django.db.models import F
from django.utils.translation import gettext as _

from dam import audit, workflow
from dam.articles import MAX_ATTRIBUTES, text_of, value_of
from dam.audit import Actor
from dam.models import SKU, AssetSKU, SKUStatus
from dam.roles import Role
from dam.signals import assets_changed
from dam.sku_table import SKURow, SKUTable, TableProblem, read_sku_table, too_many_attributes
from dam.tables import Row

T = TypeVar("T")
BATCH = 500
CREATED, CHANGED, PROBLEM = "created", "changed", "problem"
# Columns that are fields of the same name.
PLAIN = ("name", "name_zh", "barcode", "status")


@dataclass(frozen=True)
class RowReport:
    """What became of a row: "created", "changed" (`columns` says what), "problem" (`sentence` says why)."""

    number: int
    code: str
    outcome: str
    columns: tuple[str, ...] = ()
    sentence: str = ""


@dataclass
class SyncReport:
    """What a table changed, or would change.

    Attributes:
        rows: each row that is not as the library has it, in the order of the table.
        discontinued: codes that the table lacks.
        written: whether anything was changed by this call; not in a dry run, nor where a problem stops all.
        table: as it was read, for the sheet of its bad rows.
    """

    rows: list[RowReport] = field(default_factory=list)
    unchanged: int = 0
    discontinued: list[str] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    written: bool = False
    table: list[Row] = field(default_factory=list)

    def count(self, outcome: str) -> int:
        return sum(row.outcome == outcome for row in self.rows)

    @property
    def problems(self) -> dict[int, str]:
        """Number of each bad row → what is wrong, as `dam.tables.write_errors` takes it."""
        return {row.number: row.sentence for row in self.rows if row.outcome == PROBLEM}


@dataclass
class _Plan:
    """A SKU as it is to be, and what is new about it."""

    row: SKURow
    sku: SKU
    parent: str
    before: dict[str, Any]
    after: dict[str, Any]
    is_new: bool


@dataclass
class _Library:
    """What the library knows of the codes in the table and of their families."""

    skus: dict[str, SKU] = field(default_factory=dict)
    parents: dict[str, str] = field(default_factory=dict)
    variants: dict[str, list[str]] = field(default_factory=dict)


def sync_skus(
    source: Path | IO[bytes],
    *,
    actor: Actor,
    name: str = "",
    dry_run: bool = False,
    partial: bool = False,
    discontinue_missing: bool = False,
) -> SyncReport:
    """Create and change SKUs until they are as the table has them, in one transaction.

    Args:
        source: a CSV file or an XLSX workbook.
        name: what a stream is called in messages.
        dry_run: say what would happen, and change nothing.
        partial: take the good rows although others are bad.
        discontinue_missing: active SKUs that the table does not name become discontinued; not where a row
            is bad, since it may be theirs.

    Raises:
        TableProblem: the table cannot be used at all.
        NotPermitted: the account is no editor's.
    """
    workflow.check_role(actor, Role.EDITOR)
    read = read_sku_table(source, name)
    if discontinue_missing and not read.named:
        raise TableProblem(_("The table has no rows; it would discontinue every SKU."))
    with transaction.atomic():
        library = _known(read)
        _drop_impossible_families(read, library)
        plans = _plans(read, library)
        report = _report(read, plans)
        missing = discontinue_missing and not read.problems
        if discontinue_missing and read.problems:
            report.notices.append(_("Nothing is discontinued, since a row that has a problem may name it."))
        if not dry_run and (partial or not read.problems):
            _write([plan for plan in plans if plan.after], read, actor)
            report.written = True
        if missing:
            report.discontinued = list(_discontinue(read.named, actor, write=report.written))
    return report


# ── What is known ─────────────────────────────────────────────────────────────────────────────────


def _known(read: SKUTable) -> _Library:
    """The SKUs that the table names, locked, and who is whose variant."""
    library = _Library()
    named = {row.code for row in read.rows.values()} | {
        row.parent for row in read.rows.values() if row.parent
    }
    for codes in _batches(sorted(named)):
        locked = (
            SKU.objects.select_for_update(no_key=True, of=("self",)).filter(code__in=codes).order_by("code")
        )
        for sku in locked.annotate(parent_code=F("parent__code")):
            library.skus[sku.code] = sku
            library.parents[sku.code] = sku.parent_code or ""
        for parent, code in SKU.objects.filter(parent__code__in=codes).values_list("parent__code", "code"):
            library.variants.setdefault(parent, []).append(code)
            library.parents[code] = parent
    return library


def _drop_impossible_families(read: SKUTable, library: _Library) -> None:
    """Move rows whose parent cannot be to the problems; what hangs on them goes in the next round."""

    def parent_of(code: str) -> str:
        row = read.rows.get(code)
        return library.parents.get(code, "") if row is None or row.parent is None else row.parent

    while True:
        found: dict[str, str] = {}
        for code, row in read.rows.items():
            parent = row.parent
            if not parent:
                continue
            details = {"code": code, "parent": parent}
            if parent == code:
                found[code] = _("A SKU cannot be a variant of itself.")
            elif parent not in read.rows and parent not in library.skus:
                found[code] = (
                    _("Its parent “%(parent)s” is neither in the table nor in the library.") % details
                )
            elif parent_of(parent):
                found[code] = _("Its parent “%(parent)s” is a variant itself; name the article.") % details
            elif any(parent_of(variant) == code for variant in library.variants.get(code, ())):
                found[code] = _("“%(code)s” has variants of its own; it cannot be one.") % details
        if not found:
            return
        for code, sentence in found.items():
            read.problems[read.rows.pop(code).number] = (code, sentence)


# ── What is to be done ────────────────────────────────────────────────────────────────────────────


def _plans(read: SKUTable, library: _Library) -> list[_Plan]:
    """Each good row beside what the library has; rows with too many attributes become problems."""
    plans = []
    for code, row in list(read.rows.items()):
        plan = _plan(row, library.skus.get(code), library.parents.get(code, ""))
        if len(plan.sku.attributes) > MAX_ATTRIBUTES and "attributes" in plan.after:
            read.problems[row.number] = (code, too_many_attributes())
        else:
            plans.append(plan)
    return plans


def _plan(row: SKURow, known: SKU | None, known_parent: str) -> _Plan:
    # A new object also for what is known: an upsert goes by the code and must not name the key.
    sku = SKU(code=row.code)
    if known is not None:
        for column in (*PLAIN, "parent_id", "attributes", "created"):
            setattr(sku, column, getattr(known, column))
    before: dict[str, Any] = {}
    after: dict[str, Any] = {} if known is not None else {"code": row.code}
    for column in PLAIN:
        text, present = row.texts.get(column), getattr(sku, column)
        if text is not None and text != present.strip() and (text or column != "status"):
            before[column], after[column] = present, text
            setattr(sku, column, text)
    parent = known_parent if row.parent is None else row.parent
    if parent != known_parent:
        before["parent"], after["parent"] = known_parent, parent
    attributes = _merged(sku.attributes, row.attributes)
    if attributes != sku.attributes:
        before["attributes"], after["attributes"] = sku.attributes, attributes
        sku.attributes = attributes
    return _Plan(row, sku, parent, before if known is not None else {}, after, known is None)


def _merged(present: dict[str, Any], wanted: dict[str, str]) -> dict[str, Any]:
    """The attributes with those that the table has; what reads the same stays the text or number it is."""
    merged = dict(present)
    for name, text in wanted.items():
        if not text:
            merged.pop(name, None)
        elif name not in present or text_of(present[name]).strip() != text:
            merged[name] = value_of(text)
    return merged


def _report(read: SKUTable, plans: Sequence[_Plan]) -> SyncReport:
    rows = [
        RowReport(
            plan.row.number,
            plan.sku.code,
            CREATED if plan.is_new else CHANGED,
            tuple(name for name in plan.after if name != "code"),
        )
        for plan in plans
        if plan.after
    ]
    rows += [
        RowReport(number, code, PROBLEM, sentence=sentence)
        for number, (code, sentence) in read.problems.items()
    ]
    report = SyncReport(sorted(rows, key=lambda row: row.number), table=read.table)
    report.unchanged = sum(not plan.after for plan in plans)
    if read.ignored:
        report.notices.append(
            _("These columns mean nothing here and are ignored: %(columns)s.")
            % {"columns": ", ".join(read.ignored)}
        )
    return report


# ── Doing it ──────────────────────────────────────────────────────────────────────────────────────


def _write(plans: Sequence[_Plan], read: SKUTable, actor: Actor) -> None:
    """Articles before their variants, which need the keys of the articles."""
    columns = [*(column for column in PLAIN if _has(read, column)), "attributes"]
    if _has(read, "parent"):
        columns.append("parent")
    for of_variants in (False, True):
        for batch in _batches([plan for plan in plans if bool(plan.parent) == of_variants]):
            _write_batch(batch, columns, actor)


def _has(read: SKUTable, column: str) -> bool:
    return any(column in row.texts for row in read.rows.values())


def _write_batch(batch: Sequence[_Plan], columns: Sequence[str], actor: Actor) -> None:
    parents = {plan.parent for plan in batch} - {""}
    keys = dict(SKU.objects.filter(code__in=parents).values_list("code", "pk")) if parents else {}
    for plan in batch:
        plan.sku.parent_id = keys.get(plan.parent)
    # An upsert: somebody may create a SKU of this code at the same moment.
    SKU.objects.bulk_create(
        [plan.sku for plan in batch], update_conflicts=True, unique_fields=["code"], update_fields=columns
    )
    for action, is_new in (("sku.created", True), ("sku.updated", False)):
        audit.record_many(
            actor,
            action,
            [
                (plan.sku, {"label": plan.sku.code, "before": plan.before, "after": plan.after})
                for plan in batch
                if plan.is_new == is_new
            ],
        )
    _tell_assets(plan.sku.code for plan in batch if not plan.is_new)


def _discontinue(named: set[str], actor: Actor, *, write: bool) -> Iterator[str]:
    """The codes of active SKUs that the table does not name; with `write` they become discontinued."""
    active = SKU.objects.filter(status=SKUStatus.ACTIVE).order_by("code")
    last = ""
    while batch := list(active.filter(code__gt=last)[:BATCH]):
        last = batch[-1].code
        missing = [sku for sku in batch if sku.code not in named]
        if write and missing:
            SKU.objects.filter(pk__in=[sku.pk for sku in missing]).update(status=SKUStatus.DISCONTINUED)
            details = {"before": {"status": SKUStatus.ACTIVE}, "after": {"status": SKUStatus.DISCONTINUED}}
            audit.record_many(
                actor, "sku.updated", [(sku, {"label": sku.code, **details}) for sku in missing]
            )
            _tell_assets(sku.code for sku in missing)
        yield from (sku.code for sku in missing)


def _batches(rows: Sequence[T]) -> Iterator[Sequence[T]]:
    return (rows[start : start + BATCH] for start in range(0, len(rows), BATCH))


def _tell_assets(codes: Iterable[str]) -> None:
    links = AssetSKU.objects.filter(sku__code__in=list(codes))
    if carriers := sorted(set(links.values_list("asset_id", flat=True))):
        assets_changed.send(sender=SKU, asset_ids=carriers)
