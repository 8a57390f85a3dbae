"""The pages of the trash: asking before what is in use goes there, and emptying it."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from dam import trashed, usage, workflow
from dam.models import Asset, AssetState
from dam.people import signed_in
from dam.roles import has_role
from dam.tasks import publish_emptying
from dam.trashed import NO_BROKER

SHOWN = 12


def asked_first(site: Any, request: HttpRequest, chosen: Any, **hidden: str) -> TemplateResponse | None:
    """The page that says by what the chosen assets are used; None: nothing uses them, or it was answered.

    Args:
        hidden: fields that the page sends back.
    """
    if "confirmed" in request.POST:
        return None
    usages, number = usage.among(chosen, signed_in(request), SHOWN)
    if not number:
        return None
    context = {
        **site.each_context(request),
        "title": _("Move to trash"),
        "opts": Asset._meta,
        "usages": usages,
        "more": number - len(usages),
        "hidden": hidden,
        "selected": request.POST.getlist(ACTION_CHECKBOX_NAME),
        "cancel": reverse("admin:dam_asset_changelist"),
    }
    return TemplateResponse(request, "dam/trash_ask.html", context)


def empty_page(site: Any, request: HttpRequest) -> HttpResponse:
    """Ask, then delete for good what lies in the trash."""
    actor = signed_in(request)
    if not has_role(actor, workflow.DELETING):
        raise PermissionDenied
    lying = Asset.objects.filter(state=AssetState.TRASHED)
    number = lying.count()
    address = f"{reverse('admin:dam_asset_changelist')}?state={AssetState.TRASHED}"
    if request.method == "POST":
        _empty(request, number)
        return redirect(address)
    context = {
        **site.each_context(request),
        "title": _("Empty the trash"),
        "opts": Asset._meta,
        "number": number,
        "shown": lying.select_related("current").order_by("-trashed_at")[:SHOWN],
        "days": settings.DAM_TRASH_DAYS,
        "cancel": address,
    }
    return TemplateResponse(request, "dam/trash_empty.html", context)


def _empty(request: HttpRequest, number: int) -> None:
    actor = signed_in(request)
    if number > trashed.AT_ONCE:
        if publish_emptying(actor.pk, timezone.now().isoformat()):
            messages.success(request, _("The trash is being emptied in the background."))
        else:
            messages.error(request, str(NO_BROKER))
        return
    emptied = trashed.empty(actor=actor)
    told = ngettext(
        "%(count)d asset was deleted for good.", "%(count)d assets were deleted for good.", emptied.deleted
    )
    messages.success(request, told % {"count": emptied.deleted})
    if emptied.left:
        kept = ngettext(
            "%(count)d asset stays in the trash: something depends on it.",
            "%(count)d assets stay in the trash: something depends on them.",
            emptied.left,
        )
        messages.warning(request, kept % {"count": emptied.left})
