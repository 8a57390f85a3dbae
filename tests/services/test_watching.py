"""What operators see of a site at work: one request's id from the proxy to the worker, metrics, traces."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import requests
from django.contrib.auth.models import User
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from prometheus_client.parser import text_string_to_metric_families
from rest_framework.authtoken.models import Token

from search.models import IndexEntry, IndexState
from tests.pictures import picture
from tests.services.children import free_ports
from tests.services.processes import Web, eventually, start_worker

REQUEST_ID = "from-the-proxy-0001"


@contextmanager
def collector() -> Iterator[tuple[str, list[ExportTraceServiceRequest]]]:
    """An OpenTelemetry collector on loopback: its address, and what it was sent."""
    sent: list[ExportTraceServiceRequest] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            if self.path == "/v1/traces":
                sent.append(ExportTraceServiceRequest.FromString(body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """The test looks at what was sent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", sent
    finally:
        server.shutdown()


def services_by_trace(sent: list[ExportTraceServiceRequest]) -> dict[bytes, set[str]]:
    """Which processes have added to each trace."""
    found: dict[bytes, set[str]] = {}
    for resource in (one for request in list(sent) for one in request.resource_spans):
        named = {one.key: one.value.string_value for one in resource.resource.attributes}
        for span in (span for scope in resource.scope_spans for span in scope.spans):
            found.setdefault(span.trace_id, set()).add(named["service.name"])
    return found


def numbers(text: str) -> dict[str, float]:
    """Sums of all samples by name."""
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found[sample.name] = found.get(sample.name, 0) + sample.value
    return found


def metrics_at(port: int) -> dict[str, float]:
    return numbers(requests.get(f"http://127.0.0.1:{port}/metrics", timeout=20).text)


def lines(log: str) -> list[dict[str, Any]]:
    """The log's lines that are JSON, as every line of ours is."""
    return [json.loads(line) for line in log.splitlines() if line.startswith("{")]


@pytest.mark.services
@pytest.mark.usefixtures("transactional_db", "clean_broker", "static_files")
def test_one_request_is_followed_to_the_worker(editor: User, tmp_path: Path) -> None:
    port = free_ports(1)[0]
    with collector() as (traces, sent):
        told = {
            "LOG_FORMAT": "json",
            "LOG_LEVEL": "INFO",
            "BEHIND_PROXY": "true",
            "METRICS_TOKEN": "of-the-test",
            "METRICS_PORT": str(port),
            "OTEL_EXPORTER_OTLP_ENDPOINT": traces,
            "OTEL_BSP_SCHEDULE_DELAY": "200",
        }
        worker = start_worker(tmp_path / "worker.log", settings_of_its_own=told)
        web = Web(tmp_path / "web.log", settings_of_its_own=told)
        try:
            answer = requests.post(
                f"{web.url}/api/v1/assets/",
                files={"file": ("photo.jpg", picture(seed=1), "image/jpeg")},
                headers={
                    "Authorization": f"Token {Token.objects.create(user=editor).key}",
                    "X-Request-ID": REQUEST_ID,
                },
                timeout=60,
            )
            assert answer.status_code == 201, answer.text
            assert answer.headers["X-Request-ID"] == REQUEST_ID
            eventually(
                lambda: IndexEntry.objects.filter(state=IndexState.INDEXED).exists(),
                "the picture is indexed",
                process=worker,
            )
            eventually(
                lambda: {"atelier-web", "atelier-worker"} in services_by_trace(sent).values(),
                "one trace leads from the site to the worker",
                process=worker,
            )
            # What the index has is written before its task has ended.
            eventually(
                lambda: "atelier_task_seconds_count" in metrics_at(port),
                "the task of the index has ended",
                process=worker,
            )
            watched = metrics_at(port)
            live = requests.get(f"http://127.0.0.1:{port}/health/live", timeout=20)
            site = requests.get(
                f"{web.url}/metrics", headers={"Authorization": "Bearer of-the-test"}, timeout=20
            )
        finally:
            worker.kill()
            web.kill()
    assert live.status_code == 200, live.text
    assert watched.get("atelier_encoded_pictures_total") == 1, (watched, worker.output)
    assert watched["atelier_task_seconds_count"] >= 1
    assert watched.get("atelier_task_failures_total", 0) == 0
    seen = numbers(site.text)
    assert seen["atelier_assets"] == 1
    assert seen.get("atelier_outbox_waiting", 0) == 0

    asked = [line for line in lines(web.output) if line["event"] == "request" and line["method"] == "POST"]
    assert [
        (line["request_id"], line["route"].rstrip("$"), line["status"], line["user"]) for line in asked
    ] == [(REQUEST_ID, "api/v1/assets/", 201, editor.pk)]
    done = [line for line in lines(worker.output) if line.get("request_id") == REQUEST_ID]
    assert {"search.tasks.drain_outbox"} <= {line["task"] for line in done if line["event"] == "task_started"}
