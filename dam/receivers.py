"""What the library itself does in the transaction of a change."""

from __future__ import annotations

from typing import Any

from django.db import connection
from django.dispatch import receiver

from dam import webhooks, words
from dam.models import AssetWords
from dam.signals import assets_changed, assets_deleted


@receiver(assets_changed, dispatch_uid="dam.words")
def rewrite_words(asset_ids: list[int], **_: Any) -> None:
    """Lists find the assets by their new words as soon as the change has committed."""
    words.rewrite(asset_ids)


@receiver(assets_changed, dispatch_uid="dam.webhooks.changed")
def tell_of_change(asset_ids: list[int], state_changed: bool = False, **_: Any) -> None:
    """Systems outside are told; the messages are there exactly if the change is."""
    webhooks.note_changes(asset_ids, state_changed=state_changed)


@receiver(assets_deleted, dispatch_uid="dam.webhooks.deleted")
def tell_of_deletion(asset_ids: list[int], **_: Any) -> None:
    """Systems outside are told what goes for good, while it can still be named."""
    webhooks.note_deletions(asset_ids)


def fill_words(**_: Any) -> None:
    """After a migration: assets from before there were words get theirs."""
    there = AssetWords._meta.db_table in connection.introspection.table_names()  # not after going back
    while there and words.fill():
        pass
