"""The audit log in the admin: to read, never to write."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.decorators import display
from unfold.views import ChangeList

from dam.admin.changelist import PlainChangeList
from dam.models import Asset, AuditEntry


@admin.register(AuditEntry)
class AuditEntryAdmin(ModelAdmin):
    list_display = ("at", "actor", "action", "target_type", "target", "details_line")
    list_filter = ("action", "target_type")
    list_select_related = ("actor",)
    search_fields = ("target_id", "action", "actor__username")
    search_help_text = _("Id, action or user")
    list_per_page = list_max_show_all = 100
    show_full_result_count = False
    fields = readonly_fields = ("at", "actor", "action", "target_type", "target", "details")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return PlainChangeList

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @display(description=_("target"))
    def target(self, entry: AuditEntry) -> str:
        """The thing itself where it has a page that its id leads to."""
        if entry.target_type != Asset._meta.model_name:
            return entry.target_id
        url = reverse("admin:dam_asset_change", args=(entry.target_id,))
        return format_html('<a class="at-link" href="{}">{}</a>', url, entry.target_id)

    @display(description=_("details"))
    def details_line(self, entry: AuditEntry) -> str:
        return ", ".join(f"{name}: {value}" for name, value in entry.details.items())[:160]
