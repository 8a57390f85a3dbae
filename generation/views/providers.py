"""The page of how each provider stands: set up, answering, at work, and what it has cost."""

from __future__ import annotations

from typing import Any

from django.contrib.admin import AdminSite
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _

from generation import provider_report
from generation.wording import money


def providers_page(request: HttpRequest, site: AdminSite) -> HttpResponseBase:
    """Every provider, the default one first; nothing is called for it, and nothing can be changed here."""
    shown = [
        (
            standing,
            [(money(day, currency), money(month, currency)) for currency, day, month in standing.spent],
        )
        for standing in provider_report.standings()
    ]
    context: dict[str, Any] = {
        **site.each_context(request),
        "title": _("Image providers"),
        "providers": shown,
        "days": provider_report.DAYS,
    }
    return TemplateResponse(request, "generation/providers.html", context)
