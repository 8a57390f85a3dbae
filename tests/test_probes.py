"""What machines ask that watch the site and its workers: alive, ready, metrics; the line of each request."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import ThreadingHTTPServer
from typing import Any

import pytest
import requests
from django.contrib.auth.models import User
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from atelier import probes, worker_health
from dam.models import AssetState
from search.models import IndexEntry, IndexState
from tests.factories import AssetFactory

pytestmark = [pytest.mark.django_db, pytest.mark.once]
TOKEN = "a-token-of-this-test"


def measured(client: Client, **headers: str) -> dict[str, dict[tuple[str, ...], float]]:
    """Samples by name, then by the values of their labels."""
    answer = client.get("/metrics", headers={"authorization": f"Bearer {TOKEN}", **headers})
    assert answer.status_code == 200, answer.content
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(answer.content.decode()):
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sample.labels.values())] = sample.value
    return found


@pytest.fixture
def watched(settings: Any) -> Client:
    settings.METRICS_TOKEN = TOKEN
    return Client()


def test_probes_come_by_any_name_and_without_tls(settings: Any) -> None:
    settings.SECURE_SSL_REDIRECT = True
    settings.ALLOWED_HOSTS = ["dam.example.com"]
    for path in ("/health/live", "/health/ready"):
        answer = Client().get(path, headers={"host": "10.2.3.4:8000"})
        assert (answer.status_code, answer.json()["status"]) == (200, "ok")


def test_a_site_whose_tables_are_of_another_version_is_not_ready() -> None:
    probes._missing_migrations.cache_clear()
    last = MigrationRecorder.Migration.objects.filter(app="dam").latest("pk")
    kept = (last.app, last.name, last.applied)
    last.delete()
    answer = Client().get("/health/ready")
    assert answer.status_code == 503
    assert answer.json()["database"] == "1 migrations have not been applied: manage.py migrate"
    MigrationRecorder.Migration.objects.create(app=kept[0], name=kept[1], applied=kept[2])
    assert Client().get("/health/ready").status_code == 200  # asked again as long as some are missing


def test_metrics_are_for_whoever_knows_the_token(watched: Client, settings: Any) -> None:
    assert watched.get("/metrics").status_code == 401
    wrong = watched.get("/metrics", headers={"authorization": "Bearer a-token-of-this-tesu"})
    assert (wrong.status_code, wrong["WWW-Authenticate"]) == (401, "Bearer")
    settings.METRICS_TOKEN = ""
    assert watched.get("/metrics", headers={"authorization": "Bearer "}).status_code == 404


def test_metrics_tell_what_waits_and_for_how_long(watched: Client, django_assert_num_queries: Any) -> None:
    for state in (AssetState.APPROVED, AssetState.APPROVED, AssetState.DRAFT):
        AssetFactory(state=state)
    first, second, third = IndexEntry.objects.order_by("pk")
    IndexEntry.objects.filter(pk=first.pk).update(not_before=timezone.now() - timedelta(minutes=20))
    IndexEntry.objects.filter(pk=second.pk).update(state=IndexState.FAILED)
    IndexEntry.objects.filter(pk=third.pk).update(state=IndexState.INDEXED)

    seen = measured(watched)
    assert seen["atelier_assets"] == {("approved",): 2, ("draft",): 1}
    slug = first.space.slug
    assert seen["atelier_outbox_waiting"] == {(slug,): 1}
    assert 1200 <= seen["atelier_outbox_oldest_seconds"][(slug,)] < 1300
    assert seen["atelier_outbox_failed"] == {(slug,): 1}
    assert seen["atelier_imports_open"] == {(): 0}
    with django_assert_num_queries(0):  # what was asked a moment ago is told again
        measured(watched)


def test_each_request_is_counted_by_its_declared_address(watched: Client, editor: User) -> None:
    def counted() -> float:
        rows = measured(watched).get("atelier_http_seconds_count", {})
        return sum(number for labels, number in rows.items() if "assets/(?P<public_id>" in " ".join(labels))

    before = counted()
    asset = AssetFactory(state=AssetState.APPROVED)
    assert watched.get(f"/api/v1/assets/{asset.public_id}/").status_code == 200
    assert watched.get("/api/v1/assets/00000000-0000-7000-8000-000000000000/").status_code == 404
    assert counted() == before + 2
    assert not any(
        str(asset.public_id) in " ".join(labels) for labels in measured(watched)["atelier_http_seconds_count"]
    )


@pytest.mark.parametrize(
    ("behind_proxy", "given", "kept"),
    [
        (True, "abcdef-0123", True),
        (True, "x y\nz", False),
        (True, "short", False),
        (False, "abcdef-0123", False),
    ],
)
def test_a_request_id_is_taken_from_our_own_proxy_only(
    behind_proxy: bool, given: str, kept: bool, settings: Any
) -> None:
    settings.BEHIND_PROXY = behind_proxy
    answered = Client().get("/api/v1/", headers={"x-request-id": given})["X-Request-ID"]
    assert (answered == given) == kept
    assert len(answered) >= 8


def test_no_address_with_a_secret_in_it_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="atelier.requests"):
        logging.getLogger("atelier").addHandler(caplog.handler)  # it does not propagate
        Client().get("/share/a-secret-of-somebody/", {"signature": "another-secret"})
        logging.getLogger("atelier").removeHandler(caplog.handler)
    assert "share/" in caplog.text
    assert "secret" not in caplog.text


@pytest.fixture
def worker_address() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), worker_health._Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()


def test_a_worker_that_hears_nothing_of_its_broker_is_not_well(
    worker_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker_health._note_heartbeat()
    assert requests.get(f"{worker_address}/health/live", timeout=10).status_code == 200
    monkeypatch.setattr(worker_health, "_heard", worker_health._heard - worker_health.SILENT_SECONDS - 1)
    ill = requests.get(f"{worker_address}/health/live", timeout=10)
    assert ill.status_code == 503
    assert "Nothing was heard of the broker" in ill.text
    assert requests.get(f"{worker_address}/elsewhere", timeout=10).status_code == 404
