"""The page that compares two versions of an asset."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from dam import downloads, version_compare, workflow
from dam.addresses import difference_url
from dam.models import Asset
from dam.people import signed_in


@require_GET
def compare_page(request: HttpRequest, asset: Asset) -> HttpResponse:
    """Both pictures, what differs between them, and the way back to either."""
    user = signed_in(request)
    workflow.check_changing(user, [asset])
    try:
        before, after = version_compare.pick(asset, request.GET.get("from", ""), request.GET.get("to", ""))
    except version_compare.CannotCompare as error:
        messages.error(request, str(error))
        return redirect("admin:dam_asset_change", asset.pk)
    may_change = workflow.may_change(user, asset) and not asset.is_trashed
    context: dict[str, Any] = {
        **admin.site.each_context(request),
        "title": _("Compare versions"),
        "opts": Asset._meta,
        "original": asset,
        "asset": asset,
        "sides": [(_("Before"), before), (_("After"), after)],
        "before": before,
        "after": after,
        "numbers": list(asset.versions.order_by("-number").values_list("number", flat=True)),
        "found": version_compare.compare(before, after, shows_place=downloads.may_know_place(user, asset)),
        "difference": difference_url(asset, before, after),
        "may_change": may_change,
    }
    return TemplateResponse(request, "dam/versions.html", context)
