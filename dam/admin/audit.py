"""The audit log in the admin: to read, never to write."""

from __future__ import annotations

import json
import re
from typing import Any

from django.apps import apps
from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ERROR_FLAG
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.template.loader import render_to_string
from django.urls import URLPattern, path, reverse
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.contrib.filters.admin import AutocompleteSelectFilter, RangeDateFilter
from unfold.decorators import display
from unfold.views import ChangeList

from dam.admin.changelist import KeyedChangeList
from dam.audit_export import audit_download
from dam.models import SKU, Asset, AuditEntry, Collection, Tag
from dam.roles import Role, has_role

ACTION = re.compile(r"[a-z_]+\.[a-z_]*", re.IGNORECASE)
# What editors see all of, and so may read who did what to it.
OF_THE_LIBRARY = (Asset, Collection, SKU, Tag)


class TargetedChangeList(KeyedChangeList):
    """Entries that carry the asset they are about, fetched together."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        entries: list[Any] = self.result_list
        of_assets = [entry for entry in entries if entry.target_type == Asset._meta.model_name]
        ids = {entry.target_id for entry in of_assets}
        assets = Asset.objects.filter(public_id__in=ids).select_related("current")
        by_id = {str(asset.public_id): asset for asset in assets}
        for entry in of_assets:
            entry.asset = by_id.get(entry.target_id)


@admin.register(AuditEntry)
class AuditEntryAdmin(ModelAdmin):
    list_display = ("at", "actor", "action", "kind", "target", "details_line")
    # Offering every action that occurs would read the whole log; words find them.
    list_filter = (("at", RangeDateFilter), ("actor", AutocompleteSelectFilter))
    list_filter_submit = True
    list_select_related = ("actor",)
    change_list_template = "admin/dam/auditentry/change_list.html"
    search_fields = ("target_id",)  # says that there is a search; `get_search_results` is it
    search_help_text = _("Id, action or user")
    sortable_by = ()
    when_empty = _("Everything that somebody changes is written down here, and stays.")
    list_per_page = list_max_show_all = 100
    show_full_result_count = False
    fields = readonly_fields = ("at", "actor", "action", "kind", "target", "details")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return TargetedChangeList

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[AuditEntry], search_term: str
    ) -> tuple[QuerySet[AuditEntry], bool]:
        """The beginning of an action (they have a dot), a user, or an id, slug or code; one of them, since
        no index serves them together."""
        word = search_term.strip()
        if not word:
            return queryset, False
        if ACTION.fullmatch(word):
            return queryset.filter(action__startswith=word.lower()), False
        if people := list(User.objects.filter(username__iexact=word)[:10]):
            return queryset.filter(actor__in=people), False
        return queryset.filter(target_id=word), False

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """With the way to take out what is on show, for those who may."""
        context = dict(extra_context or {})
        if has_role(request.user, Role.ADMINISTRATOR):
            context["export_url"] = f"{reverse('admin:dam_auditentry_export')}?{request.GET.urlencode()}"
        return super().changelist_view(request, context)

    def get_urls(self) -> list[URLPattern]:
        guard = self.admin_site.admin_view
        return [path("export/", guard(self.export_view), name="dam_auditentry_export"), *super().get_urls()]

    def export_view(self, request: HttpRequest) -> HttpResponseBase:
        """What the list shows under its filters, on all its pages."""
        if not has_role(request.user, Role.ADMINISTRATOR):
            raise PermissionDenied
        try:
            shown = self.get_changelist_instance(request)
        except IncorrectLookupParameters:
            return redirect(f"{reverse('admin:dam_auditentry_changelist')}?{ERROR_FLAG}=1")
        return audit_download(shown.queryset)

    def get_queryset(self, request: HttpRequest) -> QuerySet[AuditEntry]:
        """Of other things than the library's, and of what people keep for themselves, administrators read."""
        entries = super().get_queryset(request)
        if has_role(request.user, Role.ADMINISTRATOR):
            return entries
        return entries.filter(target_type__in=[kind._meta.model_name for kind in OF_THE_LIBRARY])

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return has_role(request.user, Role.EDITOR) and super().has_view_permission(request, obj)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @display(description=_("type"))
    def kind(self, entry: AuditEntry) -> str:
        """What it is, as people call it; the log has the model's name."""
        named = {model._meta.model_name: model._meta.verbose_name for model in apps.get_models()}
        return capfirst(str(named.get(entry.target_type, entry.target_type)))

    @display(description=_("target"))
    def target(self, entry: AuditEntry) -> str:
        """The thing itself where it is there to be opened, otherwise the id that it had."""
        asset = getattr(entry, "asset", None)
        if asset is None:
            return entry.target_id
        return render_to_string("dam/row_asset.html", {"asset": asset})

    @display(description=_("details"))
    def details_line(self, entry: AuditEntry) -> str:
        """What fits into a line; checksums are for the entry's own page."""
        details = {name: value for name, value in entry.details.items() if name != "sha256"}
        before, after = details.get("before"), details.get("after")
        shown = []
        if isinstance(before, dict) and isinstance(after, dict):
            del details["before"], details["after"]
            shown = [f"{name}: {_said(before.get(name))} → {_said(after[name])}" for name in after]
        shown += [f"{name}: {_said(value)}" for name, value in details.items()]
        return ", ".join(shown)[:160]


def _said(value: Any) -> str:
    """A value of the log as people write it."""
    if value in (None, "", [], {}):
        return "–"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
