"""Emptying the trash: what has lain there for its time is deleted for good."""

from __future__ import annotations

import logging
from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from dam import editing
from dam.models import Asset, AssetState

log = logging.getLogger(__name__)
BATCH = 200


def empty_trash(days: int | None = None) -> int:
    """Delete for good what was thrown away more than so many days ago (setting `DAM_TRASH_DAYS`; 0: never).

    What other pictures were made from stays, and is asked about again the next time. Each batch is a
    transaction of its own, so that a crash loses none of what was done.

    Returns:
        How many assets were deleted.
    """
    days = settings.DAM_TRASH_DAYS if days is None else days
    if days <= 0:
        return 0
    before = timezone.now() - timedelta(days=days)
    over = Asset.objects.filter(state=AssetState.TRASHED, trashed_at__lt=before).order_by("pk")
    deleted, last = 0, 0
    while batch := list(over.filter(pk__gt=last)[:BATCH]):
        last = batch[-1].pk
        deleted += _delete(batch)
    if deleted:
        log.info("Deleted %s assets that had lain in the trash for %s days", deleted, days)
    return deleted


def _delete(batch: list[Asset]) -> int:
    """All at once; one by one where something among them is still in use."""
    try:
        return editing.delete_forever(batch, actor=None)
    except editing.AssetsInUse:
        pass
    # Newest first: what was made goes before what it was made from.
    return sum(_delete_one(asset) for asset in reversed(batch))


def _delete_one(asset: Asset) -> int:
    try:
        return editing.delete_forever([asset], actor=None)
    except editing.AssetsInUse:
        return 0
