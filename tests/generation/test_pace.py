"""How fast a provider is called by all together: rate, parallel calls, outages; and whose turn it is."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from dam.models import Asset
from generation import claiming, pace, running, tasks
from generation.claiming import Wait, claim, why_waiting
from generation.jobs import cancel, pause, prioritise, resume, retry
from generation.models import (
    GenerationItem,
    GenerationJob,
    ItemState,
    JobPriority,
    JobState,
    ProviderGate,
    SpendState,
)
from generation.planning import plan_outfits
from generation.providers.base import Cause, ProviderRequest, Refused, Transient
from generation.running import create_job, run_item, run_job
from tests.generation.painter import Painter

Make = Callable[..., list[Asset]]
Configure = Callable[..., Painter]


@pytest.fixture
def job_of(assets_of: Make) -> Callable[..., GenerationJob]:
    """`job_of(owner, pictures)`: a job of that many pictures, which no worker hears of."""

    def make(owner: User | None, pictures: int, **given: Any) -> GenerationJob:
        plan = plan_outfits(assets_of("model", 1), assets_of("garment", pictures))
        return create_job(plan, owner=owner, in_background=False, **given)

    return make


def in_threads(count: int, do: Callable[[int], Any]) -> list[Any]:
    """Each as a worker with a connection of its own."""

    def worker(number: int) -> Any:
        try:
            return do(number)
        finally:
            connection.close()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(worker, range(count)))


def states(job: GenerationJob) -> Counter[str]:
    return Counter(job.items.values_list("state", flat=True))


# --- Rate and parallel calls -----------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("keeper", ["shared", "database"])
def test_all_workers_together_keep_the_rate(
    painter: Configure, job_of: Callable[..., GenerationJob], settings: Settings, keeper: str
) -> None:
    engine = painter(price="0", parallel_calls=8)
    settings.GENERATION_CALLS_PER_MINUTE = {settings.GENERATION_PROVIDER: 300}  # one each 0.2 s, five at once
    if keeper == "database":
        settings.REDIS_URL = ""
    job = job_of(None, 14)
    began = time.monotonic()

    in_threads(2, lambda number: run_job(GenerationJob.objects.get(pk=job.pk)))

    seconds = time.monotonic() - began
    assert len(engine.ledger) == 14
    assert seconds >= (14 - 5) * 0.2 - 0.05
    assert bool(ProviderGate.objects.get(provider=job.provider).idle_at) == (not settings.REDIS_URL)


@pytest.mark.services
def test_the_database_keeps_the_rate_while_redis_is_away(
    painter: Configure, job_of: Callable[..., GenerationJob], settings: Settings
) -> None:
    painter(price="0")
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    settings.GENERATION_CALLS_PER_MINUTE = {settings.GENERATION_PROVIDER: 1}
    job = job_of(None, 2)
    assert isinstance(claim(job.provider), GenerationItem)
    GenerationItem.objects.filter(state=ItemState.RUNNING).update(answer="kept elsewhere")

    found = claim(job.provider)

    assert isinstance(found, Wait)
    assert 50 < found.seconds <= 60


@pytest.mark.django_db(transaction=True)
def test_however_many_workers_ask_at_once_a_provider_is_called_by_no_more_than_it_takes(
    painter: Configure, job_of: Callable[..., GenerationJob]
) -> None:
    painter(price="0", parallel_calls=3)
    job = job_of(None, 12)
    start = threading.Barrier(8)

    def ask(number: int) -> Any:
        start.wait()
        return claim(job.provider)

    found = in_threads(8, ask)

    items = [item for item in found if isinstance(item, GenerationItem)]
    assert len(items) == len({item.pk for item in items}) == 3
    assert [answer for answer in found if isinstance(answer, Wait)] == [Wait(0.2)] * 5


def test_settings_say_how_many_calls_at_once(
    painter: Configure, job_of: Callable[..., GenerationJob], settings: Settings
) -> None:
    painter(price="0", parallel_calls=1)
    settings.GENERATION_PARALLEL_CALLS = {settings.GENERATION_PROVIDER: 2}
    job = job_of(None, 3)
    found = [claim(job.provider) for _number in range(3)]
    assert [type(answer) for answer in found] == [GenerationItem, GenerationItem, Wait]


# --- Outages ---------------------------------------------------------------------------------------


def test_a_provider_that_does_not_answer_is_left_alone_until_one_call_gets_through(
    painter: Configure, job_of: Callable[..., GenerationJob], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "BACKOFF_SECONDS", 0.0)
    engine = painter(price="0", parallel_calls=1)
    engine.incidents.extend([Transient("The vendor is down.")] * 5)
    job = job_of(None, 7)
    for item in job.items.order_by("position")[:5]:
        assert run_item(item.pk)

    said = why_waiting(job)
    assert said.startswith(f"“{job.provider}” did not answer 5 times in a row and is tried again at ")
    assert said.endswith("It said last: The vendor is down.")
    found = claim(job.provider)
    assert isinstance(found, Wait)
    assert 28 < found.seconds <= 30
    assert len(engine.ledger) == 5

    gate = ProviderGate.objects.filter(provider=job.provider)
    gate.update(closed_until=timezone.now() - timedelta(seconds=1))
    assert "is being tried again" in why_waiting(job)
    probe = claim(job.provider)
    assert isinstance(probe, GenerationItem)
    job.items.filter(pk=probe.pk).update(answer="kept elsewhere")  # so that only the probe is in the way
    assert isinstance(claim(job.provider), Wait), "one call tries, the others wait"

    pace.note_outage(job.provider, "Still down.")
    again = claim(job.provider)
    assert isinstance(again, Wait)
    assert 55 < again.seconds <= 60, "twice as long"

    pace.note_answer(job.provider)
    assert why_waiting(job) == ""
    assert isinstance(claim(job.provider), GenerationItem)


def test_refusals_and_rate_limits_are_answers(
    painter: Configure, job_of: Callable[..., GenerationJob]
) -> None:
    engine = painter(price="0")
    engine.incidents.extend([Transient("500")] * 4 + [Refused("No.")] + [Transient("500")] * 4)
    engine.incidents.append(Transient("Slow down.", cause=Cause.RATE))
    job = job_of(None, 10)
    for item in job.items.order_by("position"):
        run_item(item.pk)
    assert len(engine.ledger) == 10
    assert why_waiting(job) == ""
    causes = Counter(job.items.values_list("cause", flat=True))
    assert causes == {Cause.OUTAGE: 8, Cause.REFUSED: 1, Cause.RATE: 1}


# --- Whose turn it is ------------------------------------------------------------------------------


def test_owners_take_turns_however_large_their_jobs_are(
    painter: Configure, job_of: Callable[..., GenerationJob], editor: User, stranger: User
) -> None:
    painter(price="0", parallel_calls=100)
    large, larger, small = job_of(editor, 6), job_of(editor, 6), job_of(stranger, 3)

    turns = []
    for _number in range(8):
        item = claim(large.provider)
        assert isinstance(item, GenerationItem)
        turns.append(item.job_id)

    first, second = large.pk, small.pk
    assert turns == [first, second, first, second, first, second, first, first]
    assert larger.items.filter(state=ItemState.RUNNING).count() == 0, "an owner's older job is first"


def test_a_job_of_a_higher_priority_goes_first(
    painter: Configure, job_of: Callable[..., GenerationJob], editor: User, stranger: User
) -> None:
    painter(price="0", parallel_calls=100)
    normal, urgent = job_of(editor, 2), job_of(stranger, 2)
    idle = job_of(None, 1, priority=JobPriority.LOW)
    prioritise(urgent, JobPriority.HIGH, actor=editor)

    turns = [claim(normal.provider) for _number in range(6)]

    jobs = [item.job_id if isinstance(item, GenerationItem) else item for item in turns]
    assert jobs == [urgent.pk, urgent.pk, normal.pk, normal.pk, idle.pk, None]


def test_a_claim_costs_the_same_however_long_the_job(
    painter: Configure, job_of: Callable[..., GenerationJob], django_assert_num_queries: Any
) -> None:
    painter(price="0", parallel_calls=100)
    job = job_of(None, 3)
    claim(job.provider)  # the provider's row is made, and the job runs
    for more in (0, 40):
        if more:
            job_of(job.owner, more)
        with django_assert_num_queries(13):
            claim(job.provider)


# --- Verbs while workers work ----------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_pause_resume_and_cancel_hold_against_many_workers(
    painter: Configure, job_of: Callable[..., GenerationJob]
) -> None:
    engine = painter(price="0.1", parallel_calls=4)
    engine.seconds = 0.03
    job = job_of(None, 40)
    over = threading.Event()
    after_pause: list[int] = []

    def act(number: int) -> None:
        if number:
            while not over.is_set():
                running.work(job.provider, seconds=0.5)
            return
        for _time in range(2):
            _until(lambda: len(engine.ledger) >= 4 + len(after_pause) * 8)
            pause(GenerationJob.objects.get(pk=job.pk), actor=None)
            _until(lambda: not job.items.filter(state=ItemState.RUNNING).exists())
            before = len(engine.ledger)
            time.sleep(0.3)
            after_pause.append(len(engine.ledger) - before)
            resume(GenerationJob.objects.get(pk=job.pk), actor=None)
        _until(lambda: len(engine.ledger) >= 24)
        cancel(GenerationJob.objects.get(pk=job.pk), actor=None)
        _until(lambda: not job.items.filter(state=ItemState.RUNNING).exists())
        over.set()

    in_threads(4, act)

    job.refresh_from_db()
    assert after_pause == [0, 0], "a paused job makes no call"
    assert job.state == JobState.CANCELLED
    assert states(job) == {
        ItemState.SUCCEEDED: len(engine.ledger),
        ItemState.CANCELLED: 40 - len(engine.ledger),
    }
    keys = [request.idempotency_key for request in engine.ledger]
    assert len(keys) == len(set(keys)) < 40
    assert job.spending.filter(state=SpendState.SETTLED).count() == len(keys)


@pytest.mark.django_db(transaction=True)
def test_what_two_people_run_again_at_once_runs_once(
    painter: Configure, job_of: Callable[..., GenerationJob]
) -> None:
    engine = painter(price="0.1", parallel_calls=4)
    engine.incidents.extend([Refused("No.")] * 8)
    job = job_of(None, 8)
    run_job(job)
    assert states(job) == {ItemState.FAILED: 8}
    start = threading.Barrier(2)

    def again(number: int) -> int:
        start.wait()
        try:
            return retry(GenerationJob.objects.get(pk=job.pk), actor=None)
        except running.JobError:
            return 0

    assert sorted(in_threads(2, again)) == [0, 8]
    run_job(job)
    assert states(job) == {ItemState.SUCCEEDED: 8}
    assert len(engine.ledger) == 16


def _until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline, "it did not come to pass within 30 s"
        time.sleep(0.02)


def test_a_slice_that_finds_all_calls_taken_leaves_soon(
    painter: Configure, job_of: Callable[..., GenerationJob], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "_PATIENCE_SECONDS", 0.3)
    engine = painter(price="0", parallel_calls=1)
    job = job_of(None, 2)
    waited: list[float] = []

    def busy(request: ProviderRequest) -> None:
        began = time.monotonic()
        assert running.work(job.provider, seconds=20) is None
        waited.append(time.monotonic() - began)

    engine.incidents.append(busy)
    tasks.run_items(job.provider)
    assert len(waited) == 1
    assert 0.2 < waited[0] < 5
    assert claiming.providers_with_work() == {}
