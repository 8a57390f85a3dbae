"""Receivers of the library's signals; they only write outbox rows and ask for a drain after commit."""

from __future__ import annotations

import logging
from typing import Any

from django.contrib.auth import get_user_model
from django.db.models.signals import pre_delete
from django.dispatch import receiver

from dam.models import Asset, AssetVersion
from dam.signals import assets_changed, assets_deleted
from search.dispatch import request_drain
from search.encoders.base import EncoderError
from search.models import Embedding, EvaluationQuery, Judgement, PictureDescription, SearchClick, Space
from search.outbox import enqueue
from search.terms import note

logger = logging.getLogger(__name__)


@receiver([assets_changed, assets_deleted], dispatch_uid="search.outbox")
def note_change(sender: Any, asset_ids: list[int], **kwargs: Any) -> None:
    """Inside the transaction that changed the assets. An encoder that is set up wrongly stops no upload:
    the sweep and `reconcile --fix` find what was not noted.
    """
    try:
        enqueue(asset_ids)
    except EncoderError as error:
        logger.error("Assets %s are not in the outbox: %s", asset_ids[:20], error)
        return
    request_drain()


@receiver([assets_changed, assets_deleted], dispatch_uid="search.terms")
def note_words(sender: Any, asset_ids: list[int], **kwargs: Any) -> None:
    """The words by which the assets are found are counted again soon."""
    note(asset_ids)


@receiver(assets_deleted, dispatch_uid="search.vectors")
def forget_vectors(sender: Any, asset_ids: list[int], **kwargs: Any) -> None:
    """What was computed from a file goes with it; no two assets have the same file."""
    files = list(AssetVersion.objects.filter(asset__in=asset_ids).values_list("sha256", flat=True))
    for space in Space.objects.all():  # the index of vectors begins with the space
        Embedding.objects.filter(space=space, sha256__in=files).delete()
    PictureDescription.objects.filter(sha256__in=files).delete()


@receiver(pre_delete, sender=get_user_model(), dispatch_uid="search.owner")
def forget_owner(sender: Any, instance: Any, **kwargs: Any) -> None:
    """The index knows whose an asset is; with the account that goes, in the same transaction."""
    owned = list(Asset.objects.filter(owner=instance).values_list("pk", flat=True))
    if owned:
        note_change(sender, asset_ids=owned)


@receiver(assets_deleted, dispatch_uid="search.judgements")
def forget_judgements(sender: Any, asset_ids: list[int], **kwargs: Any) -> None:
    """What was said about a picture, and what was asked with it, goes with it."""
    Judgement.objects.filter(asset_key__in=asset_ids).delete()
    EvaluationQuery.objects.filter(picture_key__in=asset_ids).delete()


@receiver(assets_deleted, dispatch_uid="search.clicks")
def forget_clicks(sender: Any, asset_ids: list[int], **kwargs: Any) -> None:
    """That somebody opened it among their results goes with it; the days' sums name no asset."""
    SearchClick.objects.filter(asset_key__in=asset_ids).delete()
