"""Filters of the API's lists."""

from __future__ import annotations

import django_filters
from django.core.exceptions import ValidationError as Invalid
from django.db.models import Exists, OuterRef, QuerySet
from django.utils.translation import gettext_lazy as _
from rest_framework.exceptions import ValidationError

from dam import custom_fields, field_rules, organising, tag_tree, tagging, words
from dam.articles import split_attribute
from dam.colours import FAMILIES
from dam.coverage import counted
from dam.custom_values import BadValues, no_such_field
from dam.models import (
    SKU,
    Asset,
    AssetKind,
    AssetOrigin,
    AssetSKU,
    AssetState,
    CustomField,
    Making,
    SKURole,
    SKUStatus,
    Tag,
)
from dam.models.asset import AssetQuerySet
from dam.models.organisation import SKUQuerySet


class AssetFilter(django_filters.FilterSet):
    """Choices may be repeated (`kind=garment&kind=accessory`): any of them."""

    kind = django_filters.MultipleChoiceFilter(choices=AssetKind.choices)
    state = django_filters.MultipleChoiceFilter(choices=AssetState.choices)
    origin = django_filters.MultipleChoiceFilter(choices=AssetOrigin.choices)
    making = django_filters.MultipleChoiceFilter(
        choices=Making.choices, label=_("How it was made, as the library or its file says")
    )
    colour = django_filters.MultipleChoiceFilter(
        field_name="colour_family", choices=[(family, family) for family in FAMILIES]
    )
    tag = django_filters.CharFilter(
        method="with_tag", label=_("Slug, label or synonym of a tag; tags below it count as well")
    )
    sku = django_filters.CharFilter(method="with_sku", label=_("Code of a SKU"))
    territory = django_filters.CharFilter(
        method="usable_in_territory", label=_("Code of a territory in which it may be used")
    )
    q = django_filters.CharFilter(
        method="with_words", label=_("Words of its titles, tags, SKUs or file name; all must be there")
    )

    incomplete = django_filters.ChoiceFilter(
        choices=[(step.value, step.label) for step in field_rules.STEPS],
        method="lacking_fields",
        label=_("A state; those that lack a field which it asks for"),
    )

    class Meta:
        model = Asset
        fields = ("kind", "state", "origin", "making", "colour", "tag", "sku", "territory", "q", "incomplete")

    def filter_queryset(self, queryset: QuerySet[Asset]) -> QuerySet[Asset]:
        """Also by custom fields: `custom.season=ss26`; repeated, all of them must hold."""
        found = super().filter_queryset(queryset)
        asked = [
            (slug, name) for name in self.data or () if (slug := custom_fields.slug_in(name)) is not None
        ]
        fields = custom_fields.shown_to(self.request.user) if asked else {}
        for slug, name in asked:
            if slug not in fields:
                raise ValidationError({name: [no_such_field(slug)]})
            for value in self.data.getlist(name):
                found = self._with_value(found, fields[slug], value)
        return found

    @staticmethod
    def _with_value(assets: QuerySet[Asset], field: CustomField, value: str) -> QuerySet[Asset]:
        if not value.strip():
            return assets
        try:
            return custom_fields.with_value(assets, field, value)
        except BadValues as bad:
            raise ValidationError({field.name: list(bad.problems.values())}) from bad

    def lacking_fields(self, assets: QuerySet[Asset], name: str, state: str) -> QuerySet[Asset]:
        """Those below contributor are not told what is asked for, so for them nothing is missing."""
        if not custom_fields.sees_all(self.request.user):
            return assets.none()
        return field_rules.incomplete(assets, state, field_rules.load())

    def with_tag(self, assets: QuerySet[Asset], name: str, word: str) -> QuerySet[Asset]:
        shown = organising.shown_to(self.request.user, Tag, "tags")
        tags = [tag.pk for tag in tagging.find_tags([word], shown).values()]
        links = Asset.tags.through.objects.filter(tag__in=tag_tree.keys_below(tags))
        return assets.filter(pk__in=links.values("asset_id"))

    def with_sku(self, assets: QuerySet[Asset], name: str, code: str) -> QuerySet[Asset]:
        """By subquery: an asset that shows the SKU in two roles is still one asset."""
        return assets.filter(pk__in=AssetSKU.objects.filter(sku__code=code).values("asset_id"))

    def usable_in_territory(self, assets: AssetQuerySet, name: str, code: str) -> QuerySet[Asset]:
        return assets.usable_in_territory(code)

    def with_words(self, assets: QuerySet[Asset], name: str, text: str) -> QuerySet[Asset]:
        return assets.filter(pk__in=words.having(text, self.request.user).values("asset_id"))


class SKUFilter(django_filters.FilterSet):
    """Which SKUs: by words, status, the article they are variants of, and attributes."""

    q = django_filters.CharFilter(method="matching", label=_("Words of code or name, or a whole barcode"))
    status = django_filters.ChoiceFilter(choices=SKUStatus.choices)
    parent = django_filters.CharFilter(method="variants_of", label=_("Code of the article"))
    attribute = django_filters.CharFilter(
        method="with_attributes", label=_("“name:value”, or “name” for any value; repeated: all of them")
    )

    missing = django_filters.ChoiceFilter(
        choices=SKURole.choices, method="lacking", label=_("A role in which it has no picture to be seen")
    )

    class Meta:
        model = SKU
        fields = ("q", "status", "parent", "attribute", "missing")

    def variants_of(self, skus: SKUQuerySet, name: str, code: str) -> SKUQuerySet:
        articles = organising.shown_to(self.request.user, SKU, "skus").filter(code=code)
        return skus.filter(parent__in=articles.values("pk"))

    def lacking(self, skus: SKUQuerySet, name: str, role: str) -> SKUQuerySet:
        visible = counted().filter(asset__in=Asset.objects.visible_to(self.request.user))
        return skus.filter(~Exists(visible.filter(sku=OuterRef("pk"), role=role)))

    def matching(self, skus: SKUQuerySet, name: str, text: str) -> SKUQuerySet:
        return skus.matching(text)

    def with_attributes(self, skus: SKUQuerySet, name: str, value: str) -> SKUQuerySet:
        for wanted in self.data.getlist(name):
            try:
                skus = skus.with_attribute(*split_attribute(wanted))
            except Invalid as error:
                raise ValidationError({name: error.messages}) from error
        return skus
