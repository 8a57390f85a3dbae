"""The page that takes a table of SKUs in, and the download that gives one out."""

from __future__ import annotations

from typing import Any

from django.contrib.admin import AdminSite
from django.http import HttpRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _

from dam.forms import SKUTableForm
from dam.people import signed_in
from dam.sku_sync import CHANGED, CREATED, PROBLEM, SyncReport, sync_skus
from dam.sku_table import COLUMNS, TableProblem, sku_rows
from dam.table_downloads import csv_download
from dam.tables import with_problems

SHOWN_ROWS = 200
CHECK, ERRORS = "check", "errors"


def sync_page(request: HttpRequest, site: AdminSite) -> HttpResponseBase:
    """Show the form; with POST what the table changes (`do=sync`) or would change (`do=check`).

    `do=errors` gives the bad rows back as a table.
    """
    form = SKUTableForm(request.POST or None, request.FILES or None)
    do = request.POST.get("do", "")
    report, problem = None, ""
    if request.method == "POST" and form.is_valid():
        try:
            report = _sync(form.cleaned_data, request, do)
        except TableProblem as error:
            problem = str(error)
    if report and do == ERRORS:
        return csv_download(with_problems(report.table, report.problems), "problems.csv")
    context = {"form": form, "problem": problem, **_report_context(report, checked=do == CHECK)}
    refused = problem or form.errors or (report and not report.written and do != CHECK)
    status = 422 if refused else 200
    if request.headers.get("X-Fragment") == "report":
        return TemplateResponse(request, "dam/sku_sync_report.html", context, status=status)
    context |= {**site.each_context(request), "title": _("Sync SKUs with a table"), "columns": COLUMNS}
    return TemplateResponse(request, "dam/sku_sync.html", context, status=status)


def export_view(request: HttpRequest) -> StreamingHttpResponse:
    """Every SKU as CSV."""
    return csv_download(sku_rows(), "skus.csv")


def _sync(cleaned: dict[str, Any], request: HttpRequest, do: str) -> SyncReport:
    return sync_skus(
        cleaned["table"],
        actor=signed_in(request),
        name=cleaned["table"].name,
        dry_run=do in (CHECK, ERRORS),
        partial=cleaned["partial"],
        discontinue_missing=cleaned["discontinue_missing"],
    )


def _report_context(report: SyncReport | None, *, checked: bool) -> dict[str, Any]:
    if report is None:
        return {"report": None}
    # What stands in the way comes first.
    rows = sorted(report.rows, key=lambda row: (row.outcome != PROBLEM, row.number))
    return {
        "report": report,
        "checked": checked,
        "created": report.count(CREATED),
        "changed": report.count(CHANGED),
        "problems": report.count(PROBLEM),
        "rows": rows[:SHOWN_ROWS],
        "more_rows": max(0, len(rows) - SHOWN_ROWS),
        "discontinued": report.discontinued[:SHOWN_ROWS],
        "outcomes": {CREATED: _("New"), CHANGED: _("Changed"), PROBLEM: _("Problem")},
    }
