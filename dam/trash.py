"""Emptying the trash by itself: what has lain there for its time is deleted for good."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from dam import trashed


def empty_trash(days: int | None = None) -> int:
    """Delete for good what was thrown away more than so many days ago (setting `DAM_TRASH_DAYS`; 0: never).

    What something depends on stays, and is asked about again the next time.

    Returns:
        How many assets were deleted.
    """
    days = settings.DAM_TRASH_DAYS if days is None else days
    if days <= 0:
        return 0
    return trashed.empty(actor=None, before=timezone.now() - timedelta(days=days)).deleted
