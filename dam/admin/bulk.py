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
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from dam import editing, field_rules, organising, workflow
from dam.admin import bulk_edits, trashing
from dam.admin.verbs import VERBS, Verb
from dam.bulk_edits import Change
from dam.field_rules import Rules
from dam.forms import AddTagsForm, AddToCollectionForm, LinkSKUForm
from dam.models import Asset, AssetState, Collection
from dam.packing import MOST_AT_ONCE, archive_response
from dam.people import signed_in
from dam.roles import role_of

MOST = 10_000  # assets that are changed while somebody waits
AT_ONCE = 500  # more than so many go by a bulk edit, in the background
Action = Callable[[Any, HttpRequest, QuerySet[Asset]], HttpResponseBase | None]


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
        offered["link_sku"] = (link_sku, "link_sku", gettext_lazy("Link to a SKU"))
        offered["download"] = (download, "download", gettext_lazy("Download"))
        offered["edit"] = (bulk_edits.ask, "edit", gettext_lazy("Edit …"))
    return offered


def _for_all(verb: Verb) -> Action:
    def run(model_admin: Any, request: HttpRequest, chosen: QuerySet[Asset]) -> HttpResponse | None:
        actor = signed_in(request)
        if verb.to == AssetState.TRASHED and (page := _asked_first(model_admin, request, chosen, verb)):
            return page
        if verb.to is not None and _more_than(chosen, AT_ONCE):
            return bulk_edits.begin(request, chosen, Change(state=verb.to))
        reached = list(verb.among(chosen, actor))
        left = chosen.count() - len(reached)  # asked now: a filter by state holds no longer afterwards
        lacking = field_rules.without_fields(reached, verb.to or "")
        able = [asset for asset in reached if not lacking or asset.pk not in lacking[1]]
        do_verb(request, verb, able)
        if lacking:
            _tell_lacking(request, reached, *lacking)
        if left:
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


def _asked_first(
    model_admin: Any, request: HttpRequest, chosen: QuerySet[Asset], verb: Verb
) -> HttpResponse | None:
    """The page that says by what those are used that would go."""
    fields = ("action", "index", "select_across")
    hidden = {name: request.POST[name] for name in fields if name in request.POST}
    going = verb.among(chosen, signed_in(request))
    return trashing.asked_first(model_admin.admin_site, request, going, **hidden)


def do_verb(request: HttpRequest, verb: Verb, assets: list[Asset]) -> None:
    """Do it and say so; what comes out of the trash as a draft is told apart.

    Raises:
        Incomplete: one of them lacks what the state asks for.
        NotPermitted: one of them is not the actor's to move.
    """
    rules, lacking = field_rules.lacking_for_return(assets) if verb.to is None else (None, {})
    messages.success(request, verb.told(verb.run(assets, signed_in(request))))
    if rules and lacking:
        sentence = ngettext(
            "%(count)d of them came back as a draft, since required fields are empty: “%(title)s” lacks "
            "%(fields)s.",
            "%(count)d of them came back as drafts, since required fields are empty; “%(title)s”, for one, "
            "lacks %(fields)s.",
            len(lacking),
        )
        messages.warning(request, sentence % _first_of(assets, rules, lacking))


def _tell_lacking(
    request: HttpRequest, assets: list[Asset], rules: Rules, missing: dict[int, list[str]]
) -> None:
    sentence = ngettext(
        "%(count)d asset stayed as it is, since required fields are empty: “%(title)s” lacks %(fields)s.",
        "%(count)d assets stayed as they are, since required fields are empty; “%(title)s”, for one, lacks "
        "%(fields)s.",
        len(missing),
    )
    messages.warning(request, sentence % _first_of(assets, rules, missing))


def _first_of(assets: list[Asset], rules: Rules, missing: dict[int, list[str]]) -> dict[str, Any]:
    """How many lack something, and what the first of them lacks."""
    first = next(asset for asset in assets if asset.pk in missing)
    return {"count": len(missing), "title": first.display_title, "fields": rules.labels(missing[first.pk])}


def too_many(chosen: QuerySet[Asset]) -> str:
    """Why these are too many to be done while somebody waits; empty where they are not."""
    if not _more_than(chosen, MOST):
        return ""
    return _(
        "More than %(most)d assets are chosen, too many for this at once. Narrow the list by a filter and do "
        "it in parts; the trash as a whole is emptied by its own button."
    ) % {"most": MOST}


def _more_than(chosen: QuerySet[Asset], number: int) -> bool:
    return len(chosen.order_by().values_list("pk", flat=True)[: number + 1]) > number


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
    given = request.POST if "confirmed" in request.POST else None
    form = AddTagsForm(given, user=signed_in(request))
    if not form.is_valid():
        return _ask(model_admin, request, chosen, form, _("Add tags"))
    if _more_than(chosen, AT_ONCE):
        change = Change(add_tags=form.cleaned_data["tags"])
        return bulk_edits.begin(request, chosen, change)
    tagged = editing.update_assets(
        chosen, actor=signed_in(request), changes={}, add_tags=form.cleaned_data["tags"]
    )
    messages.success(request, _("Tagged: %(count)d.") % {"count": tagged})
    return None


def link_sku(model_admin: Any, request: HttpRequest, chosen: QuerySet[Asset]) -> HttpResponse | None:
    """Ask for the SKU and the role, then say that the chosen assets show it."""
    given = request.POST if "confirmed" in request.POST else None
    form = LinkSKUForm(given, user=signed_in(request))
    if not form.is_valid():
        return _ask(model_admin, request, chosen, form, _("Link to a SKU"))
    sku = form.cleaned_data["sku"]
    try:
        count = editing.link_assets(sku, chosen, form.cleaned_data["role"], actor=signed_in(request))
    except workflow.NotPermitted as error:
        messages.error(request, str(error))
    else:
        messages.success(request, _("Linked to “%(code)s”: %(count)d.") % {"code": sku.code, "count": count})
    return None


def download(model_admin: Any, request: HttpRequest, chosen: QuerySet[Asset]) -> HttpResponseBase | None:
    """The originals of the chosen assets as one zip."""
    if _more_than(chosen, MOST_AT_ONCE):
        sentence = _("More than %(most)s files are too many for one archive. Choose fewer.")
        messages.error(request, sentence % {"most": f"{MOST_AT_ONCE:,}"})
        return None
    assets = list(chosen.select_related("current"))
    if not assets:
        return None  # gone meanwhile, or never shown to this account
    name = f"atelier-{timezone.localdate():%Y-%m-%d}"
    return archive_response(assets, signed_in(request), name)


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
