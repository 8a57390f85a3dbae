"""Turns what a person names (ids, a SKU, a collection, a sentence) into assets to generate from."""

from __future__ import annotations

import re
import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db.models import QuerySet
from django.db.models.functions import Lower
from django.utils.translation import gettext as _

from dam.keys import is_key
from dam.models import Asset, AssetOrigin, AssetSKU, AssetState, Collection, CollectionItem
from dam.roles import sees_library
from search.query import Filters, Hit, SearchError, SearchRequest, search

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

DEFAULT_LIMIT = 12
MAX_NAMES = 50
_NAMED = re.compile(r"(?P<scheme>sku|collection):(?P<value>.+)", re.IGNORECASE)
_BETWEEN_NAMES = re.compile(r"[;；\n]")


class SelectionError(Exception):
    """Nothing can be selected; the message is a sentence."""


def select_assets(
    spec: str,
    *,
    user: User | AnonymousUser | None,
    kinds: Sequence[str] | None = None,
    limit: int = DEFAULT_LIMIT,
) -> list[Asset]:
    """The assets that `spec` names: public ids, `sku:CODE` and `collection:ID` by comma; or a sentence; or
    several names by semicolon or line (“modern office; 户外探险”), of each of which the nearest is taken.

    Assets named one by one come back whatever their state, so that a plan can say why it leaves one out.
    `limit` bounds what a sentence finds, and the pictures of one SKU; a collection comes whole.

    Raises:
        SelectionError: nothing found, or a list that mixes names and a sentence.
    """
    spec = spec.strip()
    if not spec:
        raise SelectionError(_("The selection is empty: give a sentence, ids, sku:CODE or collection:ID."))
    parts = [part.strip() for part in re.split(r"[,\n]", spec) if part.strip()]
    if not any(_is_name(part) for part in parts):
        return _by_words(spec, user=user, kinds=kinds, limit=limit)
    names = Names.read(parts, user)
    selected: dict[int, Asset] = {}
    for part in parts:
        for asset in names.assets(part, limit=limit):
            selected.setdefault(asset.pk, asset)
    return list(selected.values())


def _by_words(
    spec: str, *, user: User | AnonymousUser | None, kinds: Sequence[str] | None, limit: int
) -> list[Asset]:
    names = [name.strip() for name in _BETWEEN_NAMES.split(spec) if name.strip()]
    if len(names) > MAX_NAMES:
        raise SelectionError(
            _("%(count)s names are too many; at most %(most)s are looked for.")
            % {"count": len(names), "most": MAX_NAMES}
        )
    selected: dict[int, Asset] = {}
    for name in names:
        found = find(name, user=user, kinds=kinds, limit=limit if len(names) == 1 else 1)
        if not found:
            raise SelectionError(_("Nothing was found for “%(text)s”.") % {"text": name})
        selected |= {asset.pk: asset for asset in found}
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


@dataclass(frozen=True)
class Names:
    """What ids, SKUs and collections stand for, read at once: one query for each of the three."""

    by_id: Mapping[uuid.UUID, Asset]
    by_code: Mapping[str, Sequence[Asset]]
    by_collection: Mapping[int, Sequence[Asset]]
    collections: frozenset[int]

    @classmethod
    def read(cls, parts: Iterable[str], user: User | AnonymousUser | None) -> Names:
        """Everything that these parts may name."""
        parts = list(parts)
        ids = [public_id for part in parts if (public_id := _as_id(part))]
        codes = {value.lower() for scheme, value in map(_scheme, parts) if scheme == "sku"}
        numbers = [
            int(value) for scheme, value in map(_scheme, parts) if scheme == "collection" and is_key(value)
        ]
        assets = reachable(user)
        standing = assets.exclude(state=AssetState.TRASHED)
        by_code: dict[str, dict[int, Asset]] = defaultdict(dict)
        if codes:
            links = AssetSKU.objects.annotate(code=Lower("sku__code")).filter(code__in=codes)
            linked = links.filter(asset__in=standing).select_related("asset__current").order_by("asset_id")
            for link in linked:
                by_code[link.code][link.asset_id] = link.asset
        by_collection: dict[int, list[Asset]] = defaultdict(list)
        if numbers:
            items = CollectionItem.objects.filter(collection__in=numbers, asset__in=standing)
            for item in items.select_related("asset__current").order_by("position", "pk"):
                by_collection[item.collection_id].append(item.asset)
        known = Collection.objects.filter(pk__in=numbers).values_list("pk", flat=True) if numbers else ()
        return cls(
            {asset.public_id: asset for asset in assets.filter(public_id__in=ids)} if ids else {},
            {code: list(found.values()) for code, found in by_code.items()},
            by_collection,
            frozenset(known),
        )

    def assets(self, part: str, *, limit: int) -> list[Asset]:
        """The assets of one part.

        Raises:
            SelectionError: it names nothing.
        """
        scheme, value = _scheme(part)
        found: Sequence[Asset] = ()
        if public_id := _as_id(part):
            found = [self.by_id[public_id]] if public_id in self.by_id else []
        elif scheme == "sku":
            found = self.by_code.get(value.lower(), [])[:limit]
        elif scheme == "collection":
            if not is_key(value) or int(value) not in self.collections:
                raise SelectionError(_("There is no collection “%(id)s”.") % {"id": value})
            found = self.by_collection.get(int(value), [])
        else:
            raise SelectionError(
                _("“%(part)s” is neither an asset's id nor sku:CODE nor collection:ID.") % {"part": part}
            )
        if not found:
            raise SelectionError(_("Nothing was found for “%(text)s”.") % {"text": part})
        return list(found)


def _scheme(part: str) -> tuple[str, str]:
    named = _NAMED.fullmatch(part)
    return (named["scheme"].lower(), named["value"].strip()) if named else ("", "")
