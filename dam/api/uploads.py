"""Endpoints of resumable uploads: the tus protocol 1.0.0, and what became of each upload."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import User
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest, UnreadablePostError
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from dam import uploads
from dam.addresses import thumbnail_url
from dam.api import tus
from dam.api.permissions import ContributorsOnly
from dam.api.serializers import UploadSerializer, metadata_of
from dam.ingest import AssetMetadata
from dam.models import Asset, Collection, UploadPurpose, UploadSession
from dam.people import signed_in
from dam.roles import sees_library
from dam.upload_spool import BLOCK, Checksum

OVERRIDABLE = ("PATCH", "DELETE")
CHANGING = ("POST", "HEAD", *OVERRIDABLE)
LISTED = 200
REFUSAL_STATUS = {
    "too_large": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "too_many": HTTPStatus.CONFLICT,
    "no_room": HTTPStatus.INSUFFICIENT_STORAGE,
}
TUS_HEADER = OpenApiParameter(
    "Tus-Resumable", str, OpenApiParameter.HEADER, required=True, enum=[tus.VERSION]
)
OFFSET = OpenApiParameter("Upload-Offset", int, OpenApiParameter.HEADER, required=True)
LENGTH = OpenApiParameter("Upload-Length", int, OpenApiParameter.HEADER, required=True)
METADATA = OpenApiParameter(
    "Upload-Metadata",
    str,
    OpenApiParameter.HEADER,
    description=(
        "“filename”, and for pictures “title”, “kind”, “state”, “tags”, “territories” and “skus” (with "
        "commas; “CODE:ROLE” is a SKU in its role), “collection” (id), “custom.SLUG” and the other fields of "
        "an asset; “purpose”: “import” for an archive or table to import from."
    ),
)
CHECKSUM = OpenApiParameter(
    "Upload-Checksum", str, OpenApiParameter.HEADER, description="Algorithm, a space, Base64."
)
PIECE = {tus.CONTENT_TYPE: OpenApiTypes.BINARY}


class UploadMetadataSerializer(UploadSerializer):
    """What a client says about the file in Upload-Metadata; keys that mean nothing here are left alone."""

    file = None  # type: ignore[assignment]  # so is a declared field left out
    filename = serializers.CharField(max_length=1000, default="upload")
    purpose = serializers.ChoiceField(UploadPurpose.choices, default=UploadPurpose.ASSET)
    collection = serializers.PrimaryKeyRelatedField(queryset=Collection.objects.all(), required=False)

    class Meta(UploadSerializer.Meta):
        fields = (  # type: ignore[assignment]
            "filename", "purpose", "collection",
            *(name for name in UploadSerializer.Meta.fields if name != "file"),
        )  # fmt: skip

    def validate_collection(self, collection: Collection) -> Collection:
        user = self.context["request"].user
        if not sees_library(user) and collection.owner_id != user.pk:
            raise serializers.ValidationError(_("No such collection: %(id)s.") % {"id": collection.pk})
        return collection

    def metadata(self) -> AssetMetadata:
        """Without what is said about the upload itself."""
        about_upload = ("filename", "purpose", "collection")
        known = {name: value for name, value in self.validated_data.items() if name not in about_upload}
        return metadata_of(known)


class UploadSessionSerializer(serializers.ModelSerializer):
    """How far an upload has come, and what became of it."""

    id = serializers.UUIDField(source="public_id", read_only=True)
    offset = serializers.SerializerMethodField()
    asset = serializers.UUIDField(source="asset.public_id", read_only=True, allow_null=True)
    title = serializers.CharField(source="asset.display_title", read_only=True, allow_null=True)
    thumbnail = serializers.SerializerMethodField()
    code = serializers.CharField(source="problem_code", read_only=True)

    class Meta:
        model = UploadSession
        fields = (
            "id", "name", "purpose", "length", "offset", "state", "asset", "title", "thumbnail", "code",
            "problem", "created", "expires",
        )  # fmt: skip
        read_only_fields = fields

    def get_offset(self, upload: UploadSession) -> int:
        try:
            return uploads.offset_of(upload)
        except uploads.Missing:
            return 0

    def get_thumbnail(self, upload: UploadSession) -> str:
        path = thumbnail_url(upload.asset) if upload.asset else ""
        return self.context["request"].build_absolute_uri(path) if path else ""


class ContributorsUpload(ContributorsOnly):
    """What the server speaks, anybody may ask."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        return request.method == "OPTIONS" or super().has_permission(request, view)


class TusView(APIView):
    """What both addresses share. A folder of pictures is thousands of requests, so the API's throttles
    do not count them; the number of open uploads is bounded instead.
    """

    permission_classes = (ContributorsUpload,)
    parser_classes = (tus.PieceParser,)
    throttle_classes = ()

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Clients that cannot send every method say which they mean."""
        meant = request.headers.get("X-HTTP-Method-Override", "").upper()
        if request.method == "POST" and meant in OVERRIDABLE:
            request.method = meant
        return super().dispatch(request, *args, **kwargs)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        # Of a form all would be read, however long it is, in search of the token that forms have.
        if request.content_type.lower().startswith("multipart/"):
            raise _no_piece()
        super().initial(request, *args, **kwargs)
        if request.method in CHANGING and hasattr(self, request.method.lower()):
            tus.require_version(request)

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        response = super().finalize_response(request, response, *args, **kwargs)
        response["Tus-Resumable"] = tus.VERSION
        response["Cache-Control"] = "no-store"
        if response.status_code == HTTPStatus.PRECONDITION_FAILED:
            response["Tus-Version"] = tus.VERSION
        return response

    @extend_schema(responses={204: OpenApiResponse(description="Version, extensions and largest size.")})
    def options(self, request: Request, *args: Any, **kwargs: Any) -> Response:  # type: ignore[override]
        """What this server speaks."""
        largest = max(settings.DAM_MAX_FILE_BYTES, settings.DAM_MAX_ARCHIVE_BYTES)
        return Response(status=HTTPStatus.NO_CONTENT, headers=tus.options(largest))

    def take(self, request: Request, upload: UploadSession, offset: int, checksum: Checksum | None) -> int:
        """Append the body; where the next piece begins."""
        size = tus.piece_size(request)
        with _as_problems():
            return uploads.append(upload, offset, _reader(request), size, checksum)


class UploadsView(TusView):
    """Beginning an upload, and the list of one's own."""

    @extend_schema(operation_id="uploads_list", responses=UploadSessionSerializer(many=True))
    def get(self, request: Request) -> Response:
        """The caller's uploads that are not forgotten yet, the newest first (at most 200)."""
        mine = _uploads_of(signed_in(request))
        return Response(UploadSessionSerializer(mine[:LISTED], many=True, context={"request": request}).data)

    @extend_schema(
        operation_id="uploads_create",
        parameters=[TUS_HEADER, LENGTH, METADATA, CHECKSUM],
        request=PIECE,
        responses={201: OpenApiResponse(description="The upload lies at “Location”.")},
    )
    def post(self, request: Request) -> Response:
        """Begin an upload; its first piece may come along."""
        if "Upload-Defer-Length" in request.headers:
            raise tus.ProtocolError(_("Say the length at the beginning, by Upload-Length."), "invalid_header")
        length, checksum = tus.number(request, "Upload-Length"), tus.checksum(request)
        with_piece = request.content_type == tus.CONTENT_TYPE
        given = self._described(request)
        with _as_problems():
            upload = uploads.open_upload(
                signed_in(request),
                name=given.validated_data["filename"],
                length=length,
                purpose=given.validated_data["purpose"],
                metadata=given.metadata().to_plain(),
                collection=given.validated_data.get("collection"),
                sent_metadata=request.headers.get("Upload-Metadata", ""),
            )
        offset = 0
        if with_piece or length == 0:
            offset = self.take(request, upload, 0, checksum)
        headers = {
            "Location": request.build_absolute_uri(reverse("upload-detail", args=(upload.public_id,))),
            "Upload-Offset": str(offset),
            **tus.expiry(upload),
            **_outcome(upload),
        }
        return Response(status=HTTPStatus.CREATED, headers=headers)

    def _described(self, request: Request) -> UploadMetadataSerializer:
        known: dict[str, Any] = dict(tus.metadata(request))
        known["filename"] = known.get("filename") or known.get("name") or "upload"
        for name in ("tags", "skus", "territories"):
            if name in known:
                known[name] = [word for word in known[name].replace(";", ",").split(",") if word.strip()]
        known = {name: value for name, value in known.items() if value != ""}
        given = UploadMetadataSerializer(data=known, context={"request": request})
        given.is_valid(raise_exception=True)
        return given


class UploadView(TusView):
    """One upload of the caller."""

    def find(self, request: Request, public_id: UUID) -> UploadSession:
        found = (
            _uploads_of(signed_in(request))
            .filter(public_id=public_id)
            .select_related("owner", "collection")
            .first()
        )
        if found is None:
            raise NotFound(_("There is no such upload, or it has expired. Begin anew."))
        return found

    @extend_schema(operation_id="uploads_retrieve", responses=UploadSessionSerializer)
    def get(self, request: Request, public_id: UUID) -> Response:
        """How far it has come; when it is complete, the asset or the reason why there is none."""
        upload = self.find(request, public_id)
        return Response(UploadSessionSerializer(upload, context={"request": request}).data)

    def head(self, request: Request, public_id: UUID) -> Response:
        """Where the next piece begins."""
        upload = self.find(request, public_id)
        with _as_problems():
            offset = uploads.offset_of(upload)
        headers = {
            "Upload-Offset": str(offset),
            "Upload-Length": str(upload.length),
            **({"Upload-Metadata": upload.sent_metadata} if upload.sent_metadata else {}),
            **tus.expiry(upload),
            **_outcome(upload),
        }
        return Response(headers=headers)

    @extend_schema(
        operation_id="uploads_append",
        parameters=[TUS_HEADER, OFFSET, CHECKSUM],
        request=PIECE,
        responses={
            204: OpenApiResponse(description="“Upload-Offset” says where the next piece begins."),
            409: OpenApiResponse(description="The piece does not begin where the upload ends."),
            460: OpenApiResponse(description="The checksum is not that of the piece; nothing was kept."),
        },
    )
    def patch(self, request: Request, public_id: UUID) -> Response:
        """The next piece; with the last one, the file is taken into the library."""
        if request.content_type != tus.CONTENT_TYPE:
            raise _no_piece()
        upload = self.find(request, public_id)
        offset = self.take(request, upload, tus.number(request, "Upload-Offset"), tus.checksum(request))
        upload.refresh_from_db(fields=["expires"])
        headers = {"Upload-Offset": str(offset), **tus.expiry(upload), **_outcome(upload)}
        return Response(status=HTTPStatus.NO_CONTENT, headers=headers)

    @extend_schema(operation_id="uploads_destroy", parameters=[TUS_HEADER], responses={204: None})
    def delete(self, request: Request, public_id: UUID) -> Response:
        """Give it up; an asset that came of it stays."""
        upload = self.find(request, public_id)
        with _as_problems():
            uploads.discard(upload)
        return Response(status=HTTPStatus.NO_CONTENT)


def _no_piece() -> tus.ProtocolError:
    return tus.ProtocolError(
        _("Send pieces as %(type)s.") % {"type": tus.CONTENT_TYPE},
        "content_type",
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    )


def _uploads_of(user: User) -> QuerySet[UploadSession]:
    """With the assets that they led to, as far as those are the user's to open today."""
    assets = Asset.objects.visible_to(user).select_related("current")
    return UploadSession.objects.filter(owner=user).prefetch_related(Prefetch("asset", assets))


def _reader(request: Request) -> Callable[[int], bytes]:
    def read(size: int) -> bytes:
        try:
            return bytes(request._request.read(min(size, BLOCK)))
        except UnreadablePostError:  # the connection broke; what came before stays
            return b""

    return read


def _outcome(upload: UploadSession) -> dict[str, str]:
    """What became of it, for clients that see headers only."""
    headers = {"Atelier-State": str(upload.state)}
    if upload.asset:
        headers["Atelier-Asset"] = str(upload.asset.public_id)
    if upload.problem_code:
        headers["Atelier-Problem"] = upload.problem_code
    return headers


@contextmanager
def _as_problems() -> Iterator[None]:
    try:
        yield
    except uploads.UploadRefused as error:
        raise tus.ProtocolError(str(error), error.code, REFUSAL_STATUS[error.code]) from error
    except uploads.Displaced as error:
        raise tus.ProtocolError(
            _("The upload has %(offset)s bytes; continue there.") % {"offset": error.end},
            "offset",
            HTTPStatus.CONFLICT,
        ) from error
    except uploads.ChecksumMismatch as error:
        raise tus.ProtocolError(
            _("The checksum is not that of these bytes; none of them was kept. Send them again."),
            "checksum_mismatch",
            tus.CHECKSUM_MISMATCH,
        ) from error
    except uploads.Busy as error:
        raise tus.ProtocolError(
            _("This upload is being taken in at this moment. Try again soon."),
            "locked",
            HTTPStatus.LOCKED,
        ) from error
    except uploads.Missing as error:
        raise tus.ProtocolError(
            _("What was uploaded is gone. Begin anew."), "gone", HTTPStatus.GONE
        ) from error
