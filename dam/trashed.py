"""What lies in the trash: who sees it, how long it stays, and emptying it on purpose."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.conf import settings
from django.contrib.auth.models import AnonymousUser, User
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy

from dam import editing, workflow
from dam.audit import Actor
from dam.models import Asset, AssetState
from dam.roles import Role, has_role, sees_library

log = logging.getLogger(__name__)
BATCH = 200  # assets in one transaction
AT_ONCE = 200  # more than so many are deleted in the background
NO_BROKER = gettext_lazy("The workers cannot be reached, so nothing was deleted. Try again in a few minutes.")


@dataclass(frozen=True)
class Emptied:
    """How many assets were deleted for good, and how many stay since something depends on them."""

    deleted: int
    left: int


def visible_to(user: User | AnonymousUser) -> QuerySet[Asset]:
    """Editors see the whole trash, contributors what was theirs, others nothing."""
    trash = Asset.objects.filter(state=AssetState.TRASHED)
    if sees_library(user):
        return trash
    if isinstance(user, User) and has_role(user, Role.CONTRIBUTOR):
        return trash.filter(owner=user)
    return trash.none()


def leaves_on(asset: Asset) -> date | None:
    """The day on which it will be deleted for good; None: it is not in the trash, or stays there."""
    if settings.DAM_TRASH_DAYS <= 0 or not asset.is_trashed or asset.trashed_at is None:
        return None
    return timezone.localdate(asset.trashed_at + timedelta(days=settings.DAM_TRASH_DAYS))


def empty(*, actor: Actor, before: datetime | None = None) -> Emptied:
    """Delete for good all that was thrown away before this moment (None: all that lies there now).

    Each batch is a transaction of its own, the newest first, so that what was made goes before what it was
    made from.

    Raises:
        NotPermitted: only administrators delete for good.
    """
    workflow.check_role(actor, workflow.DELETING)
    trash = Asset.objects.filter(state=AssetState.TRASHED, trashed_at__lte=before or timezone.now())
    deleted = seen = 0
    last: int | None = None
    while batch := list((trash if last is None else trash.filter(pk__lt=last)).order_by("-pk")[:BATCH]):
        last = batch[-1].pk
        seen += len(batch)
        deleted += _delete(batch, actor)
    if deleted:
        log.info("Deleted %s assets of the trash; %s stay, being in use", deleted, seen - deleted)
    return Emptied(deleted, seen - deleted)


def _delete(batch: Sequence[Asset], actor: Actor) -> int:
    """All of them but those that something outside the batch depends on."""
    left = batch
    while left:
        try:
            return editing.delete_forever(left, actor=actor)
        except editing.AssetsInUse as error:
            left = [asset for asset in left if asset.pk not in error.asset_ids]
    return 0
