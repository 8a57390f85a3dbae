"""Deeds on the assets chosen in the list."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from dam import editing, organising
from dam.admin import bulk_edits
from dam.admin.verbs import VERBS, Verb
from dam.bulk_edits import Change
from dam.forms import AddTagsForm, AddToCollectionForm
from dam.models import Asset, Collection
from dam.people import signed_in
from dam.roles import role_of

AT_ONCE = 500  # more than so many go by a bulk edit, in the background
Action = Callable[[Any, HttpRequest, QuerySet[Asset]], HttpResponse | None]


def actions(user: User, *, in_trash: bool) -> dict[str, tuple[Action, str, Any]]:
    """What the list offers, in the form in which Django's admin keeps actions."""
    offered: dict[str, tuple[Action, str, Any]] = {
        verb.name: (_for_all(verb), verb.name, verb.label)
        for verb in VERBS.values()
        if (verb.to is None) == in_trash and verb.is_ever_open_to(role_of(user))
    }
    if not in_trash:
        offered["add_to_collection"] = (
            add_to_collection,
            "add_to_collection",
            gettext_lazy("Add to a collection"),
        )
        offered["add_tags"] = (add_tags, "add_tags", gettext_lazy("Add tags"))
        offered["edit"] = (bulk_edits.ask, "edit", gettext_lazy("Edit …"))
    return offered


def _for_all(verb: Verb) -> Action:
    def run(model_admin: Any, request: HttpRequest, chosen: QuerySet[Asset]) -> HttpResponse | None:
        actor = signed_in(request)
        if verb.to is not None and len(chosen.order_by().values_list("pk")[: AT_ONCE + 1]) > AT_ONCE:
            return bulk_edits.begin(request, chosen, Change(state=verb.to))
        moved = verb.run(verb.among(chosen, actor), actor)
        messages.success(request, verb.told(moved))
        if left := chosen.count() - moved:
            messages.warning(
                request,
                ngettext(
                    "%(count)d asset stayed as it is: its state or your role does not allow this.",
                    "%(count)d assets stayed as they are: their state or your role does not allow this.",
                    left,
                )
                % {"count": left},
            )
        return None

    return run


def add_to_collection(model_admin: Any, request: HttpRequest, chosen: QuerySet[Asset]) -> HttpResponse | None:
    """Ask for the collection, then put the chosen assets into it."""
    given = request.POST if "confirmed" in request.POST else None
    form = AddToCollectionForm(given, user=signed_in(request))
    if not form.is_valid():
        return _ask(model_admin, request, chosen, form, _("Add to a collection"))
    collection = form.cleaned_data["collection"]
    if collection is None:
        collection = Collection(name=form.cleaned_data["new_collection"], owner=signed_in(request))
        organising.save(collection, actor=signed_in(request))
    added = editing.add_to_collection(collection, chosen, actor=signed_in(request))
    messages.success(request, _("Added to “%(name)s”: %(count)d.") % {"name": collection, "count": added})
    return None


def add_tags(model_admin: Any, request: HttpRequest, chosen: QuerySet[Asset]) -> HttpResponse | None:
    """Ask for the tags, then give them to the chosen assets."""
    form = AddTagsForm(request.POST if "confirmed" in request.POST else None)
    if not form.is_valid():
        return _ask(model_admin, request, chosen, form, _("Add tags"))
    tagged = editing.update_assets(
        chosen, actor=signed_in(request), changes={}, add_tags=form.cleaned_data["tags"]
    )
    messages.success(request, _("Tagged: %(count)d.") % {"count": tagged})
    return None


def _ask(
    model_admin: Any, request: HttpRequest, chosen: QuerySet[Asset], form: Form, title: str
) -> TemplateResponse:
    """A page between choosing and doing."""
    context = {
        **model_admin.admin_site.each_context(request),
        "title": title,
        "opts": model_admin.opts,
        "form": form,
        "action": request.POST["action"],
        "index": request.POST.get("index", "0"),
        "select_across": request.POST.get("select_across", "0"),
        "selected": request.POST.getlist(ACTION_CHECKBOX_NAME),
        "chosen": chosen[:12],
        "count": chosen.count(),
    }
    return TemplateResponse(request, "dam/ask.html", context)
