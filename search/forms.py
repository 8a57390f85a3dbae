"""The search page's form: everything in it lives in the address, so that a search can be shared."""

from __future__ import annotations

import re
from io import BytesIO
from typing import Any
from uuid import UUID

from django import forms
from django.core.validators import ProhibitNullCharactersValidator
from django.utils.translation import gettext_lazy as _
from PIL import Image

from dam.colours import FAMILIES
from dam.forms import collections_of
from dam.ingest import IngestError
from dam.keys import is_key
from dam.models import Asset, AssetKind, AssetOrigin, AssetState
from search.facets import LABELS
from search.pictures import open_query_picture
from search.query import MAX_WORDS, Filters, Part, SearchRequest
from search.query_pictures import kept
from search.request import HEX, MAX_COLOURS, MAX_PARTS, MAX_VALUES, MAX_WEIGHT

STATES = [choice for choice in AssetState.choices if choice[0] != AssetState.TRASHED]
CHOICES: dict[str, list[tuple[str, Any]]] = {
    "kind": list(AssetKind.choices),
    "state": STATES,
    "origin": list(AssetOrigin.choices),
    "aspect": list(LABELS["aspect"].items()),
    "colour": [(name, name) for name in FAMILIES],
}
NAMES = ("tag", "not_tag", "sku", "not_sku")
_no_null = ProhibitNullCharactersValidator()
_PICTURE = re.compile(r"[\w-]{1,40}")


class Repeated(forms.Field):
    """The values of a name that may stand in the address several times; empty ones do not count."""

    widget = forms.MultipleHiddenInput

    def __init__(self, *, most: int = MAX_VALUES, **kwargs: Any) -> None:
        super().__init__(required=False, **kwargs)
        self.most = most

    def to_python(self, values: Any) -> list[str]:
        given = list(dict.fromkeys(value.strip() for value in values or [] if value.strip()))
        if len(given) > self.most:
            raise forms.ValidationError(_("At most %(most)d at once."), params={"most": self.most})
        for value in given:
            _no_null(value)
        return given


class Chosen(Repeated):
    """Repeated values out of a list."""

    def __init__(self, choices: list[tuple[str, Any]], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.known = dict(choices)

    def to_python(self, values: Any) -> list[str]:
        given = super().to_python(values)
        for value in given:
            if value not in self.known:
                raise forms.ValidationError(
                    _("“%(value)s” is not one of the choices."), params={"value": value}
                )
        return given


class Weighted(Repeated):
    """Repeated “NAME” or “NAME:WEIGHT”: a list of names with their weights."""

    def __init__(self) -> None:
        super().__init__(most=MAX_PARTS)

    def to_python(self, values: Any) -> list[tuple[str, float]]:  # type: ignore[override]
        found = []
        for value in super().to_python(values):
            name, _colon, weight = value.partition(":")
            try:
                number = float(weight) if weight else 1.0
            except ValueError:
                number = 0.0
            if not 0 < abs(number) <= MAX_WEIGHT:
                raise forms.ValidationError(_("“%(value)s” is not a weight."), params={"value": weight})
            found.append((name, number))
        return found


class SearchForm(forms.Form):
    """Words, pictures and assets with weights, picked colours, and filters of any and none."""

    q = forms.CharField(required=False, max_length=MAX_WORDS, label=_("What are you looking for?"))
    like = Weighted()
    picture = Weighted()
    pick = Repeated(most=MAX_COLOURS)
    collection = Repeated()
    created_from = forms.DateField(required=False)
    created_to = forms.DateField(required=False)
    group = forms.CharField(required=False, max_length=64)
    after = forms.CharField(required=False, max_length=500)
    all = forms.BooleanField(required=False)  # what is the same is not put together
    literal = forms.BooleanField(required=False)  # words as they are written
    far = forms.BooleanField(required=False)  # what is not near enough as well

    def __init__(self, *args: Any, user: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user
        for name, choices in CHOICES.items():
            self.fields[name] = Chosen(choices)
            self.fields[f"not_{name}"] = Chosen(choices)
        for name in NAMES:
            self.fields[name] = Repeated()

    def clean_like(self) -> list[Part]:
        wanted = []
        for name, weight in self.cleaned_data["like"]:
            try:
                wanted.append((UUID(name), weight))
            except ValueError as error:
                raise forms.ValidationError(
                    _("“%(value)s” is not an asset's id."), params={"value": name}
                ) from error
        visible = Asset.objects.visible_to(self.user).select_related("current")
        found = {
            asset.public_id: asset
            for asset in visible.filter(public_id__in=[public_id for public_id, _weight in wanted])
        }
        if any(public_id not in found for public_id, _weight in wanted):
            raise forms.ValidationError(_("The asset to compare with is not there any more."))
        return [Part(asset=found[public_id], weight=weight) for public_id, weight in wanted]

    def clean_picture(self) -> list[tuple[str, Part]]:
        """Pairs of the name that a picture is kept under, and the part."""
        parts = []
        for name, weight in self.cleaned_data["picture"]:
            content = kept(name, self.user) if _PICTURE.fullmatch(name) else None
            if content is None:
                raise forms.ValidationError(
                    _("The picture that was searched with is kept for an hour only; choose it again.")
                )
            parts.append((name, Part(image=Image.open(BytesIO(content)), weight=weight)))
        return parts

    def clean_pick(self) -> list[str]:
        picked: list[str] = [colour.lower() for colour in self.cleaned_data["pick"]]
        if not all(HEX.fullmatch(colour) for colour in picked):
            raise forms.ValidationError(_("A colour is written like #1e90ff."))
        return picked

    def clean_collection(self) -> list[Any]:
        """Those that the account may see; of others nothing is told, not even what is in them."""
        given = self.cleaned_data["collection"]
        keys = [int(value) for value in given if is_key(value)]
        shown = list(collections_of(self.user).filter(pk__in=keys))
        if len(shown) < len(given):
            raise forms.ValidationError(_("This collection is not there any more."))
        return shown

    def search_request(self, *, limit: int) -> SearchRequest:
        """What is asked for.

        Expects the form to be valid.
        """
        given = self.cleaned_data
        fields = {name: tuple(given[name]) for name in Filters.__dataclass_fields__ if name in CHOICES}
        fields |= {f"not_{name}": tuple(given[f"not_{name}"]) for name in CHOICES}
        fields |= {name: tuple(given[name]) for name in NAMES}
        return SearchRequest(
            text=given["q"],
            parts=(*given["like"], *(part for _name, part in given["picture"])),
            colours=tuple(given["pick"]),
            filters=Filters(
                **fields,
                collection=tuple(collection.pk for collection in given["collection"]),
                created_from=given["created_from"],
                created_to=given["created_to"],
            ),
            collapse=not given["all"],
            literal=given["literal"],
            relevant_only=not given["far"],
            group=given["group"],
            facets=True,
            limit=limit,
            after=given["after"],
        )


class PicturesForm(forms.Form):
    """Pictures to search with; `image` may come several times."""

    def __init__(self, uploads: list[Any]) -> None:
        super().__init__(data={})
        self.uploads = uploads

    def clean(self) -> dict[str, Any]:
        if not self.uploads:
            raise forms.ValidationError(_("Choose a picture to search with."))
        if len(self.uploads) > MAX_PARTS:
            raise forms.ValidationError(_("At most %(most)d at once."), params={"most": MAX_PARTS})
        try:
            return {"pictures": [open_query_picture(upload.file) for upload in self.uploads]}
        except IngestError as error:
            raise forms.ValidationError(str(error), code=error.code) from error
