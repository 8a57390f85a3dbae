"""The admin's page of what encoders behind an API cost."""

from __future__ import annotations

from typing import Any

from django.contrib.admin import AdminSite
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _

from search import calibration, policy, spend_report
from search.encoders.base import EncoderError
from search.spend import shown


def spend_page(request: HttpRequest, site: AdminSite) -> HttpResponse:
    """Budgets and what is left of them, then the spend by day, by space and by asset."""
    problems = [policy.problem()]
    try:
        accounts = spend_report.standings()
        prices = spend_report.prices()
        problems += calibration.held_up().values()
    except EncoderError as error:
        accounts, prices = [], []
        problems.append(str(error))
    context: dict[str, Any] = {
        **site.each_context(request),
        "title": _("Encoder spend"),
        "accounts": [_in_words(account) for account in accounts],
        "problems": [sentence for sentence in problems if sentence],
        "prices": prices,
        "days": spend_report.by_day(),
        "spaces": spend_report.by_space(),
        "assets": spend_report.by_asset(),
        "shown_days": spend_report.DAYS,
    }
    return TemplateResponse(request, "search/spend.html", context)


def _in_words(account: spend_report.Standing) -> dict[str, Any]:
    bars = [
        (_("In all"), account.spent, account.limits.total, account.total_percent),
        (_("Today"), account.today, account.limits.day, account.day_percent),
        (_("Searches today"), account.queries, account.limits.queries, account.queries_percent),
    ]
    return {
        "encoder": account.encoder,
        "currency": account.currency,
        "waiting": account.waiting,
        "bars": [
            {
                "label": label,
                "spent": shown(spent),
                "limit": "" if limit is None else shown(limit),
                "percent": percent,
            }
            for label, spent, limit, percent in bars
        ],
    }
