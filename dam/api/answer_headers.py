"""Headers that answers of the API have in common: what is left of a quota, and the tag of what is shown.

RateLimit and RateLimit-Policy as in draft-ietf-httpapi-ratelimit-headers; ETag, and 304 to whoever has that.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, TypeGuard

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import get_conditional_response

from dam.api.throttles import Quota, quotas_of

TAGGED = ("list", "retrieve")


def tell_more(get_response: Callable[[HttpRequest], HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Middleware: adds them."""

    def serve(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        if request.method in ("GET", "HEAD") and _shows_what_is_kept(response):
            response = _tagged(request, response)
        quotas = quotas_of(request)
        if quotas:
            response["RateLimit-Policy"] = ", ".join(map(_policy, quotas))
            response["RateLimit"] = ", ".join(map(_left, quotas))
        return response

    return serve


def etag_of(content: bytes) -> str:
    """The same for the same bytes, and no other."""
    return f'"{hashlib.sha256(content).hexdigest()[:32]}"'


def _shows_what_is_kept(response: Any) -> TypeGuard[HttpResponse]:
    """Not an answer that differs each time it is asked for, as that of a search does."""
    view = (getattr(response, "renderer_context", None) or {}).get("view")
    return response.status_code == 200 and getattr(view, "action", None) in TAGGED and not response.streaming


def _tagged(request: HttpRequest, response: HttpResponse) -> HttpResponseBase:
    etag = etag_of(response.content)
    response["ETag"] = etag
    if "If-None-Match" not in request.headers:
        return response
    return get_conditional_response(request, etag=etag, response=response) or response


def _policy(quota: Quota) -> str:
    return f'"{quota.policy}";q={quota.limit};w={quota.window}'


def _left(quota: Quota) -> str:
    return f'"{quota.policy}";r={quota.remaining};t={quota.reset}'
