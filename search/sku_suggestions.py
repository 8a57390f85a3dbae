"""Which pictures may show a SKU: those like its own, or like its name where it has none."""

from __future__ import annotations

from django.contrib.auth.models import AnonymousUser, User
from django.db.models import Case, Value, When
from django.utils.translation import gettext as _

from dam.articles import text_of
from dam.coverage import counted
from dam.models import SKU, Asset, AssetState, SKURole
from search.query import MAX_WORDS, Filters, SearchRequest

# More pictures of one thing hardly move their mean.
MOST_LIKES = 40
NOT_SUGGESTED = (AssetState.REJECTED, AssetState.ARCHIVED)


class NothingToGoBy(Exception):
    """The SKU has neither pictures nor words; the message is a sentence."""


def request_for(sku: SKU, user: User | AnonymousUser) -> SearchRequest:
    """The search for pictures of the SKU that are not linked to it yet, by those that the user may see.

    Raises:
        NothingToGoBy: it has no picture, no name and no attributes.
    """
    likes, text = tuple(_pictures(sku, user)), ""
    if not likes:
        text = _words(sku)
        if not text:
            raise NothingToGoBy(
                _("“%(code)s” has no picture, no name and no attributes to look for.") % {"code": sku.code}
            )
    filters = Filters(not_sku=(sku.code,), not_state=NOT_SUGGESTED)
    return SearchRequest(likes=likes, text=text, relevant_only=False, filters=filters)


def _pictures(sku: SKU, user: User | AnonymousUser) -> list[Asset]:
    """The pictures that show it best: alone before in use, the newest first."""
    plain = Case(When(role__in=(SKURole.PACKSHOT, SKURole.DETAIL), then=Value(0)), default=Value(1))
    shown = counted().filter(sku=sku, asset__current__isnull=False, asset__in=Asset.objects.visible_to(user))
    links = shown.select_related("asset__current")
    return [link.asset for link in links.order_by(plain, "-asset_id")[:MOST_LIKES]]


def _words(sku: SKU) -> str:
    """Its names, or those of the article that it is a variant of, and its attributes."""
    named = sku if sku.name or sku.name_zh or sku.parent is None else sku.parent
    words = [named.name, named.name_zh, *(text_of(value) for value in sku.attributes.values())]
    return " ".join(word for word in words if word)[:MAX_WORDS]
