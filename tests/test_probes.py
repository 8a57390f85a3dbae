"""What machines ask that watch the site and its workers: alive, ready, metrics; the line of each request."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests
from django.contrib.auth.models import User
from django.core.cache import cache
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from atelier import container, probes, worker_health
from dam import editing, removal
from dam.models import AssetState, PendingRemoval, WebhookDelivery, WebhookEndpoint, WebhookEvent
from generation.jobs import create_job, pause
from generation.models import GenerationItem, GenerationJob, ItemState
from generation.planning import plan_outfits
from search import outbox
from search.models import IndexEntry, IndexState, Space, SpaceState
from tests.dam.storages import StubbornStorage
from tests.encoders import DIRECTORY
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


def test_what_an_outage_puts_off_is_told_as_long_as_somebody_works_on_it(
    watched: Client, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.SEARCH_ENCODERS = {**settings.SEARCH_ENCODERS, **DIRECTORY}
    settings.SEARCH_ENCODER = "colours:8"
    AssetFactory()
    Space.objects.update(away_since=timezone.now() - timedelta(hours=1))
    monkeypatch.setattr("search.index.connection._client", None)
    settings.MILVUS_URI = "http://127.0.0.1:9"
    assert outbox.drain().postponed

    seen = measured(watched)
    space = Space.objects.get()
    assert seen["atelier_outbox_oldest_seconds"] == {(space.slug,): 0}
    assert seen["atelier_outbox_put_off"] == seen["atelier_outbox_waiting"] == {(space.slug,): 1}
    Space.objects.update(state=SpaceState.RETIRED)
    cache.clear()
    assert "atelier_outbox_waiting" not in measured(watched)


def test_ages_are_those_of_what_waits_however_often_it_was_tried(
    watched: Client, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = {"BACKEND": "tests.dam.storages.StubbornStorage", "OPTIONS": {"location": str(tmp_path)}}
    settings.STORAGES = {**settings.STORAGES, "default": backend}
    monkeypatch.setattr(StubbornStorage, "stubborn", True)
    long_ago = timezone.now() - timedelta(hours=7)
    PendingRemoval.objects.create(name="a.jpg", created=long_ago, not_before=long_ago)
    assert removal.remove_due() == 0
    endpoint = WebhookEndpoint.objects.create(name="Shop", url="https://hooks.example.com/", secret="secret")
    WebhookDelivery.objects.create(
        endpoint=endpoint, event=WebhookEvent.DELETED, payload={}, attempts=5,
        created=timezone.now() - timedelta(hours=3), next_attempt_at=timezone.now() + timedelta(hours=4),
    )  # fmt: skip

    seen = measured(watched)
    assert seen["atelier_removals_waiting_oldest_seconds"][()] >= 7 * 3600
    assert seen["atelier_webhooks_waiting_oldest_seconds"][()] >= 3 * 3600
    WebhookEndpoint.objects.update(active=False)
    cache.clear()
    assert measured(watched)["atelier_webhooks_waiting_oldest_seconds"][()] == 0


def test_pictures_of_a_paused_job_wait_for_a_person(watched: Client, editor: User) -> None:
    plan = plan_outfits([AssetFactory(kind="model")], [AssetFactory(kind="garment")], provider="board")
    job = create_job(plan, owner=editor, in_background=False)
    job.items.update(not_before=timezone.now() - timedelta(hours=2))
    seen = measured(watched)
    assert seen["atelier_generation_items"] == {("board", "queued"): 1}
    assert seen["atelier_generation_oldest_seconds"][("board",)] >= 2 * 3600
    pause(job, actor=editor)
    cache.clear()
    seen = measured(watched)
    assert not {"atelier_generation_items", "atelier_generation_oldest_seconds"} & set(seen)


def test_results_wait_for_a_verdict_as_long_as_they_can_be_given_one(watched: Client) -> None:
    job = GenerationJob.objects.create(kind="outfits", provider="board")
    waiting, thrown_away = AssetFactory(state=AssetState.IN_REVIEW), AssetFactory(state=AssetState.IN_REVIEW)
    for number, output in enumerate((waiting, thrown_away, None)):  # that of a try-on is its person's alone
        GenerationItem.objects.create(
            job=job, position=number, idempotency_key=str(number), state=ItemState.SUCCEEDED, output=output
        )
    editing.trash([thrown_away], actor=None)
    assert measured(watched)["atelier_reviews_waiting"] == {(): 1}


def test_a_site_of_several_processes_tells_what_its_container_takes(
    watched: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    monkeypatch.setattr(container, "GROUP", tmp_path)
    (tmp_path / "memory.stat").write_text("anon 500\ninactive_file 200\n")
    (tmp_path / "cpu.stat").write_text("usage_usec 1500000\nuser_usec 1000000\n")
    assert "atelier_site_memory_bytes" not in measured(watched)
    (tmp_path / "memory.current").write_text("1000\n")
    seen = measured(watched)
    assert seen["atelier_site_memory_bytes"] == {(): 800}
    assert seen["atelier_site_cpu_seconds_total"] == {(): 1.5}


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
    watched = requests.get(f"{worker_address}/metrics", timeout=10).text
    (silent,) = (
        sample.value
        for family in text_string_to_metric_families(watched)
        for sample in family.samples
        if sample.name == "atelier_worker_silent_seconds"
    )
    assert silent > worker_health.SILENT_SECONDS
    assert requests.get(f"{worker_address}/elsewhere", timeout=10).status_code == 404
