"""What a person can do with chosen assets in the admin; each deed is one of the library's verbs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.contrib.auth.models import User
from django.db.models import Q, QuerySet
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from dam import editing, workflow
from dam.models import Asset, AssetState
from dam.roles import Role, role_of

Assets = Iterable[Asset] | QuerySet[Asset]


@dataclass(frozen=True)
class Verb:
    """A deed with its name on a button, and the state into which it moves; None: out of the trash."""

    name: str
    label: str | Promise
    done: str | Promise
    icon: str
    to: AssetState | None

    def told(self, count: int) -> str:
        """What was done, in a sentence."""
        return str(self.done) % {"count": count}

    def run(self, assets: Assets, actor: User) -> int:
        """
        Raises:
            NotPermitted: one of them is not the actor's to move.
        """
        if self.to is None:
            return editing.restore(assets, actor=actor)
        return editing.set_state(assets, actor=actor, state=self.to)

    def is_open_to(self, actor: User, asset: Asset) -> bool:
        """Whether this account may do it with this asset now."""
        if self.to is None:
            return asset.is_trashed and workflow.may_change(actor, asset)
        return workflow.may_step(actor, asset, self.to)

    def among(self, chosen: QuerySet[Asset], actor: User) -> QuerySet[Asset]:
        """Those of the chosen assets with which this account may do it."""
        role, mine = role_of(actor), Q(owner=actor)
        if self.to is None:
            restorable = chosen.filter(state=AssetState.TRASHED)
            return restorable.filter(mine) if role == Role.CONTRIBUTOR else restorable
        open_to_all = [state for state, lowest in self._steps() if role.covers(lowest)]
        reachable = chosen.filter(state__in=open_to_all)
        return reachable.filter(mine) if role == Role.CONTRIBUTOR else reachable

    def is_ever_open_to(self, role: Role) -> bool:
        """Whether a button for it makes sense for this role at all."""
        return self.to is None or any(role.covers(lowest) for _state, lowest in self._steps())

    def _steps(self) -> list[tuple[AssetState, Role]]:
        return [(before, lowest) for (before, after), lowest in workflow.STEPS.items() if after == self.to]


VERBS = {
    verb.name: verb
    for verb in (
        Verb("approve", _("Approve"), _("Approved: %(count)d."), "check_circle", AssetState.APPROVED),
        Verb(
            "review",
            _("Send to review"),
            _("Sent to review: %(count)d."),
            "rate_review",
            AssetState.IN_REVIEW,
        ),
        Verb("reject", _("Reject"), _("Rejected: %(count)d."), "cancel", AssetState.REJECTED),
        Verb("draft", _("Back to draft"), _("Back to draft: %(count)d."), "undo", AssetState.DRAFT),
        Verb("archive", _("Archive"), _("Archived: %(count)d."), "inventory_2", AssetState.ARCHIVED),
        Verb("trash", _("Move to trash"), _("Moved to the trash: %(count)d."), "delete", AssetState.TRASHED),
        Verb("restore", _("Restore"), _("Restored: %(count)d."), "restore_from_trash", None),
    )
}


def offered_for(asset: Asset, actor: User) -> list[Verb]:
    """The deeds that this account may do with this asset now."""
    return [verb for verb in VERBS.values() if verb.is_open_to(actor, asset)]
