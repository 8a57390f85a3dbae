"""What the search endpoints take and answer."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from typing import Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from dam.api.serializers import AssetSerializer
from dam.colours import FAMILIES
from dam.forms import collections_of
from dam.ingest import IngestError
from dam.models import Asset, AssetKind, AssetOrigin, AssetState
from dam.roles import Role, has_role
from search.api.fields import AnyOf, ColourField, CursorField
from search.pictures import open_query_picture
from search.request import (
    CANDIDATES,
    HEX,
    MAX_PARTS,
    MAX_WEIGHT,
    MAX_WORDS,
    Filters,
    Part,
    SearchRequest,
    Why,
)

DEFAULT_LIMIT = 48
ASPECTS = ("portrait", "landscape", "square")
STATES = [choice for choice in AssetState.choices if choice[0] != AssetState.TRASHED]
FOR_CONTRIBUTORS = ("state", "not_state", "owner", "not_owner")


def _choice(choices: Any) -> AnyOf:
    return AnyOf(serializers.ChoiceField(choices))


def _words(length: int, **kwargs: Any) -> AnyOf:
    return AnyOf(serializers.CharField(max_length=length), **kwargs)


def _keys(**kwargs: Any) -> AnyOf:
    return AnyOf(serializers.IntegerField(min_value=0, max_value=2**63 - 1), **kwargs)


class FiltersSerializer(serializers.Serializer):
    """Filters and page, the same for every way to ask.

    Every filter may be repeated and admits what has any of its values; with “not_” before its name it leaves
    out what has any of them. Filters of different names hold together.
    """

    kind = _choice(AssetKind.choices)
    not_kind = _choice(AssetKind.choices)
    state = _choice(STATES)
    not_state = _choice(STATES)
    origin = _choice(AssetOrigin.choices)
    not_origin = _choice(AssetOrigin.choices)
    aspect = _choice(ASPECTS)
    not_aspect = _choice(ASPECTS)
    tag = _words(240, help_text="Slug, label or synonym of a tag; tags below it count as well.")
    not_tag = _words(240)
    all_tags = _words(240, help_text="Like “tag”, but each of them must be there.")
    sku = _words(64, help_text="Code of a SKU.")
    not_sku = _words(64)
    colour = AnyOf(
        ColourField(),
        help_text="Main colour family, or a picked colour as #rrggbb: assets that have each of those, "
        "the nearest in CIELAB first.",
    )
    not_colour = _choice(FAMILIES)
    collection = _keys(help_text="Key of a collection; of several the union.")
    not_collection = _keys()
    owner = _keys(help_text="Key of an account; for those with a role in the library.")
    not_owner = _keys()
    created_from = serializers.DateField(required=False, default=None)
    created_to = serializers.DateField(required=False, default=None)
    limit = serializers.IntegerField(required=False, default=DEFAULT_LIMIT, min_value=1, max_value=CANDIDATES)
    facets = serializers.BooleanField(
        required=False,
        default=False,
        help_text="Count what was found by kind, colour, tag and so on; without it the answer comes sooner.",
    )
    cursor = CursorField(required=False, default="", help_text="“next” of the page before.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        user = self.context["request"].user
        if not has_role(user, Role.CONTRIBUTOR):
            for name in FOR_CONTRIBUTORS:
                if attrs[name]:
                    raise serializers.ValidationError(
                        {name: _("Only those with a role in the library may filter by this.")}
                    )
        for name in ("collection", "not_collection"):
            attrs[name] = _shown_collections(attrs[name], user, wanted=name == "collection")
        return attrs

    def get_fields(self) -> dict[str, serializers.Field]:
        """Copies that share what they hold: of thirty fields deep ones with all their choices take a
        millisecond of every search. A field keeps nothing of a request but where it is bound.
        """
        return {name: copy(field) for name, field in self._declared_fields.items()}

    def filters(self) -> Filters:
        """What was given, for the search."""
        given: dict[str, Any] = {name: self.validated_data[name] for name in Filters.__dataclass_fields__}
        given["colour"] = [colour for colour in given["colour"] if colour in FAMILIES]
        several = {name: tuple(values) for name, values in given.items() if isinstance(values, list)}
        return Filters(**{**given, **several})

    def picked_colours(self) -> tuple[str, ...]:
        return tuple(colour for colour in self.validated_data["colour"] if HEX.fullmatch(colour))


def _shown_collections(keys: Sequence[int], user: Any, *, wanted: bool) -> tuple[int, ...]:
    """Those that the caller may see; of others nothing is told, not even what is in them."""
    if not keys:
        return ()
    if not has_role(user, Role.CONTRIBUTOR):
        shown: tuple[int, ...] = ()
    else:
        shown = tuple(collections_of(user).filter(pk__in=keys).values_list("pk", flat=True))
    return shown or ((0,) if wanted else ())


class TextQuerySerializer(FiltersSerializer):
    """GET: words and filters."""

    q = serializers.CharField(
        required=False,
        default="",
        allow_blank=True,
        max_length=MAX_WORDS,
        help_text="A sentence in English or Chinese, a title or a SKU code. Empty: the newest assets.",
    )
    collapse = serializers.BooleanField(
        required=False,
        default=True,
        help_text="Near duplicates and variants of one article are one hit; “similar” says how many more "
        "there are.",
    )
    group = serializers.CharField(
        required=False,
        default="",
        allow_blank=True,
        max_length=64,
        help_text="“group” of a hit: only what stands behind it.",
    )

    literal = serializers.BooleanField(
        required=False, default=False, help_text="Take “q” as it is written; correct nothing."
    )

    def search_request(self) -> SearchRequest:
        """What was asked.

        Expects valid data.
        """
        given = self.validated_data
        return SearchRequest(
            text=given["q"],
            parts=self.parts(),
            filters=self.filters(),
            colours=self.picked_colours(),
            collapse=given["collapse"],
            group=given["group"],
            literal=given["literal"],
            facets=given["facets"],
            limit=given["limit"],
            after=given["cursor"],
        )

    def parts(self) -> tuple[Part, ...]:
        return ()


def _weights() -> AnyOf:
    return AnyOf(
        serializers.FloatField(min_value=-MAX_WEIGHT, max_value=MAX_WEIGHT),
        max_length=MAX_PARTS,
        help_text="One for each, in their order; 1 where it is left out, below 0: not like this.",
    )


class PictureQuerySerializer(TextQuerySerializer):
    """POST: words, pictures, assets, or several of them at once, each with a weight."""

    image = AnyOf(
        serializers.FileField(),
        write_only=True,
        max_length=MAX_PARTS,
        help_text="A picture or several. They are searched with, not kept.",
    )
    image_weight = _weights()
    like = AnyOf(
        serializers.UUIDField(),
        max_length=MAX_PARTS,
        help_text="An asset's id or several: more like these.",
    )
    like_weight = _weights()
    text = _words(MAX_WORDS, help_text="More sentences beside “q”.")
    text_weight = _weights()

    def validate_image(self, uploads: Sequence[Any]) -> list[Any]:
        try:
            return [open_query_picture(upload.file) for upload in uploads]
        except IngestError as error:
            raise serializers.ValidationError(str(error), code=error.code) from error

    def validate_like(self, ids: Sequence[Any]) -> list[Asset]:
        visible = Asset.objects.visible_to(self.context["request"].user).select_related("current")
        found = {asset.public_id: asset for asset in visible.filter(public_id__in=ids)}
        if len(found) < len(set(ids)):
            raise serializers.ValidationError(_("There is no asset with this id."))
        return [found[public_id] for public_id in ids]

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        attrs = super().validate(attrs)
        if not (attrs["q"].strip() or attrs["image"] or attrs["like"] or attrs["text"] or attrs["colour"]):
            raise serializers.ValidationError(_("Give “q”, “image”, “like” or “colour”."))
        for name in ("image", "like", "text"):
            if len(attrs[f"{name}_weight"]) > len(attrs[name]):
                raise serializers.ValidationError(
                    {f"{name}_weight": _("There are more weights than things that they are for.")}
                )
        return attrs

    def parts(self) -> tuple[Part, ...]:
        found = []
        for name, argument in (("text", "text"), ("image", "image"), ("like", "asset")):
            things, weights = self.validated_data[name], self.validated_data[f"{name}_weight"]
            for place, thing in enumerate(things):
                weight = weights[place] if place < len(weights) else 1.0
                found.append(Part(weight=weight, **{argument: thing}))
        return tuple(found)


class AssetQuerySerializer(PictureQuerySerializer):
    """The same as JSON, which holds no pictures."""

    image = None  # type: ignore[assignment]  # so is a declared field left out
    image_weight = None  # type: ignore[assignment]


class LegSerializer(serializers.Serializer):
    """What one way of looking says of a hit."""

    leg = serializers.CharField(help_text="cosine, bm25, words, exact, colour or newest.")
    space = serializers.CharField(help_text="The encoder, where the leg asks one.")
    score = serializers.FloatField()
    rank = serializers.IntegerField(help_text="Its place in that leg, from 1.")


class WordSerializer(serializers.Serializer):
    """A word of the question that stands in the asset."""

    word = serializers.CharField()
    field = serializers.CharField(help_text="sku, title, tag, alt_text or description.")
    label = serializers.CharField(help_text="The field in the caller's language.")  # type: ignore[assignment]


class WhySerializer(serializers.Serializer):
    """Why an asset was found."""

    sentence = serializers.CharField(help_text="For people, in the caller's language.")
    legs = LegSerializer(many=True)
    words = WordSerializer(many=True)
    colours = serializers.ListField(
        child=serializers.CharField(), help_text="The asset's colours that the picked ones mean."
    )
    exact = serializers.CharField(help_text="The code or title that is exactly what was typed.")


class HitSerializer(AssetSerializer):
    """An asset with its place in the ranking."""

    score = serializers.FloatField(read_only=True, help_text="Fused rank; only its order means something.")
    legs = serializers.DictField(
        child=serializers.FloatField(), read_only=True, help_text="Each leg's own score: cosine, bm25, exact."
    )
    why = serializers.SerializerMethodField()
    similar = serializers.IntegerField(read_only=True, help_text="How many more of the same stand behind it.")
    group = serializers.CharField(read_only=True, help_text="For “group”; empty where there are no others.")

    class Meta(AssetSerializer.Meta):
        fields: tuple[str, ...] = (  # type: ignore[assignment]
            *AssetSerializer.Meta.fields, "score", "legs", "why", "similar", "group",
        )  # fmt: skip

    def to_representation(self, hit: Any) -> dict[str, Any]:
        """The asset, on which `search.api.views` has put its place."""
        told = super().to_representation(hit)
        place = {"score": hit.score, "legs": hit.legs, "why": self.get_why(hit)}
        return told | place | {"similar": hit.similar, "group": hit.group}

    @extend_schema_field(WhySerializer)
    def get_why(self, hit: Any) -> dict[str, Any]:
        """As it is; nested serializers would be built and walked for every hit, to say the same."""
        why: Why = hit.why
        return {
            "sentence": why.sentence,
            "legs": [vars(leg) for leg in why.legs],
            "words": [vars(word) for word in why.words],
            "colours": why.colours,
            "exact": why.exact,
        }


class FacetSerializer(serializers.Serializer):
    """How many of the found assets have this value."""

    value = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    count = serializers.IntegerField()


class UnderstoodSerializer(serializers.Serializer):
    """How the sentence was taken."""

    wanted = serializers.CharField()
    unwanted = serializers.ListField(child=serializers.CharField())
    also = serializers.ListField(child=serializers.CharField(), help_text="Other words for the same.")
    corrections = serializers.DictField(child=serializers.CharField(), help_text="Typed → taken for.")


class ResultsSerializer(serializers.Serializer):
    """One page of results."""

    query = serializers.CharField()
    query_id = serializers.CharField(help_text="Names this question in the log of queries, or empty.")
    encoder = serializers.CharField(help_text="Empty where nothing was asked and the newest are shown.")
    took_ms = serializers.FloatField()
    total = serializers.IntegerField(help_text="Found assets, those behind a group's first included.")
    groups = serializers.IntegerField(help_text="Hits that can be paged through.")
    complete = serializers.BooleanField(help_text="False: paging on finds more than “total”.")
    degraded = serializers.CharField(help_text="Why the answer is poorer than usual, or empty.")
    understood = UnderstoodSerializer()
    facets = serializers.DictField(
        child=FacetSerializer(many=True),
        help_text="By filter; only of what the caller may open. Empty unless “facets” is true.",
    )
    empty_because = serializers.CharField(help_text="Why nothing was found and what to try, or empty.")
    next = serializers.CharField(allow_null=True, help_text="Cursor of the next page.")
    results = HitSerializer(many=True)
