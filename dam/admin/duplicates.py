"""The page of near duplicates: pairs side by side, to be merged or told apart."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from unfold.admin import ModelAdmin
from unfold.decorators import action, display
from unfold.views import ChangeList

from dam import duplicates, merging
from dam.admin import asset_page
from dam.admin.changelist import PlainChangeList
from dam.models import Asset, DuplicatePair
from dam.people import signed_in
from dam.roles import Role, has_role


@admin.register(DuplicatePair)
class DuplicatePairAdmin(ModelAdmin):
    """Open pairs; merging and telling apart are done to the ticked ones."""

    list_display = ("older", "older_title", "newer", "newer_title", "likeness")
    list_display_links = None
    list_per_page = list_max_show_all = 50
    show_full_result_count = False
    ordering = ("distance", "-id")
    when_empty = gettext_lazy("No two pictures look alike. Each new one is compared by a worker.")
    actions = ("keep_older", "keep_newer", "tell_apart")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return PlainChangeList

    def get_queryset(self, request: HttpRequest) -> QuerySet[DuplicatePair]:
        return duplicates.open_pairs().select_related("first__current", "second__current")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return has_role(request.user, Role.EDITOR) and super().has_change_permission(request, obj)

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        return super().get_actions(request) if self.has_change_permission(request) else {}

    @display(description=gettext_lazy("older"))
    def older(self, pair: DuplicatePair) -> str:
        return asset_page.render_picture(pair.first)

    @display(description=gettext_lazy("title"))
    def older_title(self, pair: DuplicatePair) -> str:
        return asset_page.link_to(pair.first)

    @display(description=gettext_lazy("newer"))
    def newer(self, pair: DuplicatePair) -> str:
        return asset_page.render_picture(pair.second)

    @display(description=gettext_lazy("title"))
    def newer_title(self, pair: DuplicatePair) -> str:
        return asset_page.link_to(pair.second)

    @display(description=gettext_lazy("alike"), ordering="distance")
    def likeness(self, pair: DuplicatePair) -> str:
        percent = asset_page.likeness(pair.distance)
        return f"{percent} · {_('turned or mirrored')}" if pair.turned else percent

    @action(description=gettext_lazy("Merge: keep the older"))
    def keep_older(self, request: HttpRequest, chosen: QuerySet[DuplicatePair]) -> None:
        self._merge(request, [(pair.first, pair.second) for pair in chosen])

    @action(description=gettext_lazy("Merge: keep the newer"))
    def keep_newer(self, request: HttpRequest, chosen: QuerySet[DuplicatePair]) -> None:
        self._merge(request, [(pair.second, pair.first) for pair in chosen])

    @action(description=gettext_lazy("They are two different pictures"))
    def tell_apart(self, request: HttpRequest, chosen: QuerySet[DuplicatePair]) -> None:
        count = duplicates.say_different(list(chosen), actor=signed_in(request))
        messages.success(request, _("Told apart: %(count)d.") % {"count": count})

    def _merge(self, request: HttpRequest, chosen: list[tuple[Asset, Asset]]) -> None:
        """Each pair by itself: one whose asset went into another pair's stops none of the others."""
        merged = 0
        for kept, other in chosen:
            try:
                merging.merge(kept, [other], actor=signed_in(request))
            except merging.MergeError as error:
                messages.warning(request, str(error))
            else:
                merged += 1
        if merged:
            sentence = ngettext("%(count)d pair merged.", "%(count)d pairs merged.", merged)
            messages.success(request, sentence % {"count": merged})
