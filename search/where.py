"""What a request admits: as an expression inside the index, and as a queryset on the database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from django.db.models import QuerySet
from django.utils import timezone

from dam import tag_tree
from dam.models import Asset, AssetOrigin, AssetSKU, AssetState, CollectionItem, Tag
from dam.models.asset import AssetQuerySet
from dam.organising import shown_to
from dam.roles import Role, has_role, sees_library
from dam.tagging import find_tags
from search.documents import days
from search.index.filters import (
    all_of,
    between,
    holds_any,
    holds_none,
    is_any,
    is_none,
    not_both,
    storefront,
    storefront_or_own,
)
from search.index.palette import cells_near
from search.request import SearchRequest

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

# Filter → field of the index and of the database, where both hold one value for an asset.
SINGLE = {
    "kind": ("kind", "kind"),
    "state": ("state", "state"),
    "origin": ("origin", "origin"),
    "aspect": ("aspect", "aspect"),
    "colour": ("colour_family", "colour_family"),
    "owner": ("owner", "owner_id"),
}
# Midnight of days within these has a number in every time zone; no asset is of another.
_FIRST_DAY, _LAST_DAY = date(2, 1, 1), date(9998, 12, 31)
# Made pictures that a review has rejected are found by those alone who ask for that state.
_REFUSED: dict[str, str] = {"state": AssetState.REJECTED.value, "origin": AssetOrigin.GENERATED.value}


def visible(user: User | AnonymousUser | None) -> AssetQuerySet:
    """What the caller may see, as the database knows it."""
    return Asset.objects.in_library() if user is None else Asset.objects.visible_to(user)


def findable() -> AssetQuerySet:
    """What a search without filters can find, for those who may see everything."""
    return Where(SearchRequest(), None).assets()


@dataclass(frozen=True)
class Where:
    """The filters of one request and the rights of its caller, resolved once.

    Attributes:
        members: keys to which an opened group is narrowed; None: any.
    """

    request: SearchRequest
    user: User | AnonymousUser | None
    members: tuple[int, ...] | None = None

    def expression(self, *, reach: float) -> str:
        """For the index; another's pictures never become candidates.

        Args:
            reach: how far from the picked colours an asset's may lie; 0: the collection knows no colours.
        """
        filters = self.request.filters
        single = [
            condition
            for name, (field, _column) in SINGLE.items()
            for condition in (
                is_any(field, getattr(filters, name)),
                is_none(field, getattr(filters, f"not_{name}")),
            )
        ]
        return all_of(
            [
                self._rights(),
                self._not_refused(),
                *single,
                between("created", *self._created()),
                *(holds_any("tags", slugs) for slugs in self._wanted_tags),
                holds_none("tags", self._unwanted_tags),
                holds_any("skus", filters.sku),
                holds_none("skus", filters.not_sku),
                holds_any("collections", filters.collection),
                holds_none("collections", filters.not_collection),
                *(holds_any("palette", cells_near(hue, reach)) for hue in self.request.colours if reach),
                is_none("id", self.request.not_itself),
                # An empty list would be no condition at all.
                is_any("id", self.members or (0,)) if self.members is not None else "",
            ]
        )

    def _rights(self) -> str:
        today = days(timezone.localdate())
        if not has_role(self.user, Role.CONTRIBUTOR):
            return storefront(today)
        if self.user is not None and not sees_library(self.user):
            return storefront_or_own(today, self.user.pk or 0)
        return ""

    def _not_refused(self) -> str:
        """Strangers see approved pictures only, and to ask for states is to say which."""
        if not self._hides_refused or not has_role(self.user, Role.CONTRIBUTOR):
            return ""
        return not_both(*_REFUSED.items())

    @property
    def _hides_refused(self) -> bool:
        return not self.request.filters.state

    def assets(self) -> AssetQuerySet:
        """On the database: the same, and its last word on what the index has not heard of yet."""
        return self._assets.all()

    @cached_property
    def _assets(self) -> AssetQuerySet:
        """Built once: a search asks it of five queries."""
        filters = self.request.filters
        assets = visible(self.user)
        if self._hides_refused:
            assets = assets.exclude(**_REFUSED)
        for name, (_field, column) in SINGLE.items():
            if chosen := getattr(filters, name):
                assets = assets.filter(**{f"{column}__in": chosen})
            if refused := getattr(filters, f"not_{name}"):
                assets = assets.exclude(**{f"{column}__in": refused})
        first, last = self._created()
        if first is not None:
            assets = assets.filter(
                created__gte=datetime.fromtimestamp(first, timezone.get_current_timezone())
            )
        if last is not None:
            assets = assets.filter(
                created__lt=datetime.fromtimestamp(last + 1, timezone.get_current_timezone())
            )
        for slugs in self._wanted_tags:
            assets = assets.filter(pk__in=_tagged(slugs))
        if self._unwanted_tags:
            assets = assets.exclude(pk__in=_tagged(self._unwanted_tags))
        if filters.sku:
            assets = assets.filter(pk__in=_showing(filters.sku))
        if filters.not_sku:
            assets = assets.exclude(pk__in=_showing(filters.not_sku))
        if filters.collection:
            assets = assets.filter(pk__in=_collected(filters.collection))
        if filters.not_collection:
            assets = assets.exclude(pk__in=_collected(filters.not_collection))
        if self.request.not_itself:
            assets = assets.exclude(pk__in=self.request.not_itself)
        return assets if self.members is None else assets.filter(pk__in=self.members)

    @cached_property
    def _wanted_tags(self) -> list[list[str]]:
        """Lists of slugs; an asset has one of each list."""
        filters = self.request.filters
        either = [slug for word in filters.tag for slug in self._slugs(word)]
        return [*([either] if either else []), *(self._slugs(word) for word in filters.all_tags)]

    @cached_property
    def _unwanted_tags(self) -> list[str]:
        return [slug for word in self.request.filters.not_tag for slug in self._slugs(word)]

    def _slugs(self, word: str) -> list[str]:
        """The slugs of the tag that the word names to the caller and of those below it; else the word."""
        return self._slugs_by_word.get(word.strip()) or [word]

    @cached_property
    def _slugs_by_word(self) -> dict[str, list[str]]:
        filters = self.request.filters
        shown = shown_to(self.user, Tag, "tags")
        found = find_tags([*filters.tag, *filters.all_tags, *filters.not_tag], shown)
        return {word: _slugs_below(tag) for word, tag in found.items()}

    def _created(self) -> tuple[int | None, int | None]:
        """Unix seconds of the first and the last moment."""
        filters = self.request.filters
        first = _midnight(_near(filters.created_from)) if filters.created_from else None
        last = _midnight(_near(filters.created_to) + timedelta(days=1)) - 1 if filters.created_to else None
        return first, last


def _slugs_below(tag: Tag) -> list[str]:
    return list(Tag.objects.filter(pk__in=tag_tree.keys_below([tag.pk])).values_list("slug", flat=True))


def _near(day: date) -> date:
    return min(max(day, _FIRST_DAY), _LAST_DAY)


def _midnight(day: date) -> int:
    return int(timezone.make_aware(datetime.combine(day, time.min)).timestamp())


def _tagged(slugs: Sequence[str]) -> QuerySet[Any]:
    return Asset.tags.through.objects.filter(tag__slug__in=slugs).values("asset_id")


def _showing(codes: Sequence[str]) -> QuerySet[Any]:
    return AssetSKU.objects.filter(sku__code__in=codes).values("asset_id")


def _collected(collections: Sequence[int]) -> QuerySet[Any]:
    return CollectionItem.objects.filter(collection_id__in=collections).values("asset_id")
