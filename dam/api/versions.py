"""Endpoints of an asset's versions: listing, adding, going back."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from dam import downloads, version_compare, versions, workflow
from dam.addresses import difference_url, original_url, rendition_url
from dam.api.fields import AccountField
from dam.api.permissions import ContributorsOnly
from dam.api.problems import RejectedFile
from dam.errors import IngestError
from dam.models import Asset, AssetVersion
from dam.people import signed_in
from dam.version_compare import Comparison

NUMBER = OpenApiParameter("number", OpenApiTypes.INT, OpenApiParameter.PATH)


class VersionSerializer(serializers.ModelSerializer):
    """One file of an asset."""

    current = serializers.SerializerMethodField()
    created_by = AccountField()
    file_name = serializers.CharField(source="original_name", read_only=True)
    thumbnail = serializers.SerializerMethodField()
    web = serializers.SerializerMethodField()
    original = serializers.SerializerMethodField()

    class Meta:
        model = AssetVersion
        fields = (
            "number", "current", "file_name", "mime", "size", "sha256", "width", "height", "created",
            "created_by", "thumbnail", "web", "original",
        )  # fmt: skip

    def get_current(self, version: AssetVersion) -> bool:
        return version.asset.current_id == version.pk

    def get_thumbnail(self, version: AssetVersion) -> str:
        return self._absolute(rendition_url(version.asset, "thumbnail", version))

    def get_web(self, version: AssetVersion) -> str:
        return self._absolute(rendition_url(version.asset, "web", version))

    def get_original(self, version: AssetVersion) -> str:
        return self._absolute(original_url(version.asset, version))

    def _absolute(self, path: str) -> str:
        address: str = self.context["request"].build_absolute_uri(path)
        return address


class DifferenceSerializer(serializers.Serializer):
    """A fact that is not the same of both versions."""

    def get_fields(self) -> dict[str, Any]:
        """“from” is a word of Python's."""
        return {
            "name": serializers.CharField(),
            "from": serializers.JSONField(source="before"),
            "to": serializers.JSONField(source="after"),
        }


class MetadataDifferenceSerializer(DifferenceSerializer):
    """A property of the embedded metadata that is not the same."""

    def get_fields(self) -> dict[str, Any]:
        return {"group": serializers.CharField(help_text="exif, iptc or xmp."), **super().get_fields()}


class ComparisonSerializer(serializers.Serializer):
    """Two versions of an asset and what differs."""

    def get_fields(self) -> dict[str, Any]:
        return {
            "from": VersionSerializer(source="before"),
            "to": VersionSerializer(source="after"),
            "facts": DifferenceSerializer(many=True, help_text="Of the files; sizes in bytes."),
            "metadata": MetadataDifferenceSerializer(many=True),
            "distance": serializers.IntegerField(
                allow_null=True, help_text="In how many of 64 bits the perceptual hashes differ."
            ),
            "alike_percent": serializers.IntegerField(source="percent", allow_null=True),
            "same_picture": serializers.SerializerMethodField(),
            "difference": serializers.SerializerMethodField(
                help_text="Address of a picture of where they differ."
            ),
        }

    def get_same_picture(self, found: Comparison) -> bool:
        return found.nearness is not None

    def get_difference(self, found: Comparison) -> str:
        path = difference_url(found.after.asset, found.before, found.after)
        address: str = self.context["request"].build_absolute_uri(path)
        return address


class NewVersionSerializer(serializers.Serializer):
    """The file that becomes the current one."""

    file = serializers.FileField(allow_empty_file=True, help_text="The picture; its content is what counts.")


class VersionActions(GenericViewSet):
    """What the endpoint of assets has for versions."""

    @extend_schema(responses=VersionSerializer(many=True))
    @action(detail=True, filterset_class=None, pagination_class=None)
    def versions(self, request: Request, public_id: Any) -> Response:
        """The asset's files, the newest first; those before are for editors and the asset's owner."""
        asset = self.get_object()
        rows = asset.versions.select_related("asset", "created_by").order_by("-number")
        if not workflow.may_change(request.user, asset):
            rows = rows.filter(pk=asset.current_id)
        return Response(VersionSerializer(rows, many=True, context=self.get_serializer_context()).data)

    @extend_schema(
        request={"multipart/form-data": NewVersionSerializer},
        responses={
            201: VersionSerializer,
            200: OpenApiResponse(VersionSerializer, "It is a version already, whose file had been lost."),
        },
    )
    @versions.mapping.post
    def add_version(self, request: Request, public_id: Any) -> Response:
        """Make a new file the current one; those before stay. A file that had been lost is put back."""
        given = NewVersionSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        asset, file = self.get_object(), given.validated_data["file"]
        known = set(asset.versions.values_list("pk", flat=True))
        try:
            version = versions.add_version(asset, file, filename=file.name, actor=signed_in(request))
        except IngestError as error:
            raise RejectedFile(error) from error
        body = VersionSerializer(version, context=self.get_serializer_context()).data
        created = version.pk not in known
        return Response(body, status=status.HTTP_201_CREATED if created else status.HTTP_200_OK)

    @extend_schema(
        parameters=[
            OpenApiParameter("from", OpenApiTypes.INT, description="A version; else the one before “to”."),
            OpenApiParameter("to", OpenApiTypes.INT, description="Another version; else the current one."),
        ],
        responses=ComparisonSerializer,
    )
    @action(
        detail=True,
        url_path="versions/compare",
        permission_classes=[ContributorsOnly],
        filterset_class=None,
        pagination_class=None,
    )
    def compare_versions(self, request: Request, public_id: Any) -> Response:
        """What differs between two versions, for editors and the asset's owner."""
        asset: Asset = self.get_object()
        workflow.check_changing(signed_in(request), [asset])
        given = request.query_params
        try:
            before, after = version_compare.pick(asset, given.get("from", ""), given.get("to", ""))
        except version_compare.CannotCompare as error:
            raise NotFound(str(error)) from error
        shows_place = downloads.may_know_place(signed_in(request), asset)
        found = version_compare.compare(before, after, shows_place=shows_place)
        return Response(ComparisonSerializer(found, context=self.get_serializer_context()).data)

    @extend_schema(parameters=[NUMBER], request=None, responses=VersionSerializer)
    @action(
        detail=True,
        methods=["post"],
        url_path=r"versions/(?P<number>\d{1,6})/restore",
        filterset_class=None,
        pagination_class=None,
    )
    def restore_version(self, request: Request, public_id: Any, number: str) -> Response:
        """Make this file the current one again."""
        try:
            version = versions.restore_version(self.get_object(), int(number), actor=signed_in(request))
        except AssetVersion.DoesNotExist as error:
            raise NotFound(_("The asset has no version %(number)s.") % {"number": number}) from error
        version = AssetVersion.objects.select_related("asset", "created_by").get(pk=version.pk)
        return Response(VersionSerializer(version, context=self.get_serializer_context()).data)
