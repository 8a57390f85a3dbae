"""The page of what was spent: sums by team and provider, and each day's jobs; as a table too."""

from __future__ import annotations

from datetime import date
from typing import Any

from django.contrib.admin import AdminSite
from django.core.paginator import Paginator
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _

from dam.table_downloads import csv_download
from generation import costs
from generation.costs import BadDays, Report, Total
from generation.wording import money

ROWS_A_PAGE = 100


def costs_page(request: HttpRequest, site: AdminSite) -> HttpResponseBase:
    """The days `?since=…&until=…`, by default the last thirty; `?as=csv` for all rows as a file."""
    problem = ""
    try:
        shown = costs.report(_day(request.GET.get("since", "")), _day(request.GET.get("until", "")))
    except ValueError as error:
        problem = str(error) if isinstance(error, BadDays) else _("Write days like 2026-11-24.")
        shown = costs.report()
    if request.GET.get("as") == "csv" and not problem:
        return csv_download(costs.as_table(shown), f"costs-{shown.since}-{shown.until}.csv")
    context: dict[str, Any] = {
        **site.each_context(request),
        "title": _("Costs"),
        "since": request.GET.get("since") or shown.since.isoformat(),
        "until": request.GET.get("until") or shown.until.isoformat(),
        "report": shown,
        "problem": problem,
        "sums": _in_words(shown, ""),
        "tables": [
            (_("By team"), _("Team"), _in_words(shown, "team")),
            (_("By provider"), _("Provider"), _in_words(shown, "provider")),
        ],
        "page": Paginator([(row, money(row.cost, row.currency)) for row in shown.rows], ROWS_A_PAGE).get_page(
            request.GET.get("page")
        ),
    }
    return TemplateResponse(request, "generation/costs.html", context)


def _in_words(shown: Report, column: str) -> list[tuple[Total, str, str]]:
    """Each with its cost, and how much of that may have been charged without an answer; empty for nothing."""
    return [
        (
            total,
            money(total.cost, total.currency),
            money(total.assumed, total.currency) if total.assumed else "",
        )
        for total in shown.by(column)
    ]


def _day(text: str) -> date | None:
    return date.fromisoformat(text.strip()) if text.strip() else None
