"""What deleting a tag, a SKU or a collection would take something from, in sentences."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib.auth.models import User
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from dam.models import SKU, Asset, Collection, ShareLink, Tag
from dam.organising import RELATIONS, Organiser

SHOWN_BELOW = 5


@dataclass(frozen=True)
class Carried:
    """What deleting a tag, a SKU or a collection would take something from.

    Attributes:
        assets: how many assets outside the trash carry it, as far as the account may see them.
        below: tags or SKUs below it, which have to go first.
        links: links that show the collection and are open.
    """

    thing: Organiser
    assets: int
    below: list[str]
    links: list[ShareLink]

    def __bool__(self) -> bool:
        return bool(self.assets or self.below or self.links)

    @property
    def sentences(self) -> list[str]:
        """Each of it in words."""
        said = [_carrying(self.thing, self.assets)] if self.assets else []
        said += [_sharing(link) for link in self.links]
        if self.below:
            said.append(_standing_in_the_way(self.thing, self.below))
        return said


def carried(thing: Organiser, user: User | None) -> Carried:
    """What deleting the thing would take something from; at most three queries."""
    seen = Asset.objects.all() if user is None else Asset.objects.visible_to(user)
    assets = seen.in_library().filter(**{RELATIONS[type(thing)]: thing}).order_by().distinct().count()
    links = (
        thing.share_links.filter(revoked_at=None, expires_at__gt=timezone.now())
        if isinstance(thing, Collection)
        else []
    )
    below: list[str] = []
    if isinstance(thing, Tag):
        below = [str(tag) for tag in thing.children.all()]
    elif isinstance(thing, SKU):
        below = list(thing.variants.values_list("code", flat=True))
    return Carried(thing, assets, below, list(links))


def _carrying(thing: Organiser, number: int) -> str:
    details = {"count": number, "name": thing}
    if isinstance(thing, Tag):
        sentence = ngettext(
            "%(count)d asset carries the tag “%(name)s”; it stays in the library without it.",
            "%(count)d assets carry the tag “%(name)s”; they stay in the library without it.",
            number,
        )
    elif isinstance(thing, SKU):
        sentence = ngettext(
            "%(count)d asset shows the SKU “%(name)s”; it stays in the library without it.",
            "%(count)d assets show the SKU “%(name)s”; they stay in the library without it.",
            number,
        )
    else:
        sentence = ngettext(
            "%(count)d asset is in the collection “%(name)s”; it stays in the library.",
            "%(count)d assets are in the collection “%(name)s”; they stay in the library.",
            number,
        )
    return sentence % details


def _sharing(link: ShareLink) -> str:
    day = date_format(timezone.localtime(link.expires_at), "DATE_FORMAT")
    if not link.label:
        return _("A link shows it to people without an account until %(day)s; it ends.") % {"day": day}
    return _("The link “%(label)s” shows it to people without an account until %(day)s; it ends.") % {
        "label": link.label,
        "day": day,
    }


def _standing_in_the_way(thing: Organiser, names: list[str]) -> str:
    if isinstance(thing, Tag):
        sentence = ngettext(
            "“%(name)s” cannot be deleted: %(count)d tag lies below it (%(names)s). Move it, merge it or "
            "delete it first.",
            "“%(name)s” cannot be deleted: %(count)d tags lie below it (%(names)s). Move them, merge them or "
            "delete them first.",
            len(names),
        )
    else:
        sentence = ngettext(
            "“%(name)s” cannot be deleted: it has %(count)d variant (%(names)s). Delete it first, or give it "
            "another article.",
            "“%(name)s” cannot be deleted: it has %(count)d variants (%(names)s). Delete them first, or give "
            "them another article.",
            len(names),
        )
    shown = ", ".join(f"“{name}”" for name in names[:SHOWN_BELOW])
    return sentence % {
        "name": thing,
        "count": len(names),
        "names": shown + (" …" if names[SHOWN_BELOW:] else ""),
    }
