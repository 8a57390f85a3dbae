"""Two encoders side by side: the same query, two columns, and a vote."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _

from dam.people import signed_in
from search.comparison import SOURCES, K, SideBySide, compare, vote, votes
from search.evaluation_models import Preference
from search.models import Space
from search.rankings import NoRanking, comparable_spaces

LONGEST = 400


def addresses(site: AdminSite) -> list[URLPattern]:
    """Where the page lies."""

    def page(request: HttpRequest) -> HttpResponse:
        return side_by_side(request, site)

    return [path("side-by-side/", site.admin_view(page), name="search_side_by_side")]


def side_by_side(request: HttpRequest, site: AdminSite) -> HttpResponse:
    """Ask both spaces; with POST note which is better."""
    if not request.user.has_perm("search.view_space"):
        raise PermissionDenied
    asked = request.POST if request.method == "POST" else request.GET
    text = asked.get("q", "").replace("\0", "").strip()[:LONGEST]
    spaces = comparable_spaces()
    left, right = _pair(spaces, asked.get("left", ""), asked.get("right", ""))
    if request.method == "POST":
        return _vote(request, text, left, right)
    found: SideBySide | None = None
    problem = ""
    if text and left is not None and right is not None:
        try:
            found = compare(text, left, right, user=signed_in(request))
        except NoRanking as error:
            problem = str(error)
    context: dict[str, Any] = {
        **site.each_context(request),
        "title": _("Side by side"),
        "spaces": spaces,
        "left": left,
        "right": right,
        "text": text,
        "found": found,
        "columns": [found.left, found.right] if found else [],
        "percent": round(100 * found.overlap) if found else 0,
        "k": K,
        "problem": problem,
        "sources": [(label, queries()) for label, queries in SOURCES],
        "preferences": Preference.choices,
        "votes": _votes(left, right),
        "may_vote": request.user.has_perm("search.add_encodervote"),
    }
    return TemplateResponse(request, "search/side_by_side.html", context)


def _pair(spaces: list[Space], left: str, right: str) -> tuple[Space | None, Space | None]:
    """The two that were chosen; otherwise the live one and the newest beside it."""
    by_key = {str(space.pk): space for space in spaces}
    one = by_key.get(left, spaces[0] if spaces else None)
    others = [space for space in spaces if space != one]
    return one, by_key.get(right, others[0] if others else None)


def _vote(request: HttpRequest, text: str, left: Space | None, right: Space | None) -> HttpResponse:
    if not request.user.has_perm("search.add_encodervote"):
        raise PermissionDenied
    preferred = request.POST.get("preferred", "")
    if left is None or right is None or not text or preferred not in Preference.values:
        messages.error(request, _("Ask something in two spaces first, then say which is better."))
        return redirect("admin:search_side_by_side")
    vote(text, left, right, Preference(preferred), actor=signed_in(request))
    messages.success(request, _("Your vote is noted."))
    query = urlencode({"q": text, "left": left.pk, "right": right.pk})
    return redirect(f"{reverse('admin:search_side_by_side')}?{query}")


def _votes(left: Space | None, right: Space | None) -> list[tuple[str, int]]:
    if left is None or right is None:
        return []
    given = votes(left, right)
    labels = {Preference.LEFT: left.encoder, Preference.RIGHT: right.encoder}
    return [(labels.get(Preference(value), str(label)), given[value]) for value, label in Preference.choices]
