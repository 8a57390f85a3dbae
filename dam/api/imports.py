"""Endpoints of imports: created from an upload, a prefix or a folder; checked, started, stopped, resumed."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.db.models import Prefetch, QuerySet
from django.http import FileResponse
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import mixins, serializers, status
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound, PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from dam import import_runs
from dam.api.fields import WordList
from dam.api.lookups import PUBLIC_ID
from dam.api.permissions import ContributorsOnly
from dam.api.problems import Conflict
from dam.api.schema import TABLE
from dam.api.serializers import check_state
from dam.ingest import AssetMetadata
from dam.manifest import ImportProblem
from dam.models import Asset, AssetKind, AssetState, Import, ImportRow, ImportSource, UploadSession
from dam.people import signed_in

FORMATS = ("csv", "xlsx")


class ImportSerializer(serializers.ModelSerializer):
    """An import, and how far it is."""

    id = serializers.UUIDField(source="public_id", read_only=True)
    owner = serializers.CharField(source="owner.username", read_only=True)
    done = serializers.IntegerField(read_only=True, help_text="Files whose outcome is known, of “total”.")

    class Meta:
        model = Import
        fields = (
            "id", "owner", "source", "location", "options", "state", "total", "done", "imported",
            "duplicates", "rejected", "notices", "problem", "created", "started", "finished",
        )  # fmt: skip
        read_only_fields = fields


class NewImportSerializer(serializers.Serializer):
    """What to import: a complete upload of the purpose “import”, a prefix of S3, or a folder on the site."""

    upload = serializers.UUIDField(required=False, help_text="Id of the upload that holds the archive.")
    manifest = serializers.UUIDField(required=False, help_text="Id of the upload that holds a CSV or XLSX.")
    s3 = serializers.CharField(max_length=1024, required=False, help_text="s3://bucket/prefix")
    folder = serializers.CharField(max_length=1024, required=False)
    kind = serializers.ChoiceField(AssetKind.choices, default=AssetKind.OTHER)
    state = serializers.ChoiceField(AssetState.choices, default=AssetState.DRAFT)
    tags = WordList(required=False)
    dry_run = serializers.BooleanField(default=True, help_text="Check first, and wait to be started.")

    def validate_state(self, state: str) -> str:
        return check_state(state, self.context["request"].user)

    def validate_upload(self, public_id: Any) -> UploadSession:
        mine = UploadSession.objects.filter(owner=self.context["request"].user, public_id=public_id)
        if (found := mine.first()) is None:
            raise serializers.ValidationError(_("There is no such upload, or it has expired. Begin anew."))
        return found

    validate_manifest = validate_upload

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if sum(name in attrs for name in ("upload", "s3", "folder")) != 1:
            raise serializers.ValidationError(_("Give one of “upload”, “s3” and “folder”."))
        return attrs

    def create(self, validated: dict[str, Any]) -> Import:
        if "upload" in validated:
            source = ImportSource.ARCHIVE
        else:
            source = ImportSource.S3 if "s3" in validated else ImportSource.FOLDER
        return import_runs.create_import(
            self.context["request"].user,
            source=source,
            location=validated.get("s3") or validated.get("folder") or "",
            upload=validated.get("upload"),
            table=validated.get("manifest"),
            defaults=AssetMetadata(
                kind=validated["kind"], state=validated["state"], tags=validated.get("tags", ())
            ),
            dry_run=validated["dry_run"],
        )


class ImportRowSerializer(serializers.ModelSerializer):
    """What became of one file, or is wrong with one row of the manifest."""

    file = serializers.CharField(source="name")
    row = serializers.IntegerField(source="number", help_text="Of the manifest; 0: none.")
    asset = serializers.UUIDField(source="asset.public_id", allow_null=True)

    class Meta:
        model = ImportRow
        fields = ("file", "row", "outcome", "problem", "asset")


class ImportViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, GenericViewSet):
    """Imports: all of them for administrators, for others their own."""

    queryset = Import.objects.none()
    serializer_class = ImportSerializer
    permission_classes = (ContributorsOnly,)
    lookup_field = "public_id"
    lookup_value_regex = PUBLIC_ID
    conflicts = ("start", "stop", "resume")

    def get_queryset(self) -> QuerySet[Import]:
        return import_runs.imports_of(self.request.user)

    @extend_schema(request=NewImportSerializer, responses={201: ImportSerializer})
    def create(self, request: Request) -> Response:
        """Begin an import; it runs in the background."""
        given = NewImportSerializer(data=request.data, context=self.get_serializer_context())
        given.is_valid(raise_exception=True)
        try:
            run = given.save()
        except import_runs.NotForThisRole as problem:
            raise PermissionDenied(str(problem)) from problem
        except ImportProblem as problem:
            raise serializers.ValidationError({"source": [str(problem)]}) from problem
        body = ImportSerializer(run, context=self.get_serializer_context()).data
        headers = {"Location": self.reverse_action("detail", [run.public_id])}
        return Response(body, status=status.HTTP_201_CREATED, headers=headers)

    @extend_schema(
        parameters=[OpenApiParameter("outcome", str, enum=["imported", "known", "rejected"])],
        responses=ImportRowSerializer(many=True),
    )
    @action(detail=True)
    def rows(self, request: Request, public_id: Any) -> Response:
        """What became of each file; while it is only checked, those with a problem."""
        # A file may have been known as an asset that is not for the caller to open.
        assets = Prefetch("asset", Asset.objects.visible_to(request.user))
        rows = self.get_object().rows.prefetch_related(assets)
        if outcome := request.query_params.get("outcome"):
            rows = rows.filter(outcome=outcome)
        page = self.paginate_queryset(rows)
        return self.get_paginated_response(ImportRowSerializer(page, many=True).data)

    @extend_schema(request=None, responses=ImportSerializer)
    @action(detail=True, methods=["post"])
    def start(self, request: Request, public_id: Any) -> Response:
        """Take in what was checked."""
        return self._do(import_runs.start)

    @extend_schema(request=None, responses=ImportSerializer)
    @action(detail=True, methods=["post"])
    def stop(self, request: Request, public_id: Any) -> Response:
        """End after the pictures that are under way."""
        return self._do(import_runs.stop)

    @extend_schema(request=None, responses=ImportSerializer)
    @action(detail=True, methods=["post"])
    def resume(self, request: Request, public_id: Any) -> Response:
        """Go on where it stopped or failed."""
        return self._do(import_runs.resume)

    @extend_schema(
        operation_id="imports_errors_retrieve",
        parameters=[OpenApiParameter("ending", str, OpenApiParameter.PATH, enum=FORMATS)],
        responses=TABLE,
    )
    def errors(self, request: Request, public_id: Any, ending: str) -> FileResponse:
        """The rejected rows with what is wrong with each, to be corrected and imported again."""
        run = self.get_object()
        if not run.rejected:
            raise NotFound(_("Nothing was rejected."))
        return error_sheet_response(run, ending)

    def _do(self, verb: Callable[..., None]) -> Response:
        run = self.get_object()
        try:
            verb(run, actor=signed_in(self.request))
        except import_runs.NotNow as error:
            raise Conflict(str(error), "not_now") from error
        return Response(ImportSerializer(run, context=self.get_serializer_context()).data)


def error_sheet_response(run: Import, ending: str) -> FileResponse:
    """The error sheet as a download."""
    with tempfile.TemporaryDirectory() as folder:
        sheet = Path(folder) / f"errors.{ending}"
        import_runs.error_sheet(run, sheet)
        file = sheet.open("rb")  # stays readable after its name is gone
    return FileResponse(file, as_attachment=True, filename=f"errors-{run.public_id}.{ending}")
