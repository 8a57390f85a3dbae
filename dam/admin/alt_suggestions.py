"""The suggested alternative texts on an asset's page, and what people say to them."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from dam import alt_suggestions, workflow
from dam.admin.metadata_panel import field_label
from dam.models import Asset
from dam.people import signed_in

LANGUAGES = {"alt_text": "en", "alt_text_zh": "zh-Hans", "description": "en", "description_zh": "zh-Hans"}


def context_for(asset: Asset, may_change: bool) -> dict[str, Any]:
    """What is offered to those who may take it over: each text with its field and its language."""
    suggestion = alt_suggestions.open_for(asset) if may_change else None
    if suggestion is None:
        return {}
    texts = alt_suggestions.would_fill(asset, suggestion)
    return {
        "suggestion": suggestion,
        "suggested": [(field_label(name), text, LANGUAGES[name]) for name, text in texts.items()],
    }


@require_POST
def decide(request: HttpRequest, asset: Asset, number: int, verdict: str) -> HttpResponse:
    """Take it over, or away."""
    suggestion = get_object_or_404(asset.alt_suggestions, pk=number)
    if verdict not in ("accept", "dismiss"):
        raise Http404
    workflow.check_kept(asset)
    try:
        if verdict == "dismiss":
            alt_suggestions.dismiss(suggestion, actor=signed_in(request))
            messages.success(request, _("The suggestion is dismissed."))
        else:
            filled = alt_suggestions.accept(suggestion, actor=signed_in(request))
            names = ", ".join(field_label(name) for name in filled)
            messages.success(request, _("Taken over: %(fields)s.") % {"fields": names or "–"})
    except alt_suggestions.AlreadyDecided as error:
        messages.error(request, str(error))
    return redirect("admin:dam_asset_change", asset.pk)
