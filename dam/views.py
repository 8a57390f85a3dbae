"""Serving files: renditions to look at and originals to download, to those who may see the asset."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from datetime import time as time_of_day
from io import BytesIO
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import AnonymousUser, User
from django.db.models import Q, QuerySet
from django.http import FileResponse, Http404, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.utils.cache import get_conditional_response, patch_vary_headers
from django.utils.translation import gettext_lazy
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import PermissionDenied, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from dam import downloads, links, presets
from dam.addresses import rendition_url
from dam.api.permissions import ContributorsOnly
from dam.api.problems import BadLink, Gone, RejectedFile, Unavailable
from dam.api.schema import ProblemSchema
from dam.containers.pieces import PiecedFile, Unwritable
from dam.difference_picture import MAKING, MIME, difference
from dam.errors import IngestError
from dam.matting import MattingUnavailable
from dam.models import Asset, AssetState, AssetVersion
from dam.presets import NoSuchPreset, Preset
from dam.renditions import open_rendition
from dam.roles import Role, has_role, sees_library
from dam.workload import RETRY_AFTER, Busy

log = logging.getLogger(__name__)
ONE_YEAR, ONE_DAY = 31_536_000, 86_400
NOT_KEPT = "private, no-cache"  # asked for each time: what is written, or taken out, may change
COPIES = {"original": downloads.exact, "written": downloads.with_fields}
NO_SUCH_COPY = gettext_lazy("There is no such copy of a file; “metadata” can be: %(known)s.")
PLACE_STAYS = gettext_lazy(
    "This file says where it was taken, or may say so, and that cannot be taken out of it. "
    "Download a rendition, or ask an editor for the original."
)


def servable_to(user: User | AnonymousUser) -> QuerySet[AssetVersion]:
    """Versions whose files this caller may fetch: of visible assets, and for editors of the trash too,
    since nobody can judge what to restore without looking at it. Of what is not the caller's to change only
    the current one: a file that was taken back was never approved.
    """
    versions = AssetVersion.objects.select_related("asset")
    visible = Asset.objects.visible_to(user)
    if sees_library(user):
        return versions.filter(asset__in=visible | Asset.objects.filter(state=AssetState.TRASHED))
    allowed = Q(current_of__isnull=False)
    if has_role(user, Role.CONTRIBUTOR):
        allowed |= Q(asset__owner=user)
    return versions.filter(allowed, asset__in=visible)


class FileView(APIView):
    """What both kinds of file share. A token opens them as the session does; a page of pictures is
    many requests, so the API's throttles do not count them.
    """

    schema = None
    throttle_classes = ()

    def perform_authentication(self, request: Request) -> None:
        """Who asks is looked up only where it matters: what everybody gets is the same for all caches."""

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:
        """A browser asks for `image/*`, which no renderer gives; only errors are rendered here."""
        return super().perform_content_negotiation(request, force=True)

    def open_to_caller(
        self, public_id: UUID, number: int, preset: Preset | None = None
    ) -> tuple[AssetVersion, str]:
        """The version, and how caches may keep what is made of it by the preset; None: its original.

        Who asks for the rendition of a version from before that is not theirs to see gets the current one.
        """
        every = AssetVersion.objects.select_related("asset")
        version = get_object_or_404(every, asset__public_id=public_id, number=number)
        query = self.request.query_params.dict()
        if links.is_signed(query):
            what = preset.slug if preset else links.ORIGINAL
            return version, _shared_until(version.asset, self._check_link(version, what, query))
        shared = (preset is None or preset.public) and _is_on_storefront(version.asset)
        is_current = version.asset.current_id == version.pk
        if shared and is_current:
            return version, _shared_until(version.asset, None)
        user = self.request.user
        if not servable_to(user).filter(pk=version.pk).exists():
            if shared and preset:
                return get_object_or_404(every, current_of=version.asset), NOT_KEPT
            raise Http404("This version is not the caller's to see.")
        if preset and not presets.open_to(user, version.asset, [preset]):
            raise Http404("This preset is not public.")
        return version, f"private, max-age={ONE_YEAR}, immutable"

    def _check_link(self, version: AssetVersion, what: str, query: dict[str, str]) -> int:
        try:
            expires = links.check(version, what, query)
        except links.Tampered as error:
            raise BadLink from error
        except links.Expired as error:
            raise Gone from error
        if reason := links.why_withheld(version.asset):
            raise Gone(reason, "withdrawn")
        return expires

    def handle_exception(self, exc: Exception) -> Response:
        """No cache keeps a refusal: what is withdrawn or busy now may be there again later."""
        response = super().handle_exception(exc)
        response["Cache-Control"] = "no-store"
        return response

    def answer(self, etag: str, cached: str, produce: Callable[[], FileResponse]) -> HttpResponseBase:
        """Say that the caller's copy is still good, or produce the file."""
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
        response["Cache-Control"] = cached
        response["X-Content-Type-Options"] = "nosniff"
        response["Content-Security-Policy"] = "default-src 'none'; sandbox"
        return response


class RenditionFile(FileView):
    """A derived picture, made at the first request if nobody has needed it yet."""

    def get(
        self, request: Request, public_id: UUID, preset: str, number: int, recipe: str, extension: str
    ) -> HttpResponseBase:
        chosen = self._preset(preset)
        version, cached = self.open_to_caller(public_id, number, chosen)
        current = chosen.recipe(version.asset)
        # An address from before the file, the preset or the focal point was changed.
        if recipe != current or number != version.number:
            address = rendition_url(version.asset, chosen, version)
            query = request.META.get("QUERY_STRING", "")
            return HttpResponseRedirect(f"{address}?{query}" if query else address)

        def produce() -> FileResponse:
            try:
                rendition, file = open_rendition(version, chosen, settings.DAM_MAKE_WAIT_SECONDS)
            except Busy as error:
                raise Unavailable(str(error), "busy", RETRY_AFTER) from error
            except MattingUnavailable as error:
                raise Unavailable(str(error), "matting_unavailable") from error
            return FileResponse(file, content_type=rendition.mime)

        return self.answer(f'"{version.sha256[:16]}-{current}"', cached, produce)

    def _preset(self, slug: str) -> Preset:
        try:
            return presets.find(slug)
        except NoSuchPreset as error:
            raise Http404(f"There is no preset “{slug}”.") from error


class OriginalFile(FileView):
    """An original, always as a download: it is somebody else's bytes.

    As it came (`?metadata=original`, and without a word about it), or with the asset's fields of now
    written into its metadata (`?metadata=written`).
    """

    def get(
        self, request: Request, public_id: UUID, number: int, digest: str, extension: str
    ) -> HttpResponseBase:
        version, cached = self.open_to_caller(public_id, number)
        if not version.sha256.startswith(digest):
            raise Http404("This version has another file.")
        wanted = request.query_params.get("metadata", "original")
        if wanted not in COPIES:
            raise ValidationError({"metadata": [NO_SUCH_COPY % {"known": ", ".join(COPIES)}]})
        # What a link or the shop gives is the same for all; an account's own copy is for it alone.
        signed = links.is_signed(request.query_params.dict())
        viewer = AnonymousUser() if signed else request.user
        copy = COPIES[wanted](version, viewer)
        if viewer.is_authenticated:
            cached = f"private, max-age={ONE_YEAR}, immutable"

        def produce() -> FileResponse:
            file = copy.open()
            response = FileResponse(
                file, content_type=version.mime, as_attachment=True, filename=download_name(version)
            )
            if isinstance(file, PiecedFile):
                response["Content-Length"] = str(file.size)
            return response

        lasting = copy.is_exact or (signed and wanted == "original")
        response = self.answer(copy.etag, cached if lasting else NOT_KEPT, produce)
        if not signed:
            patch_vary_headers(response, ("Cookie", "Authorization"))
        return response


class DifferenceFile(FileView):
    """Where two versions of an asset differ; earlier versions are nobody's business outside."""

    permission_classes = (ContributorsOnly,)

    def get(self, request: Request, public_id: UUID, before: int, after: int) -> HttpResponseBase:
        rows = servable_to(request.user).filter(asset__public_id=public_id, number__in=(before, after))
        found = {version.number: version for version in rows}
        if before == after or len(found) < 2:
            raise Http404("There are no two such versions.")

        def produce() -> FileResponse:
            try:
                picture = difference(found[before], found[after], settings.DAM_MAKE_WAIT_SECONDS)
            except Busy as error:
                raise Unavailable(str(error), "busy", RETRY_AFTER) from error
            return FileResponse(BytesIO(picture), content_type=MIME)

        etag = f'"{found[before].sha256[:16]}-{found[after].sha256[:16]}-{MAKING}"'
        response = self.answer(etag, f"private, max-age={ONE_DAY}", produce)
        patch_vary_headers(response, ("Cookie", "Authorization"))
        return response


class SidecarFile(FileView):
    """The asset's fields and the file's own properties as an XMP packet, for files of every kind."""

    schema = ProblemSchema()  # type: ignore[assignment]  # the other files are no part of the API

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

        response = self.answer(f'{copy.etag[:-1]}-xmp"', NOT_KEPT, produce)
        patch_vary_headers(response, ("Cookie", "Authorization"))
        return response


def _is_on_storefront(asset: Asset) -> bool:
    """As `Asset.objects.for_storefront` has it, of an asset that is loaded."""
    ends = asset.usable_until
    return asset.state == AssetState.APPROVED and (ends is None or ends >= timezone.localdate())


def _shared_until(asset: Asset, expires: int | None) -> str:
    """How caches may keep what everybody gets: no longer than the link and the rights last, and caches
    that many share only for a while, so that what is withdrawn does not stay in them."""
    kept = ONE_YEAR
    if expires is not None:
        kept = min(kept, int(expires - time.time()))
    if asset.usable_until is not None:
        last_moment = datetime.combine(asset.usable_until + timedelta(days=1), time_of_day.min)
        rights_end = timezone.make_aware(last_moment)
        kept = min(kept, int((rights_end - timezone.now()).total_seconds()))
    kept = max(kept, 0)
    shared = min(kept, settings.DAM_SHARED_CACHE_SECONDS)
    return f"public, max-age={kept}, s-maxage={shared}, immutable"


def download_name(version: AssetVersion) -> str:
    """The name it was uploaded under, with the extension of what it really is."""
    stem = version.original_name.rsplit(".", 1)[0] or version.asset.public_id.hex
    return f"{stem}{version.extension}"
