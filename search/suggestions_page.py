"""The pictures that may show a SKU, as a page of their own and as a part of the SKU's page."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from dam import editing
from dam.models import SKU, Asset, SKURole
from dam.organising import shown_to
from dam.people import signed_in
from search.query import SearchError, search
from search.sku_suggestions import NothingToGoBy, request_for

SHOWN = 24


class NothingChosen(Exception):
    """Nothing can be linked; the message is a sentence."""


def suggestions_page(request: HttpRequest, site: AdminSite, key: int) -> HttpResponse:
    """What may show the SKU; with POST the ticked pictures, or the `only` one, do so in the chosen role."""
    if not request.user.has_perm("dam.view_sku"):
        raise PermissionDenied
    sku = get_object_or_404(shown_to(request.user, SKU, "skus").select_related("parent"), pk=key)
    in_panel = request.headers.get("X-Fragment") == "panel"
    said, refused = "", ""
    if request.method == "POST":
        try:
            said = _accept(request, sku)
        except NothingChosen as error:
            refused = str(error)
    if said and not in_panel:
        messages.success(request, said)
        return redirect("admin:dam_sku_change", sku.pk)
    context: dict[str, Any] = {
        "sku": sku,
        "said": said,
        "refused": refused,
        "roles": SKURole.choices,
        "role": request.POST.get("role", SKURole.PACKSHOT),
        "may_link": request.user.has_perm("dam.change_asset"),
        **_suggestions(sku, request.user),
    }
    if in_panel:
        return TemplateResponse(request, "search/sku_suggestions.html", context)
    context |= {**site.each_context(request), "title": _("Pictures that may show %(sku)s") % {"sku": sku}}
    return TemplateResponse(request, "search/sku_suggestions_page.html", context)


def _suggestions(sku: SKU, user: Any) -> dict[str, Any]:
    """The nearest pictures with how near they are, or why there are none."""
    try:
        wanted = replace(request_for(sku, user), limit=SHOWN)
        hits = search(wanted, user=user).hits
    except (NothingToGoBy, SearchError) as error:
        return {"problem": str(error), "suggested": []}
    shown = [(hit.asset, _nearness(hit.legs)) for hit in hits]
    return {"problem": "", "suggested": shown, "by_words": bool(wanted.text)}


def _nearness(legs: dict[str, float]) -> str:
    """The cosine in percent; a match of words has none."""
    return _("%(percent)d %%") % {"percent": round(100 * legs["cosine"])} if "cosine" in legs else ""


def _accept(request: HttpRequest, sku: SKU) -> str:
    """Link what was chosen; what was done, as a sentence."""
    if not request.user.has_perm("dam.change_asset"):
        raise PermissionDenied
    role = request.POST.get("role", "")
    ids = request.POST.getlist("only") or request.POST.getlist("assets")
    if role not in SKURole.values or not ids:
        raise NothingChosen(_("Choose at least one picture, and the role in which it shows the SKU."))
    chosen = Asset.objects.visible_to(request.user).filter(public_id__in=filter(None, map(_as_id, ids)))
    linked = editing.link_assets(sku, chosen, role, actor=signed_in(request))
    sentence = ngettext(
        "%(count)d picture shows %(sku)s now: %(role)s.",
        "%(count)d pictures show %(sku)s now: %(role)s.",
        linked,
    )
    return sentence % {"count": linked, "sku": sku, "role": SKURole(role).label}


def _as_id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
