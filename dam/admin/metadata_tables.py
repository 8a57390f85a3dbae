"""The page that changes the words of many assets by a table."""

from __future__ import annotations

from django.contrib.admin import AdminSite
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _

from dam import custom_fields
from dam.custom_values import Fields
from dam.exports import columns_with
from dam.field_rules import label_of
from dam.forms import MetadataTableForm
from dam.manifest import ImportProblem
from dam.metadata_updates import MAX_WAITED_FOR, Change, UpdateReport, update_metadata
from dam.people import signed_in
from dam.table_downloads import csv_download
from dam.tables import with_problems

SHOWN_ROWS = 200
CHECK, ERRORS = "check", "errors"


def table_page(request: HttpRequest, site: AdminSite) -> HttpResponseBase:
    """Show the form; with POST what the table changes (`do=change`) or would change (`do=check`).

    `do=errors` gives the bad rows back as a table.
    """
    form = MetadataTableForm(request.POST or None, request.FILES or None)
    do = request.POST.get("do", "")
    report, problem = None, ""
    if request.method == "POST" and form.is_valid():
        try:
            report = _update(form, request, do)
        except ImportProblem as error:
            problem = str(error)
    if report and do == ERRORS:
        faults = {fault.number: fault.sentence for fault in report.faults}
        return csv_download(with_problems(report.table, faults), "problems.csv")
    context = {"form": form, "problem": problem, **_report_context(report, checked=do == CHECK)}
    status = 422 if problem or form.errors else 200
    if request.headers.get("X-Fragment") == "report":
        return TemplateResponse(request, "dam/metadata_report.html", context, status=status)
    context |= {
        **site.each_context(request),
        "title": _("Change assets by a table"),
        "columns": columns_with(custom_fields.by_slug()),
        "most": MAX_WAITED_FOR,
    }
    return TemplateResponse(request, "dam/metadata_table.html", context, status=status)


def _update(form: MetadataTableForm, request: HttpRequest, do: str) -> UpdateReport:
    table = form.cleaned_data["table"]
    return update_metadata(
        table,
        actor=signed_in(request),
        dry_run=do in (CHECK, ERRORS),
        name=table.name,
        at_most=MAX_WAITED_FOR,
    )


def _report_context(report: UpdateReport | None, *, checked: bool) -> dict[str, object]:
    if report is None:
        return {"report": None}
    fields = custom_fields.by_slug()
    return {
        "report": report,
        "checked": checked,
        "faults": report.faults[:SHOWN_ROWS],
        "more_faults": max(0, len(report.faults) - SHOWN_ROWS),
        "changes": [_shown(change, fields) for change in report.changes[:SHOWN_ROWS]],
        "more_changes": max(0, len(report.changes) - SHOWN_ROWS),
    }


def _shown(change: Change, fields: Fields) -> dict[str, object]:
    """A row as the report shows it: each column by its name for people, before and after."""
    columns = [
        (label_of(name.removesuffix("_en"), fields), before, after)
        for name, (before, after) in change.columns.items()
    ]
    return {"number": change.number, "asset": change.asset, "columns": columns}
