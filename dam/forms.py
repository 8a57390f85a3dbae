"""Forms of the library's pages: uploading, and choosing what to do with chosen assets."""

from __future__ import annotations

from typing import Any, cast

from django import forms
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from dam import workflow
from dam.models import SKU, Asset, AssetKind, AssetState, Collection, Tag
from dam.roles import sees_library


class WordsField(forms.Field):
    """Words with commas between them."""

    widget = UnfoldAdminTextInputWidget

    def to_python(self, value: Any) -> list[str]:
        words = (value or "").replace("，", ",").split(",")
        return [word.strip() for word in words if word.strip()]

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(value) if isinstance(value, list | tuple) else value

    def has_changed(self, initial: Any, data: Any) -> bool:
        return list(initial or ()) != self.to_python(data)


class AssetForm(forms.ModelForm):
    """The words and rights of one asset."""

    territories = WordsField(
        label=_("Territories"),
        required=False,
        help_text=_("Countries with commas between them; empty: everywhere."),
        widget=UnfoldAdminTextInputWidget,
    )

    class Meta:
        model = Asset
        fields = forms.ALL_FIELDS
        widgets = {
            "description": UnfoldAdminTextareaWidget(attrs={"rows": 3}),
            "description_zh": UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        }


class SKUForm(forms.ModelForm):
    """A SKU; its attributes are whatever the shop's own system says about it."""

    class Meta:
        model = SKU
        fields = ("code", "name", "name_zh", "attributes")
        widgets = {"attributes": UnfoldAdminTextareaWidget(attrs={"rows": 4})}


class CollectionForm(forms.ModelForm):
    """What a collection is called, and until when its link works."""

    class Meta:
        model = Collection
        fields = ("name", "name_zh", "description", "shared_until")
        widgets = {"description": UnfoldAdminTextareaWidget(attrs={"rows": 3})}


class ManyFilesInput(forms.ClearableFileInput):
    allow_multiple_selected = True


class ManyFilesField(forms.FileField):
    """Several files under one name; each is judged by ingest, so an empty one passes here."""

    widget = ManyFilesInput

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(allow_empty_file=True, **kwargs)

    def clean(self, data: Any, initial: Any = None) -> list[Any]:
        files = data if isinstance(data, list | tuple) and data else [None]
        return [super(ManyFilesField, self).clean(file, initial) for file in files]


def collections_of(user: User) -> QuerySet[Collection]:
    """Into which collections the account may put assets: editors into all, others into their own."""
    return Collection.objects.all() if sees_library(user) else Collection.objects.filter(owner=user)


class UploadForm(forms.Form):
    """What is known about a whole batch of files; offers the states that the account may give."""

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        allowed = workflow.first_states(user)
        cast(forms.ChoiceField, self.fields["state"]).choices = [
            (state.value, state.label) for state in allowed
        ]
        cast(forms.ModelChoiceField, self.fields["collection"]).queryset = collections_of(user)

    pictures = ManyFilesField(label=_("Pictures"))
    kind = forms.ChoiceField(
        label=_("Kind"), choices=AssetKind.choices, initial=AssetKind.OTHER, widget=UnfoldAdminSelectWidget
    )
    state = forms.ChoiceField(
        label=_("State"),
        initial=AssetState.DRAFT,
        widget=UnfoldAdminSelectWidget,
    )
    collection = forms.ModelChoiceField(
        label=_("Collection"),
        queryset=Collection.objects.none(),
        required=False,
        widget=UnfoldAdminSelectWidget,
    )
    tags = WordsField(
        label=_("Tags"),
        required=False,
        help_text=_("Words with commas between them; new ones are created."),
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": _("summer, linen")}),
    )


class AddToCollectionForm(forms.Form):
    """Into which collection the chosen assets go: one that is there, or a new one."""

    collection = forms.ModelChoiceField(
        label=_("Collection"),
        queryset=Collection.objects.all(),
        required=False,
        widget=UnfoldAdminSelectWidget,
    )
    new_collection = forms.CharField(
        label=_("Or a new one called"),
        max_length=120,
        required=False,
        widget=UnfoldAdminTextInputWidget,
    )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if bool(cleaned.get("collection")) == bool(cleaned.get("new_collection")):
            raise forms.ValidationError(_("Choose a collection, or give the name of a new one."))
        return cleaned


class AddTagsForm(forms.Form):
    """Which tags the chosen assets get."""

    tags = WordsField(
        label=_("Tags"),
        help_text=_("Words with commas between them; new ones are created."),
        widget=UnfoldAdminTextInputWidget(attrs={"list": "known-tags", "autocomplete": "off"}),
    )

    def known(self) -> list[str]:
        """Some tags that exist already, offered while typing."""
        return [str(tag) for tag in Tag.objects.all()[:200]]
