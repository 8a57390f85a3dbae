"""Turns what a person names (ids, a SKU, a collection, a sentence) into assets to generate from."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from dam.models import Asset, AssetOrigin, AssetState, Collection
from dam.roles import sees_library
from search.query import Filters, Hit, SearchError, SearchRequest, search

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

DEFAULT_LIMIT = 12
_NAMED = re.compile(r"(?P<scheme>sku|collection):(?P<value>.+)", re.IGNORECASE)


class SelectionError(Exception):
    """Nothing can be selected; the message is a sentence."""


def select_assets(
    spec: str,
    *,
    user: User | AnonymousUser | None,
    kinds: Sequence[str] | None = None,
    limit: int = DEFAULT_LIMIT,
) -> list[Asset]:
    """The assets that `spec` names: public ids, `sku:CODE` and `collection:ID` by comma, or a sentence.

    Assets named one by one come back whatever their state, so that a plan can say why it leaves one out.

    Raises:
        SelectionError: nothing found, or a list that mixes names and a sentence.
    """
    spec = spec.strip()
    if not spec:
        raise SelectionError(_("The selection is empty: give a sentence, ids, sku:CODE or collection:ID."))
    parts = [part.strip() for part in spec.split(",") if part.strip()]
    if not any(_is_name(part) for part in parts):
        found = find(spec, user=user, kinds=kinds, limit=limit)
        if not found:
            raise SelectionError(_("Nothing was found for “%(text)s”.") % {"text": spec})
        return found
    known = _by_id(parts, user)
    selected: dict[int, Asset] = {}
    for part in parts:
        for asset in _by_name(part, known, user=user, limit=limit):
            selected.setdefault(asset.pk, asset)
    return list(selected.values())


def find(
    text: str, *, user: User | AnonymousUser | None, kinds: Sequence[str] | None, limit: int
) -> list[Asset]:
    """What a sentence finds among these kinds, nearest first; among all kinds where these hold nothing.

    Results that nobody approved and rejected pictures are left out: they are no material.
    """
    hits = [hit for kind in kinds or [""] for hit in _hits(text, user, kind, limit)]
    if not hits and kinds:
        hits = _hits(text, user, "", limit)
    # Each kind was ranked for itself; between equal ranks the nearer one comes first.
    hits.sort(key=lambda hit: (hit.score, hit.legs.get("cosine", 0.0)), reverse=True)
    return list({hit.asset.pk: hit.asset for hit in hits}.values())[:limit]


def reachable(user: User | AnonymousUser | None) -> QuerySet[Asset]:
    """The assets that may be named by id: editors and the command line name any, the trashed ones too."""
    if sees_library(user):
        return Asset.objects.select_related("current")
    return Asset.objects.visible_to(user).select_related("current")


def _hits(text: str, user: User | AnonymousUser | None, kind: str, limit: int) -> list[Hit]:
    filters = Filters(kind=(kind,) if kind else ())
    request = SearchRequest(text=text, filters=filters, relevant_only=False, limit=limit * 2)
    try:
        results = search(request, user=user)
    except SearchError as error:
        raise SelectionError(str(error)) from error
    return [hit for hit in results.hits if _is_material(hit.asset)]


def _is_material(asset: Asset) -> bool:
    unapproved = asset.origin == AssetOrigin.GENERATED and asset.state != AssetState.APPROVED
    return not unapproved and asset.state not in (AssetState.REJECTED, AssetState.TRASHED)


def _as_id(part: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(part)
    except ValueError:
        return None


def _is_name(part: str) -> bool:
    return _as_id(part) is not None or _NAMED.fullmatch(part) is not None


def _by_id(parts: Sequence[str], user: User | AnonymousUser | None) -> dict[uuid.UUID, Asset]:
    """Those of the parts that are ids, in one query."""
    ids = [public_id for part in parts if (public_id := _as_id(part))]
    return {asset.public_id: asset for asset in reachable(user).filter(public_id__in=ids)}


def _by_name(
    part: str, known: Mapping[uuid.UUID, Asset], *, user: User | AnonymousUser | None, limit: int
) -> list[Asset]:
    if public_id := _as_id(part):
        found = [known[public_id]] if public_id in known else []
    elif named := _NAMED.fullmatch(part):
        found = list(_by_scheme(reachable(user), named["scheme"].lower(), named["value"].strip())[:limit])
    else:
        raise SelectionError(
            _("“%(part)s” is neither an asset's id nor sku:CODE nor collection:ID.") % {"part": part}
        )
    if not found:
        raise SelectionError(_("Nothing was found for “%(text)s”.") % {"text": part})
    return found


def _by_scheme(assets: QuerySet[Asset], scheme: str, value: str) -> QuerySet[Asset]:
    assets = assets.exclude(state=AssetState.TRASHED)
    if scheme == "sku":
        return assets.filter(sku_links__sku__code__iexact=value).distinct().order_by("id")
    if not value.isdigit() or not Collection.objects.filter(pk=int(value)).exists():
        raise SelectionError(_("There is no collection “%(id)s”.") % {"id": value})
    return assets.filter(collection_links__collection_id=int(value)).order_by("collection_links__position")
