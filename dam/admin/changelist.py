"""Lists in the admin: one that counts once, and those that page by key, the library's among them."""

from __future__ import annotations

from typing import Any

from django.contrib.admin.utils import build_q_object_from_lookup_parameters
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.dateparse import parse_datetime
from django.utils.formats import number_format
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _
from unfold.views import ChangeList

from dam import facets
from dam.keys import is_key
from dam.models import Asset
from dam.people import signed_in
from dam.roles import sees_library

SORT_VAR, AFTER_VAR, BEFORE_VAR = "sort", "after", "before"
OWN_VARS = (SORT_VAR, AFTER_VAR, BEFORE_VAR)
# Name in the address → (label, column, whether it descends); the key settles what is equal.
Sorts = dict[str, tuple[Any, str, bool]]
NEWEST: Sorts = {"newest": (_("Newest first"), "pk", True)}
SORTS: Sorts = {
    **NEWEST,
    "oldest": (_("Oldest first"), "pk", False),
    "title": (_("By title"), "title", False),
    "updated": (_("Last changed first"), "updated", True),
}


class PlainChangeList(ChangeList):
    """Says how many there are under these filters, and does not count the whole table beside that."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.full_result_count = self.result_count


def shown_number(number: int, cube: facets.Cube) -> str:
    """The number as the reader writes it, with a plus where there may be more."""
    grouped = number_format(number, use_l10n=True, force_grouping=True)
    return grouped if cube.complete else f"{grouped}+"


class AtLeast(int):
    """A number of which there may be more; plural forms take it for the number that it is."""

    def __str__(self) -> str:
        return f"{number_format(int(self), use_l10n=True, force_grouping=True)}+"


class KeyedChangeList(ChangeList):
    """Pages by key: nothing is counted, and a page far down costs what the first one does.

    `sorts_by` are the orders that the address may name, the first of them when it names none.
    """

    sorts_by: Sorts = NEWEST
    multi_page = False

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        self.sort = request.GET.get(SORT_VAR, "")
        if self.sort not in self.sorts_by:
            self.sort = next(iter(self.sorts_by))
        super().__init__(request, *args, **kwargs)

    def get_filters_params(self, params: Any = None) -> dict[str, Any]:
        found = super().get_filters_params(params)
        return {name: values for name, values in found.items() if name not in OWN_VARS}

    def get_query_string(self, new_params: Any = None, remove: Any = None) -> str:
        """A link that filters or sorts begins at the first page."""
        paging = [name for name in (AFTER_VAR, BEFORE_VAR) if name not in (new_params or {})]
        return super().get_query_string(new_params, [*(remove or ()), *paging])

    def get_ordering(self, request: HttpRequest, queryset: QuerySet) -> list[str]:
        return self._order(backwards=False)

    def get_results(self, request: HttpRequest) -> None:
        self.take_page(request, self.queryset)
        self.say_counted(len(self.result_list))

    def say_counted(self, number: int) -> None:
        """What Django's templates ask of a list that has been counted."""
        self.result_count = self.full_result_count = number
        self.show_full_result_count = False
        self.show_admin_actions = True
        self.can_show_all = False
        self.paginator = None

    # Pages

    def _order(self, *, backwards: bool) -> list[str]:
        _label, column, descends = self.sorts_by[self.sort]
        sign = "-" if descends != backwards else ""
        return [f"{sign}{column}"] if column == "pk" else [f"{sign}{column}", f"{sign}pk"]

    def take_page(self, request: HttpRequest, rows: QuerySet[Any]) -> None:
        """The rows on one side of where the other page ended; one more tells whether more follow."""
        after, before = request.GET.get(AFTER_VAR, ""), request.GET.get(BEFORE_VAR, "")
        backwards = bool(before)
        beyond = self._beyond(before or after, backwards=backwards)
        page = list(rows.filter(beyond).order_by(*self._order(backwards=backwards))[: self.list_per_page + 1])
        more = len(page) > self.list_per_page
        page = page[: self.list_per_page]
        if backwards:
            page.reverse()
        self.result_list = page
        has_next, has_previous = (bool(page), more) if backwards else (more, bool(after and beyond))
        self.next_page = self._page_link(AFTER_VAR, page[-1]) if page and has_next else ""
        self.previous_page = self._page_link(BEFORE_VAR, page[0]) if page and has_previous else ""
        self.first_page = self.get_query_string() if after or before else ""
        self.multi_page = bool(self.next_page or self.previous_page)

    def _page_link(self, side: str, row: Any) -> str:
        column = self.sorts_by[self.sort][1]
        value = getattr(row, column)
        place = f"{row.pk}" if column == "pk" else f"{row.pk}~{getattr(value, 'isoformat', value.__str__)()}"
        return self.get_query_string({side: place})

    def _beyond(self, place: str, *, backwards: bool) -> Q:
        """What comes after the row at this place in the address, or before it; a broken one means all."""
        key, _separator, value = place.partition("~")
        if not is_key(key):
            return Q()
        _label, column, descends = self.sorts_by[self.sort]
        than = "lt" if descends != backwards else "gt"
        if column == "pk":
            return Q(**{f"pk__{than}": int(key)})
        moment: Any = value
        if column == "updated":
            try:
                moment = parse_datetime(value)
            except ValueError:
                moment = None
            if moment is None:
                return Q()
        # The first part alone can be looked up in the index; the second settles what is equal.
        return Q(**{f"{column}__{than}e": moment}) & (
            Q(**{f"{column}__{than}": moment}) | Q(**{f"pk__{than}": int(key)})
        )


class LibraryChangeList(KeyedChangeList):
    """Pages of assets by key, and counts for each filter, at a cost that the library's size hardly changes.

    `cube` has the counts under all filters that are not its own dimensions. Few matches are gathered and
    then sorted; many are met soon along the index of the order.
    """

    sorts_by = SORTS

    def get_filters(self, request: HttpRequest) -> Any:
        """None of the filters multiplies rows, so none needs DISTINCT, which would read them all."""
        specs, has_filters, self._lookups, _duplicates, has_active = super().get_filters(request)
        return specs, has_filters, self._lookups, False, has_active

    def get_results(self, request: HttpRequest) -> None:
        chosen = self.chosen
        narrowed = self._narrowed(request)
        rows = self.queryset
        if narrowed is None:
            self.cube = facets.of_library()
        else:
            keys, complete = facets.probe(narrowed)
            self.cube = facets.of_assets(keys, complete=complete)
            if complete:
                rows = self._sorted(self._of_sort(Asset.objects.filter(pk__in=keys), chosen))
        total = self.cube.total(chosen)
        if narrowed is None and total <= facets.PROBED:
            gathered = self._of_sort(Asset.objects.all(), chosen).order_by().values_list("pk", flat=True)
            rows = self._sorted(Asset.objects.filter(pk__in=list(gathered)))
        self.take_page(request, rows)
        # Of more than are probed, those on show may be others than those counted.
        total = total if self.cube.complete else max(total, len(self.result_list))
        self.say_counted(total if self.cube.complete else AtLeast(total))
        self.shown_count = shown_number(total, self.cube)

    @property
    def chosen(self) -> dict[str, str]:
        """The choices among the dimensions of the cube."""
        return {
            spec.field: spec.value()
            for spec in self.filter_specs
            if getattr(spec, "field", "") in facets.DIMENSIONS and spec.value()
        }

    @cached_property
    def sorts(self) -> list[dict[str, Any]]:
        """The orders that are offered, with their links."""
        return [
            {
                "label": label,
                "selected": name == self.sort,
                "link": self.get_query_string({SORT_VAR: name if name != "newest" else None}),
            }
            for name, (label, _column, _descends) in self.sorts_by.items()
        ]

    def _narrowed(self, request: HttpRequest) -> QuerySet[Asset] | None:
        """What is visible under the filters outside the cube; None: the whole library."""
        others = [
            spec
            for spec in self.filter_specs
            if getattr(spec, "field", "") not in facets.DIMENSIONS and _is_on(spec)
        ]
        if sees_library(signed_in(request)) and not (others or self.query or self._lookups):
            return None
        assets = self.root_queryset
        for spec in others:
            assets = spec.queryset(request, assets)
        assets = assets.filter(build_q_object_from_lookup_parameters(self._lookups))
        assets, _duplicates = self.model_admin.get_search_results(request, assets, self.query)
        return assets

    @staticmethod
    def _of_sort(assets: QuerySet[Asset], chosen: dict[str, str]) -> QuerySet[Asset]:
        return (assets if "state" in chosen else assets.in_library()).filter(**chosen)  # type: ignore[attr-defined]

    def _sorted(self, assets: QuerySet[Asset]) -> QuerySet[Asset]:
        return assets.with_listing().order_by(*self._order(backwards=False))  # type: ignore[attr-defined]


def _is_on(spec: Any) -> bool:
    return bool(spec.value() if hasattr(spec, "value") else spec.used_parameters)
