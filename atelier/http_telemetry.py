"""Requests as operators see them: an id in every line of the log, a line for each, and how long they take."""

from __future__ import annotations

import logging
import re
import time
import uuid
from collections.abc import Callable

import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.functional import empty
from prometheus_client import Histogram

Serve = Callable[[HttpRequest], HttpResponse]

log = structlog.get_logger("atelier.requests")
_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
_ID = re.compile(r"[\w.-]{8,64}", re.ASCII)

# One histogram of few labels: what a page costs must not be the measuring.
REQUEST_SECONDS = Histogram(
    "atelier_http_seconds",
    "Time of a request, by the address as it is declared, never by ids in it.",
    ["method", "route", "status"],
    buckets=(0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 2.5, 5, 10, 30),
)


def measure(get_response: Serve) -> Serve:
    """Middleware. The answer carries the id too (X-Request-ID), for whoever reports what went wrong.

    The address is logged as it is declared: what stands in its place may be a secret, as in a share link.
    """

    def serve(request: HttpRequest) -> HttpResponse:
        began = time.perf_counter()
        request_id = _id_of(request)
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            response = get_response(request)
            seconds = time.perf_counter() - began
            method = request.method if request.method in _METHODS else "other"
            route = request.resolver_match.route if request.resolver_match else "none"
            status = response.status_code
            REQUEST_SECONDS.labels(method, route, f"{status // 100}xx").observe(seconds)
            log.info(
                "request",
                method=method, route=route, status=status, ms=round(seconds * 1000, 1),
                user=_user_of(request),
            )  # fmt: skip
        response["X-Request-ID"] = request_id
        return response

    return serve


class DeclaredAddress(logging.Filter):
    """Django's own lines of requests that failed name the address too: as it is declared, here as well."""

    def filter(self, record: logging.LogRecord) -> bool:
        match = getattr(getattr(record, "request", None), "resolver_match", None)
        if match and isinstance(record.args, tuple) and len(record.args) > 1:
            record.args = (*record.args[:-1], match.route)
        return True


def _id_of(request: HttpRequest) -> str:
    """The one that our own proxy gave, or a new one."""
    given = request.headers.get("X-Request-ID", "") if settings.BEHIND_PROXY else ""
    return given if _ID.fullmatch(given) else uuid.uuid4().hex


def _user_of(request: HttpRequest) -> int | None:
    """The account, where somebody has asked who it is: a line of the log is not worth a query."""
    user = getattr(request, "user", None)
    return None if user is None or getattr(user, "_wrapped", user) is empty else user.pk
