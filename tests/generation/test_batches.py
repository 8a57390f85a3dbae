"""Jobs whose pictures are made in batches: Google's real client against a server on loopback."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from django.utils import timezone

from atelier.celery import app
from dam.models import AssetOrigin
from generation import batches, claiming, jobs, running, tasks
from generation.jobs import create_job
from generation.models import GenerationBatch, GenerationItem, GenerationJob, ItemState, JobState
from generation.planning import Plan, plan_outfits
from generation.providers import gemini_batch
from tests.dam.storages import AwayStorage
from tests.generation import gemini_batch_server as vendor
from tests.generation import gemini_server as gemini
from tests.generation.gemini_batch_server import GeminiBatchServer
from tests.loopback import Answer

if TYPE_CHECKING:
    from pytest_django.fixtures import SettingsWrapper

    from dam.models import Asset

pytestmark = pytest.mark.django_db

Outfits = Callable[..., Plan]
# 1,120 tokens of picture at 30 USD and 600 in at 1.50, at half the price.
PAID = Decimal("0.01725")
# 1,120 of picture and twice 1,101 of pictures that go in.
FORECAST = Decimal("0.0184515")
_numbers = itertools.count(1)


@pytest.fixture
def server() -> Iterator[GeminiBatchServer]:
    with GeminiBatchServer() as running_server:
        yield running_server


@pytest.fixture
def outfits(
    server: GeminiBatchServer, settings: SettingsWrapper, assets_of: Callable[..., list[Asset]]
) -> Outfits:
    """`outfits(3)`: a plan of so many pictures, by Gemini in batches."""
    declared = settings.GENERATION_PROVIDERS["gemini-batch"]
    name = f"batches{next(_numbers)}"  # the registry keeps one instance a name
    options = {**declared["OPTIONS"], "api_key": "key-1", "base_url": server.url, "timeout_seconds": 10}
    settings.GENERATION_PROVIDERS = {
        **settings.GENERATION_PROVIDERS,
        name: {**declared, "OPTIONS": options},
    }

    def plan(count: int) -> Plan:
        return plan_outfits(assets_of("model", 1), assets_of("garment", count), provider=name)

    return plan


@pytest.fixture
def eager() -> Iterator[None]:
    """Tasks run as they are sent."""
    before = app.conf.task_always_eager
    app.conf.task_always_eager = True
    yield
    app.conf.task_always_eager = before


def later() -> None:
    """Time goes by until batches are looked at again and items are due."""
    GenerationBatch.objects.update(not_before=timezone.now())
    GenerationItem.objects.update(not_before=timezone.now())


def look(job: GenerationJob) -> None:
    later()
    batches.advance(job)
    job.refresh_from_db()


def states(job: GenerationJob) -> list[str]:
    return list(job.items.order_by("position").values_list("state", flat=True))


def keys(server: GeminiBatchServer, number: int = -1) -> list[str]:
    return [line["key"] for line in server.store.batches[number].lines]


def test_a_job_goes_in_as_one_batch_and_comes_back_as_pictures(
    server: GeminiBatchServer, outfits: Outfits
) -> None:
    job = create_job(outfits(3), owner=None, in_background=False)
    assert batches.advance(job) is not None
    batch = GenerationBatch.objects.get()
    (handed_in,) = server.store.batches
    assert (handed_in.display_name, batch.name) == (batch.key, handed_in.name)
    assert len(handed_in.lines) == 3
    job.refresh_from_db()
    assert (job.state, states(job)) == (JobState.RUNNING, [ItemState.RUNNING] * 3)
    assert job.committed == 3 * FORECAST.quantize(Decimal("0.000001"))
    assert claiming.claim(job.provider, only=job) is None, "nobody calls for a single picture"
    assert batches.jobs_due() == []

    look(job)
    assert states(job) == [ItemState.RUNNING] * 3, "not done yet"
    server.finish(handed_in)
    look(job)
    assert (job.state, states(job)) == (JobState.FINISHED, [ItemState.SUCCEEDED] * 3)
    assert {item.cost for item in job.items.all()} == {PAID}
    assert job.committed == 3 * PAID
    assert {item.output.origin for item in job.items.all()} == {AssetOrigin.GENERATED}
    assert len(server.made("create")) == 1
    assert batches.advance(job) is None
    look(job)
    assert len(server.made("download")) == 1, "what has ended is not looked at again"


def test_a_process_killed_after_handing_in_pays_nothing_twice(
    server: GeminiBatchServer, outfits: Outfits
) -> None:
    job = create_job(outfits(2), owner=None, in_background=False)
    batches.advance(job)
    # As a process leaves it that is killed between the vendor's answer and writing it down.
    GenerationBatch.objects.update(name="", leased_until=timezone.now() - timedelta(seconds=1))
    missing = job.items.order_by("position").first().inputs.last().asset
    missing.state = "trashed"
    missing.save()

    look(job)
    assert len(server.store.batches) == 1
    server.finish(server.store.batches[0])
    look(job)
    assert states(job) == [ItemState.SUCCEEDED] * 2, "also what lost an input since: it is paid"
    assert job.committed == 2 * PAID


def test_a_batch_whose_creation_was_not_answered_is_found_at_the_next_look(
    server: GeminiBatchServer, outfits: Outfits
) -> None:
    def cut(call: vendor.Call) -> Answer:
        server.well(call)
        return Answer(200, None)

    job = create_job(outfits(2), owner=None, in_background=False)
    looked_up_twice_and_uploaded = [server.well] * 4
    server.script([*looked_up_twice_and_uploaded, cut])
    batches.advance(job)
    assert GenerationBatch.objects.get().name == ""
    assert states(job) == [ItemState.RUNNING] * 2
    look(job)
    assert GenerationBatch.objects.get().name == "batches/b1"
    assert len(server.store.batches) == 1


def test_two_processes_never_hold_one_batch(server: GeminiBatchServer, outfits: Outfits) -> None:
    job = create_job(outfits(2), owner=None, in_background=False)
    batches.advance(job)
    server.finish(server.store.batches[0])
    later()
    GenerationBatch.objects.update(leased_until=timezone.now() + timedelta(minutes=1))
    batches.advance(job)
    assert states(job) == [ItemState.RUNNING] * 2
    assert batches.jobs_due() == []


def test_each_item_ends_as_its_own_answer_says_and_the_rest_goes_into_another_batch(
    server: GeminiBatchServer, outfits: Outfits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "BACKOFF_SECONDS", 0.01)
    job = create_job(outfits(4), owner=None, in_background=False)
    batches.advance(job)
    good, blocked, words, _unanswered = keys(server)
    server.finish(
        server.store.batches[0],
        "BATCH_STATE_EXPIRED",
        outcomes={blocked: gemini.finished_with("IMAGE_SAFETY"), words: gemini.words_only},
        answered=[good, blocked, words],
    )
    look(job)
    assert states(job)[:3] == [ItemState.SUCCEEDED, ItemState.BLOCKED, ItemState.FAILED]
    look(job)
    assert len(server.store.batches) == 2
    assert server.store.batches[1].display_name != server.store.batches[0].display_name
    assert keys(server) == [_unanswered]
    server.finish(server.store.batches[1])
    look(job)
    assert (job.state, states(job)[3]) == (JobState.FINISHED, ItemState.SUCCEEDED)
    # Two pictures, half of what went in for the filtered one, and the words.
    assert job.committed == 2 * PAID + Decimal("0.00045") + Decimal("0.0006")


def test_a_job_larger_than_a_batch_goes_in_as_several(
    server: GeminiBatchServer, outfits: Outfits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gemini_batch, "BATCH_SIZE", 2)
    job = create_job(outfits(5), owner=None, in_background=False)
    batches.advance(job)
    assert [len(batch.lines) for batch in server.store.batches] == [2, 2, 1]
    assert len({key for number in range(3) for key in keys(server, number)}) == 5
    for batch in server.store.batches:
        server.finish(batch)
    look(job)
    assert (job.state, job.committed) == (JobState.FINISHED, 5 * PAID)


def test_the_budget_holds_for_batches_too(server: GeminiBatchServer, outfits: Outfits) -> None:
    job = create_job(outfits(3), owner=None, budget=2 * FORECAST + Decimal("0.001"), in_background=False)
    batches.advance(job)
    assert states(job) == [ItemState.RUNNING, ItemState.RUNNING, ItemState.OVER_BUDGET]
    assert len(server.store.batches[0].lines) == 2


def test_a_cancelled_job_takes_what_was_made_and_gives_the_rest_up(
    server: GeminiBatchServer, outfits: Outfits
) -> None:
    job = create_job(outfits(3), owner=None, in_background=False)
    batches.advance(job)
    jobs.cancel(job, actor=None)
    look(job)
    assert len(server.made("cancel")) == 1
    server.finish(server.store.batches[0], "BATCH_STATE_CANCELLED", answered=keys(server)[:1])
    look(job)
    assert states(job) == [ItemState.SUCCEEDED, ItemState.CANCELLED, ItemState.CANCELLED]
    assert job.committed == PAID
    assert batches.advance(job) is None


def test_a_lost_download_is_fetched_again_and_nothing_twice(
    server: GeminiBatchServer, outfits: Outfits
) -> None:
    job = create_job(outfits(2), owner=None, in_background=False)
    batches.advance(job)
    server.finish(server.store.batches[0])
    server.script([server.well, server.well, lambda call: Answer(200, None)])
    look(job)
    assert states(job) == [ItemState.RUNNING] * 2
    look(job)
    assert states(job) == [ItemState.SUCCEEDED] * 2
    assert job.committed == 2 * PAID


def test_what_the_vendor_refuses_ends_a_new_batch_and_an_old_one_waits(
    server: GeminiBatchServer, outfits: Outfits
) -> None:
    wrong_key = vendor.failing(400, "INVALID_ARGUMENT", "API key not valid")
    refused = create_job(outfits(1), owner=None, in_background=False)
    server.script([wrong_key])
    batches.advance(refused)
    refused.refresh_from_db()
    assert (refused.state, refused.committed, states(refused)) == (JobState.FINISHED, 0, [ItemState.FAILED])
    assert "GEMINI_API_KEY" in refused.items.get().reason

    job = create_job(outfits(1), owner=None, in_background=False)
    batches.advance(job)
    server.script([wrong_key])
    look(job)
    assert states(job) == [ItemState.RUNNING], "it is paid: the key may be wrong only now"
    server.finish(server.store.batches[0])
    look(job)
    assert states(job) == [ItemState.SUCCEEDED]


def test_the_sweep_comes_back_to_batches_that_are_under_way(
    server: GeminiBatchServer, outfits: Outfits, eager: None
) -> None:
    job = create_job(outfits(2), owner=None, in_background=False)
    tasks.run_job(job.pk)
    server.finish(server.store.batches[0])
    tasks.sweep()
    assert states(job) == [ItemState.RUNNING] * 2, "not before its time"
    later()
    tasks.sweep()
    assert states(job) == [ItemState.SUCCEEDED] * 2


def test_the_sweep_hands_in_what_no_message_has_told_of(
    server: GeminiBatchServer, outfits: Outfits, eager: None
) -> None:
    job = create_job(outfits(2), owner=None, in_background=False)
    assert claiming.providers_with_work() == {}, "nobody calls for a single picture"
    tasks.sweep()
    assert len(server.store.batches[0].lines) == 2
    tasks.sweep()
    assert (len(server.store.batches), states(job)) == (1, [ItemState.RUNNING] * 2)


@pytest.mark.usefixtures("away_storage")
def test_answers_that_the_storage_did_not_take_are_not_handed_in_again(
    server: GeminiBatchServer, outfits: Outfits, eager: None
) -> None:
    job = create_job(outfits(2), owner=None, in_background=False)
    batches.advance(job)
    server.finish(server.store.batches[0])
    AwayStorage.away = True
    look(job)
    assert states(job) == [ItemState.QUEUED] * 2
    look(job)
    AwayStorage.away = False
    later()
    tasks.sweep()
    job.refresh_from_db()
    assert (states(job), job.state) == ([ItemState.SUCCEEDED] * 2, JobState.FINISHED)
    assert (len(server.store.batches), job.items.first().cost) == (1, PAID)


def test_the_command_waits_for_its_batches(
    server: GeminiBatchServer, outfits: Outfits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "POLL_SECONDS", 0.05)

    def done_at_the_third_look(call: vendor.Call) -> Answer:
        if call.what == "get" and len(server.made("get")) == 3:
            server.finish(server.store.batches[0])
        return server.well(call)

    job = create_job(outfits(2), owner=None, in_background=False)
    server.script([done_at_the_third_look] * 20)
    batches.run_job(job)
    assert (job.state, states(job)) == (JobState.FINISHED, [ItemState.SUCCEEDED] * 2)
