"""SKUs in the admin."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import URLPattern, path
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import TextFilter
from unfold.decorators import display

from dam import organising
from dam.admin.coverage import coverage_page
from dam.admin.organiser import OrganiserAdmin
from dam.admin.sku_tables import export_view, sync_page
from dam.articles import split_attribute, text_of
from dam.coverage import counted, rows_of
from dam.forms import SKUForm
from dam.keys import is_key
from dam.models import SKU, Asset, AssetSKU
from dam.models.organisation import SKUQuerySet
from dam.people import signed_in
from dam.roles import sees_library


class AttributeFilter(TextFilter):
    """One attribute, written as in the API: “colour:navy”, or “colour” for any."""

    title, parameter_name = _("attribute (name:value)"), "attribute"

    def queryset(self, request: HttpRequest, queryset: QuerySet[SKU]) -> QuerySet[SKU]:
        wanted = (self.value() or "").strip()
        if not wanted or not isinstance(queryset, SKUQuerySet):
            return queryset
        try:
            return queryset.with_attribute(*split_attribute(wanted))
        except ValidationError as error:
            messages.error(request, error.messages[0])
            return queryset.none()


@admin.register(SKU)
class SKUAdmin(OrganiserAdmin):
    through, link, asset_filter = AssetSKU, "sku", "skus__id__exact"
    list_display = ("code", "name", "name_zh", "parent", "said", "status", "pictures", "asset_count")
    list_select_related = ("parent",)
    list_filter = ("status", AttributeFilter)
    list_filter_submit = True
    search_fields = ("code", "name", "name_zh", "=barcode")
    autocomplete_fields = ("parent",)
    form = SKUForm
    change_form_outer_after_template = "dam/sku_page.html"
    fields = (("code", "barcode"), ("name", "name_zh"), ("parent", "status"), "attributes")

    class Media:
        js = ("atelier/panels.js",)

    def shown_to(self, user: User) -> QuerySet[SKU]:
        return organising.shown_to(user, SKU, "skus")

    @display(description=_("attributes"))
    def said(self, sku: SKU) -> str:
        return ", ".join(f"{name}: {text_of(value)}" for name, value in sku.attributes.items())

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        """With what it has pictures of, and its variants."""
        context = dict(extra_context or {})
        if object_id and is_key(object_id) and (sku := SKU.objects.filter(pk=object_id).first()):
            user = signed_in(request)
            links = counted().filter(asset__in=Asset.objects.visible_to(user))
            variants = organising.shown_to(user, SKU, "skus").filter(parent=sku).order_by("code")
            context |= {"coverage": rows_of([sku], links=links)[0], "variants": variants}
        return super().changeform_view(request, object_id, form_url, context)

    def get_urls(self) -> list[URLPattern]:
        guard = self.admin_site.admin_view
        return [
            path("coverage/", guard(self.coverage_view), name="dam_sku_coverage"),
            path("sync/", guard(self.sync_view), name="dam_sku_sync"),
            path("export/", guard(self.export_view), name="dam_sku_export"),
            *super().get_urls(),
        ]

    def coverage_view(self, request: HttpRequest) -> HttpResponse:
        """It shows pictures of every state and owner, so it is for those who see the library."""
        if not self.has_view_permission(request) or not sees_library(request.user):
            raise PermissionDenied
        return coverage_page(request, self.admin_site)

    def sync_view(self, request: HttpRequest) -> HttpResponseBase:
        if not self.has_change_permission(request):
            raise PermissionDenied
        return sync_page(request, self.admin_site)

    def export_view(self, request: HttpRequest) -> HttpResponseBase:
        """Every SKU there is, so it is for those who see the library."""
        if not self.has_view_permission(request) or not sees_library(request.user):
            raise PermissionDenied
        return export_view(request)
