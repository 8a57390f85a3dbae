"""Tags in the admin."""

from __future__ import annotations

from django import forms
from django.contrib import admin
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminTextInputWidget

from dam import organising
from dam.admin.organiser import OrganiserAdmin
from dam.forms import WordsField
from dam.models import Asset, Tag


class TagForm(forms.ModelForm):
    """Synonyms are written with commas between them."""

    synonyms = WordsField(
        label=_("Synonyms"),
        required=False,
        help_text=_("Words with commas between them, in any language."),
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


@admin.register(Tag)
class TagAdmin(OrganiserAdmin):
    form = TagForm
    through, link, asset_filter = Asset.tags.through, "tag", "tags__id__exact"
    list_display = ("label", "label_zh", "pictures", "asset_count", "parent")
    list_select_related = ("parent",)
    search_fields = ("label", "label_zh", "slug")
    autocomplete_fields = ("parent",)
    prepopulated_fields = {"slug": ("label",)}
    fields = (("label", "label_zh"), ("slug", "parent"), "synonyms")

    def shown_to(self, user: User) -> QuerySet[Tag]:
        return organising.shown_to(user, Tag, "tags")
