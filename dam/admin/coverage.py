"""The page of SKU coverage: SKUs down, shot types across, what is missing to be ticked."""

from __future__ import annotations

from typing import Any

from django.contrib.admin import AdminSite
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _

from dam.coverage import CoverageQuery, page_of, totals_of
from dam.forms import CoverageForm


def coverage_page(request: HttpRequest, site: AdminSite) -> HttpResponse:
    """A page of the matrix under the filters of the address."""
    form = CoverageForm(request.GET)
    query = form.query() if form.is_valid() else CoverageQuery()
    page = page_of(query, after=request.GET.get("after", ""), before=request.GET.get("before", ""))
    context: dict[str, Any] = {
        **site.each_context(request),
        "title": _("SKU coverage"),
        "form": form,
        "page": page,
        "totals": totals_of(query),
        "next_url": _link(request, "after", page.after),
        "previous_url": _link(request, "before", page.before),
        "is_filtered": any(request.GET.get(name) for name in form.fields),
    }
    return TemplateResponse(request, "dam/coverage.html", context, status=200 if form.is_valid() else 400)


def _link(request: HttpRequest, name: str, code: str) -> str:
    """The address of a neighbouring page with the same filters; empty where there is none."""
    if not code:
        return ""
    address = request.GET.copy()
    for place in ("after", "before"):
        address.pop(place, None)
    address[name] = code
    return f"?{address.urlencode()}"
