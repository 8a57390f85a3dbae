"""The search page's form."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from dam.colours import FAMILIES
from dam.ingest import IngestError
from dam.models import Asset, AssetKind, AssetState
from search.pictures import open_query_picture
from search.query import MAX_DEPTH, MAX_WORDS

STATES = [choice for choice in AssetState.choices if choice[0] != AssetState.TRASHED]
EVERYTHING = [("", _("Any"))]


class SearchForm(forms.Form):
    """Words, a picture or an asset, and filters. Everything but the picture lives in the address."""

    q = forms.CharField(required=False, max_length=MAX_WORDS, label=_("What are you looking for?"))
    image = forms.FileField(required=False, label=_("Search with a picture"))
    like = forms.UUIDField(required=False, widget=forms.HiddenInput)
    kind = forms.ChoiceField(required=False, choices=[*EVERYTHING, *AssetKind.choices], label=_("Kind"))
    state = forms.ChoiceField(required=False, choices=[*EVERYTHING, *STATES], label=_("State"))
    colour = forms.ChoiceField(
        required=False, choices=[("", ""), *((name, name) for name in FAMILIES)], label=_("Colour")
    )
    literal = forms.BooleanField(required=False, widget=forms.HiddenInput)
    page = forms.IntegerField(required=False, min_value=1, max_value=MAX_DEPTH, widget=forms.HiddenInput)

    def __init__(self, *args: Any, user: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user

    def clean_image(self) -> Any:
        upload = self.cleaned_data["image"]
        if not upload:
            return None
        try:
            return open_query_picture(upload.read())
        except IngestError as error:
            raise forms.ValidationError(str(error), code=error.code) from error

    def clean_like(self) -> Asset | None:
        public_id = self.cleaned_data["like"]
        if public_id is None:
            return None
        visible = Asset.objects.visible_to(self.user).select_related("current")
        asset = visible.filter(public_id=public_id).first()
        if asset is None:
            raise forms.ValidationError(_("The asset to compare with is not there any more."))
        return asset
