"""SKUs in the admin."""

from __future__ import annotations

from django.contrib import admin

from dam.admin.organiser import OrganiserAdmin
from dam.forms import SKUForm
from dam.models import SKU, AssetSKU


@admin.register(SKU)
class SKUAdmin(OrganiserAdmin):
    through, link, asset_filter = AssetSKU, "sku", "skus__id__exact"
    list_display = ("code", "name", "name_zh", "pictures", "asset_count", "created")
    search_fields = ("code", "name", "name_zh")
    form = SKUForm
    fields = ("code", ("name", "name_zh"), "attributes")
