"""Endpoint of an asset's embedded metadata: what its file says, and which fields came from it."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from dam import downloads, from_file
from dam.api.problems import RejectedFile
from dam.errors import IngestError
from dam.metadata_mapping import found_in
from dam.models import Asset
from dam.people import signed_in
from dam.place import without_place
from dam.tagging import names_of


class FoundSerializer(serializers.Serializer):
    """What the file says for one field of the asset."""

    field = serializers.CharField()
    value = serializers.JSONField(help_text="A text, or a list of tags.")
    embedded_as = serializers.CharField(help_text="What it is called in the file, such as “xmp:dc:title”.")
    taken = serializers.BooleanField(help_text="The asset's field was filled from it and still says so.")


class MetadataSerializer(serializers.Serializer):
    """The groups as they were read, and what they mean for the asset's fields."""

    version = serializers.IntegerField()
    exif = serializers.DictField()
    iptc = serializers.DictField()
    xmp = serializers.DictField()
    profile = serializers.CharField(help_text="Name of the colour profile.", allow_blank=True)
    fields_found = FoundSerializer(many=True)


class TakenSerializer(serializers.Serializer):
    """The names of the fields that were filled."""

    taken = serializers.ListField(child=serializers.CharField())


class MetadataActions(GenericViewSet):
    """What the endpoint of assets has for embedded metadata."""

    @extend_schema(responses=MetadataSerializer)
    @action(detail=True, filterset_class=None, pagination_class=None)
    def metadata(self, request: Request, public_id: Any) -> Response:
        """What the current file says about itself; the place only for editors and its owner."""
        asset: Asset = self.get_object()
        if asset.current is None:
            raise NotFound(_("This asset has no file."))
        kept = asset.current.metadata
        found = found_in(kept)
        taken = from_file.kept_from_file(asset, names_of(asset.tags.all()))
        if not downloads.may_know_place(request.user, asset):
            kept = without_place(kept)
        fields = [
            {"field": name, "value": one.value, "embedded_as": one.source, "taken": name in taken}
            for name, one in found.items()
        ]
        groups = {name: kept.get(name) or {} for name in ("exif", "iptc", "xmp")}
        body = {"version": asset.current.number, **groups, "profile": kept.get("profile", "")}
        return Response(MetadataSerializer({**body, "fields_found": fields}).data)

    @extend_schema(request=None, responses=TakenSerializer)
    @metadata.mapping.post
    def take_from_file(self, request: Request, public_id: Any) -> Response:
        """Fill the fields that are empty with what the file says."""
        try:
            taken = from_file.take_from_file(self.get_object(), actor=signed_in(request))
        except IngestError as error:
            raise RejectedFile(error) from error
        except FileNotFoundError as error:
            raise NotFound(_("The storage has lost this file.")) from error
        return Response({"taken": taken})
