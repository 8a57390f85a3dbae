"""The way of an asset through its states: which steps there are, and who may take them."""

from __future__ import annotations

from collections.abc import Iterable

from django.core.exceptions import PermissionDenied
from django.utils.translation import gettext as _

from dam.audit import Actor
from dam.models import Asset, AssetState
from dam.roles import Role, role_of

DRAFT, IN_REVIEW, APPROVED, REJECTED, ARCHIVED, TRASHED = (
    AssetState.DRAFT,
    AssetState.IN_REVIEW,
    AssetState.APPROVED,
    AssetState.REJECTED,
    AssetState.ARCHIVED,
    AssetState.TRASHED,
)

# The lowest role that may take a step. A contributor takes it with assets of their own only.
STEPS: dict[tuple[AssetState, AssetState], Role] = {
    (DRAFT, IN_REVIEW): Role.CONTRIBUTOR,
    (IN_REVIEW, DRAFT): Role.CONTRIBUTOR,
    (REJECTED, DRAFT): Role.CONTRIBUTOR,
    (REJECTED, IN_REVIEW): Role.CONTRIBUTOR,
    (DRAFT, APPROVED): Role.REVIEWER,
    (IN_REVIEW, APPROVED): Role.REVIEWER,
    (REJECTED, APPROVED): Role.REVIEWER,
    (ARCHIVED, APPROVED): Role.REVIEWER,
    (DRAFT, REJECTED): Role.REVIEWER,
    (IN_REVIEW, REJECTED): Role.REVIEWER,
    (APPROVED, REJECTED): Role.REVIEWER,
    (APPROVED, IN_REVIEW): Role.EDITOR,
    (APPROVED, DRAFT): Role.EDITOR,
    (ARCHIVED, DRAFT): Role.EDITOR,
    (ARCHIVED, IN_REVIEW): Role.EDITOR,
    (DRAFT, ARCHIVED): Role.EDITOR,
    (IN_REVIEW, ARCHIVED): Role.EDITOR,
    (APPROVED, ARCHIVED): Role.EDITOR,
    (REJECTED, ARCHIVED): Role.EDITOR,
    # What the shop shows is not for its uploader to withdraw.
    (DRAFT, TRASHED): Role.CONTRIBUTOR,
    (IN_REVIEW, TRASHED): Role.CONTRIBUTOR,
    (REJECTED, TRASHED): Role.CONTRIBUTOR,
    (APPROVED, TRASHED): Role.EDITOR,
    (ARCHIVED, TRASHED): Role.EDITOR,
}
DELETING = Role.ADMINISTRATOR


class NotPermitted(PermissionDenied):
    """The account may not do this; `str()` says what and who may."""


def may_step(actor: Actor, asset: Asset, state: str) -> bool:
    """Whether the account may move this asset into that state."""
    step = STEPS.get((AssetState(asset.state), AssetState(state)))
    return step is not None and _may(actor, asset, step)


def may_change(actor: Actor, asset: Asset) -> bool:
    """Whether the account may edit this asset: its own, or any for editors."""
    return _may(actor, asset, Role.CONTRIBUTOR)


def next_states(actor: Actor, asset: Asset) -> list[AssetState]:
    """Where the account may move this asset, in the order of the states."""
    return [state for state in AssetState if may_step(actor, asset, state)]


def first_states(actor: Actor) -> list[AssetState]:
    """The states in which the account may bring in an asset of its own."""
    mine = Asset(state=DRAFT, owner_id=getattr(actor, "pk", None))
    if not role_of(actor).covers(Role.CONTRIBUTOR):
        return []
    return [DRAFT, *(state for state in next_states(actor, mine) if state != TRASHED)]


def check_steps(actor: Actor, assets: Iterable[Asset], state: str) -> None:
    """
    Raises:
        NotPermitted: at least one of them may not be moved into that state by this account.
    """
    first = next((asset for asset in assets if not may_step(actor, asset, state)), None)
    if first is None:
        return
    step = STEPS.get((AssetState(first.state), AssetState(state)))
    details = {
        "title": first.display_title,
        "before": first.get_state_display(),
        "after": AssetState(state).label,
        "role": step.label if step else "",
    }
    if step is None:
        raise NotPermitted(
            _("“%(title)s” cannot go from “%(before)s” to “%(after)s”; there is no such step.") % details
        )
    raise NotPermitted(
        _(
            "You may not move “%(title)s” from “%(before)s” to “%(after)s”: that takes the role “%(role)s” "
            "(contributors: their own assets only)."
        )
        % details
    )


def check_changing(actor: Actor, assets: Iterable[Asset]) -> None:
    """
    Raises:
        NotPermitted: one of them is not this account's to change.
    """
    for asset in assets:
        if not may_change(actor, asset):
            raise NotPermitted(
                _("“%(title)s” belongs to somebody else; that takes the role “%(role)s”.")
                % {"title": asset.display_title, "role": Role.EDITOR.label}
            )


def check_kept(asset: Asset) -> None:
    """
    Raises:
        NotPermitted: it lies in the trash.
    """
    if asset.is_trashed:
        raise NotPermitted(_("What lies in the trash is restored first."))


def check_role(actor: Actor, role: Role) -> None:
    """
    Raises:
        NotPermitted: the account has a lower role.
    """
    if not role_of(actor).covers(role):
        raise NotPermitted(_("That takes the role “%(role)s”.") % {"role": role.label})


def _may(actor: Actor, asset: Asset, lowest: Role) -> bool:
    role = role_of(actor)
    if role == Role.CONTRIBUTOR:
        owner = getattr(actor, "pk", None)
        return lowest == Role.CONTRIBUTOR and owner is not None and asset.owner_id == owner
    return role.covers(lowest)
