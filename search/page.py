"""The search page of the admin: one box, pictures, filters, an address that can be shared."""

from __future__ import annotations

from typing import Any

from django.contrib.admin import AdminSite
from django.http import HttpRequest, HttpResponse, QueryDict
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _

from dam.admin.filters import FAMILY_FACES
from dam.colours import FAMILIES
from search.forms import SearchForm
from search.models import OPEN_STATES, IndexEntry
from search.query import SearchError, SearchRequest, SearchResults, search

PAGE_SIZE = 60
MOST_COUNTED = 10_000  # entries that wait; during an import of a million nobody needs to know exactly
EXAMPLES = ("golden crown", "金色手表", "一位精灵弓箭手", "red dress", "雪山", "a bag for the beach")


def search_page(request: HttpRequest, site: AdminSite) -> HttpResponse:
    """Show the box, and what was found if something was asked."""
    form = SearchForm(request.POST or request.GET, request.FILES or None, user=request.user)
    results: SearchResults | None = None
    problem = ""
    asked: SearchRequest | None = None
    if form.is_valid():
        asked = _request(form.cleaned_data)
        try:
            results = search(asked, user=request.user)
        except SearchError as error:
            problem = str(error)
    context: dict[str, Any] = {
        **site.each_context(request),
        "title": _("Search"),
        "form": form,
        "asked": asked,
        "with_picture": bool(asked and asked.image),
        "results": results,
        "problem": problem,
        "examples": EXAMPLES,
        "kinds": _choices(request, form, "kind"),
        "states": _choices(request, form, "state"),
        "colours": _colours(request, form),
        "pending": _waiting(),
        "older": _page_link(request, form, results, asked, +1),
        "newer": _page_link(request, form, results, asked, -1),
    }
    status = 400 if problem or not form.is_valid() else 200
    return TemplateResponse(request, "search/page.html", context, status=status)


def _waiting() -> int:
    """Entries that wait, at most MOST_COUNTED."""
    waiting = IndexEntry.objects.filter(state__in=OPEN_STATES).order_by()
    return waiting.values("pk")[:MOST_COUNTED].count()


def _request(cleaned: dict[str, Any]) -> SearchRequest:
    return SearchRequest(
        text=cleaned["q"],
        image=cleaned["image"],
        like=cleaned["like"],
        kind=cleaned["kind"],
        state=cleaned["state"],
        colour=cleaned["colour"],
        limit=PAGE_SIZE,
        offset=PAGE_SIZE * ((cleaned["page"] or 1) - 1),
    )


def _link(request: HttpRequest, **changes: str) -> str:
    """This search with some parts changed, from its first page."""
    query: QueryDict = request.GET.copy()
    for name in ("csrfmiddlewaretoken", "page"):
        query.pop(name, None)
    for name, value in changes.items():
        query.pop(name, None)
        if value:
            query[name] = value
    return f"?{query.urlencode()}"


def _choices(request: HttpRequest, form: SearchForm, name: str) -> list[dict[str, Any]]:
    """A filter as links, the chosen one marked."""
    chosen = form.data.get(name, "")
    return [
        {"label": label, "href": _link(request, **{name: value}), "chosen": value == chosen, "value": value}
        for value, label in form.fields[name].choices  # type: ignore[attr-defined]
    ]


def _colours(request: HttpRequest, form: SearchForm) -> list[dict[str, Any]]:
    chosen = form.data.get("colour", "")
    return [
        {
            "label": FAMILY_FACES[family][1],
            "fill": FAMILY_FACES[family][0],
            "href": _link(request, colour="" if family == chosen else family),
            "chosen": family == chosen,
        }
        for family in FAMILIES
    ]


def _page_link(
    request: HttpRequest,
    form: SearchForm,
    results: SearchResults | None,
    asked: SearchRequest | None,
    step: int,
) -> str:
    """The address of the page before or after; empty where there is none (a picture has one page)."""
    if results is None or asked is None or asked.image is not None:
        return ""
    page = asked.offset // PAGE_SIZE + 1 + step
    if page < 1 or (page - 1) * PAGE_SIZE >= results.total:
        return ""
    return _link(request, page=str(page)) if page > 1 else _link(request)
