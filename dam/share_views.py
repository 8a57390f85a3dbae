"""The pages behind a share link: for people without an account, who see nothing else."""

from __future__ import annotations

import logging
from functools import wraps
from typing import Any, cast
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.cache import patch_cache_control
from django.utils.text import slugify
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from dam import downloads, sharing
from dam.errors import IngestError
from dam.models import Asset, AssetVersion, ShareLink
from dam.packing import MOST_AT_ONCE, NOT_TO_BE_SENT, archive_response
from dam.people import client_address
from dam.presets import BUILT_IN
from dam.renditions import open_rendition
from dam.views import download_name
from dam.workload import RETRY_AFTER, Busy

log = logging.getLogger(__name__)
SHOWN = 500


def _opened(view: Any) -> Any:
    """A view of an open link, whose password the caller has given where it has one."""

    @wraps(view)
    def opened(request: HttpRequest, token: str, *args: Any, **kwargs: Any) -> HttpResponseBase:
        link = get_object_or_404(ShareLink.objects.select_related("collection"), token=token)
        try:
            sharing.check_open(link)
        except sharing.LinkClosed as closed:
            return _private(_page(request, link, status=410, closed=str(closed)))
        if link.password and request.session.get(_key(link)) != link.password[-32:]:
            if request.resolver_match and request.resolver_match.url_name == "share":
                return _private(_page(request, link, status=401, asks=True))
            return redirect("share", token)
        return _private(view(request, link, *args, **kwargs))

    return opened


def _private(response: HttpResponseBase) -> HttpResponseBase:
    """Nothing of it is for search engines, other sites' frames or their logs."""
    response["X-Robots-Tag"] = "noindex, nofollow"
    response["Referrer-Policy"] = "same-origin"
    return response


@never_cache
@require_GET
@_opened
def share(request: HttpRequest, link: ShareLink) -> HttpResponse:
    """What the link shows."""
    assets = list(sharing.shown_by(link)[: SHOWN + 1])
    return _page(request, link, assets=assets[:SHOWN], more=len(assets) > SHOWN)


@never_cache
@require_POST
def unlock(request: HttpRequest, token: str) -> HttpResponseBase:
    """Try the password; the right one opens the link for this browser."""
    link = get_object_or_404(ShareLink.objects.select_related("collection"), token=token)
    if not link.is_open:
        return redirect("share", token)
    try:
        right = sharing.try_password(link, request.POST.get("password", ""), client_address(request))
    except sharing.TooManyTries as error:
        return _private(_page(request, link, status=429, asks=True, wrong=str(error)))
    except sharing.CannotCount as error:
        return _private(_page(request, link, status=503, asks=True, wrong=str(error)))
    if not right:
        return _private(_page(request, link, status=401, asks=True, wrong=_("This is not the password.")))
    request.session[_key(link)] = link.password[-32:]  # another password asks again
    return redirect("share", token)


@require_GET
@_opened
def picture(request: HttpRequest, link: ShareLink, public_id: UUID, preset: str) -> HttpResponseBase:
    """A rendition to look at; it does not count as a download."""
    if preset not in BUILT_IN:
        raise Http404
    asset = _asset(link, public_id)
    try:
        rendition, file = open_rendition(
            cast(AssetVersion, asset.current), BUILT_IN[preset], settings.DAM_MAKE_WAIT_SECONDS
        )
    except Busy as error:
        return HttpResponse(str(error), status=503, headers={"Retry-After": str(RETRY_AFTER)})
    except (FileNotFoundError, IngestError) as error:
        raise Http404 from error
    response = FileResponse(file, content_type=rendition.mime)
    patch_cache_control(response, private=True, max_age=300)
    return _inert(response)


@never_cache
@require_http_methods(["GET", "HEAD"])
@_opened
def original(request: HttpRequest, link: ShareLink, public_id: UUID) -> HttpResponseBase:
    """One file, counted."""
    asset = _asset(link, public_id)
    version = asset.current
    if version is None:
        raise Http404
    try:
        file = downloads.with_fields(version, AnonymousUser()).open()
    except NOT_TO_BE_SENT as error:
        log.error("A shared file cannot be sent: %s", error)
        raise Http404 from error
    if request.method == "GET":
        try:
            sharing.take_downloads(link, [asset])
        except sharing.NoDownloadsLeft as error:
            file.close()
            return _page(request, link, status=403, closed=str(error))
    response = FileResponse(
        file,
        content_type=version.mime,
        as_attachment=True,
        filename=download_name(version),
    )
    return _inert(response)


@never_cache
@require_POST
@_opened
def everything(request: HttpRequest, link: ShareLink) -> HttpResponseBase:
    """All files as a zip, packed while it is sent; each counts as a download."""
    assets = [asset for asset in sharing.shown_by(link)[: MOST_AT_ONCE + 1] if asset.current]
    if not assets:
        return redirect("share", link.token)
    if len(assets) > MOST_AT_ONCE:
        sentence = _("More than %(most)s files are too many for one archive. Download them one by one.")
        return _page(request, link, status=413, problem=sentence % {"most": MOST_AT_ONCE})
    try:
        sharing.take_downloads(link, assets)
    except sharing.NoDownloadsLeft as error:
        return _page(request, link, status=403, closed=str(error))
    name = slugify(str(link.collection), allow_unicode=True) or "collection"
    return archive_response(assets, AnonymousUser(), name)


def _asset(link: ShareLink, public_id: UUID) -> Asset:
    return get_object_or_404(sharing.shown_by(link), public_id=public_id)


def _inert(response: HttpResponseBase) -> HttpResponseBase:
    """Somebody else's bytes: no browser guesses what they are, or runs what is in them."""
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    return response


def _page(request: HttpRequest, link: ShareLink, *, status: int = 200, **context: Any) -> HttpResponse:
    return render(request, "dam/share.html", {"link": link, **context}, status=status)


def _key(link: ShareLink) -> str:
    return f"share-{link.pk}"
