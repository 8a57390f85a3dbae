"""A worker as operators see it: whether it hears its broker, and what its tasks come to.

With METRICS_PORT set, a worker answers on that port: `/health/live` for whoever restarts it, `/metrics` for
Prometheus. Neither asks the database: a worker is not ill because that is away.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from celery import Task
from celery.signals import heartbeat_sent, task_failure, task_postrun, task_prerun, worker_init, worker_ready
from django.conf import settings
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from atelier import tracing

# It sends a heartbeat every two seconds for as long as its connection to the broker is well.
SILENT_SECONDS = 90.0

TASK_SECONDS = Histogram(
    "atelier_task_seconds", "Time of a task.", ["task"], buckets=(0.01, 0.05, 0.2, 1, 5, 20, 60, 300, 1800)
)
TASK_FAILURES = Counter("atelier_task_failures", "Tasks that ended with an error.", ["task"])

_began: dict[str, float] = {}
_heard = time.monotonic()


@heartbeat_sent.connect
def _note_heartbeat(**_: Any) -> None:
    global _heard
    _heard = time.monotonic()


@task_prerun.connect
def _begin(task_id: str, **_: Any) -> None:
    _began[task_id] = time.monotonic()


@task_postrun.connect
def _end(task_id: str, task: Task, **_: Any) -> None:
    began = _began.pop(task_id, None)
    if began is not None:
        TASK_SECONDS.labels(task.name).observe(time.monotonic() - began)


@task_failure.connect
def _fail(sender: Task, **_: Any) -> None:
    TASK_FAILURES.labels(sender.name).inc()


@worker_init.connect
def _trace(**_: Any) -> None:
    tracing.start("atelier-worker")


@worker_ready.connect
def _answer(**_: Any) -> None:
    if settings.METRICS_PORT:
        server = ThreadingHTTPServer((settings.METRICS_HOST, settings.METRICS_PORT), _Handler)
        Thread(target=server.serve_forever, name="probes", daemon=True).start()


class _Silence(Collector):
    def collect(self) -> Iterator[Metric]:
        name, words = "atelier_worker_silent_seconds", "Time since this worker heard its broker."
        yield GaugeMetricFamily(name, words, value=_silent_seconds())


def _silent_seconds() -> float:
    return time.monotonic() - _heard


def told() -> bytes:
    """What this worker tells Prometheus."""
    from atelier import telemetry  # models can be imported only when Django is set up

    registry = CollectorRegistry()
    registry.register(_Silence())
    return telemetry.of_process() + generate_latest(registry)


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/metrics":
            self._send(200, told(), CONTENT_TYPE_PLAIN_0_0_4)
        elif self.path == "/health/live":
            silent = _silent_seconds()
            well = silent < SILENT_SECONDS
            said = "ok\n" if well else f"Nothing was heard of the broker for {silent:.0f} seconds.\n"
            self._send(200 if well else 503, said.encode(), "text/plain; charset=utf-8")
        else:
            self._send(404, b"/metrics, /health/live\n", "text/plain; charset=utf-8")

    def _send(self, status: int, body: bytes, content_type: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Probes come every few seconds; the log is for what happens."""
