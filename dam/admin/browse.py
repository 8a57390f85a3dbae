"""What stands beside the list of assets: saved searches and the panel with a preview."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from dam import rights, saved_searches
from dam.admin import asset_page
from dam.admin.verbs import offered_for
from dam.models import Asset
from dam.people import signed_in


def searches_of(request: HttpRequest) -> list[dict[str, Any]]:
    """The saved searches that the account may use, each with whether it is the one on show."""
    user, shown = signed_in(request), saved_searches.meaning(request.GET.urlencode())
    return [
        {
            "search": search,
            "selected": search.query == shown,
            "mine": search.owner_id == user.pk,
            "may_delete": saved_searches.may_delete(user, search),
        }
        for search in saved_searches.for_user(user)
    ]


@require_POST
def save_search(request: HttpRequest) -> HttpResponse:
    """Keep the filters on show."""
    query = request.POST.get("query", "")
    try:
        search, created = saved_searches.save(
            signed_in(request),
            name=request.POST.get("name", ""),
            query=query,
            shared="shared" in request.POST,
        )
    except saved_searches.SearchNotSaved as error:
        messages.error(request, str(error))
    else:
        told = _("The search “%(name)s” is saved.") if created else _("The search “%(name)s” was replaced.")
        messages.success(request, told % {"name": search.name})
    return redirect(f"{reverse('admin:dam_asset_changelist')}?{saved_searches.meaning(query)}")


@require_POST
def delete_search(request: HttpRequest, key: int) -> HttpResponse:
    """Forget a saved search."""
    user = signed_in(request)
    search = get_object_or_404(saved_searches.for_user(user), pk=key)
    if not saved_searches.may_delete(user, search):
        raise PermissionDenied
    saved_searches.delete(search, actor=user)
    messages.success(request, _("The search “%(name)s” is forgotten.") % {"name": search.name})
    return redirect("admin:dam_asset_changelist")


@require_GET
def panel(request: HttpRequest, asset: Asset) -> HttpResponse:
    """One asset beside the list, as a piece of a page."""
    user: User = signed_in(request)
    context = {
        "asset": asset,
        "facts": [*asset_page.own_facts(asset), *asset_page.facts(asset)],
        "tags": list(asset.tags.all()),
        "sku_links": list(asset.sku_links.all()),
        "unusable": rights.why_unusable(asset),
        "verbs": offered_for(asset, user),
    }
    return render(request, "dam/panel.html", context)
