"""Endpoints of presets: the two built in and those that administrators make."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError as ModelError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.validators import UniqueValidator

from dam import presets
from dam.api.permissions import AdministratorsWrite, EditorsOnly
from dam.api.preconditions import IfMatch
from dam.api.problems import Conflict
from dam.models import Asset, RenditionPreset
from dam.people import signed_in
from dam.presets import BUILT_IN, Preset

NOT_TAKEN = UniqueValidator(
    RenditionPreset.objects.all(), message=gettext_lazy("There is a preset of this name already.")
)


class WatermarkField(serializers.SlugRelatedField):
    """An asset by its public id, among those that the caller may see."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(slug_field="public_id", required=False, allow_null=True, **kwargs)

    def get_queryset(self) -> Any:
        return Asset.objects.visible_to(self.context["request"].user).select_related("current")

    def to_internal_value(self, data: Any) -> Asset:
        try:
            return super().to_internal_value(data)
        except ModelError as error:  # no id at all
            raise serializers.ValidationError(_("No such asset: %(ids)s.") % {"ids": data}) from error

    def to_representation(self, value: Any) -> str:
        return str(value.public_id)

    def use_pk_only_optimization(self) -> bool:
        return False


class PresetSerializer(serializers.ModelSerializer):
    """How one kind of rendition is made."""

    slug = serializers.SlugField(max_length=32, validators=[NOT_TAKEN])
    watermark_asset = WatermarkField(queryset=Asset.objects.none())
    built_in = serializers.SerializerMethodField(help_text="Part of the library; cannot be changed.")

    class Meta:
        model = RenditionPreset
        fields = (
            "slug", "title", "title_zh", "width", "height", "fit", "background", "format", "quality",
            "cutout", "watermark_text", "watermark_asset", "watermark_position", "watermark_opacity",
            "watermark_size", "ai_mark", "keep_metadata", "public", "active", "built_in",
        )  # fmt: skip

    def get_built_in(self, preset: Preset | RenditionPreset) -> bool:
        return isinstance(preset, Preset)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """The model's own rules, of the preset as it would be, and what can be done here."""
        unsaved = RenditionPreset(**{**self._present(), **attrs})
        try:
            unsaved.clean()
        except ModelError as error:
            raise serializers.ValidationError(error.message_dict) from error
        if problems := presets.problems_with(unsaved):
            raise serializers.ValidationError(problems)
        return attrs

    def _present(self) -> dict[str, Any]:
        if self.instance is None:
            return {}
        written = [name for name in self.Meta.fields if name != "built_in"]
        return {name: getattr(self.instance, name) for name in written}


class PresetViewSet(IfMatch):
    """Presets: editors read them, administrators write them."""

    queryset = RenditionPreset.objects.none()
    serializer_class = PresetSerializer
    permission_classes = (EditorsOnly, AdministratorsWrite)
    pagination_class = None
    filterset_class = None
    lookup_field = "slug"
    http_method_names = ("get", "post", "patch", "delete", "head", "options")
    conflicts = ("partial_update", "destroy")

    def get_queryset(self) -> Any:
        return RenditionPreset.objects.select_related("watermark_asset__current").order_by("slug")

    def list(self, request: Request) -> Response:
        """All of them, those built in first, those switched off among them."""
        every = [*BUILT_IN.values(), *self.get_queryset()]
        return Response(self.get_serializer(every, many=True).data)

    def retrieve(self, request: Request, slug: str) -> Response:
        """One preset."""
        return Response(self.get_serializer(BUILT_IN.get(slug) or self._row(slug)).data)

    @extend_schema(responses={201: PresetSerializer})
    def create(self, request: Request) -> Response:
        """Make a preset."""
        return self._write(RenditionPreset(), self.get_serializer(data=request.data), status.HTTP_201_CREATED)

    def partial_update(self, request: Request, slug: str) -> Response:
        """Change a preset; addresses of before lead to the new ones."""
        row = self._changeable(slug)
        return self._write(row, self.get_serializer(row, data=request.data, partial=True), status.HTTP_200_OK)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, slug: str) -> Response:
        """Remove a preset, and with it the renditions made by it."""
        presets.delete(self._changeable(slug), actor=signed_in(request))
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _write(self, row: RenditionPreset, given: Any, code: int) -> Response:
        given.is_valid(raise_exception=True)
        for name, value in given.validated_data.items():
            setattr(row, name, value)
        presets.save(row, actor=signed_in(self.request))
        return Response(self.get_serializer(row).data, status=code)

    def _changeable(self, slug: str) -> RenditionPreset:
        if slug in BUILT_IN:
            raise Conflict(
                _("“%(preset)s” is built in and cannot be changed. Make a preset of your own.")
                % {"preset": slug},
                "built_in",
            )
        return self._row(slug)

    def _row(self, slug: str) -> RenditionPreset:
        row = self.get_queryset().filter(slug=slug).first()
        if row is None:
            raise NotFound(str(presets.NoSuchPreset(slug, presets.known())))
        return row
