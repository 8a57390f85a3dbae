"""Collections in the admin."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.forms import ModelForm
from django.http import HttpRequest

from dam.admin.organiser import OrganiserAdmin
from dam.models import Collection, CollectionItem
from dam.people import signed_in


@admin.register(Collection)
class CollectionAdmin(OrganiserAdmin):
    through, link, asset_filter = CollectionItem, "collection", "collections__id__exact"
    list_display = ("name", "name_zh", "pictures", "asset_count", "owner", "shared_until")
    list_select_related = ("owner",)
    search_fields = ("name", "name_zh", "description")
    fields = (("name", "name_zh"), "description", "shared_until")

    def save_model(self, request: HttpRequest, obj: Collection, form: ModelForm, change: Any) -> None:
        if not change:
            obj.owner = signed_in(request)
        super().save_model(request, obj, form, change)
