"""The search page of the admin: words, pictures and weights in one box, filters beside what was found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib.admin import AdminSite
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from dam.admin.filters import FAMILY_FACES
from dam.models import Tag
from dam.people import signed_in
from search.facets import LABELS
from search.forms import CHOICES, PicturesForm, SearchForm
from search.models import OPEN_STATES, IndexEntry, SpaceState
from search.page_address import Address
from search.query import SearchError, SearchRequest, SearchResults, search
from search.query_log import source_of
from search.query_pictures import keep, kept
from search.request import FacetCount
from search.word_models import Entrance

PAGE_SIZE = 60
MOST_PENDING = 10_000
EXAMPLES = ("golden crown", "金色手表", "一位精灵弓箭手", "red dress", "雪山", "t-shirt without logo")
FACETS = {
    "kind": gettext_lazy("Kind"),
    "colour": gettext_lazy("Colour"),
    "tag": gettext_lazy("Tags"),
    "state": gettext_lazy("State"),
    "origin": gettext_lazy("Origin"),
    "aspect": gettext_lazy("Shape"),
}
OTHERS = {"sku": gettext_lazy("SKU"), "collection": gettext_lazy("Collection")}
WEIGHTS = (
    (2.0, gettext_lazy("above all")),
    (1.0, gettext_lazy("like this")),
    (0.5, gettext_lazy("a little like this")),
    (-1.0, gettext_lazy("not like this")),
)


@dataclass(frozen=True)
class Line:
    """One value of a filter; `count` is None where it is not known."""

    value: str
    label: str
    count: int | None
    chosen: bool
    refused: bool
    choose: str
    refuse: str
    fill: str = ""


@dataclass(frozen=True)
class Panel:
    """A filter with its values."""

    name: str
    title: str
    lines: list[Line]


@dataclass(frozen=True)
class Chip:
    """A filter that holds, and the address without it."""

    label: str
    without: str
    refused: bool = False
    fill: str = ""


@dataclass(frozen=True)
class Given:
    """A picture or an asset that is searched with: what stands in the address, and its weights."""

    parameter: str
    name: str
    label: str
    without: str
    weights: list[tuple[str, str, bool]]
    picture: str = ""
    asset: Any = None


def search_page(request: HttpRequest, site: AdminSite) -> HttpResponse:
    """Show the box, and what was found if something was asked; a picture that comes gets an address."""
    if request.method == "POST":
        return _take_pictures(request, site)
    return _show(request, site, SearchForm(request.GET, user=request.user))


def query_picture(request: HttpRequest, name: str) -> HttpResponse:
    """A picture that this account searches with."""
    content = kept(name, signed_in(request))
    if content is None:
        raise Http404(_("The picture that was searched with is kept for an hour only; choose it again."))
    return HttpResponse(
        content,
        content_type="image/jpeg",
        headers={"Cache-Control": "private, max-age=3600, immutable", "X-Content-Type-Options": "nosniff"},
    )


def _take_pictures(request: HttpRequest, site: AdminSite) -> HttpResponse:
    pictures = PicturesForm(request.FILES.getlist("image"))
    if not pictures.is_valid():
        form = SearchForm(request.GET, user=request.user)
        return _show(request, site, form, problem=" ".join(map(str, pictures.non_field_errors())))
    address = Address(request.GET)
    for picture in pictures.cleaned_data["pictures"]:
        address = address.also("picture", keep(picture, signed_in(request)))
    return HttpResponseRedirect(f"{request.path}{address}")


def _show(request: HttpRequest, site: AdminSite, form: SearchForm, problem: str = "") -> HttpResponse:
    results: SearchResults | None = None
    asked: SearchRequest | None = None
    if form.is_valid() and not problem:
        asked = form.search_request(limit=PAGE_SIZE)
        try:
            results = search(asked, user=request.user, source=source_of(request, Entrance.PAGE))
        except SearchError as error:
            problem = str(error)
    address = Address(request.GET)
    context: dict[str, Any] = {
        **site.each_context(request),
        "title": _("Search"),
        "form": form,
        "asked": asked,
        "results": results,
        "problem": problem,
        "examples": EXAMPLES,
        "address": address,
        "literal_url": str(address.literal),
        "given": _given(form, address) if asked else [],
        "panels": _panels(form, address, results) if asked and results else [],
        "chips": _chips(form, address) if asked else [],
        "picked": form.cleaned_data["pick"][-1] if asked and asked.colours else "#3b82f6",
        "pending": _pending(),
        "more": address.set("after", results.next) if results and results.next else "",
    }
    status = 400 if problem or not form.is_valid() else 200
    return TemplateResponse(request, "search/page.html", context, status=status)


def _pending() -> int:
    """How many assets still wait for their vectors; MOST_PENDING stands for more."""
    waiting = IndexEntry.objects.filter(space__state=SpaceState.LIVE, state__in=OPEN_STATES)
    return waiting.order_by().values("pk")[:MOST_PENDING].count()


def _given(form: SearchForm, address: Address) -> list[Given]:
    things = []
    for part in form.cleaned_data["like"]:
        things.append(("like", str(part.asset.public_id), part, part.asset.display_title))
    for name, part in form.cleaned_data["picture"]:
        things.append(("picture", name, part, _("Your picture")))
    return [
        Given(
            parameter=parameter,
            name=name,
            label=label,
            without=str(address.without_named(parameter, name)),
            weights=_weights(name, part.weight),
            picture=name if part.image is not None else "",
            asset=part.asset,
        )
        for parameter, name, part, label in things
    ]


def _weights(name: str, weight: float) -> list[tuple[str, str, bool]]:
    """Choices of a weight: the value for the address, its words, and whether it holds."""
    known = [(number, str(words)) for number, words in WEIGHTS]
    if all(number != weight for number, _words in known):
        known.append((weight, f"{weight:g} ×"))
    return [(f"{name}:{number:g}", words, number == weight) for number, words in known]


def _panels(form: SearchForm, address: Address, results: SearchResults) -> list[Panel]:
    panels = []
    for name, title in FACETS.items():
        counted = {count.value: count for count in results.facets.get(name, [])}
        lines = [
            _line(form, address, name, value, counted.get(value)) for value in _values(form, name, counted)
        ]
        if lines:
            panels.append(Panel(name, str(title), lines))
    return panels


def _values(form: SearchForm, name: str, counted: dict[str, FacetCount]) -> list[str]:
    """What can be chosen: what was found, and what holds already or could hold beside it."""
    holding = form.cleaned_data[name]
    values = [*holding, *form.cleaned_data[f"not_{name}"], *counted]
    if holding and name in CHOICES:
        values += [value for value, _label in CHOICES[name]]
    if name == "colour":
        values.sort(key=[value for value, _label in CHOICES["colour"]].index)
    return list(dict.fromkeys(values))


def _line(form: SearchForm, address: Address, name: str, value: str, counted: FacetCount | None) -> Line:
    chosen = value in form.cleaned_data[name]
    refused = value in form.cleaned_data[f"not_{name}"]
    free = address.without(name, value).without(f"not_{name}", value)
    return Line(
        value=value,
        label=counted.label if counted else _label(name, value),
        count=counted.count if counted else None,
        chosen=chosen,
        refused=refused,
        choose=str(free if chosen else free.also(name, value)),
        refuse=str(free if refused else free.also(f"not_{name}", value)),
        fill=FAMILY_FACES[value][0] if name == "colour" else "",
    )


def _label(name: str, value: str) -> str:
    if name == "colour":
        return str(FAMILY_FACES[value][1])
    return str(LABELS.get(name, {}).get(value, value))


def _chips(form: SearchForm, address: Address) -> list[Chip]:
    given = form.cleaned_data
    tags = {tag.slug: str(tag) for tag in Tag.objects.filter(slug__in=[*given["tag"], *given["not_tag"]])}
    chips = [Chip(colour, str(address.without("pick", colour)), fill=colour) for colour in given["pick"]]
    for name, title in (FACETS | OTHERS).items():
        for parameter in (name, f"not_{name}"):
            for value in given.get(parameter, []):
                key = str(getattr(value, "pk", value))
                label = tags.get(key) or (str(value) if name in OTHERS else _label(name, key))
                chips.append(
                    Chip(f"{title}: {label}", str(address.without(parameter, key)), parameter != name)
                )
    for bound, words in (("created_from", _("From")), ("created_to", _("Until"))):
        if given[bound]:
            day = date_format(given[bound], "SHORT_DATE_FORMAT")
            chips.append(Chip(f"{words}: {day}", str(address.set(bound, ""))))
    return chips
