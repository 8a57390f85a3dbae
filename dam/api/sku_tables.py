"""Endpoints of the tables of SKUs: taking one in, giving one out."""

from __future__ import annotations

from typing import Any

from django.http import StreamingHttpResponse
from django.utils.translation import ngettext
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from dam.api.permissions import EditorsOnly
from dam.api.problems import CONTENT_TYPE, problem
from dam.people import signed_in
from dam.sku_sync import CHANGED, CREATED, PROBLEM, SyncReport, sync_skus
from dam.sku_table import TableProblem, sku_rows
from dam.table_downloads import csv_download


class SKUSyncSerializer(serializers.Serializer):
    """The table, and how strictly it is taken."""

    file = serializers.FileField(
        allow_empty_file=True,
        help_text="CSV or XLSX: code, name, name_zh, parent, status, barcode, attr:NAME.",
    )
    dry_run = serializers.BooleanField(default=False, help_text="Say what would change, and change nothing.")
    partial = serializers.BooleanField(  # type: ignore[assignment]  # the stubs mean BaseSerializer.partial
        default=False, help_text="Take the good rows although others are bad."
    )
    deactivate_missing = serializers.BooleanField(
        default=False, help_text="SKUs that the table does not name become discontinued."
    )


class RowReportSerializer(serializers.Serializer):
    """What became of one row that is not as the library has it."""

    number = serializers.IntegerField(help_text="As a spreadsheet shows it.")
    code = serializers.CharField()
    outcome = serializers.ChoiceField([CREATED, CHANGED, PROBLEM])
    columns = serializers.ListField(child=serializers.CharField(), help_text="What is new in it.")
    sentence = serializers.CharField(help_text="What is wrong with it.")


class SyncReportSerializer(serializers.Serializer):
    """What a table changed, or would change."""

    written = serializers.BooleanField()
    created = serializers.SerializerMethodField()
    changed = serializers.SerializerMethodField()
    unchanged = serializers.IntegerField()
    problems = serializers.SerializerMethodField()
    discontinued = serializers.ListField(child=serializers.CharField())
    notices = serializers.ListField(child=serializers.CharField())
    rows = RowReportSerializer(many=True)

    def get_created(self, report: SyncReport) -> int:
        return report.count(CREATED)

    def get_changed(self, report: SyncReport) -> int:
        return report.count(CHANGED)

    def get_problems(self, report: SyncReport) -> int:
        return report.count(PROBLEM)


class SKUTableActions(GenericViewSet):
    """What the endpoint of SKUs has for whole tables."""

    @extend_schema(
        request={"multipart/form-data": SKUSyncSerializer},
        responses={
            200: SyncReportSerializer,
            422: OpenApiResponse(description="Rows are bad and nothing was changed; “report” says which."),
        },
    )
    @action(
        detail=False, methods=["post"], filterset_class=None, pagination_class=None,
        parser_classes=[MultiPartParser],
    )  # fmt: skip
    def sync(self, request: Request) -> Response:
        """Create and change SKUs until they are as a table has them; all of its rows, or none."""
        given = SKUSyncSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        asked: dict[str, Any] = given.validated_data
        try:
            report = sync_skus(
                asked["file"],
                actor=signed_in(request),
                name=asked["file"].name,
                dry_run=asked["dry_run"],
                partial=asked["partial"],
                discontinue_missing=asked["deactivate_missing"],
            )
        except TableProblem as error:
            raise serializers.ValidationError({"file": str(error)}) from error
        body = SyncReportSerializer(report).data
        if report.written or asked["dry_run"]:
            return Response(body)
        count = report.count(PROBLEM)
        detail = ngettext(
            "%(count)d row has a problem; nothing was changed.",
            "%(count)d rows have problems; nothing was changed.",
            count,
        )
        document = problem(422, detail % {"count": count}, code="bad_rows", report=body)
        return Response(document, status.HTTP_422_UNPROCESSABLE_ENTITY, content_type=CONTENT_TYPE)

    @extend_schema(responses={(200, "text/csv"): OpenApiTypes.BINARY})
    @action(detail=False, filterset_class=None, pagination_class=None, permission_classes=[EditorsOnly])
    def export(self, request: Request) -> StreamingHttpResponse:
        """Every SKU as CSV; syncing it back changes nothing."""
        return csv_download(sku_rows(), "skus.csv")
