"""What the search endpoints take and answer."""

from __future__ import annotations

from typing import Any

from django.core import signing
from django.utils.translation import gettext_lazy as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from dam.api.serializers import AssetSerializer
from dam.colours import FAMILIES
from dam.ingest import IngestError
from dam.models import Asset, AssetKind
from search.pictures import open_query_picture
from search.query import CANDIDATES, MAX_DEPTH, MAX_WORDS

CURSOR_SALT = "search.cursor"
DEFAULT_LIMIT = 48


@extend_schema_field(OpenApiTypes.STR)
class CursorField(serializers.Field):
    """Where the next page starts: opaque and signed, so that nobody guesses depths."""

    def to_representation(self, value: Any) -> str:
        return cursor_for(value)

    def to_internal_value(self, data: Any) -> int:
        try:
            return int(signing.loads(str(data), salt=CURSOR_SALT))
        except (signing.BadSignature, ValueError, TypeError) as error:
            raise serializers.ValidationError(
                _("This cursor was not made by this search; start again without one.")
            ) from error


def cursor_for(offset: int) -> str:
    """The cursor of a page that starts at `offset`."""
    return signing.dumps(offset, salt=CURSOR_SALT)


class FiltersSerializer(serializers.Serializer):
    """Filters and page, the same for every way to ask."""

    kind = serializers.ChoiceField(AssetKind.choices, required=False, default="")
    tag = serializers.CharField(
        required=False,
        default="",
        max_length=240,
        help_text="Slug, label or synonym of a tag; tags below it count as well.",
    )
    sku = serializers.CharField(required=False, default="", max_length=64, help_text="Code of a SKU.")
    colour = serializers.ChoiceField(FAMILIES, required=False, default="", help_text="Main colour family.")
    limit = serializers.IntegerField(required=False, default=DEFAULT_LIMIT, min_value=1, max_value=CANDIDATES)
    cursor = CursorField(required=False, default=0, help_text="“next” of the page before.")


class TextQuerySerializer(FiltersSerializer):
    """GET: words and filters."""

    q = serializers.CharField(
        required=False,
        default="",
        allow_blank=True,
        max_length=MAX_WORDS,
        help_text="A sentence in English or Chinese, a title or a SKU code. Empty: the newest assets.",
    )


class PictureQuerySerializer(TextQuerySerializer):
    """POST: words, a picture, an asset, or several of them at once."""

    image = serializers.FileField(required=False, write_only=True, help_text="It is searched with, not kept.")
    like = serializers.UUIDField(required=False, help_text="An asset's id: more like this one.")

    def validate_image(self, upload: Any) -> Any:
        try:
            return open_query_picture(upload.read())
        except IngestError as error:
            raise serializers.ValidationError(str(error), code=error.code) from error

    def validate_like(self, public_id: Any) -> Asset:
        visible = Asset.objects.visible_to(self.context["request"].user).select_related("current")
        asset = visible.filter(public_id=public_id).first()
        if asset is None:
            raise serializers.ValidationError(_("There is no asset with this id."))
        return asset

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if not (attrs["q"].strip() or attrs.get("image") or attrs.get("like")):
            raise serializers.ValidationError(_("Give “q”, “image” or “like”."))
        return attrs


class HitSerializer(AssetSerializer):
    """An asset with its place in the ranking."""

    score = serializers.FloatField(read_only=True, help_text="Fused rank; only its order means something.")
    legs = serializers.DictField(
        child=serializers.FloatField(), read_only=True, help_text="Each leg's own score: cosine, bm25, exact."
    )

    class Meta(AssetSerializer.Meta):
        fields: tuple[str, ...] = (*AssetSerializer.Meta.fields, "score", "legs")  # type: ignore[assignment]


class ResultsSerializer(serializers.Serializer):
    """One page of results."""

    query = serializers.CharField()
    encoder = serializers.CharField(help_text="Empty where nothing was asked and the newest are shown.")
    took_ms = serializers.FloatField()
    total = serializers.IntegerField(max_value=2 * MAX_DEPTH)
    degraded = serializers.CharField(help_text="Why the answer is poorer than usual, or empty.")
    next = serializers.CharField(allow_null=True, help_text="Cursor of the next page.")
    results = HitSerializer(many=True)
