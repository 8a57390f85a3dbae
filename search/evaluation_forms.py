"""The forms of evaluation: a query, a table of judgements."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminTextInputWidget

from dam.models import Asset
from search.models import EvaluationQuery


class EvaluationQueryForm(forms.ModelForm):
    """Words, a picture of the library by its id, or both."""

    picture = forms.UUIDField(
        label=_("picture"),
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text=_("The id of an asset, as its page shows it: what looks like it is asked for."),
    )

    class Meta:
        model = EvaluationQuery
        fields = ("text", "language", "notes")

    field_order = ("text", "language", "picture", "notes")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.picture_key:
            asset = Asset.objects.filter(pk=self.instance.picture_key).first()
            self.initial["picture"] = asset.public_id if asset else None

    def clean_text(self) -> str:
        return str(self.cleaned_data["text"]).strip()

    def clean_picture(self) -> Any:
        wanted = self.cleaned_data["picture"]
        asset = Asset.objects.in_library().filter(public_id=wanted).first() if wanted else None
        if wanted and asset is None:
            raise forms.ValidationError(_("There is no such asset."))
        self.instance.picture_key = asset.pk if asset else None
        return wanted

    def clean(self) -> dict[str, Any]:
        """What the table's constraints say, in a sentence."""
        cleaned = super().clean() or {}
        text, picture = cleaned.get("text", ""), cleaned.get("picture")
        if not text and not picture and not self.errors:
            raise forms.ValidationError(_("Give words, a picture, or both."))
        same = EvaluationQuery.objects.filter(text=text, language=cleaned.get("language"), picture_key=None)
        if not picture and same.exclude(pk=self.instance.pk).exists():
            raise forms.ValidationError(_("This query is there already."))
        return cleaned
