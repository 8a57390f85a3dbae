"""Blue-green change of the encoder: build a new space beside the live one, then switch."""

from __future__ import annotations

from django.db import transaction
from django.db.models import Exists, OuterRef

from dam.models import Asset
from search.models import IndexEntry, IndexState, Space, SpaceState
from search.outbox import DrainReport, drain, enqueue
from search.spaces import declare_space, encoder_of, index_of, live_alias

CHUNK = 5_000


class ReindexError(Exception):
    """The new space is not complete; the live one is untouched. The same command goes on."""


def reindex(encoder_id: str, *, progress: bool = False) -> tuple[Space, DrainReport]:
    """Encode the whole library into the space of `encoder_id` and make it the live one.

    Search goes on in the old space meanwhile, and every change is written to both. Interrupted at
    any moment, the same call finishes: entries and vectors that are there are not made again.

    Raises:
        EncoderError: the encoder is unknown or its weights cannot be had.
        IndexUnavailable: Milvus does not answer.
        ReindexError: some entries are still pending or have failed.
    """
    space = declare_space(encoder_id, SpaceState.BUILDING)
    if space.state == SpaceState.RETIRED:
        Space.objects.filter(pk=space.pk).update(state=SpaceState.BUILDING)
        space.refresh_from_db()
    encoder_of(space)
    index_of(space).ensure()
    _enqueue_all(space)
    report = drain(space, progress=progress)
    _require_complete(space, report)
    switch(space)
    return space, report


def switch(space: Space) -> None:
    """Make `space` the live one; the one before is retired and kept until somebody drops it."""
    index_of(space).point_alias(live_alias())
    with transaction.atomic():
        Space.objects.filter(state=SpaceState.LIVE, coverage=space.coverage).exclude(pk=space.pk).update(
            state=SpaceState.RETIRED
        )
        Space.objects.filter(pk=space.pk).update(state=SpaceState.LIVE)


def _enqueue_all(space: Space) -> None:
    """Entries for assets that have none, or one from a time when this space was not kept; and for what left
    the library in that time.
    """
    gone = space.entries.filter(~Exists(Asset.objects.in_library().filter(pk=OuterRef("asset_key"))))
    enqueue(gone.values_list("asset_key", flat=True), [space])
    after = 0
    while keys := list(
        Asset.objects.in_library()
        .filter(pk__gt=after)
        .order_by("pk")
        .values_list("pk", "current__sha256")[:CHUNK]
    ):
        done = dict(
            IndexEntry.objects.filter(
                space=space, asset_key__in=[key for key, _sha in keys], state=IndexState.INDEXED
            ).values_list("asset_key", "content_hash")
        )
        if space.state == SpaceState.LIVE:
            enqueue([key for key, sha256 in keys if done.get(key) != sha256], [space])
        else:
            enqueue([key for key, _sha in keys], [space])
        after = keys[-1][0]


def _require_complete(space: Space, report: DrainReport) -> None:
    if report.postponed:
        raise ReindexError(f"The new space is not complete: {report.postponed} Run the same command again.")
    open_entries = space.entries.filter(state__in=(IndexState.PENDING, IndexState.WORKING)).count()
    if open_entries:
        raise ReindexError(
            f"{open_entries} entries of the new space are still open (another worker has them, or they wait "
            "for another try). Run the same command again in a minute."
        )
