"""Collections of an earlier schema or of another space are replaced, from vectors that are kept, unnoticed.

The collection that is there answers while its successor is built beside it. Then the space points to the
successor, and whatever changed meanwhile is indexed once more; a drain that goes on beside it notices
(`search.outbox`). A crash before that moment leaves the old one in place, and a sweep begins anew when the
lease is over; a crash after it loses nothing that changed, and a sweep drops the old one.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

import numpy as np
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from dam import clock, custom_fields
from dam.models import Asset
from search.calibration import kept_vectors
from search.documents import document_for
from search.index import IndexMismatch, VectorIndex
from search.models import IndexEntry, IndexState, Space, SpaceCoverage, SpaceState
from search.outbox import enqueue
from search.spaces import active_spaces, index_of, live_alias

logger = logging.getLogger(__name__)

CHUNK = 500
# So long a search that has read the space's row before it changed may still ask the old collection.
GRACE_SECONDS = 2.0
LEASE = timedelta(minutes=10)


def upgrade_outdated() -> int:
    """Replace the collections that lack fields which a new one would have; how many. What an earlier
    replacement has left behind is dropped.

    Raises:
        IndexMismatch, IndexUnavailable: a collection holds another space, or Milvus does not answer.
    """
    spaces = active_spaces()
    for space in spaces:
        _drop_replaced(space)
    return sum(upgrade(space) for space in spaces if index_of(space).outdated)


def upgrade(space: Space) -> bool:
    """Build the successor of the space's collection and put it in its place; whether it was done here.

    Building takes longer than a sweep's interval: whoever comes meanwhile leaves it to the one at work.
    """
    lease = _Lease(space)
    if not lease.take():
        return False
    try:
        space.refresh_from_db()
        return index_of(space).outdated and _replace(space, lease)
    finally:
        lease.give_back()


class _Lease:
    """One process builds the successor at a time. Of one that was killed the lease runs out."""

    def __init__(self, space: Space) -> None:
        self._space = space
        self._until: datetime | None = None

    def take(self) -> bool:
        clock.mend(Space.objects.filter(pk=self._space.pk), "replaced_until", LEASE)
        free = Q(replaced_until=None) | Q(replaced_until__lt=clock.Now())
        return self._hold(free, clock.now() + LEASE)

    def renew(self) -> bool:
        """Whether it is still this process's; once a minute is enough."""
        if self._until is not None and self._until - clock.now() > LEASE - timedelta(minutes=1):
            return True
        return self._hold(Q(replaced_until=self._until), clock.now() + LEASE)

    def give_back(self) -> None:
        Space.objects.filter(pk=self._space.pk, replaced_until=self._until).update(replaced_until=None)

    def _hold(self, mine: Q, until: datetime) -> bool:
        held = bool(Space.objects.filter(mine, pk=self._space.pk).update(replaced_until=until))
        self._until = until if held else self._until
        return held


def _replace(space: Space, lease: _Lease) -> bool:
    started = timezone.now()
    old = index_of(space)
    successor = VectorIndex(_successor(old.name), space.dimension, space.slug)
    successor.drop()  # what a crash may have left
    for keys in _indexed(space):
        if not lease.renew():
            return False
        _copy(space, keys, successor)
    successor.flush()
    _forget_deleted(space, successor)
    if not _put_in_place(space, old, successor, started):
        successor.drop()
        return False
    time.sleep(GRACE_SECONDS)
    enqueue(_changed_since(space, started), [space])  # by drains that still knew the old one
    _forget_deleted(space, successor)
    if space.state == SpaceState.LIVE and space.coverage == SpaceCoverage.ALL:
        successor.point_alias(live_alias())
    old.drop()
    logger.info("%s is rebuilt as %s.", old.name, successor.name)
    return True


def _drop_replaced(space: Space) -> None:
    """The collection before the space's own, which whoever put its successor in place did not get to drop."""
    name = _predecessor(space.collection)
    if not name or Space.objects.filter(collection=name).exists():
        return
    replaced = VectorIndex(name, space.dimension, space.slug)
    with suppress(IndexMismatch):  # another space's, beside which this one has got its own
        if not replaced.is_there():
            return
        lease = _Lease(space)
        if lease.take():  # else it is still asked by searches, and dropped when they are over
            try:
                replaced.drop()
            finally:
                lease.give_back()


@transaction.atomic
def _put_in_place(space: Space, old: VectorIndex, successor: VectorIndex, started: datetime) -> bool:
    """Point the space to the successor and note what changed meanwhile, both or neither: after a crash nobody
    would know of it any more. Whether the old one was still the space's.
    """
    mine = Space.objects.filter(pk=space.pk, collection=old.name)
    if not mine.exclude(state=SpaceState.DROPPING).update(collection=successor.name):
        return False
    space.collection = successor.name
    enqueue(_changed_since(space, started), [space])
    return True


def claim_collection(space: Space) -> None:
    """Make sure that the space has a collection of its own: where that of its name holds another space or
    another dimension, it gets one of another name, and its assets are indexed there once more.

    Raises:
        IndexUnavailable: Milvus does not answer.
    """
    before = space.collection
    while not _ensured(space):
        space.collection = _successor(space.collection)
    if space.collection == before:
        return
    entries = IndexEntry.objects.filter(space=space, state=IndexState.INDEXED)
    with transaction.atomic():
        Space.objects.filter(pk=space.pk).update(collection=space.collection)
        entries.update(content_hash="")
        enqueue(entries.values_list("asset_key", flat=True), [space])


def _ensured(space: Space) -> bool:
    """Whether the collection of that name is there and the space's own."""
    try:
        index_of(space).ensure()
    except IndexMismatch as error:
        logger.warning("%s", error)
        return False
    return True


def _successor(name: str) -> str:
    """“assets_x” → “assets_x__2” → “assets_x__3”."""
    numbered = re.fullmatch(r"(.+)__(\d+)", name)
    return f"{numbered[1]}__{int(numbered[2]) + 1}" if numbered else f"{name}__2"


def _predecessor(name: str) -> str:
    """“assets_x__3” → “assets_x__2” → “assets_x” → “”."""
    numbered = re.fullmatch(r"(.+)__(\d+)", name)
    if not numbered:
        return ""
    return f"{numbered[1]}__{int(numbered[2]) - 1}" if int(numbered[2]) > 2 else numbered[1]


def _indexed(space: Space) -> Iterator[list[int]]:
    """The keys of the assets that the space holds, in pages."""
    after = 0
    entries = space.entries.filter(state=IndexState.INDEXED).order_by("asset_key")
    while keys := list(entries.filter(asset_key__gt=after).values_list("asset_key", flat=True)[:CHUNK]):
        yield keys
        after = keys[-1]


def _copy(space: Space, keys: Sequence[int], successor: VectorIndex) -> None:
    vectors = kept_vectors(space, keys)
    assets = list(
        Asset.objects.in_library()
        .filter(pk__in=vectors)
        .select_related("current")
        .prefetch_related("tags", "skus", "collection_links")
    )
    if assets:
        fields = custom_fields.by_slug()
        documents = [document_for(asset, fields) for asset in assets]
        successor.upsert(documents, np.stack([vectors[asset.pk] for asset in assets]))


def _forget_deleted(space: Space, successor: VectorIndex) -> None:
    """Assets that were copied and then deleted for good have no entry any more by which they would leave."""
    for keys in successor.ids():
        entries = IndexEntry.objects.filter(space=space, asset_key__in=keys)
        known = set(entries.values_list("asset_key", flat=True))
        successor.delete([key for key in keys if key not in known])


def _changed_since(space: Space, started: datetime) -> list[int]:
    """Whatever was indexed or removed while the successor was built, and what is still to be."""
    changed = Q(indexed_at__gte=started) | ~Q(state=IndexState.INDEXED)
    return list(space.entries.filter(changed).values_list("asset_key", flat=True))
