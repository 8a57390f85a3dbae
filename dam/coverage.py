"""Which SKUs have pictures of which shot types: pages of the matrix, and its totals."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Case, Count, Exists, F, OuterRef, Q, QuerySet, Sum, Value, When, Window
from django.db.models.functions import RowNumber

from dam.models import SKU, Asset, AssetSKU, AssetState, SKURole
from dam.models.organisation import SKUQuerySet

PER_PAGE = 50
# A picture that was thrown away or refused covers nothing.
NOT_COUNTED = (AssetState.TRASHED, AssetState.REJECTED)


@dataclass(frozen=True)
class CoverageQuery:
    """Which SKUs are looked at.

    Attributes:
        missing: a role of which they have no picture.
        approved_only: whether only approved pictures count.
        codes: these SKUs alone; None: whichever there are.
    """

    text: str = ""
    missing: str = ""
    parent: str = ""
    status: str = ""
    collection: int | None = None
    approved_only: bool = False
    codes: tuple[str, ...] | None = None

    def skus(self) -> SKUQuerySet:
        """They, in no order."""
        found = SKU.objects.matching(self.text)
        if self.codes is not None:
            found = found.filter(code__in=self.codes)
        if self.status:
            found = found.filter(status=self.status)
        if self.parent:
            found = found.filter(Q(parent__code=self.parent) | Q(code=self.parent))
        if self.collection is not None:
            shown = AssetSKU.objects.filter(
                sku=OuterRef("pk"), asset__collection_links__collection=self.collection
            )
            found = found.filter(Exists(shown))
        if self.missing:
            found = found.filter(~Exists(self.links().filter(sku=OuterRef("pk"), role=self.missing)))
        return found

    @property
    def narrows(self) -> bool:
        """Whether these are not simply all SKUs."""
        return self != CoverageQuery(approved_only=self.approved_only)

    def links(self) -> QuerySet[AssetSKU]:
        """The links that count."""
        return counted(approved_only=self.approved_only)


@dataclass(frozen=True)
class Cell:
    """The pictures of one SKU in one role."""

    role: str
    approved: int = 0
    total: int = 0
    picture: Asset | None = None
    is_missing: bool = True

    @property
    def label(self) -> str:
        return str(SKURole(self.role).label)


@dataclass(frozen=True)
class CoverageRow:
    """One SKU of the matrix, with a cell for each role."""

    sku: SKU
    cells: tuple[Cell, ...]

    @property
    def missing(self) -> list[str]:
        return [cell.role for cell in self.cells if cell.is_missing]


@dataclass(frozen=True)
class CoveragePage:
    """Some rows, and the codes after and before which the neighbouring pages lie; empty: there is none."""

    rows: list[CoverageRow]
    after: str
    before: str


@dataclass(frozen=True)
class RoleTotal:
    """How many of all these SKUs have a picture in this role."""

    role: str
    covered: int
    total: int

    @property
    def label(self) -> str:
        return str(SKURole(self.role).label)

    @property
    def percent(self) -> int:
        return round(100 * self.covered / self.total) if self.total else 0


def counted(*, approved_only: bool = False) -> QuerySet[AssetSKU]:
    """The links of pictures that cover something."""
    if approved_only:
        return AssetSKU.objects.filter(asset__state=AssetState.APPROVED)
    gone = Asset.objects.filter(pk=OuterRef("asset_id"), state__in=NOT_COUNTED)
    return AssetSKU.objects.exclude(Exists(gone))


def page_of(query: CoverageQuery, *, after: str = "", before: str = "", most: int = PER_PAGE) -> CoveragePage:
    """The rows after, or before, a code, in the order of the codes: two queries, no COUNT of the table."""
    skus = query.skus().select_related("parent")
    if before:
        found = list(skus.filter(code__lt=before).order_by("-code")[: most + 1])
        more_before, more_after = len(found) > most, True
        shown = found[:most][::-1]
    else:
        found = list(skus.filter(code__gt=after).order_by("code")[: most + 1])
        more_before, more_after = bool(after), len(found) > most
        shown = found[:most]
    return CoveragePage(
        rows=rows_of(shown, approved_only=query.approved_only),
        after=shown[-1].code if shown and more_after else "",
        before=shown[0].code if shown and more_before else "",
    )


def rows_of(
    skus: Sequence[SKU], *, approved_only: bool = False, links: QuerySet[AssetSKU] | None = None
) -> list[CoverageRow]:
    """The rows of these SKUs, in one query; `links`: those that count, if not all of `counted`."""
    cells: dict[int, dict[str, Cell]] = defaultdict(dict)
    for link in _best(counted() if links is None else links, [sku.pk for sku in skus], 1):
        is_missing = approved_only and not link.approved
        cells[link.sku_id][link.role] = Cell(link.role, link.approved, link.total, link.asset, is_missing)
    return [
        CoverageRow(sku, tuple(cells[sku.pk].get(role, Cell(role)) for role in SKURole.values))
        for sku in skus
    ]


def pictures_of(sku: SKU, links: QuerySet[AssetSKU], most: int) -> dict[str, list[Asset]]:
    """The SKU's best pictures in each role, in one query."""
    pictures: dict[str, list[Asset]] = {role: [] for role in SKURole.values}
    for link in sorted(_best(links, [sku.pk], most), key=lambda link: link.place):
        pictures[link.role].append(link.asset)
    return pictures


def _best(links: QuerySet[AssetSKU], keys: Sequence[int], most: int) -> QuerySet[AssetSKU, Any]:
    """The best links of each SKU and role with counts beside them: approved first, then the newest."""
    approved = Case(When(asset__state=AssetState.APPROVED, then=Value(1)), default=Value(0))
    of_cell: dict[str, Any] = {"partition_by": [F("sku_id"), F("role")]}
    return (
        links.filter(sku__in=keys)
        .annotate(
            place=Window(RowNumber(), order_by=[approved.desc(), F("asset_id").desc()], **of_cell),
            total=Window(Count("pk"), **of_cell),
            approved=Window(Sum(approved), **of_cell),
        )
        .filter(place__lte=most)
        .select_related("asset__current")
    )


def totals_of(query: CoverageQuery) -> list[RoleTotal]:
    """Each role's share among all SKUs of the query: a query for each, and one for all."""
    links = query.links()
    if query.narrows:
        links = links.filter(sku__in=query.skus().order_by().values("pk"))
    total = query.skus().count()
    return [
        RoleTotal(role, links.filter(role=role).order_by().values("sku").distinct().count(), total)
        for role in SKURole.values
    ]
