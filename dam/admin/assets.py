"""Assets in the admin: the grid, the page of one asset, and the deeds done there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, BinaryIO, cast
from uuid import UUID

from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Q, QuerySet
from django.forms import BaseModelFormSet, Field, ModelForm
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path
from django.utils.decorators import method_decorator
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import display
from unfold.views import ChangeList

from dam import (
    custom_fields,
    custom_forms,
    editing,
    field_rules,
    from_file,
    territories,
    usage,
    versions,
    words,
    workflow,
)
from dam.admin import alt_suggestions, asset_page, browse, bulk, filters, talk, trashing
from dam.admin.changelist import LibraryChangeList
from dam.admin.metadata_panel import field_label
from dam.admin.metadata_tables import table_page
from dam.admin.upload import upload_page
from dam.admin.verbs import VERBS
from dam.admin.version_page import compare_page
from dam.custom_values import Fields
from dam.errors import IngestError
from dam.exports import metadata_table
from dam.field_rules import Incomplete
from dam.forms import AssetForm
from dam.models import Asset, AssetSKU, AssetState, AssetVersion, on_storefront
from dam.people import signed_in
from dam.roles import Role, has_role, sees_library
from dam.table_downloads import table_download

VIEWS = ("grid", "list")
IN_THE_REQUEST = ("restore", "add_to_collection", "delete_selected")  # the other deeds go to the background
RIGHTS = (
    ("rights_holder", "licence"),
    ("credit", "territories"),
    "rights_expire_on",
    ("model_release", "release_expires_on"),
)
READ_RIGHTS = (RIGHTS[0], ("credit", "territory_names"), *RIGHTS[2:])
REFUSAL = "_refusal"  # on a request: why the verb did not take what was sent


class AssetSKUInline(TabularInline):
    """The SKUs that the asset shows, each in its role."""

    model = AssetSKU
    extra = 0
    autocomplete_fields = ("sku",)
    verbose_name = gettext_lazy("SKU")
    verbose_name_plural = gettext_lazy("SKUs")
    hide_title = True


@admin.register(Asset)
class AssetAdmin(ModelAdmin):
    form = AssetForm
    list_display = (
        "picture",
        "display_title",
        "kind_label",
        "state_label",
        "file_facts",
        "tag_list",
        "created",
    )
    list_display_links = ("picture", "display_title")
    list_filter = (
        filters.StateFilter,
        filters.KindFilter,
        filters.OriginFilter,
        filters.MakingFilter,
        filters.ColourFilter,
        ("tags", filters.TagFilter),
        ("skus", filters.CompletedFilter),
        filters.CollectionFilter,
        filters.CreatedFilter,
        filters.RightsFilter,
        filters.ArrivedFilter,
    )
    list_per_page = list_max_show_all = 60
    show_full_result_count = False
    compressed_fields = False
    search_fields = ("words__words",)  # says that there is a search; `get_search_results` is it
    sortable_by = ()  # headings would sort by page number; the menu of orders pages by key
    search_help_text = gettext_lazy("Title, SKU, tag or file name")
    autocomplete_fields = ("tags",)
    inlines = (AssetSKUInline,)
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("title", "title_zh"),
                    ("kind", "state"),
                    "tags",
                    ("alt_text", "alt_text_zh"),
                    ("description", "description_zh"),
                )
            },
        ),
        (
            gettext_lazy("Rights"),
            {
                "classes": ("rights",),
                "fields": RIGHTS,
            },
        ),
        (
            gettext_lazy("Focal point"),
            {
                "classes": ("focal-point",),
                "fields": (("focal_x", "focal_y"),),
                "description": gettext_lazy(
                    "Click the picture to set the point that every crop must keep, or move the point with "
                    "the arrow keys (with Shift: in larger steps)."
                ),
            },
        ),
    )
    change_form_template = "admin/dam/asset/change_form.html"

    # The list

    def get_list_filter(self, request: HttpRequest) -> Any:
        """Also one for each of the library's own fields with choices, and what is incomplete."""
        if not hasattr(request, "_own_filters"):
            request._own_filters = filters.own_filters(  # type: ignore[attr-defined]
                _custom_fields(request), request.GET
            )
        return (*super().get_list_filter(request), *request._own_filters)  # type: ignore[attr-defined]

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return LibraryChangeList

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Asset], search_term: str
    ) -> tuple[QuerySet[Asset], bool]:
        """By the words of `dam.words`, or by the id that other pages show."""
        if not search_term.strip():
            return queryset, False
        try:
            return queryset.filter(public_id=UUID(search_term.strip())), False
        except ValueError:
            return queryset.filter(pk__in=words.having(search_term, request.user).values("asset_id")), False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Asset]:
        """What the account may open, and what of it lies in the trash."""
        user = signed_in(request)
        shown = super().get_queryset(request).with_listing()
        if sees_library(user):
            return shown
        return shown.filter(Q(owner=user) | on_storefront())

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Grid or list: the choice is remembered for the session."""
        query = request.GET.copy()
        chosen = query.pop("view", [""])[-1]
        if chosen in VIEWS:
            request.session["asset_view"] = chosen
            return redirect(f"{request.path}?{query.urlencode()}")
        shown = request.session.get("asset_view", VIEWS[0])
        context = {
            "asset_view": shown,
            "saved_searches": browse.searches_of(request),
            "may_share": has_role(request.user, Role.EDITOR),
            "in_trash": request.GET.get("state") == AssetState.TRASHED,
            "may_empty_trash": has_role(request.user, workflow.DELETING),
            "trash_days": settings.DAM_TRASH_DAYS,
        }
        return super().changelist_view(request, {**context, **(extra_context or {})})

    @display(description=gettext_lazy("picture"))
    def picture(self, asset: Asset) -> SafeString:
        return asset_page.render_picture(asset)

    @display(description=gettext_lazy("title"), ordering="title")
    def display_title(self, asset: Asset) -> str:
        return asset.display_title

    @display(description=gettext_lazy("kind"), ordering="kind")
    def kind_label(self, asset: Asset) -> str:
        return asset.get_kind_display()

    @display(
        description=gettext_lazy("state"),
        ordering="state",
        label={
            AssetState.APPROVED: "success",
            AssetState.IN_REVIEW: "warning",
            AssetState.REJECTED: "danger",
            AssetState.DRAFT: "info",
            AssetState.ARCHIVED: "",
            AssetState.TRASHED: "",
        },
    )
    def state_label(self, asset: Asset) -> tuple[str, str]:
        return asset.state, asset.get_state_display()

    @display(description=gettext_lazy("file"))
    def file_facts(self, asset: Asset) -> str:
        return asset_page.file_line(asset.current) if asset.current else ""

    @display(description=gettext_lazy("tags"))
    def tag_list(self, asset: Asset) -> str:
        return ", ".join(str(tag) for tag in asset.tags.all())

    @display(description=gettext_lazy("values"))
    def own_values(self, asset: Asset) -> SafeString:
        """The library's own fields, for those who may read them only."""
        return format_html_join(format_html("<br>"), "{}: {}", asset_page.own_facts(asset))

    @display(description=gettext_lazy("territories"))
    def territory_names(self, asset: Asset) -> str:
        """Where it may be used, for those who may read it only."""
        return territories.names_of(asset.territories) or _("everywhere")

    # Deeds on chosen assets

    def get_actions(self, request: HttpRequest) -> dict[str, tuple[Callable, str, Any]]:
        """The library's verbs; in the trash, restoring and deleting for good."""
        in_trash = request.GET.get("state") == AssetState.TRASHED
        offered = super().get_actions(request)
        delete_selected = offered.pop("delete_selected", None)
        if self.has_change_permission(request):
            offered |= bulk.actions(signed_in(request), in_trash=in_trash)
        if in_trash and delete_selected and has_role(request.user, workflow.DELETING):
            offered["delete_selected"] = (*delete_selected[:2], _("Delete for good"))
        return offered

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Asset]) -> None:
        editing.delete_forever(queryset.filter(state=AssetState.TRASHED), actor=signed_in(request))

    # The page of one asset

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Asset | None:
        """By key, or by public id, which is what other pages and the API know."""
        try:
            public_id = UUID(object_id)
        except ValueError:
            return super().get_object(request, object_id, from_field)
        return self.get_queryset(request).filter(public_id=public_id).first()

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Editors change all, contributors their own; what lies in the trash is restored first."""
        if isinstance(obj, Asset) and (obj.is_trashed or not workflow.may_change(signed_in(request), obj)):
            return False
        return super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Into the trash by the workflow; out of it for good by administrators."""
        if isinstance(obj, Asset):
            actor = signed_in(request)
            allowed = (
                has_role(actor, workflow.DELETING)
                if obj.is_trashed
                else workflow.may_step(actor, obj, AssetState.TRASHED)
            )
            return allowed and super().has_delete_permission(request, obj)
        return super().has_delete_permission(request, obj)

    def formfield_for_choice_field(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field = super().formfield_for_choice_field(db_field, request, **kwargs)
        if db_field.name == "state":  # the trash is entered by deleting
            field.choices = [choice for choice in field.choices if choice[0] != AssetState.TRASHED]
        return field

    def get_fieldsets(self, request: HttpRequest, obj: Asset | None = None) -> Any:
        """The library's own fields stand between the words and the rights."""
        words, rights, *others = super().get_fieldsets(request, obj)
        own: tuple[str, ...] = ()
        if obj is not None and self.has_change_permission(request, obj):
            own = tuple(custom_forms.form_fields(obj, _custom_fields(request)))
        else:
            own = ("own_values",) if obj is not None and obj.custom else ()
            rights = (rights[0], {**rights[1], "fields": READ_RIGHTS})
            others = [(title, {**options, "description": ""}) for title, options in others]
        section = [(_("More fields"), {"fields": own, "classes": ("more-fields",)})] if own else []
        return (words, *section, rights, *others)

    def get_form(self, request: HttpRequest, obj: Asset | None = None, **kwargs: Any) -> Any:
        """The library's own fields, marks at those that rules ask for, and the states that this account may
        move this asset into."""
        if obj is not None and self.has_change_permission(request, obj):
            own = {
                "custom_fields": _custom_fields(request),
                "refusal": getattr(request, REFUSAL, ""),
                **custom_forms.form_fields(obj, _custom_fields(request)),
            }
            kwargs["form"] = type("AssetForm", (self.form,), own)
        form = super().get_form(request, obj, **kwargs)
        if obj is not None:
            _mark_required(form.base_fields, obj)
        if obj is not None and "state" in form.base_fields:
            possible = {obj.state, *workflow.next_states(signed_in(request), obj)}
            field = form.base_fields["state"]
            field.choices = [choice for choice in field.choices if choice[0] in possible]
        return form

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        context = {"show_save_and_add_another": False, **(extra_context or {})}
        try:
            return super().changeform_view(request, object_id, form_url, context)
        except Incomplete as error:  # nothing was written; the form comes again with all that was typed
            setattr(request, REFUSAL, str(error))
            return super().changeform_view(request, object_id, form_url, context)

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        *args: Any,
        obj: Asset | None = None,
        **kwargs: Any,
    ) -> HttpResponse:
        """Around the form stands the asset as it is, also where the form comes again with what is wrong."""
        asset = self.get_object(request, str(obj.pk)) if obj is not None else None
        if asset:
            context |= asset_page.context_for(asset, signed_in(request))
            context["show_delete"] = asset.is_trashed  # others have a button that moves them there
        return super().render_change_form(request, context, *args, obj=obj, **kwargs)

    def save_model(self, request: HttpRequest, obj: Asset, form: ModelForm, change: Any) -> None:
        """Write through the verb, in the transaction that Django's admin has opened."""
        changed = set(form.changed_data)
        changes = {name: form.cleaned_data[name] for name in changed - {"tags", "state"}}
        tags = set(form.cleaned_data["tags"]) if "tags" in changed else set()
        before = set(form.initial.get("tags", ())) if "tags" in changed else set()
        if "state" in changed and field_rules.is_step_back(form.initial["state"], obj.state):
            editing.set_state(Asset.objects.filter(pk=obj.pk), actor=signed_in(request), state=obj.state)
        if changes or tags != before:
            editing.update_assets(
                Asset.objects.filter(pk=obj.pk),
                actor=signed_in(request),
                changes=changes,
                add_tags=sorted(tag.slug for tag in tags - before),
                remove_tags=sorted(tag.slug for tag in before - tags),
            )

    def save_related(
        self, request: HttpRequest, form: ModelForm, formsets: list[BaseModelFormSet], change: Any
    ) -> None:
        """Tags are saved with the asset; the SKUs of the inline are linked by the verb. Last comes the state:
        what it asks for may just have been filled."""
        asset, actor = form.instance, signed_in(request)
        for formset in formsets:
            formset.save(commit=False)  # fills in what was changed, for Django's own log
            before = AssetSKU.objects.select_related("sku").in_bulk(
                [link.pk for link, _changed in formset.changed_objects]
            )
            wanted = [*formset.new_objects, *(link for link, _changed in formset.changed_objects)]
            for link in wanted:  # first, so that it is never without any
                editing.link_sku(asset, link.sku, link.role, actor=actor)
            kept = {(link.sku_id, link.role) for link in wanted}
            for link in (*formset.deleted_objects, *before.values()):
                if (link.sku_id, link.role) not in kept:
                    editing.unlink_sku(asset, link.sku, link.role, actor=actor)
        if "state" in form.changed_data:
            editing.set_state(Asset.objects.filter(pk=asset.pk), actor=actor, state=asset.state)

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """An asset begins with its file."""
        return redirect("admin:dam_asset_upload")

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The audit log knows more than the admin's own log: it also has what came by REST and command."""
        asset = get_object_or_404(self.get_queryset(request), pk=object_id)
        return redirect(asset_page.history_url(asset))

    # Deleting

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> tuple[list, dict, set, list]:
        """The names; whether something stands in the way is for the verb to say."""
        return [str(asset) for asset in objs], {}, set(), []

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Into the trash; out of the trash for good. Says by what it is used."""
        context = dict(extra_context or {})
        if request.method == "GET" and (asset := self.get_object(request, object_id)):
            context["usage"] = usage.of([asset], signed_in(request))[0]
        try:
            return super().delete_view(request, object_id, context)
        except editing.AssetsInUse as error:
            messages.error(request, str(error))
            return redirect("admin:dam_asset_change", object_id)

    def response_action(self, request: HttpRequest, queryset: QuerySet[Asset]) -> HttpResponse | None:
        """One transaction: a deed that is refused leaves nothing behind, not even in Django's own log."""
        if request.POST.get("action") in IN_THE_REQUEST and (refusal := self._too_many(request, queryset)):
            messages.error(request, refusal)
            return redirect(request.get_full_path())
        try:
            with transaction.atomic():
                return super().response_action(request, queryset)
        except editing.AssetsInUse as error:
            messages.error(request, str(error))
            return redirect(request.get_full_path())

    def _too_many(self, request: HttpRequest, queryset: QuerySet[Asset]) -> str:
        """Ticks are of one page; only what lies under the filters as a whole may be many."""
        return bulk.too_many(queryset) if request.POST.get("select_across") == "1" else ""

    def response_delete(self, request: HttpRequest, obj_display: str, obj_id: int) -> HttpResponse:
        """Say which of the two it was."""
        trashed = Asset.objects.filter(pk=obj_id).exists()
        done = _("“%s” is in the trash now.") if trashed else _("“%s” was deleted for good.")
        messages.success(request, done % obj_display)
        return redirect("admin:dam_asset_changelist")

    def delete_model(self, request: HttpRequest, obj: Asset) -> None:
        if obj.is_trashed:
            editing.delete_forever([obj], actor=signed_in(request))
        else:
            editing.trash([obj], actor=signed_in(request))

    # Addresses

    def get_urls(self) -> list[URLPattern]:
        guard = self.admin_site.admin_view
        return [
            path("upload/", guard(self.upload_view), name="dam_asset_upload"),
            path("trash/empty/", guard(self.empty_trash_view), name="dam_asset_empty_trash"),
            path("table/", guard(self.table_view), name="dam_asset_table"),
            path("export/", guard(self.of_viewers(self.export_view)), name="dam_asset_export"),
            path("searches/", guard(self.of_viewers(browse.save_search)), name="dam_asset_save_search"),
            path(
                "searches/<int:key>/delete/",
                guard(self.of_viewers(browse.delete_search)),
                name="dam_asset_delete_search",
            ),
            path("my-work/", guard(self.of_viewers(talk.my_work)), name="dam_my_work"),
            path("my-work/read/", guard(self.of_viewers(talk.read_news)), name="dam_read_news"),
            path("my-work/<int:number>/done/", guard(self.of_viewers(talk.finish)), name="dam_finish"),
            path("<int:key>/comment/", guard(self.on_asset(talk.comment)), name="dam_asset_comment"),
            path(
                "<int:key>/comment/<int:number>/remove/",
                guard(self.on_asset(talk.remove_comment)),
                name="dam_asset_remove_comment",
            ),
            path(
                "<int:key>/alt-suggestions/<int:number>/<slug:verdict>/",
                guard(self.on_asset(alt_suggestions.decide)),
                name="dam_asset_alt_suggestion",
            ),
            path("<int:key>/assign/", guard(self.on_asset(talk.assign)), name="dam_asset_assign"),
            path("<int:key>/panel/", guard(self.on_asset(browse.panel)), name="dam_asset_panel"),
            path(
                "<int:key>/versions/",
                guard(self.add_version_view),
                name="dam_asset_add_version",
            ),
            path(
                "<int:key>/versions/compare/",
                guard(self.on_asset(compare_page)),
                name="dam_asset_compare",
            ),
            path(
                "<int:key>/versions/<int:number>/restore/",
                guard(self.restore_version_view),
                name="dam_asset_restore_version",
            ),
            path("<int:key>/metadata/", guard(self.take_from_file_view), name="dam_asset_take_from_file"),
            path("<path:object_id>/do/<slug:name>/", guard(self.verb_view), name="dam_asset_verb"),
            *super().get_urls(),
        ]

    def of_viewers(self, view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
        """A view for those who may see the list."""

        def guarded(request: HttpRequest, **arguments: Any) -> HttpResponseBase:
            if not self.has_view_permission(request):
                raise PermissionDenied
            return view(request, **arguments)

        return guarded

    def on_asset(self, view: Callable[..., HttpResponse]) -> Callable[..., HttpResponseBase]:
        """A view of one asset that the account may open."""

        def found(request: HttpRequest, key: int, **arguments: Any) -> HttpResponse:
            return view(request, get_object_or_404(self.get_queryset(request), pk=key), **arguments)

        return self.of_viewers(found)

    def upload_view(self, request: HttpRequest) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        return upload_page(request, self.admin_site)

    def empty_trash_view(self, request: HttpRequest) -> HttpResponse:
        return trashing.empty_page(self.admin_site, request)

    def table_view(self, request: HttpRequest) -> HttpResponseBase:
        """Change many by a table; which of them the account may change is for the verb to say."""
        if not self.has_change_permission(request):
            raise PermissionDenied
        return table_page(request, self.admin_site)

    def export_view(self, request: HttpRequest) -> HttpResponseBase:
        """The words of all that the list shows under the filters of this address, as a table."""
        filters = request.GET.copy()
        kind = filters.pop("as", [""])[-1]
        request.GET = filters  # type: ignore[assignment]  # the list would take "as" for a filter
        shown = self.get_changelist_instance(request).get_queryset(request)
        return table_download(metadata_table(shown, request.user), "assets", kind)

    @method_decorator(require_POST)
    def add_version_view(self, request: HttpRequest, key: int) -> HttpResponse:
        """A new file for the asset, from the form of its page."""
        asset = get_object_or_404(self.get_queryset(request), pk=key)
        file = request.FILES.get("file")
        if file is None:
            messages.error(request, _("Choose a file first."))
        else:
            try:
                version = versions.add_version(
                    asset, cast(BinaryIO, file), filename=file.name or "", actor=signed_in(request)
                )
            except IngestError as error:
                messages.error(request, str(error))
            else:
                _tell_current(request, asset, version)
        return redirect("admin:dam_asset_change", asset.pk)

    @method_decorator(require_POST)
    def restore_version_view(self, request: HttpRequest, key: int, number: int) -> HttpResponse:
        """Back to an earlier file."""
        asset = get_object_or_404(self.get_queryset(request), pk=key)
        get_object_or_404(asset.versions, number=number)
        version = versions.restore_version(asset, number, actor=signed_in(request))
        _tell_current(request, asset, version)
        return redirect("admin:dam_asset_change", asset.pk)

    @method_decorator(require_POST)
    def take_from_file_view(self, request: HttpRequest, key: int) -> HttpResponse:
        """Fill empty fields with what the file says."""
        asset = get_object_or_404(self.get_queryset(request), pk=key)
        if not self.has_change_permission(request, asset):
            raise PermissionDenied
        try:
            taken = from_file.take_from_file(asset, actor=signed_in(request))
        except IngestError as error:
            messages.error(request, str(error))
        except FileNotFoundError:
            messages.error(request, _("The storage has lost this file. Upload it again as a new version."))
        else:
            names = ", ".join(field_label(name) for name in taken)
            told = _("Taken from the file: %(fields)s.") % {"fields": names}
            messages.success(request, told if taken else _("The file has nothing for a field that is empty."))
        return redirect("admin:dam_asset_change", asset.pk)

    @method_decorator(require_POST)
    def verb_view(self, request: HttpRequest, object_id: str, name: str) -> HttpResponse:
        """One deed on one asset, from the buttons of its page."""
        if not self.has_change_permission(request):
            raise PermissionDenied
        asset = get_object_or_404(self.get_queryset(request), pk=object_id)
        verb = VERBS.get(name)
        if verb is None or not verb.is_open_to(signed_in(request), asset):
            refusal = _("This cannot be done with an asset in the state “%s”.")
            messages.error(request, refusal % asset.get_state_display())
        else:
            if verb.to == AssetState.TRASHED:
                page = trashing.asked_first(self.admin_site, request, [asset])
                if page is not None:
                    return page
            try:
                bulk.do_verb(request, verb, [asset])
            except Incomplete as error:
                messages.error(request, str(error))
        if name == "trash":
            return redirect("admin:dam_asset_changelist")
        return redirect("admin:dam_asset_change", asset.pk)


def _custom_fields(request: HttpRequest) -> Fields:
    """Read once for each request."""
    if not hasattr(request, "_custom_fields"):
        request._custom_fields = custom_fields.by_slug()  # type: ignore[attr-defined]
    found: Fields = request._custom_fields  # type: ignore[attr-defined]
    return found


def _mark_required(form_fields: dict[str, Field], asset: Asset) -> None:
    """Say at each field before which step it must be filled."""
    rules = field_rules.load()
    for_review = set(rules.required(asset.kind, AssetState.IN_REVIEW))
    for name in rules.required(asset.kind, AssetState.APPROVED):
        if (field := form_fields.get(name)) is None:
            continue
        mark = _("Required for review.") if name in for_review else _("Required for approval.")
        field.help_text = format_html("{} <strong>{}</strong>", field.help_text, mark)


def _tell_current(request: HttpRequest, asset: Asset, version: AssetVersion) -> None:
    """Which version it is now, and that it has gone back to review if it has."""
    before = asset.state
    asset.refresh_from_db(fields=["state", "current"])
    if asset.current_id == version.pk:
        messages.success(request, _("Version %(number)d is the current one.") % {"number": version.number})
    else:
        sentence = _(
            "The file of version %(number)d had been lost and is back; another version stays current."
        )
        messages.success(request, sentence % {"number": version.number})
    if before == AssetState.APPROVED and asset.state == AssetState.IN_REVIEW:
        messages.warning(
            request,
            _(
                "It waits for review again, since it was approved with another file. "
                "Until then the shop does not show it."
            ),
        )
