"""Addresses for machines that watch the site: alive, ready, metrics.

They are answered before anything else, since whoever asks comes to a process by its own address, without
TLS, and knows no name of the site.
"""

from __future__ import annotations

import hmac
import logging
from collections.abc import Callable
from functools import cache

from django.conf import settings
from django.db import Error, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from atelier import telemetry

log = logging.getLogger(__name__)
Serve = Callable[[HttpRequest], HttpResponse]


def answer_probes(get_response: Serve) -> Serve:
    """Middleware, the first of all."""

    def serve(request: HttpRequest) -> HttpResponse:
        probe = PROBES.get(request.path_info)
        return probe(request) if probe else get_response(request)

    return serve


def live(request: HttpRequest) -> HttpResponse:
    """The process answers."""
    return JsonResponse({"status": "ok"})


def ready(request: HttpRequest) -> HttpResponse:
    """The database answers, and its tables are those of this version. Milvus is not asked: without it search
    degrades, the site does not stop. Strangers ask too: what the database says names hosts and accounts.
    """
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        missing = _missing_migrations()
    except Error as error:
        log.warning("Not ready: the database does not answer (%s).", error)
        return JsonResponse({"status": "unavailable", "database": "does not answer"}, status=503)
    if missing:
        _missing_migrations.cache_clear()
        told = f"{missing} migrations have not been applied: manage.py migrate"
        return JsonResponse({"status": "unavailable", "database": told}, status=503)
    return JsonResponse({"status": "ok", "database": "ok"})


@cache
def _missing_migrations() -> int:
    """How many; none stays none for as long as this process lives."""
    executor = MigrationExecutor(connection)
    return len(executor.migration_plan(executor.loader.graph.leaf_nodes()))


def metrics(request: HttpRequest) -> HttpResponse:
    """For Prometheus, which shows METRICS_TOKEN; without one set there is no such address."""
    if not settings.METRICS_TOKEN:
        return HttpResponse("METRICS_TOKEN is not set.\n", status=404, content_type="text/plain")
    shown = request.headers.get("Authorization", "")
    if not hmac.compare_digest(shown.encode(), f"Bearer {settings.METRICS_TOKEN}".encode()):
        refusal = HttpResponse("Authorization: Bearer METRICS_TOKEN\n", status=401, content_type="text/plain")
        refusal["WWW-Authenticate"] = "Bearer"
        return refusal
    told = telemetry.of_process() + telemetry.of_library()
    return HttpResponse(told, content_type=CONTENT_TYPE_PLAIN_0_0_4)


PROBES: dict[str, Serve] = {"/health/live": live, "/health/ready": ready, "/metrics": metrics}
