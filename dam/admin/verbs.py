"""What a person can do with chosen assets in the admin; each deed is one of the library's verbs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from dam import editing
from dam.models import Asset, AssetState

Assets = Iterable[Asset] | QuerySet[Asset]


@dataclass(frozen=True)
class Verb:
    """A deed with its name on a button, and the states in which it is offered."""

    name: str
    label: str | Promise
    done: str | Promise
    icon: str
    run: Callable[[Assets, User], int]
    offered_in: frozenset[AssetState]

    def told(self, count: int) -> str:
        """What was done, in a sentence."""
        return str(self.done) % {"count": count}


def _to(state: AssetState) -> Callable[[Assets, User], int]:
    def run(assets: Assets, actor: User) -> int:
        return editing.set_state(assets, actor=actor, state=state)

    return run


def _trash(assets: Assets, actor: User) -> int:
    return editing.trash(assets, actor=actor)


def _restore(assets: Assets, actor: User) -> int:
    return editing.restore(assets, actor=actor)


_LIVE = frozenset(AssetState) - {AssetState.TRASHED}

VERBS = {
    verb.name: verb
    for verb in (
        Verb(
            "approve",
            _("Approve"),
            _("Approved: %(count)d."),
            "check_circle",
            _to(AssetState.APPROVED),
            _LIVE - {AssetState.APPROVED},
        ),
        Verb(
            "review",
            _("Send to review"),
            _("Sent to review: %(count)d."),
            "rate_review",
            _to(AssetState.IN_REVIEW),
            frozenset({AssetState.DRAFT, AssetState.REJECTED}),
        ),
        Verb(
            "reject",
            _("Reject"),
            _("Rejected: %(count)d."),
            "cancel",
            _to(AssetState.REJECTED),
            frozenset({AssetState.IN_REVIEW, AssetState.APPROVED}),
        ),
        Verb(
            "archive",
            _("Archive"),
            _("Archived: %(count)d."),
            "inventory_2",
            _to(AssetState.ARCHIVED),
            _LIVE - {AssetState.ARCHIVED},
        ),
        Verb(
            "trash",
            _("Move to trash"),
            _("Moved to the trash: %(count)d."),
            "delete",
            _trash,
            _LIVE,
        ),
        Verb(
            "restore",
            _("Restore"),
            _("Restored: %(count)d."),
            "restore_from_trash",
            _restore,
            frozenset({AssetState.TRASHED}),
        ),
    )
}


def offered_for(state: str) -> list[Verb]:
    """The deeds that make sense for an asset in this state."""
    return [verb for verb in VERBS.values() if state in verb.offered_in]
