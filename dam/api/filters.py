"""Filters of the API's lists."""

from __future__ import annotations

import django_filters
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from dam import words
from dam.colours import FAMILIES
from dam.models import Asset, AssetKind, AssetOrigin, AssetSKU, AssetState
from dam.models.asset import AssetQuerySet


class AssetFilter(django_filters.FilterSet):
    """Choices may be repeated (`kind=garment&kind=accessory`): any of them."""

    kind = django_filters.MultipleChoiceFilter(choices=AssetKind.choices)
    state = django_filters.MultipleChoiceFilter(choices=AssetState.choices)
    origin = django_filters.MultipleChoiceFilter(choices=AssetOrigin.choices)
    colour = django_filters.MultipleChoiceFilter(
        field_name="colour_family", choices=[(family, family) for family in FAMILIES]
    )
    tag = django_filters.CharFilter(field_name="tags__slug", label=_("Slug of a tag"))
    sku = django_filters.CharFilter(method="with_sku", label=_("Code of a SKU"))
    territory = django_filters.CharFilter(
        method="usable_in_territory", label=_("Code of a territory in which it may be used")
    )
    q = django_filters.CharFilter(
        method="with_words", label=_("Words of its titles, tags, SKUs or file name; all must be there")
    )

    class Meta:
        model = Asset
        fields = ("kind", "state", "origin", "colour", "tag", "sku", "territory", "q")

    def with_sku(self, assets: QuerySet[Asset], name: str, code: str) -> QuerySet[Asset]:
        """By subquery: an asset that shows the SKU in two roles is still one asset."""
        return assets.filter(pk__in=AssetSKU.objects.filter(sku__code=code).values("asset_id"))

    def usable_in_territory(self, assets: AssetQuerySet, name: str, code: str) -> QuerySet[Asset]:
        return assets.usable_in_territory(code)

    def with_words(self, assets: QuerySet[Asset], name: str, text: str) -> QuerySet[Asset]:
        return assets.filter(pk__in=words.having(text).values("asset_id"))
