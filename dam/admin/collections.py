"""Collections in the admin."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path, reverse
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from dam import editing
from dam.admin import share_links
from dam.admin.organiser import SHOWN_PICTURES, OrganiserAdmin
from dam.forms import CollectionForm, collections_of
from dam.keys import is_key
from dam.models import Asset, Collection, CollectionItem
from dam.people import signed_in


@admin.register(Collection)
class CollectionAdmin(OrganiserAdmin):
    form = CollectionForm
    change_form_outer_after_template = "dam/collection_after.html"
    through, link, asset_filter = CollectionItem, "collection", "collection"
    list_display = ("name", "name_zh", "pictures", "asset_count", "owner")
    list_select_related = ("owner",)
    search_fields = ("name", "name_zh", "description")
    fields = (("name", "name_zh"), "description")
    when_empty = gettext_lazy(
        "A collection holds assets that belong together, in an order, and can be shared by a link."
    )

    def shown_to(self, user: User) -> QuerySet[Collection]:
        return collections_of(user)

    def shown_assets(self, pk: int, user: User) -> QuerySet[Asset]:
        """In the order of the collection."""
        assets = Asset.objects.visible_to(user).filter(collection_links__collection=pk)
        ordered = assets.order_by("collection_links__position", "collection_links__pk")
        return ordered.select_related("current")[:SHOWN_PICTURES]

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        context = dict(extra_context or {})
        if object_id and self.has_change_permission(request):
            context["remove_url"] = reverse("admin:dam_collection_remove", args=(object_id,))
        if object_id and is_key(object_id):
            collection = Collection.objects.filter(pk=object_id).first()
            context |= share_links.context_for(collection, request) if collection else {}
        return super().changeform_view(request, object_id, form_url, context)

    def save_model(self, request: HttpRequest, obj: Collection, form: ModelForm, change: Any) -> None:
        if not change:
            obj.owner = signed_in(request)
        super().save_model(request, obj, form, change)

    def get_urls(self) -> list[URLPattern]:
        guard = self.admin_site.admin_view
        return [
            path("<int:key>/links/", guard(self.share_view), name="dam_collection_share"),
            path(
                "<int:key>/links/<int:number>/revoke/",
                guard(self.unshare_view),
                name="dam_collection_unshare",
            ),
            path("<path:object_id>/remove/", guard(self.remove_view), name="dam_collection_remove"),
            *super().get_urls(),
        ]

    def share_view(self, request: HttpRequest, key: int) -> HttpResponse:
        """A new link to the collection."""
        return share_links.create(request, get_object_or_404(Collection, pk=key))

    def unshare_view(self, request: HttpRequest, key: int, number: int) -> HttpResponse:
        """An end to a link."""
        return share_links.revoke(request, get_object_or_404(Collection, pk=key), number)

    @method_decorator(require_POST)
    def remove_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Take the chosen pictures out of the collection."""
        if not self.has_change_permission(request):
            raise PermissionDenied
        collection = get_object_or_404(Collection, pk=object_id)
        chosen = Asset.objects.filter(public_id__in=request.POST.getlist("assets"))
        removed = editing.remove_from_collection(collection, chosen, actor=signed_in(request))
        messages.success(request, _("Taken out of the collection: %(count)d.") % {"count": removed})
        return redirect("admin:dam_collection_change", collection.pk)
