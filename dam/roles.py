"""Who may do what: the five roles of a library and how an account gets one."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, User
from django.db import models
from django.utils.translation import gettext_lazy as _


class Role(models.TextChoices):
    """Each may do what those before it may.

    An account's role is the highest of the groups of these names that it is in. Without such a group, a
    superuser is an administrator, staff are editors and everybody else signed in is a contributor.
    """

    STOREFRONT = "storefront", _("Storefront")
    CONTRIBUTOR = "contributor", _("Contributor")
    EDITOR = "editor", _("Editor")
    REVIEWER = "reviewer", _("Reviewer")
    ADMINISTRATOR = "administrator", _("Administrator")

    @property
    def rank(self) -> int:
        return _RANKS[self]

    def covers(self, other: Role) -> bool:
        """Whether this role may do what the other may."""
        return self.rank >= other.rank


_RANKS = {role: place for place, role in enumerate(Role)}


def role_of(user: AbstractBaseUser | AnonymousUser | None) -> Role:
    """The role of an account; None is the command line and background work, which may everything.

    Asked once for each user object, so that a page costs one query however often it asks.
    """
    if user is None:
        return Role.ADMINISTRATOR
    if not isinstance(user, User) or not user.is_active:
        return Role.STOREFRONT
    known: Role | None = getattr(user, "_dam_role", None)
    if known is None:
        known = _role_by_groups(user)
        user._dam_role = known  # type: ignore[attr-defined]
    return known


def has_role(user: AbstractBaseUser | AnonymousUser | None, role: Role) -> bool:
    """Whether the account has this role or one above it."""
    return role_of(user).covers(role)


def lower(user: User, to: Role) -> None:
    """Whatever is done with this user object, it has this role at most."""
    user._dam_role = min(role_of(user), to, key=lambda role: role.rank)  # type: ignore[attr-defined]
    user._dam_lowered = True  # type: ignore[attr-defined]


def lowered_to(user: AbstractBaseUser | AnonymousUser | None) -> str:
    """The role to which this user object was lowered, for work that goes on without it; empty: it was not."""
    return role_of(user).value if getattr(user, "_dam_lowered", False) else ""


def sees_library(user: Any) -> bool:
    """Whether the account may open every asset, not only the storefront's and its own."""
    return has_role(user, Role.EDITOR)


def _role_by_groups(user: User) -> Role:
    if user.is_superuser:
        return Role.ADMINISTRATOR
    names = set(user.groups.filter(name__in=Role.values).values_list("name", flat=True))
    if names:
        return max((Role(name) for name in names), key=lambda role: role.rank)
    return Role.EDITOR if user.is_staff else Role.CONTRIBUTOR
