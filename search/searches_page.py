"""The report of searches in the admin: what was asked for most, in vain, without a look, and slowly."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from dam.table_downloads import csv_download
from search import query_log
from search.query_report import LISTS, PERIODS, Day, ReportQuery, by_day, by_language, page_of, table
from search.word_models import QueryLanguage, SearchLog

CHART_HEIGHT = 100


class ReportForm(forms.Form):
    """Period, language and list, all in the address."""

    days = forms.TypedChoiceField(coerce=int, label=gettext_lazy("Period"))
    language = forms.ChoiceField(
        required=False,
        choices=[("", gettext_lazy("Any")), *QueryLanguage.choices],
        label=gettext_lazy("Language"),
    )
    list = forms.ChoiceField(required=False, choices=list(LISTS.items()), widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["days"].choices = [  # type: ignore[attr-defined]
            (days, ngettext("The last day", "The last %(days)d days", days) % {"days": days})
            for days in PERIODS
        ]

    def query(self) -> ReportQuery:
        """What is asked for; expects valid data."""
        given = self.cleaned_data
        return ReportQuery(given["days"], given["language"], given["list"] or "frequent")


def searches_page(request: HttpRequest, site: AdminSite) -> HttpResponseBase:
    """The report; with POST it is counted anew, with `export` the list comes as CSV."""
    if not request.user.has_perm("search.view_searchday"):
        raise PermissionDenied
    if request.method == "POST":
        query_log.sum_up()
        messages.success(request, _("All searches up to now are counted."))
        return redirect(request.get_full_path())
    form = ReportForm({"days": str(ReportQuery.days), **request.GET.dict()})
    query = form.query() if form.is_valid() else ReportQuery()
    if request.GET.get("export") == "csv":
        return csv_download(table(query), f"searches-{query.chosen}.csv")
    page = page_of(query, request.GET.get("after", ""))
    days = by_day(query)
    context: dict[str, Any] = {
        **site.each_context(request),
        "title": _("Searches"),
        "form": form,
        "query": query,
        "lists": [
            {"label": label, "href": _link(request, list=name), "chosen": name == query.chosen}
            for name, label in LISTS.items()
        ],
        "page": page,
        "next_url": _link(request, after=page.after) if page.after else "",
        "first_url": _link(request) if request.GET.get("after") else "",
        "export_url": _link(request, export="csv"),
        "bars": _bars(days),
        "days": [day for day in reversed(days) if day.asked],
        "asked": sum(day.asked for day in days),
        "empty": sum(day.empty for day in days),
        "languages": by_language(query),
        "counted": SearchLog.objects.exists(),
    }
    status = 200 if form.is_valid() else 400
    return TemplateResponse(request, "search/searches.html", context, status=status)


def _bars(days: list[Day]) -> list[dict[str, Any]]:
    """Rectangles of the chart, one column a day, CHART_HEIGHT high."""
    highest = max((day.asked for day in days), default=0) or 1
    found = []
    for place, day in enumerate(days):
        height, empty = (round(CHART_HEIGHT * number / highest, 2) for number in (day.asked, day.empty))
        found.append(
            {
                "day": day,
                "x": round(place + 0.1, 1),
                "y": round(CHART_HEIGHT - height, 2),
                "height": height,
                "empty_y": round(CHART_HEIGHT - empty, 2),
                "empty_height": empty,
            }
        )
    return found


def _link(request: HttpRequest, **changes: str) -> str:
    """This report with some parts changed, from its beginning."""
    query = request.GET.copy()
    for name in ("after", "export", *changes):
        query.pop(name, None)
    for name, value in changes.items():
        query[name] = value
    return f"?{query.urlencode()}"
