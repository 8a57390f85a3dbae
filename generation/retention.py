"""Rejected results: kept for a set time, then thrown away; from the trash they go as everything does."""

from __future__ import annotations

import logging
from datetime import date, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from dam import usage
from dam.editing import trash
from dam.models import Asset, AssetOrigin, AssetState
from generation.models import GenerationItem, Verdict

logger = logging.getLogger(__name__)

BATCH = 200
_NOT_GOOD = (Verdict.REJECTED, Verdict.REGENERATE)


def leaves_on(item: GenerationItem) -> date | None:
    """The day on which the item's rejected picture goes to the trash; None: it does not go by itself."""
    asset, days = item.output, settings.GENERATION_REJECTED_DAYS
    if days <= 0 or asset is None or item.reviewed_at is None or item.verdict not in _NOT_GOOD:
        return None
    if asset.state != AssetState.REJECTED or asset.origin != AssetOrigin.GENERATED:
        return None
    return timezone.localdate(item.reviewed_at + timedelta(days=days))


def remove_rejected(days: int | None = None) -> int:
    """Throw away pictures that were rejected more than so many days ago (setting GENERATION_REJECTED_DAYS;
    0: never). What something uses stays, and is asked about again the next time.

    Returns:
        How many went to the trash, where they lie for its time (DAM_TRASH_DAYS).
    """
    days = settings.GENERATION_REJECTED_DAYS if days is None else days
    if days <= 0:
        return 0
    removed, last = 0, 0
    due = _due(days)
    while batch := list(due.filter(pk__gt=last).order_by("pk")[:BATCH]):
        last = batch[-1].pk
        removed += _remove(batch, days)
    if removed:
        logger.info("%s rejected pictures went to the trash after %s days", removed, days)
    return removed


def _due(days: int) -> QuerySet[Asset]:
    """Rejected, every verdict on them older than that."""
    before = timezone.now() - timedelta(days=days)
    results = GenerationItem.objects.filter(output=OuterRef("pk"))
    rejected = results.filter(verdict__in=_NOT_GOOD, reviewed_at__lt=before)
    return Asset.objects.filter(
        Exists(rejected),
        ~Exists(results.filter(reviewed_at__gte=before)),
        state=AssetState.REJECTED,
        origin=AssetOrigin.GENERATED,
    )


@transaction.atomic
def _remove(batch: list[Asset], days: int) -> int:
    unused = [found.asset.pk for found in usage.of(batch, None) if not found]
    # Somebody may have approved one since it was chosen.
    still = _due(days).filter(pk__in=unused).select_for_update(no_key=True, of=("self",))
    return trash(list(still.order_by("pk")), actor=None)
