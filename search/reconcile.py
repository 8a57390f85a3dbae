"""Comparing database and index, and mending what differs, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from search.models import IndexEntry, IndexState, Space
from search.outbox import enqueue
from search.policy import belonging
from search.spaces import active_spaces, index_of

PAGE = 5_000
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


def reconcile(*, fix: bool = False) -> list[Drift]:
    """Compare every kept space with the library; with `fix`, enqueue what is missing or outdated and
    delete vectors whose asset is gone.

    Missing: an asset that should be in Milvus and is not. Orphaned: a vector without such an asset.
    Outdated: marked as indexed, but with another file than the current one. Left over: rows of search about
    assets and files that were deleted for good. Pending and failed entries are counted apart: the worker
    has them.

    Raises:
        IndexUnavailable: Milvus does not answer.
    """
    return [_compare(space, fix) for space in active_spaces()]


def _compare(space: Space, fix: bool) -> Drift:
    drift = Drift(space=space.slug)
    index = index_of(space)
    waiting = (IndexState.PENDING, IndexState.WORKING)
    drift.pending = space.entries.filter(state__in=waiting).count()
    drift.failed = space.entries.filter(state=IndexState.FAILED).count()
    stored = _Merge(index.ids())
    for low, high, rows in _windows(space):
        should = dict(rows)
        present = set(stored.between(low, high))
        entries = IndexEntry.objects.filter(space=space, asset_key__in=should).values_list(
            "asset_key", "state", "content_hash"
        )
        known = {key: (state, content_hash) for key, state, content_hash in entries}
        busy = {key for key, (state, _hash) in known.items() if state in (*waiting, IndexState.FAILED)}
        missing = [key for key in should if key not in present and key not in busy]
        outdated = [
            key
            for key, sha256 in should.items()
            if key in present and key not in busy and known.get(key, ("", ""))[1] != sha256
        ]
        orphaned = sorted(present - set(should) - _being_removed(space, present - set(should)))
        drift.assets += len(should)
        _note(drift, missing, outdated, orphaned)
        if fix:
            enqueue([*missing, *outdated], [space])
            index.delete(orphaned)
    drift.leftover = _leftovers(space, fix)
    drift.mended = fix and not drift.clean
    return drift


def _leftovers(space: Space, fix: bool) -> int:
    entries = space.entries.filter(state=IndexState.REMOVED).without_asset()
    vectors = space.embeddings.without_file()
    count = entries.count() + vectors.count()
    if fix:
        entries.delete()
        vectors.delete()
    return count


def _note(drift: Drift, missing: list[int], outdated: list[int], orphaned: list[int]) -> None:
    drift.missing += len(missing)
    drift.outdated += len(outdated)
    drift.orphaned += len(orphaned)
    for names, found in (
        (drift.missing_assets, missing),
        (drift.outdated_assets, outdated),
        (drift.orphaned_ids, orphaned),
    ):
        names.extend(found[: NAMED - len(names)])


def _being_removed(space: Space, keys: set[int]) -> set[int]:
    """Trashed or deleted assets whose removal is still in the outbox: no drift, the worker has them."""
    return set(
        IndexEntry.objects.filter(
            space=space, asset_key__in=keys, state__in=(IndexState.PENDING, IndexState.WORKING)
        ).values_list("asset_key", flat=True)
    )


def _windows(space: Space) -> Iterator[tuple[int, int, list[tuple[int, str]]]]:
    """Ranges of ids that cover everything, each with the (id, sha256) that should be indexed in it."""
    assets = belonging(space).filter(current__isnull=False).order_by("pk")
    after = -1
    while rows := list(assets.filter(pk__gt=after).values_list("pk", "current__sha256")[:PAGE]):
        yield after, rows[-1][0], rows
        after = rows[-1][0]
    yield after, 2**63 - 1, []


class _Merge:
    """Walks ascending pages of ids in step with windows of the database."""

    def __init__(self, pages: Iterator[list[int]]) -> None:
        self._pages = pages
        self._rest: list[int] = []

    def between(self, low: int, high: int) -> Iterator[int]:
        """Ids in (low, high]; windows must be asked for in ascending order."""
        while True:
            if not self._rest:
                self._rest = next(self._pages, [])
                if not self._rest:
                    return
            take = [key for key in self._rest if key <= high]
            yield from (key for key in take if key > low)
            self._rest = self._rest[len(take) :]
            if self._rest:
                return
