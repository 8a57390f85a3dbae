"""Tags in the admin: the tree, one tag, and merging."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ORDER_VAR
from django.contrib.auth.models import User
from django.core.paginator import InvalidPage
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from unfold.decorators import action, display
from unfold.views import ChangeList
from unfold.widgets import UnfoldAdminTextInputWidget

from dam import organising, tag_merging, tag_tree
from dam.admin.organiser import OrganiserAdmin, PicturedChangeList
from dam.forms import WordsField
from dam.models import Asset, Tag
from dam.people import signed_in
from dam.roles import sees_library

MOST_MERGED = 100
BRANCH = "count_below"
DEEPEST_SHOWN = 6  # steps of indentation; atelier.css has a class for each


class TagForm(forms.ModelForm):
    """Synonyms are written with commas between them."""

    synonyms = WordsField(
        label=gettext_lazy("Synonyms"),
        required=False,
        help_text=gettext_lazy("Words with commas between them, in any language."),
        widget=UnfoldAdminTextInputWidget,
    )

    class Meta:
        model = Tag
        fields = ("label", "label_zh", "slug", "parent", "synonyms")

    def clean_parent(self) -> Tag | None:
        parent = self.cleaned_data["parent"]
        if organising.would_circle(self.instance, parent):
            raise forms.ValidationError(organising.CIRCLE)
        return parent


class TagTree(PicturedChangeList):
    """Each tag before those below it, unless another order or words are asked for."""

    def get_results(self, request: HttpRequest) -> None:
        whole = sees_library(request.user)
        if self.query or ORDER_VAR in self.params or self.has_active_filters or not whole:
            super().get_results(request)
        else:
            self._take_page(request)
            self.add_pictures(request)
        if not whole:
            return
        numbers = tag_tree.numbers_below([tag.pk for tag in self.result_list])
        for tag in self.result_list:
            tag.count_below = numbers.get(tag.pk, 0)

    def _take_page(self, request: HttpRequest) -> None:
        depths = dict(tag_tree.in_order())
        self.paginator = self.model_admin.get_paginator(request, list(depths), self.list_per_page)
        self.result_count = self.full_result_count = len(depths)
        self.show_full_result_count, self.show_admin_actions = False, True
        self.can_show_all = len(depths) <= self.list_max_show_all
        self.multi_page = len(depths) > self.list_per_page
        try:
            shown = list(depths) if self.show_all and self.can_show_all else self._keys_of_page()
        except InvalidPage as error:
            raise IncorrectLookupParameters from error
        rows = {tag.pk: tag for tag in self.queryset.filter(pk__in=shown)}
        self.result_list = [rows[key] for key in shown if key in rows]
        for tag in self.result_list:
            tag.depth = depths[tag.pk]

    def _keys_of_page(self) -> list[int]:
        return list(self.paginator.page(self.page_num).object_list)


@admin.register(Tag)
class TagAdmin(OrganiserAdmin):
    form = TagForm
    through, link, asset_filter = Asset.tags.through, "tag", "tags__id__exact"
    list_display = ("name", "label_zh", "said", "pictures", "asset_count", BRANCH, "parent")
    list_select_related = ("parent",)
    search_fields = ("label", "label_zh", "slug", "synonyms")
    autocomplete_fields = ("parent",)
    prepopulated_fields = {"slug": ("label",)}
    fields = (("label", "label_zh"), ("slug", "parent"), "synonyms")
    actions = ("merge_tags",)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return TagTree

    def get_list_display(self, request: HttpRequest) -> Any:
        """Numbers of whole branches are for those who may open all that they count."""
        columns = super().get_list_display(request)
        return columns if sees_library(request.user) else [name for name in columns if name != BRANCH]

    @display(description=gettext_lazy("label (English)"), ordering="label")
    def name(self, tag: Any) -> SafeString:
        depth = min(getattr(tag, "depth", 0), DEEPEST_SHOWN)
        return format_html('<span class="at-tree at-tree--{}">{}</span>', depth, tag.label)

    @display(description=gettext_lazy("synonyms"))
    def said(self, tag: Tag) -> str:
        return ", ".join(map(str, tag.synonyms))

    @display(description=gettext_lazy("with tags below"))
    def count_below(self, tag: Any) -> int:
        return tag.count_below

    @action(description=gettext_lazy("Merge …"), permissions=["change"])
    def merge_tags(self, request: HttpRequest, chosen: QuerySet[Tag]) -> HttpResponse | None:
        """Ask which one stays, then merge."""
        tags: list[Any] = list(chosen[: MOST_MERGED + 1])
        tags.sort(key=lambda tag: (-tag.asset_count, tag.pk))
        if not 2 <= len(tags) <= MOST_MERGED:
            sentence = _("Choose 2 to %(most)d tags to merge.") % {"most": MOST_MERGED}
            messages.error(request, sentence)
            return None
        kept = next((tag for tag in tags if str(tag.pk) == request.POST.get("kept")), None)
        if "confirmed" not in request.POST or kept is None:
            return self._ask(request, tags)
        others = [tag for tag in tags if tag != kept]
        try:
            number = tag_merging.merge(kept, others, actor=signed_in(request))
        except tag_merging.CannotMerge as error:
            messages.error(request, str(error))
            return None
        told = ngettext(
            "%(count)d tag went into “%(kept)s”, which %(assets)s assets carry now.",
            "%(count)d tags went into “%(kept)s”, which %(assets)s assets carry now.",
            len(others),
        )
        messages.success(request, told % {"count": len(others), "kept": kept, "assets": number})
        return None

    def _ask(self, request: HttpRequest, tags: list[Any]) -> TemplateResponse:
        numbers = tag_tree.numbers_below([tag.pk for tag in tags])
        context = {
            **self.admin_site.each_context(request),
            "title": _("Merge tags"),
            "opts": self.opts,
            "action": request.POST["action"],
            "index": request.POST.get("index", "0"),
            "select_across": request.POST.get("select_across", "0"),
            "selected": request.POST.getlist(ACTION_CHECKBOX_NAME),
            "tags": [(tag, numbers.get(tag.pk, 0)) for tag in tags],
        }
        return TemplateResponse(request, "dam/tag_merge.html", context)

    def shown_to(self, user: User) -> QuerySet[Tag]:
        return organising.shown_to(user, Tag, "tags")
