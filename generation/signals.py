"""Receivers of signals: they follow what the library does, and enqueue work after the commit."""

from __future__ import annotations

from functools import partial
from typing import Any

from celery.signals import worker_init, worker_shutdown
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models.signals import post_save, pre_delete
from django.dispatch import receiver

from dam.signals import assets_changed, assets_merged
from generation import courier
from generation.jobs import cancel_all_of, work_waiting
from generation.models import ItemInput
from generation.review import follow_states
from generation.tasks import publish


@receiver(assets_merged, dispatch_uid="generation.inputs")
def follow_merged(sender: type, kept_id: int, merged_ids: list[int], **kwargs: Any) -> None:
    """What was made from a merged asset was made from the one that stays."""
    ItemInput.objects.filter(asset__in=merged_ids).update(asset=kept_id)


@receiver(assets_changed, dispatch_uid="generation.approved")
def follow_changed(sender: type, asset_ids: list[int], **kwargs: Any) -> None:
    """A result may have been approved or rejected in the library."""
    follow_states(asset_ids)


@receiver(pre_delete, sender=User, dispatch_uid="generation.owner_deleted")
def end_with_account(sender: type, instance: User, **kwargs: Any) -> None:
    """Jobs are bounded by caps, which go with the account."""
    cancel_all_of(instance)


@receiver(post_save, sender=User, dispatch_uid="generation.owner_disabled")
def end_when_disabled(sender: type, instance: User, **kwargs: Any) -> None:
    """Nothing more is made for an account that is switched off."""
    if not instance.is_active:
        cancel_all_of(instance)


@receiver(work_waiting)
def tell_workers(sender: type, job_id: int, **kwargs: Any) -> None:
    """A job has something to do."""
    transaction.on_commit(partial(publish, job_id))


@worker_init.connect(dispatch_uid="generation.courier")
def employ_courier(**kwargs: Any) -> None:
    """Where this process is a worker, its paid calls outlive it."""
    courier.employ()


@worker_shutdown.connect(dispatch_uid="generation.courier.dismissed")
def dismiss_courier(**kwargs: Any) -> None:
    """Where this process was a worker that is asked to end, it ends after its paid calls."""
    courier.dismiss()
