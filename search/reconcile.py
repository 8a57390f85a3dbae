"""Comparing database and index, document by document, and mending what differs, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from django.db.models import Max

from dam import custom_fields
from dam.custom_values import Fields
from dam.models import Asset
from search.documents import document_for
from search.index import VectorIndex
from search.index.reading import HIGHEST, Row
from search.models import OPEN_STATES, IndexEntry, IndexState, Space, SpaceCoverage
from search.outbox import enqueue
from search.policy import belonging
from search.spaces import active_spaces, index_of

PAGE = 2_000  # assets that are compared at once
NAMED = 20


@dataclass
class Drift:
    """How one space differs from the library. The lists name at most NAMED examples each."""

    space: str
    assets: int = 0
    missing: int = 0
    orphaned: int = 0
    outdated: int = 0
    leftover: int = 0
    pending: int = 0
    failed: int = 0
    missing_assets: list[int] = field(default_factory=list)
    orphaned_ids: list[int] = field(default_factory=list)
    outdated_assets: list[int] = field(default_factory=list)
    mended: bool = False

    @property
    def clean(self) -> bool:
        return not (self.missing or self.orphaned or self.outdated or self.leftover)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass
class _Differences:
    """Ids of one window, ascending."""

    missing: list[int]
    outdated: list[int]
    orphaned: list[int]

    def __bool__(self) -> bool:
        return bool(self.missing or self.outdated or self.orphaned)


def reconcile(*, fix: bool = False) -> list[Drift]:
    """Compare every kept space with the library; with `fix`, enqueue what is missing or outdated and
    delete vectors whose asset is gone.

    Missing: an asset that should be in Milvus and is not. Orphaned: a vector without such an asset.
    Outdated: in Milvus, but with another file than the current one, or with other words, tags, rights or
    whatever else the index is told. Left over: rows of search about assets and files that were deleted for
    good. Pending and failed entries are counted apart: the worker has them.

    Raises:
        IndexUnavailable: Milvus does not answer.
    """
    return [_compare(space, fix) for space in active_spaces()]


def _compare(space: Space, fix: bool) -> Drift:
    drift = Drift(space=space.slug)
    index = index_of(space)
    drift.pending = space.entries.filter(state__in=OPEN_STATES).count()
    drift.failed = space.entries.filter(state=IndexState.FAILED).count()
    index.count()  # strongly consistent: no later read knows less
    names, fields = index.stored_fields(), custom_fields.by_slug()
    for low, high in _windows():
        assets = _assets(space, low, high)
        window = _Window(space, index, low, high, names, fields)
        found = window.differences(assets, "Bounded")
        if found:  # what was written meanwhile is no drift
            assets = _assets(space, low, high)
            found = window.differences(assets, "Strong")
        drift.assets += len(assets)
        _note(drift, found)
        if fix:
            enqueue([*found.missing, *found.outdated], [space])
            index.delete(found.orphaned)
    drift.leftover = _leftovers(space, fix)
    drift.mended = fix and not drift.clean
    return drift


@dataclass(frozen=True)
class _Window:
    """A range of ids (low, high] of one space."""

    space: Space
    index: VectorIndex
    low: int
    high: int
    names: Sequence[str]
    fields: Fields

    def differences(self, assets: Sequence[Asset], consistency: str) -> _Differences:
        """What differs between these assets, read before, and the index, apart from what waits anyway."""
        entries = self._entries()
        should = {asset.pk: asset for asset in assets}
        orphaned: list[int] = []
        outdated: list[int] = []
        present: set[int] = set()
        for page in self.index.rows(self.low, self.high, self.names, consistency=consistency):
            for row in page:
                key = int(row["id"])
                present.add(key)
                asset = should.get(key)
                state, content_hash = entries.get(key, ("", ""))
                if asset is None:
                    orphaned += [] if state in OPEN_STATES else [key]
                elif state == IndexState.FAILED and content_hash != _sha256(asset):
                    orphaned.append(key)  # what the asset was before
                elif state not in (*OPEN_STATES, IndexState.FAILED) and (
                    content_hash != _sha256(asset) or self._differs(asset, row)
                ):
                    outdated.append(key)
        return _Differences(self._missing(should, present, entries), outdated, orphaned)

    def _entries(self) -> dict[int, tuple[str, str]]:
        """State and embedded file by asset."""
        rows = IndexEntry.objects.filter(
            space=self.space, asset_key__gt=self.low, asset_key__lte=self.high
        ).values_list("asset_key", "state", "content_hash")
        return {key: (state, content_hash) for key, state, content_hash in rows}

    def _differs(self, asset: Asset, row: Row) -> bool:
        should = self.index.as_stored(document_for(asset, self.fields))
        return any(_plain(row[name]) != _plain(should[name]) for name in self.names)

    def _missing(
        self, should: dict[int, Asset], present: set[int], entries: dict[int, tuple[str, str]]
    ) -> list[int]:
        """Not in Milvus, and nobody is about to write it. A space of chosen assets may lack others."""
        every = self.space.coverage == SpaceCoverage.ALL
        waits = (*OPEN_STATES, IndexState.FAILED)
        absent = [(key, entries.get(key, ("", ""))[0]) for key in should if key not in present]
        return [key for key, state in absent if state not in waits and (every or state == IndexState.INDEXED)]


def _plain(value: Any) -> Any:
    """Lists come from Milvus as another kind of sequence; what is in them has no order."""
    return value if isinstance(value, str | int | float) else sorted(value)


def _sha256(asset: Asset) -> str:
    return asset.current.sha256 if asset.current else ""


def _leftovers(space: Space, fix: bool) -> int:
    entries = space.entries.filter(state=IndexState.REMOVED).without_asset()
    vectors = space.embeddings.without_file()
    count = entries.count() + vectors.count()
    if fix:
        entries.delete()
        vectors.delete()
    return count


def _note(drift: Drift, found: _Differences) -> None:
    drift.missing += len(found.missing)
    drift.outdated += len(found.outdated)
    drift.orphaned += len(found.orphaned)
    for names, keys in (
        (drift.missing_assets, found.missing),
        (drift.outdated_assets, found.outdated),
        (drift.orphaned_ids, found.orphaned),
    ):
        names.extend(keys[: NAMED - len(names)])


def _assets(space: Space, low: int, high: int) -> list[Asset]:
    """What should be indexed of (low, high], with all that the index is told."""
    return list(
        belonging(space)
        .filter(pk__gt=low, pk__lte=high, current__isnull=False)
        .order_by("pk")
        .select_related("current")
        .prefetch_related("tags", "skus", "collection_links")
    )


def _windows() -> Iterator[tuple[int, int]]:
    """Ranges (low, high] that cover all ids there can be, each with at most PAGE assets."""
    low = -1
    while True:
        keys = Asset.objects.filter(pk__gt=low).order_by("pk").values("pk")[:PAGE]
        high = Asset.objects.filter(pk__in=keys).aggregate(last=Max("pk"))["last"]
        if high is None:
            break
        yield low, high
        low = high
    yield low, HIGHEST
