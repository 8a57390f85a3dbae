"""How many assets each filter would show, at a cost that does not grow with the library.

Of the whole library the counts of all sorts (state × kind × origin × colour) are known: on PostgreSQL
triggers keep them (`AssetCount`), elsewhere an index is read. Under any other filter, and for those who see
but a part, the counts are taken over at most PROBED assets, and said to be lower bounds when there are more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from django.db import connection, transaction
from django.db.models import Count, QuerySet, Sum

from dam.models import Asset, AssetCount, AssetState

DIMENSIONS = ("state", "kind", "origin", "colour_family")
PROBED = 2000
FOLDED = 100_000  # rows at a time

Sort = tuple[str, ...]  # a value for each of DIMENSIONS
Chosen = Mapping[str, str]  # dimension → value; without a state: all but the trash


@dataclass(frozen=True)
class Cube:
    """Numbers by sort; `complete` is false when there are more than were counted."""

    numbers: Mapping[Sort, int]
    complete: bool = True

    def total(self, chosen: Chosen) -> int:
        """How many assets there are under these choices."""
        return sum(number for sort, number in self.numbers.items() if _fits(sort, chosen))

    def by(self, dimension: str, chosen: Chosen) -> Counter[str]:
        """How many there would be with each value of this dimension, under the other choices."""
        place = DIMENSIONS.index(dimension)
        counts: Counter[str] = Counter()
        for sort, number in self.numbers.items():
            if _fits(sort, {**chosen, dimension: sort[place]}):
                counts[sort[place]] += number
        return counts


def _fits(sort: Sort, chosen: Chosen) -> bool:
    """Whether assets of this sort are shown; the trash only to those who chose it."""
    if sort[0] == AssetState.TRASHED and chosen.get("state") != AssetState.TRASHED:
        return False
    return all(chosen.get(name) in (None, value) for name, value in zip(DIMENSIONS, sort, strict=True))


def of_library() -> Cube:
    """The counts of everything."""
    rows = (
        AssetCount.objects.values_list(*DIMENSIONS).annotate(number=Sum("number"))
        if connection.vendor == "postgresql"
        else Asset.objects.order_by().values_list(*DIMENSIONS).annotate(number=Count("pk"))
    )
    return Cube({tuple(sort): number for *sort, number in rows if number})


def of_assets(asset_ids: list[int], *, complete: bool) -> Cube:
    """The counts of these assets."""
    rows = Asset.objects.filter(pk__in=asset_ids).order_by().values_list(*DIMENSIONS)
    return Cube({tuple(sort): number for *sort, number in rows.annotate(number=Count("pk"))}, complete)


def probe(assets: QuerySet[Asset]) -> tuple[list[int], bool]:
    """The keys of at most PROBED of these assets, and whether those are all."""
    keys = list(assets.order_by().values_list("pk", flat=True)[: PROBED + 1])
    return keys[:PROBED], len(keys) <= PROBED


@transaction.atomic
def fold() -> None:
    """Write each sort's changes as one sum; what others add meanwhile stays beside it."""
    rows = AssetCount.objects.select_for_update(skip_locked=True) if _locks() else AssetCount.objects.all()
    sums: Counter[Sort] = Counter()
    keys = []
    for key, number, *sort in rows.order_by("pk").values_list("pk", "number", *DIMENSIONS)[:FOLDED]:
        keys.append(key)
        sums[tuple(sort)] += number
    if len(keys) == len(sums):
        return
    AssetCount.objects.filter(pk__in=keys).delete()
    AssetCount.objects.bulk_create(
        AssetCount(**dict(zip(DIMENSIONS, sort, strict=True)), number=number)
        for sort, number in sums.items()
        if number
    )


def _locks() -> bool:
    return connection.features.has_select_for_update_skip_locked
