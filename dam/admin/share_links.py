"""Links to a collection, made and withdrawn on its page."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST
from unfold.widgets import UnfoldAdminTextInputWidget

from dam import sharing
from dam.models import Collection
from dam.people import signed_in

USUAL_DAYS = 14


class ShareForm(forms.Form):
    """Until when, behind which password, how often."""

    label = forms.CharField(
        label=gettext_lazy("For whom"), max_length=120, required=False, widget=UnfoldAdminTextInputWidget
    )
    until = forms.DateField(
        label=gettext_lazy("Valid until"), widget=UnfoldAdminTextInputWidget(attrs={"type": "date"})
    )
    password = forms.CharField(
        label=gettext_lazy("Password (optional)"),
        max_length=128,
        required=False,
        strip=False,
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
    )
    max_downloads = forms.IntegerField(
        label=gettext_lazy("Downloads at most (optional)"),
        min_value=0,
        max_value=1_000_000,
        required=False,
        widget=UnfoldAdminTextInputWidget(attrs={"type": "number", "min": 0}),
    )


def context_for(collection: Collection, request: HttpRequest) -> dict[str, Any]:
    """The links, and the form for a new one where the account may share."""
    user: User = signed_in(request)
    links = [
        (link, request.build_absolute_uri(reverse("share", args=[link.token])))
        for link in collection.share_links.select_related("created_by")
    ]
    initial = {"until": timezone.localdate() + timedelta(days=USUAL_DAYS)}
    form = ShareForm(initial=initial) if sharing.may_share(user, collection) else None
    return {"share_links": links, "share_form": form, "shared_collection": collection}


@require_POST
def create(request: HttpRequest, collection: Collection) -> HttpResponse:
    """A new link; it ends with the day that was chosen."""
    form = ShareForm(request.POST)
    if not form.is_valid():
        for name, errors in form.errors.items():
            messages.error(request, f"{form.fields[name].label}: {' '.join(map(str, errors))}")
        return _back(collection)
    given = form.cleaned_data
    ends = timezone.make_aware(datetime.combine(given["until"] + timedelta(days=1), time.min))
    try:
        sharing.create(
            collection,
            actor=signed_in(request),
            expires_at=ends,
            password=given["password"],
            max_downloads=given["max_downloads"],
            label=given["label"],
        )
    except sharing.ShareRefused as error:
        messages.error(request, str(error))
    else:
        messages.success(request, _("The link is made. Copy it from the list and send it."))
    return _back(collection)


@require_POST
def revoke(request: HttpRequest, collection: Collection, number: int) -> HttpResponse:
    """Withdraw a link."""
    sharing.revoke(get_object_or_404(collection.share_links, pk=number), actor=signed_in(request))
    messages.success(request, _("The link is withdrawn."))
    return _back(collection)


def _back(collection: Collection) -> HttpResponse:
    return redirect("admin:dam_collection_change", collection.pk)
