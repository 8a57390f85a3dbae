"""Receivers of the library's signals; they only write outbox rows and ask for a drain after commit."""

from __future__ import annotations

from typing import Any

from django.dispatch import receiver

from dam.signals import assets_changed, assets_deleted
from search.dispatch import request_drain
from search.outbox import enqueue


@receiver([assets_changed, assets_deleted], dispatch_uid="search.outbox")
def note_change(sender: Any, asset_ids: list[int], **kwargs: Any) -> None:
    """Inside the transaction that changed the assets."""
    enqueue(asset_ids)
    request_drain()
