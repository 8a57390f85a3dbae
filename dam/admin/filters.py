"""Filters of the asset list: choices as links, colours as swatches, tags and SKUs with completion."""

from __future__ import annotations

from collections.abc import Collection as Names
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from django.contrib.admin import SimpleListFilter
from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.formats import date_format
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import AutocompleteSelectFilter

from dam import custom_fields, field_rules, tag_tree
from dam.admin.changelist import AFTER_VAR, BEFORE_VAR, LibraryChangeList, shown_number
from dam.colours import FAMILIES
from dam.custom_values import BadValues, Fields
from dam.facets import DIMENSIONS
from dam.forms import collections_of
from dam.keys import is_key
from dam.models import Asset, AssetKind, AssetOrigin, AssetState, CustomField, FieldType, Making
from dam.organising import shown_to
from dam.people import signed_in

OFFERED = 100
OWN_FILTERS = 8  # more would push the assets off the page; the API filters by all fields

# The shade that stands for each family of `dam.colours`, and what people call it.
FAMILY_FACES = {
    "red": ("#dc2626", _("Red")),
    "orange": ("#f97316", _("Orange")),
    "yellow": ("#facc15", _("Yellow")),
    "green": ("#16a34a", _("Green")),
    "cyan": ("#06b6d4", _("Cyan")),
    "blue": ("#2563eb", _("Blue")),
    "purple": ("#9333ea", _("Purple")),
    "pink": ("#f472b6", _("Pink")),
    "brown": ("#8b5a2b", _("Brown")),
    "black": ("#111111", _("Black")),
    "grey": ("#9ca3af", _("Grey")),
    "white": ("#ffffff", _("White")),
}


class LinkFilter(SimpleListFilter):
    """One choice of a few, each a link; `field` is compared with the choice."""

    template = "dam/filters/links.html"
    field = ""
    offered: list[tuple[str, Any]] = []

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return self.offered

    def queryset(self, request: HttpRequest, queryset: QuerySet[Asset]) -> QuerySet[Asset]:
        return queryset.filter(**{self.field: self.value()}) if self.value() else queryset

    def chosen(self) -> Any:
        """The label of the choice that is on, for the button that opens the filter."""
        return dict(self.lookup_choices).get(self.value() or "", "")

    def choices(self, changelist: LibraryChangeList) -> Iterator[Any]:  # type: ignore[override]
        """Each with the number of assets that it would show. Those that would surely show none are left
        out, unless they are chosen.
        """
        offered = list(super().choices(changelist))
        if self.field not in DIMENSIONS:
            yield from offered
            return
        counts = changelist.cube.by(self.field, changelist.chosen)
        yield {**offered[0], "value": ""}
        for choice, (value, _label) in zip(offered[1:], self.lookup_choices, strict=True):
            count = shown_number(counts[value], changelist.cube)
            if counts[value]:
                yield {**choice, "value": value, "count": count}
            elif choice["selected"] or not changelist.cube.complete:
                yield {**choice, "value": value, "count": count if changelist.cube.complete else None}


class KindFilter(LinkFilter):
    title, parameter_name, field = _("kind"), "kind", "kind"
    offered = AssetKind.choices


class OriginFilter(LinkFilter):
    title, parameter_name, field = _("origin"), "origin", "origin"
    offered = AssetOrigin.choices


class MakingFilter(LinkFilter):
    """What AI has made, here or elsewhere, and what was arranged."""

    title, parameter_name, field = _("how it was made"), "making", "making"
    offered = Making.choices


class StateFilter(LinkFilter):
    """Without a choice the trash stays out of sight."""

    title, parameter_name, field = _("state"), "state", "state"
    offered = AssetState.choices

    def queryset(self, request: HttpRequest, queryset: QuerySet[Asset]) -> QuerySet[Asset]:
        if not self.value():
            return queryset.exclude(state=AssetState.TRASHED)
        return super().queryset(request, queryset)


class ColourFilter(LinkFilter):
    title, parameter_name, field = _("colour"), "colour", "colour_family"
    template = "dam/filters/swatches.html"
    offered = [(family, FAMILY_FACES[family][1]) for family in FAMILIES]

    def choices(self, changelist: LibraryChangeList) -> Iterator[Any]:  # type: ignore[override]
        for choice in super().choices(changelist):
            family = choice["value"]
            yield {**choice, "fill": FAMILY_FACES[family][0] if family else ""}


class CreatedFilter(LinkFilter):
    title, parameter_name = _("created"), "created"
    offered = [("1", _("Today")), ("7", _("Past 7 days")), ("30", _("Past 30 days")), ("365", _("Past year"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Asset]) -> QuerySet[Asset]:
        days = self.value()
        if days is None or days not in dict(self.offered):
            return queryset
        midnight = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
        return queryset.filter(created__gte=midnight - timedelta(days=int(days) - 1))


class ArrivedFilter(LinkFilter):
    """What the account has brought in since a moment: where the upload page leads, offered nowhere else."""

    title, parameter_name = _("your uploads"), "arrived"

    @property
    def since(self) -> datetime | None:
        try:
            found = parse_datetime(self.value() or "")
        except ValueError:  # of the right form, but no such day
            return None
        return timezone.make_aware(found) if found and timezone.is_naive(found) else found

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        written = self.value()
        if written is None:
            return []
        moment = date_format(timezone.localtime(self.since), "DATETIME_FORMAT") if self.since else written
        return [(written, _("Since %(moment)s") % {"moment": moment})]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Asset]) -> QuerySet[Asset]:
        if self.value() is None:
            return queryset
        if self.since is None:
            return queryset.none()
        return queryset.filter(owner=signed_in(request), created__gte=self.since)


class RightsFilter(LinkFilter):
    """By the last day on which they, and all they were made from, may be used."""

    title, parameter_name = _("rights"), "rights"
    offered = [("30", _("End within 30 days")), ("over", _("Have ended"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Asset]) -> QuerySet[Asset]:
        today = timezone.localdate()
        if self.value() == "30":
            return queryset.filter(usable_until__range=(today, today + timedelta(days=30)))
        if self.value() == "over":
            return queryset.filter(usable_until__lt=today)
        return queryset


class CollectionFilter(LinkFilter):
    """The first collections by name; any other is reached from its own page."""

    title, parameter_name, field = _("collection"), "collection", "collections"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        offered = collections_of(signed_in(request))[:OFFERED]
        return [(str(collection.pk), str(collection)) for collection in offered]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Asset]) -> QuerySet[Asset]:
        value = self.value()
        if value and not (is_key(value) and collections_of(signed_in(request)).filter(pk=value).exists()):
            return queryset.none()
        return super().queryset(request, queryset)

    def has_output(self) -> bool:
        return bool(self.lookup_choices) or self.value() is not None


class IncompleteFilter(LinkFilter):
    """What lacks a field that a step asks for; no filter while nothing is asked for."""

    title, parameter_name = _("incomplete"), "incomplete"
    offered = [
        (AssetState.IN_REVIEW.value, _("Something is missing for review")),
        (AssetState.APPROVED.value, _("Something is missing for approval")),
    ]

    def __init__(self, *args: Any) -> None:
        self.rules = field_rules.load()
        super().__init__(*args)

    def queryset(self, request: HttpRequest, queryset: QuerySet[Asset]) -> QuerySet[Asset]:
        state = self.value()
        return field_rules.incomplete(queryset, state, self.rules) if state else queryset

    def has_output(self) -> bool:
        return bool(self.rules) or self.value() is not None


class OwnFieldFilter(LinkFilter):
    """The choices of one of the library's own fields."""

    own_field: CustomField

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        if self.own_field.type == FieldType.YES_NO:
            return [("yes", _("Yes")), ("no", _("No"))]
        return list(self.own_field.choice_labels().items())

    def queryset(self, request: HttpRequest, queryset: QuerySet[Asset]) -> QuerySet[Asset]:
        value = self.value()
        if not value:
            return queryset
        try:
            return custom_fields.with_value(queryset, self.own_field, value)
        except BadValues:
            return queryset.none()


def own_filters(fields: Fields, asked: Names[str]) -> list[type[LinkFilter]]:
    """Filters by the library's own fields that have few values, and by what is missing.

    Args:
        asked: names in the address; a field that it filters by has its filter, whatever its position.
    """
    few = [field for field in fields.values() if field.has_choices or field.type == FieldType.YES_NO]
    offered = [field for field in few if field.active][:OWN_FILTERS]
    offered += [field for field in few if field.name in asked and field not in offered]
    made = [
        type(
            "OwnFieldFilter",
            (OwnFieldFilter,),
            {"title": str(field), "parameter_name": field.name, "own_field": field},
        )
        for field in offered
    ]
    return [*made, IncompleteFilter]


class CompletedFilter(AutocompleteSelectFilter):
    """A related thing, found by typing."""

    template = "dam/filters/completed.html"

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        """By subquery: an asset that shows a SKU in two roles is still one asset."""
        if not self.value():
            return queryset
        if self._thing is None:
            return queryset.none()
        through = getattr(Asset, self.field.name).through
        column = through._meta.get_field(self.field.m2m_reverse_field_name()).attname
        linked = through.objects.filter(**{f"{column}__in": self.meant(self._thing.pk)})
        return queryset.filter(pk__in=linked.values("asset_id"))

    def meant(self, key: int) -> list[int]:
        """The keys of the things that the choice stands for."""
        return [key]

    def choices(self, changelist: ChangeList) -> Iterator[dict[str, Any]]:
        clear = changelist.get_query_string(remove=[self.lookup_kwarg])
        for choice in super().choices(changelist):
            choice["form"].fields[self.lookup_kwarg].queryset = self._offered()
            yield {**choice, "clear": clear}

    @property
    def kept(self) -> list[tuple[str, str]]:
        """The other filters, which stay on when this one is applied; the page does not."""
        dropped = {self.lookup_kwarg, AFTER_VAR, BEFORE_VAR}
        pairs = self.request.GET.lists()
        return [(name, value) for name, values in pairs if name not in dropped for value in values]

    def chosen(self) -> str:
        """The related thing that is on, for the button that opens the filter."""
        return str(self._thing or "")

    @cached_property
    def _thing(self) -> Any:
        """The related thing, where the account may know of it."""
        chosen = str(self.value() or "")
        return self._offered().filter(pk=chosen).first() if is_key(chosen) else None

    def _offered(self) -> QuerySet:
        return shown_to(signed_in(self.request), self.field.remote_field.model, self.field.name)


class TagFilter(CompletedFilter):
    """A tag with all that lies below it."""

    def meant(self, key: int) -> list[int]:
        return tag_tree.keys_below([key])
