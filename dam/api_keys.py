"""API keys: made and revoked by administrators, and what a program that shows one may do.

A key acts in its owner's name in a role that its scopes lower, so that every rule about roles and things
holds for it as it does for people; which scope an operation takes, `dam.api.authentication` asks besides.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from django.contrib.auth.models import AnonymousUser, User
from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from dam import audit, workflow
from dam.audit import Actor
from dam.models import ApiKey, Scope
from dam.roles import Role, lower

MANAGING = Role.ADMINISTRATOR
PREFIX, PUBLIC_PREFIX = "atl_", "atl_pub_"
SHOWN = 6  # characters of the secret by which people tell keys apart
NOTED_AT_MOST = timedelta(minutes=1)
# The highest role in which a key of this scope acts.
_ROLES = {
    Scope.READ: Role.EDITOR,
    Scope.CONTRIBUTE: Role.EDITOR,
    Scope.GENERATE: Role.EDITOR,
    Scope.REVIEW: Role.REVIEWER,
    Scope.ADMIN: Role.ADMINISTRATOR,
}


class BadKey(ValueError):
    """A key cannot be made so; `str()` says why, `field` of what."""

    def __init__(self, field: str, sentence: str) -> None:
        super().__init__(sentence)
        self.field = field


class KeyRefused(ValueError):
    """Nothing is done for who shows this key; `str()` says why, `code` for programs."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


# ── What administrators do ────────────────────────────────────────────────────────────────────────


@transaction.atomic
def create(
    name: str,
    owner: User,
    scopes: Iterable[str],
    *,
    actor: Actor,
    expires: datetime | None = None,
    origins: Iterable[str] = (),
) -> tuple[ApiKey, str]:
    """A new key, and its secret, which is not shown again.

    Raises:
        NotPermitted: the account is no administrator.
        BadKey: scopes that do not go together, a time that is over, or what is no origin.
    """
    workflow.check_role(actor, MANAGING)
    given, sites = set(scopes), list(origins)
    check(given, expires, sites)
    chosen = [scope.value for scope in Scope if scope in given]
    begin = PUBLIC_PREFIX if chosen == [Scope.STOREFRONT] else PREFIX
    secret = begin + secrets.token_urlsafe(32)
    key = ApiKey.objects.create(
        name=name,
        owner=owner,
        scopes=chosen,
        expires=expires,
        origins=list(dict.fromkeys(map(_origin, sites))),
        prefix=secret[: len(begin) + SHOWN],
        digest=_digest(secret),
        created_by=actor if isinstance(actor, User) else None,
    )
    audit.record(actor, "api_key.created", key, **_story(key))
    return key, secret


def check(scopes: Collection[str], expires: datetime | None, origins: Iterable[str]) -> None:
    """
    Raises:
        BadKey: a key cannot be made so.
    """
    if not scopes:
        raise BadKey("scopes", _("Choose what the key may do."))
    if Scope.STOREFRONT in scopes and len(scopes) > 1:
        raise BadKey(
            "scopes",
            _("A storefront's key can be read by everybody who opens the shop, so it has no other scope."),
        )
    if expires is not None and expires <= timezone.now():
        raise BadKey("expires", _("That time is over; choose one that is to come."))
    for site in origins:
        _origin(site)


@transaction.atomic
def revoke(keys: Iterable[ApiKey], *, actor: Actor) -> int:
    """From now on nothing is done for them; the rows stay. Returns how many were in use.

    Raises:
        NotPermitted: the account is no administrator.
    """
    workflow.check_role(actor, MANAGING)
    wanted = [key.pk for key in keys]
    locked = list(ApiKey.objects.select_for_update(no_key=True).filter(pk__in=wanted, revoked=None))
    ApiKey.objects.filter(pk__in=[key.pk for key in locked]).update(revoked=timezone.now())
    audit.record_many(actor, "api_key.revoked", [(key, _story(key)) for key in locked])
    return len(locked)


# ── What programs show ────────────────────────────────────────────────────────────────────────────


def find(secret: str, origin: str | None) -> ApiKey:
    """The key that a program shows, with its owner; `origin` is the site whose page sends it, if one does.

    Raises:
        KeyRefused: there is none, it is over, or pages of that site may not use it.
    """
    key = ApiKey.objects.select_related("owner").filter(digest=_digest(secret)).first()
    if key is None:
        raise KeyRefused("unknown_key", _("There is no such API key. Copy it again, or ask for a new one."))
    if key.revoked is not None:
        raise KeyRefused("revoked_key", _("This API key was revoked. Ask an administrator for a new one."))
    if key.expires is not None and key.expires <= timezone.now():
        raise KeyRefused("expired_key", _("This API key has expired. Ask an administrator for a new one."))
    if key.owner is None or not key.owner.is_active:
        raise KeyRefused("owner_inactive", _("The account for which this API key acts is switched off."))
    if key.origins and origin is not None and origin not in key.origins:
        raise KeyRefused(
            "origin",
            _("This API key is not for pages of %(origin)s; an administrator says for which it is.")
            % {"origin": origin},
        )
    return key


def user_of(key: ApiKey) -> User | AnonymousUser:
    """Who is asking: the owner in a role that the scopes lower; of a storefront's key, nobody at all."""
    owner = key.owner
    if owner is None or key.scopes == [Scope.STOREFRONT]:
        return AnonymousUser()
    highest = max((_ROLES[Scope(scope)] for scope in key.scopes), key=lambda role: role.rank)
    lower(owner, highest)
    owner._dam_key = key.prefix  # type: ignore[attr-defined]  # for the audit log
    return owner


def allows(key: ApiKey, scope: Scope) -> bool:
    """Whether the key has this scope, or one that covers it."""
    if scope == Scope.READ:
        return True
    return scope in key.scopes or Scope.ADMIN in key.scopes


def is_public(secret: str) -> bool:
    """Whether it may stand in the pages of a shop."""
    return secret.startswith(PUBLIC_PREFIX)


def note_use(key: ApiKey) -> None:
    """Note that it was used, once a minute at most."""
    now = timezone.now()
    before = now - NOTED_AT_MOST
    if key.last_used is None or key.last_used < before:
        unseen = Q(last_used=None) | Q(last_used__lt=before)
        ApiKey.objects.filter(unseen, pk=key.pk).update(last_used=now)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _origin(site: str) -> str:
    """As browsers write it.

    Raises:
        BadKey: it is none.
    """
    parts = urlsplit(site.strip().rstrip("/").lower())
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.path or parts.query:
        raise BadKey(
            "origins",
            _("“%(site)s” is no origin. Write it as https://shop.example.com, without a path.")
            % {"site": site},
        )
    return f"{parts.scheme}://{parts.netloc}"


def _story(key: ApiKey) -> dict[str, object]:
    return {
        "name": key.name,
        "prefix": key.prefix,
        "owner": key.owner.get_username() if key.owner else "",
        "scopes": key.scopes,
        "origins": key.origins,
        "expires": key.expires,
    }
