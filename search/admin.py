"""Search in the admin: the search page, the vector spaces and the outbox."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.admin import ModelAdmin
from unfold.decorators import display
from unfold.views import ChangeList

from dam import clock
from dam.admin.changelist import KeyedChangeList
from search import (
    comparison_page,
    evaluation_page,
    reindex_page,
    word_admin,  # noqa: F401  registers synonyms and the log of searches
)
from search.dispatch import request_drain
from search.evaluation_forms import EvaluationQueryForm
from search.models import EvaluationQuery, IndexEntry, IndexState, Space
from search.page import query_picture, search_page
from search.spend_page import spend_page
from search.suggestions_page import suggestions_page


class ReadOnlyAdmin(ModelAdmin):
    """Rows that only the machinery writes."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Space)
class SpaceAdmin(ReadOnlyAdmin):
    list_display = ("encoder", "dimension", "state", "collection", "created")
    list_filter = ("state",)

    def get_urls(self) -> list[URLPattern]:
        page = self.admin_site.admin_view(self.find)
        picture = self.admin_site.admin_view(query_picture)
        suggestions = self.admin_site.admin_view(self.suggest)
        spend = self.admin_site.admin_view(self.spend)
        return [
            path("spend/", spend, name="search_spend"),
            path("find/", page, name="search_page"),
            path("find/picture/<str:name>/", picture, name="search_query_picture"),
            *reindex_page.addresses(self.admin_site),
            *comparison_page.addresses(self.admin_site),
            *evaluation_page.addresses(self.admin_site),
            path("sku/<int:key>/suggestions/", suggestions, name="search_sku_suggestions"),
            *super().get_urls(),
        ]

    def find(self, request: HttpRequest) -> HttpResponse:
        return search_page(request, self.admin_site)

    def spend(self, request: HttpRequest) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        return spend_page(request, self.admin_site)

    def suggest(self, request: HttpRequest, key: int) -> HttpResponse:
        return suggestions_page(request, self.admin_site, key)


@admin.register(IndexEntry)
class IndexEntryAdmin(ReadOnlyAdmin):
    list_display = ("asset_key", "space", "state_label", "attempts", "short_error", "indexed_at")
    list_filter = ("state", "space")
    list_select_related = ("space",)
    search_fields = ("=asset_key", "last_error")
    show_full_result_count = False
    sortable_by = ()
    change_list_template = "dam/keyed_list.html"
    when_empty = gettext_lazy(
        "Assets stand here once they are taken in; a running worker indexes them by itself."
    )
    actions = ("index_again",)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return KeyedChangeList

    @display(
        description=gettext_lazy("state"),
        ordering="state",
        label={IndexState.INDEXED: "success", IndexState.FAILED: "danger", IndexState.PENDING: "warning"},
    )
    def state_label(self, entry: IndexEntry) -> tuple[str, str]:
        return entry.state, entry.get_state_display()

    @display(description=gettext_lazy("last error"))
    def short_error(self, entry: IndexEntry) -> str:
        return entry.last_error[:120]

    @admin.action(description=gettext_lazy("Index again"), permissions=["view"])
    def index_again(self, request: HttpRequest, chosen: QuerySet[IndexEntry]) -> None:
        """Pending and failed entries are tried at once; indexed ones are written anew."""
        count = chosen.update(state=IndexState.PENDING, attempts=0, not_before=clock.Now(), leased_until=None)
        request_drain()
        messages.success(request, _("%(count)d entries will be indexed again.") % {"count": count})


@admin.register(EvaluationQuery)
class EvaluationQueryAdmin(ModelAdmin):
    """What is asked to measure with; `judge` leads to its results."""

    form = EvaluationQueryForm
    list_display = ("__str__", "language", "notes", "judge")
    list_filter = ("language",)
    search_fields = ("text", "notes")
    list_per_page = list_max_show_all = 50
    when_empty = gettext_lazy(
        "Add what people ask in this library; then mark what is right and what is wrong."
    )

    @display(description=gettext_lazy("results"))
    def judge(self, query: EvaluationQuery) -> str:
        return format_html(
            '<a class="at-link" href="{}">{}</a>', reverse("admin:search_judge", args=[query.pk]), _("Judge")
        )
