"""Sharing collections by link: made and revoked by those who may, opened by whoever has the link.

What a link shows is what the storefront would: approved assets whose rights have not run out.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.core.cache import cache
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from dam import audit
from dam.models import Asset, Collection, ShareLink
from dam.roles import Role, has_role
from dam.workflow import NotPermitted

LONGEST = timedelta(days=366)
SHORTEST_PASSWORD = 6
TRIES, TRIES_SECONDS = 10, 15 * 60


class ShareRefused(ValueError):
    """The link cannot be made; `str()` says why and what to do."""


class LinkClosed(Exception):
    """The link has ended or was revoked; `str()` says which."""


class NoDownloadsLeft(Exception):
    """The link allows no more downloads, or fewer than were asked for; `str()` says so."""


class TooManyTries(Exception):
    """Too many wrong passwords; `str()` says when to try again."""


class CannotCount(Exception):
    """Tries cannot be counted at this moment, so none is made; `str()` says so."""


def may_share(user: User, collection: Collection) -> bool:
    """Editors share every collection, contributors their own."""
    if has_role(user, Role.EDITOR):
        return True
    return has_role(user, Role.CONTRIBUTOR) and collection.owner_id == user.pk


@transaction.atomic
def create(
    collection: Collection,
    *,
    actor: User,
    expires_at: datetime,
    password: str = "",
    max_downloads: int | None = None,
    label: str = "",
) -> ShareLink:
    """Make a link to the collection.

    Raises:
        ShareRefused: it would have ended already or lasts longer than a year, or the password is too short.
        NotPermitted: the collection is not the actor's to share.
    """
    if not may_share(actor, collection):
        raise NotPermitted(_("You may share collections of your own only."))
    now = timezone.now()
    if not now < expires_at <= now + LONGEST:
        raise ShareRefused(_("The link must end after now and within a year."))
    if password and len(password) < SHORTEST_PASSWORD:
        raise ShareRefused(
            _("The password needs at least %(least)s characters.") % {"least": SHORTEST_PASSWORD}
        )
    link = ShareLink(
        collection=collection,
        created_by=actor,
        expires_at=expires_at,
        max_downloads=max_downloads,
        label=label[:120],
    )
    link.set_password(password)
    link.save()
    audit.record(
        actor,
        "collection.shared",
        collection,
        link=link.pk,
        until=expires_at,
        password=bool(password),
        downloads=max_downloads,
        label=link.label,
    )
    return link


@transaction.atomic
def revoke(link: ShareLink, *, actor: User) -> None:
    """End the link now.

    Raises:
        NotPermitted: the collection is not the actor's to share.
    """
    if not may_share(actor, link.collection):
        raise NotPermitted(_("You may share collections of your own only."))
    if ShareLink.objects.filter(pk=link.pk, revoked_at=None).update(revoked_at=timezone.now()):
        audit.record(actor, "collection.unshared", link.collection, link=link.pk)


def check_open(link: ShareLink) -> None:
    """
    Raises:
        LinkClosed: it has ended or was revoked.
    """
    if link.revoked_at is not None:
        raise LinkClosed(_("This link was withdrawn. Ask whoever sent it for another one."))
    if not link.is_open:
        raise LinkClosed(_("This link has ended. Ask whoever sent it for another one."))


def try_password(link: ShareLink, given: str, address: str) -> bool:
    """Whether this is the password; from one address ten may be tried in a quarter of an hour.

    A try counts before it is compared: of many at once, no more than ten are.

    Raises:
        TooManyTries: that was too often; even the right one is refused for a while.
        CannotCount: the cache is away.
    """
    key = f"share-tries:{link.pk}:{address}"
    if _counted(key) > TRIES:
        raise TooManyTries(_("Too many wrong passwords. Try again in a quarter of an hour."))
    if link.is_password(given):
        cache.delete(key)
        return True
    return False


def _counted(key: str) -> int:
    cache.add(key, 0, TRIES_SECONDS)
    try:
        tries: int | None = cache.incr(key)
    except ValueError:  # it ran out between the two
        cache.set(key, 1, TRIES_SECONDS)
        return 1
    if tries is None:  # what a Redis says that nobody reaches
        raise CannotCount(_("No password can be checked at this moment. Try again in a few minutes."))
    return tries


def shown_by(link: ShareLink) -> QuerySet[Asset]:
    """The assets that the link shows, in the collection's order."""
    return (
        Asset.objects.for_storefront()
        .filter(collection_links__collection=link.collection_id, current__isnull=False)
        .select_related("current")
        .order_by("collection_links__position", "collection_links__pk")
    )


@transaction.atomic
def take_downloads(link: ShareLink, assets: Sequence[Asset]) -> None:
    """Count these downloads, all of them or none; two at the same moment cannot pass the limit together.

    Raises:
        NoDownloadsLeft: not so many are left.
    """
    count = len(assets)
    room = Q(max_downloads=None) | Q(max_downloads__gte=F("downloads") + count)
    taken = ShareLink.objects.filter(room, pk=link.pk, revoked_at=None, expires_at__gt=timezone.now()).update(
        downloads=F("downloads") + count
    )
    if not taken:
        link.refresh_from_db()
        check_open(link)
        if not link.downloads_left:
            raise NoDownloadsLeft(_("All downloads of this link are used up."))
        raise NoDownloadsLeft(
            _("This link allows %(left)s more downloads; choose fewer pictures.")
            % {"left": link.downloads_left}
        )
    audit.record_many(None, "asset.downloaded_by_link", [(asset, {"link": link.pk}) for asset in assets])
