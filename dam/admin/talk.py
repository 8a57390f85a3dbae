"""Comments and assignments on an asset's page, and each person's own page of work and news."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_POST
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from dam import collaboration, notices, workflow
from dam.keys import is_key
from dam.models import Asset, Assignment
from dam.models.collaboration import LONGEST_COMMENT
from dam.people import signed_in
from dam.roles import Role, has_role

SHOWN = 100
SHOWN_NEWS = 50


class AssignForm(forms.Form):
    """Who is asked to do what, by when."""

    assignee = forms.ModelChoiceField(
        label=gettext_lazy("To"),
        queryset=User.objects.filter(is_active=True, is_staff=True).order_by("username"),
        widget=UnfoldAdminSelectWidget,
    )
    task = forms.CharField(label=gettext_lazy("Task"), max_length=500, widget=UnfoldAdminTextInputWidget)
    due_on = forms.DateField(
        label=gettext_lazy("Due on"),
        required=False,
        widget=UnfoldAdminTextInputWidget(attrs={"type": "date"}),
    )


def context_for(asset: Asset, user: User, may_change: bool) -> dict[str, Any]:
    """What the asset's page shows of it."""
    said = list(asset.comments.select_related("author"))
    asked = asset.assignments.select_related("assignee", "assigned_by").order_by("-pk")
    if not workflow.may_change(user, asset):
        asked = asked.filter(Q(assignee=user) | Q(assigned_by=user))
    return {
        "comments": [(one, one.author_id == user.pk or has_role(user, Role.ADMINISTRATOR)) for one in said],
        "longest_comment": LONGEST_COMMENT,
        "assignments": list(asked[:SHOWN]),
        "assign_form": AssignForm() if may_change else None,
        "may_finish_all": has_role(user, Role.EDITOR),
    }


@require_POST
def comment(request: HttpRequest, asset: Asset) -> HttpResponse:
    """Say something."""
    try:
        collaboration.comment(asset, request.POST.get("text", ""), author=signed_in(request))
    except collaboration.NotTaken as error:
        messages.error(request, str(error))
    return _back(asset)


@require_POST
def remove_comment(request: HttpRequest, asset: Asset, number: int) -> HttpResponse:
    """Take something back."""
    collaboration.remove_comment(get_object_or_404(asset.comments, pk=number), actor=signed_in(request))
    return _back(asset)


@require_POST
def assign(request: HttpRequest, asset: Asset) -> HttpResponse:
    """Ask somebody."""
    form = AssignForm(request.POST)
    if not form.is_valid():
        for name, errors in form.errors.items():
            messages.error(request, f"{form.fields[name].label}: {' '.join(map(str, errors))}")
        return _back(asset)
    asked = form.cleaned_data
    try:
        collaboration.assign(
            [asset],
            to=asked["assignee"],
            task=asked["task"],
            due_on=asked["due_on"],
            actor=signed_in(request),
        )
    except collaboration.NotTaken as error:
        messages.error(request, str(error))
    else:
        messages.success(request, _("Assigned to %(user)s.") % {"user": asked["assignee"]})
    return _back(asset)


@require_POST
def finish(request: HttpRequest, number: int) -> HttpResponse:
    """Say that it is done."""
    user = signed_in(request)
    rows = Assignment.objects.filter(asset__in=Asset.objects.visible_to(user)).select_related("asset")
    assignment = get_object_or_404(rows, pk=number)
    if collaboration.finish(assignment, actor=user):
        messages.success(request, _("Done: %(task)s") % {"task": assignment.task})
    if request.POST.get("from") == "work":
        return redirect("admin:dam_my_work")
    return _back(assignment.asset)


@require_GET
def my_work(request: HttpRequest) -> HttpResponse:
    """What the account is asked to do, and what it is told."""
    user = signed_in(request)
    news = list(notices.unread(user)[: SHOWN_NEWS + 1])
    context = {
        **admin.site.each_context(request),
        "title": _("My work"),
        "assignments": list(collaboration.open_for(user)[:SHOWN]),
        "news": [(notice, notices.sentence(notice)) for notice in news[:SHOWN_NEWS]],
        "more_news": len(news) > SHOWN_NEWS,
    }
    return render(request, "dam/my_work.html", context)


@require_POST
def read_news(request: HttpRequest) -> HttpResponse:
    """One notice counts as read, or all."""
    keys = [int(key) for key in request.POST.getlist("notice") if is_key(key)]
    notices.mark_read(signed_in(request), keys or None)
    return redirect("admin:dam_my_work")


def _back(asset: Asset) -> HttpResponse:
    return redirect("admin:dam_asset_change", asset.pk)
