"""Workers that are killed while they generate, a broker that dies: no call twice, nothing lost."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from pytest_django import Settings

from generation import tasks
from generation.models import GenerationJob, ItemState, JobState, SpendState
from generation.providers.registry import get_provider
from tests.environment import TestEnvironment
from tests.generation.gemini_server import Call
from tests.generation.night import Vendor, new_job, run_night
from tests.loopback import Answer
from tests.services.processes import Process, eventually

pytestmark = pytest.mark.services

ITEMS = 40
CALL_SECONDS = 1.5
LATE_SECONDS = 3.0  # longer than a worker with nothing to do takes to end


@pytest.fixture
def vendor(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Vendor]:
    """Gemini on loopback, for this process and those that it starts."""
    with Vendor(CALL_SECONDS) as server:
        declared = settings.GENERATION_PROVIDERS["gemini"]
        options = {**declared["OPTIONS"], "api_key": "test-key", "base_url": server.url}
        settings.GENERATION_PROVIDERS = {
            **settings.GENERATION_PROVIDERS,
            "gemini": {**declared, "OPTIONS": options},
        }
        monkeypatch.setenv("GEMINI_API_KEY", "test-key")
        monkeypatch.setenv("GEMINI_BASE_URL", server.url)
        get_provider.cache_clear()
        yield server
    get_provider.cache_clear()


def test_no_call_is_paid_twice_and_no_picture_is_lost(
    environment: TestEnvironment,
    transactional_db: None,
    vendor: Vendor,
    worker: Callable[[], Process],
) -> None:
    assert environment.stack is not None
    job = new_job(ITEMS)
    workers = [worker(), worker()]
    for process in workers:
        eventually(lambda said=process: "ready." in said.output, "the worker is ready", process=process)

    outcome = run_night(
        job,
        vendor,
        workers,
        worker,
        environment.stack.redis,
        deaths=3,
        every=(2.0, 4.0),
        redis_deaths=1,
        limit=150,
    )

    assert outcome.deaths >= 3, "the night was over too soon"
    assert (outcome.duplicate_calls, outcome.lost_items) == (0, 0)
    assert (outcome.calls, outcome.unbooked_calls, outcome.assumed_calls) == (ITEMS, 0, 0)
    assert outcome.books_balance
    items = job.items.values_list("state", flat=True)
    assert set(items) == {ItemState.SUCCEEDED}
    settled = job.spending.filter(state=SpendState.SETTLED)
    assert settled.count() == settled.values("item").distinct().count() == ITEMS


def test_a_worker_survives_its_broker_while_it_is_at_work(
    environment: TestEnvironment,
    transactional_db: None,
    vendor: Vendor,
    worker: Callable[[], Process],
) -> None:
    assert environment.stack is not None
    process = worker()
    eventually(lambda: "ready." in process.output, "the worker is ready", process=process)
    for _death in range(2):
        job, before = new_job(4), len(vendor.calls)
        tasks.publish(job.pk)
        eventually(lambda were=before: len(vendor.calls) > were, "the worker calls", process=process)
        environment.stack.redis.kill()
        environment.stack.redis.start()
        eventually(lambda of=job: finished(of), "the work that it had goes on", process=process)

        job = new_job(2)
        tasks.publish(job.pk)
        eventually(lambda of=job: finished(of), "it takes new work", process=process)
    assert process.runs, "it is the same process all the time"


def test_a_worker_that_is_asked_to_end_takes_in_what_is_being_paid(
    transactional_db: None,
    vendor: Vendor,
    worker: Callable[..., Process],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And begins nothing more. At the end of a container nothing of it would live on."""
    monkeypatch.setenv("GENERATION_PARALLEL_CALLS", '{"gemini": 1}')
    is_asked = threading.Event()

    def late(call: Call) -> Answer:
        is_asked.wait()
        return replace(vendor.well(call), delay=0)

    vendor.script([late])
    process = worker(queues="generate")
    eventually(lambda: "ready." in process.output, "the worker is ready", process=process)
    job = new_job(2)
    tasks.publish(job.pk)
    eventually(lambda: vendor.calls, "the worker calls", process=process)
    threading.Timer(LATE_SECONDS, is_asked.set).start()
    assert process.stop() == 0
    delivered = {item.state: item.output_id is not None for item in job.items.all()}
    assert delivered == {ItemState.QUEUED: False, ItemState.SUCCEEDED: True}
    assert len(vendor.calls) == 1


def finished(job: GenerationJob) -> bool:
    return GenerationJob.objects.filter(pk=job.pk, state=JobState.FINISHED).exists()
