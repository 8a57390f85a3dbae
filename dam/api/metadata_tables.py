"""Endpoints of the metadata of many assets: out as a table, and back in with a dry run."""

from __future__ import annotations

from typing import Any

from django.http.response import HttpResponseBase
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from dam.api.schema import TABLE
from dam.exports import metadata_table
from dam.manifest import ImportProblem
from dam.metadata_updates import MAX_WAITED_FOR, UpdateReport, update_metadata
from dam.people import signed_in
from dam.table_downloads import table_download


class MetadataTableSerializer(serializers.Serializer):
    """The edited table."""

    file = serializers.FileField(help_text="CSV or XLSX with a column “id” or “sha256”.")
    dry_run = serializers.BooleanField(default=True, help_text="Show what would change; write nothing.")


class RowChangeSerializer(serializers.Serializer):
    """What a row changes."""

    row = serializers.IntegerField(source="number")
    asset = serializers.UUIDField(source="asset.public_id")
    changes = serializers.SerializerMethodField(help_text="Column → before and after.")

    def get_changes(self, change: Any) -> dict[str, dict[str, str]]:
        return {
            column: {"before": before, "after": after} for column, (before, after) in change.columns.items()
        }


class RowFaultSerializer(serializers.Serializer):
    """What is wrong with a row."""

    row = serializers.IntegerField(source="number")
    file = serializers.CharField()
    problem = serializers.CharField(source="sentence")


class UpdateReportSerializer(serializers.Serializer):
    """What an update did, or would do."""

    changes = RowChangeSerializer(many=True)
    unchanged = serializers.IntegerField()
    faults = RowFaultSerializer(many=True)
    ignored = serializers.ListField(
        child=serializers.CharField(), help_text="Columns that mean nothing here."
    )


class MetadataTableActions(GenericViewSet):
    """What the endpoint of assets has for tables."""

    @extend_schema(
        parameters=[OpenApiParameter("as", str, enum=["csv", "xlsx"], default="csv")],
        responses=TABLE,
    )
    @action(detail=False, pagination_class=None)
    def export(self, request: Request) -> HttpResponseBase:
        """The chosen assets' metadata, as far as the caller may see them: the manifest's columns and “id”."""
        table = metadata_table(self.filter_queryset(self.get_queryset()), request.user)
        return table_download(table, "metadata", request.query_params.get("as", ""))

    @extend_schema(request={"multipart/form-data": MetadataTableSerializer}, responses=UpdateReportSerializer)
    @action(
        detail=False,
        methods=["post"],
        url_path="update-metadata",
        filterset_class=None,
        pagination_class=None,
    )
    def update_metadata(self, request: Request) -> Response:
        """Change what the table says otherwise than the library; bad rows stop none of the others."""
        given = MetadataTableSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        file = given.validated_data["file"]
        try:
            report: UpdateReport = update_metadata(
                file,
                actor=signed_in(request),
                dry_run=given.validated_data["dry_run"],
                name=file.name,
                at_most=MAX_WAITED_FOR,
            )
        except ImportProblem as problem:
            raise serializers.ValidationError({"file": [str(problem)]}) from problem
        return Response(UpdateReportSerializer(report).data)
