"""Serving files: renditions to look at and originals to download, to those who may see the asset."""

from __future__ import annotations

import logging
from collections.abc import Callable
from io import BytesIO
from typing import Any
from uuid import UUID

from django.contrib.auth.models import AnonymousUser, User
from django.db.models import QuerySet
from django.http import FileResponse, Http404, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.utils.cache import get_conditional_response
from django.utils.translation import gettext_lazy
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import PermissionDenied, ValidationError
from rest_framework.request import Request
from rest_framework.views import APIView

from dam import downloads
from dam.addresses import rendition_url
from dam.api.problems import RejectedFile
from dam.containers.pieces import PiecedFile, Unwritable
from dam.errors import IngestError
from dam.models import Asset, AssetState, AssetVersion
from dam.renditions import PRESETS, rendition_for
from dam.roles import sees_library

log = logging.getLogger(__name__)
ONE_YEAR = 31_536_000
COPIES = {"original": downloads.exact, "written": downloads.with_fields}
NO_SUCH_COPY = gettext_lazy("There is no such copy of a file; “metadata” can be: %(known)s.")
PLACE_STAYS = gettext_lazy(
    "This file says where it was taken, or may say so, and that cannot be taken out of it. "
    "Download a rendition, or ask an editor for the original."
)


def servable_to(user: User | AnonymousUser) -> QuerySet[AssetVersion]:
    """Versions whose files this caller may fetch: of visible assets, and for editors of the trash too,
    since nobody can judge what to restore without looking at it.
    """
    assets = Asset.objects.visible_to(user)
    if sees_library(user):
        assets = assets | Asset.objects.filter(state=AssetState.TRASHED)
    return AssetVersion.objects.filter(asset__in=assets).select_related("asset")


class FileView(APIView):
    """What both kinds of file share. A token opens them as the session does; a page of pictures is
    many requests, so the API's throttles do not count them.
    """

    schema = None
    throttle_classes = ()

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:
        """A browser asks for `image/*`, which no renderer gives; only errors are rendered here."""
        return super().perform_content_negotiation(request, force=True)

    def find(self, public_id: UUID, number: int) -> AssetVersion:
        return get_object_or_404(servable_to(self.request.user), asset__public_id=public_id, number=number)

    def answer(
        self, etag: str, produce: Callable[[], FileResponse], *, for_ever: bool = True
    ) -> HttpResponseBase:
        """Say that the caller's copy is still good, or produce the file.

        Args:
            for_ever: what lies at this address never changes; otherwise it is asked for each time.
        """
        try:
            response: HttpResponseBase = get_conditional_response(self.request, etag=etag) or produce()
        except FileNotFoundError as error:
            log.error("The storage has lost a file: %s", error)
            raise Http404("The storage has lost this file.") from error
        except IngestError as error:
            raise RejectedFile(error) from error
        except Unwritable as error:
            log.warning("The place cannot be taken out of a file: %s", error)
            raise PermissionDenied(PLACE_STAYS, code="place") from error
        response["ETag"] = etag
        response["Cache-Control"] = (
            f"private, max-age={ONE_YEAR}, immutable" if for_ever else "private, no-cache"
        )
        response["X-Content-Type-Options"] = "nosniff"
        response["Content-Security-Policy"] = "default-src 'none'; sandbox"
        return response


class RenditionFile(FileView):
    """A derived picture, made at the first request if nobody has needed it yet."""

    def get(
        self, request: Request, public_id: UUID, preset: str, number: int, recipe: str, extension: str
    ) -> HttpResponseBase:
        version = self.find(public_id, number)
        if preset not in PRESETS:
            raise Http404(f"There is no preset “{preset}”.")
        if recipe != PRESETS[preset].recipe:  # an address from before the preset was changed
            return HttpResponseRedirect(rendition_url(version.asset, preset, version))

        def produce() -> FileResponse:
            rendition = rendition_for(version, preset)
            return FileResponse(rendition.file.open("rb"), content_type=rendition.mime)

        return self.answer(f'"{version.sha256[:16]}-{recipe}"', produce)


class OriginalFile(FileView):
    """An original, always as a download: it is somebody else's bytes.

    As it came (`?metadata=original`, and without a word about it), or with the asset's fields of now
    written into its metadata (`?metadata=written`).
    """

    def get(
        self, request: Request, public_id: UUID, number: int, digest: str, extension: str
    ) -> HttpResponseBase:
        version = self.find(public_id, number)
        if not version.sha256.startswith(digest):
            raise Http404("This version has another file.")
        wanted = request.query_params.get("metadata", "original")
        if wanted not in COPIES:
            raise ValidationError({"metadata": [NO_SUCH_COPY % {"known": ", ".join(COPIES)}]})
        copy = COPIES[wanted](version, request.user)

        def produce() -> FileResponse:
            file = copy.open()
            response = FileResponse(
                file, content_type=version.mime, as_attachment=True, filename=download_name(version)
            )
            if isinstance(file, PiecedFile):
                response["Content-Length"] = str(file.size)
            return response

        return self.answer(copy.etag, produce, for_ever=copy.is_exact)


class SidecarFile(FileView):
    """The asset's fields and the file's own properties as an XMP packet, for files of every kind."""

    schema = AutoSchema()  # type: ignore[assignment]  # the other files are no part of the API

    @extend_schema(
        operation_id="assets_sidecar_retrieve", responses={(200, "application/rdf+xml"): OpenApiTypes.BINARY}
    )
    def get(self, request: Request, public_id: UUID) -> HttpResponseBase:
        version = get_object_or_404(
            servable_to(request.user), asset__public_id=public_id, current_of__isnull=False
        )
        copy = downloads.beside(version, request.user)

        def produce() -> FileResponse:
            name = download_name(version).removesuffix(version.extension) + ".xmp"
            packet = BytesIO(copy.sidecar())
            return FileResponse(packet, content_type="application/rdf+xml", as_attachment=True, filename=name)

        return self.answer(f'{copy.etag[:-1]}-xmp"', produce, for_ever=False)


def download_name(version: AssetVersion) -> str:
    """The name it was uploaded under, with the extension of what it really is."""
    stem = version.original_name.rsplit(".", 1)[0] or version.asset.public_id.hex
    return f"{stem}{version.extension}"
