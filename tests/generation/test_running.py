"""Running: results in the library, a budget that holds, retries, crashes, pause, cancel, retry."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from io import BytesIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone
from PIL import Image

from dam import editing
from dam.models import Asset, AssetKind, AssetOrigin, AssetState, AuditEntry, Lineage
from generation import claiming, running, tasks
from generation.jobs import JobError, progress_of
from generation.models import GenerationItem, GenerationJob, HeldAnswer, ItemState, JobState
from generation.planning import Plan, plan_composition, plan_edit, plan_outfits, plan_scenes
from generation.providers.base import Blocked, Cause, ProviderRequest, Refused, Transient
from generation.running import cancel, create_job, pause, resume, retry, run_item, run_job
from tests.dam.storages import AwayStorage
from tests.generation.painter import Painter
from tests.pictures import picture, text_as_jpg

Make = Callable[..., list[Asset]]
Configure = Callable[..., Painter]


class Killed(BaseException):
    """A worker that dies: nothing in the code catches it."""


@pytest.fixture
def outfits(assets_of: Make) -> Callable[..., Plan]:
    """`outfits(models, garments)`: a plan of that size."""

    def make(models: int = 2, garments: int = 2) -> Plan:
        return plan_outfits(assets_of("model", models), assets_of("garment", garments))

    return make


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Second tries come at once."""
    monkeypatch.setattr(running, "BACKOFF_SECONDS", 0.01)


def states(job: GenerationJob) -> list[str]:
    return list(job.items.order_by("position").values_list("state", flat=True))


def lease_runs_out(job: GenerationJob) -> None:
    """What time does after a worker died."""
    past = timezone.now() - timedelta(seconds=1)
    job.items.filter(state=ItemState.RUNNING).update(leased_until=past)


# --- Results --------------------------------------------------------------------------------------


def test_every_cell_becomes_an_asset_in_review_with_lineage(
    painter: Configure, outfits: Callable[..., Plan], editor: User
) -> None:
    engine = painter(price="0.04")
    plan = outfits(2, 2)
    job = create_job(plan, owner=editor)
    assert (job.state, states(job)) == (JobState.QUEUED, [ItemState.QUEUED] * 4)

    run_job(job)

    assert (job.state, job.finished is not None) == (JobState.FINISHED, True)
    assert states(job) == [ItemState.SUCCEEDED] * 4
    assert len(engine.ledger) == 4
    assert (progress_of(job).cost, job.committed) == (Decimal("0.16"), Decimal("0.16"))
    for item, cell in zip(job.items.order_by("position"), plan.cells, strict=True):
        made = item.output
        assert made is not None
        assert (made.state, made.origin, made.owner) == (AssetState.IN_REVIEW, AssetOrigin.GENERATED, editor)
        assert made.kind == AssetKind.MODEL
        assert made.title == f"{cell.inputs[0][1].title} wearing {cell.inputs[1][1].title}"
        assert made.title_zh == f"{cell.inputs[0][1].title_zh}搭配{cell.inputs[1][1].title_zh}"
        links = Lineage.objects.filter(child=made).order_by("position")
        assert [(link.role, link.parent) for link in links] == list(cell.inputs)
        assert (item.model, item.attempts, item.prompt) == ("painter-1", 1, cell.prompt)
        assert not item.answer


def test_the_provider_gets_pictures_prompt_and_titles(painter: Configure, assets_of: Make) -> None:
    engine = painter()
    [product] = assets_of("product", 1, file=picture(format="PNG", size=(2000, 900), alpha=True))
    [scene] = assets_of("scene", 1)
    editing.link_sku(product, "MUG-1", actor=None)

    run_job(create_job(plan_scenes([product], [scene]), owner=None, parameters={"seed": 7}))

    [request] = engine.ledger
    first, second = request.inputs
    assert (first.role, first.title, first.sku_codes) == ("product", "Product 1", ("MUG-1",))
    assert (second.role, second.asset_id) == ("scene", str(scene.public_id))
    assert first.mime == "image/webp"
    with Image.open(BytesIO(first.read())) as sent:
        assert (sent.size, sent.mode) == ((1600, 720), "RGBA")
    assert request.parameters["seed"] == 7
    assert request.parameters["aspect_ratio"] == "1:1"
    assert request.parameters["title"] == "Product 1 in Scene 1"


def test_a_result_lives_no_longer_than_its_shortest_rights(painter: Configure, assets_of: Make) -> None:
    painter()
    soon, later = timezone.localdate() + timedelta(days=3), timezone.localdate() + timedelta(days=9)
    [model] = assets_of("model", 1, rights_expire_on=later, licence="CC BY-SA 4.0")
    [garment] = assets_of("garment", 1, rights_expire_on=soon, licence="CC0")

    job = create_job(plan_outfits([model], [garment]), owner=None)
    run_job(job)

    made = job.items.get().output
    assert (made.usable_until, made.licence) == (soon, "CC BY-SA 4.0; CC0")


def test_a_picture_that_the_library_holds_already_is_linked_not_added(
    painter: Configure, assets_of: Make
) -> None:
    engine = painter()
    same = picture(seed=4711, format="PNG")
    engine.incidents.extend([same, same])
    job = create_job(plan_edit(assets_of("product", 2), "make it blue"), owner=None)
    before = Asset.objects.count()

    run_job(job)

    first, second = job.items.order_by("position")
    assert first.output == second.output
    assert Asset.objects.count() == before + 1
    assert (second.state, second.reason) == (
        ItemState.SUCCEEDED,
        "The library held this very picture already.",
    )


# --- What goes wrong ------------------------------------------------------------------------------


def test_a_blocked_picture_is_final_and_costs_nothing(
    painter: Configure, outfits: Callable[..., Plan]
) -> None:
    engine = painter()
    engine.incidents.append(Blocked("The vendor refused the picture: prohibited content."))
    job = create_job(outfits(1, 2), owner=None, budget=Decimal(1))

    run_job(job)

    blocked = job.items.get(state=ItemState.BLOCKED)
    assert blocked.reason == "The vendor refused the picture: prohibited content."
    assert len(engine.ledger) == 2
    assert job.committed == Decimal("0.04")
    with pytest.raises(JobError, match="Nothing in this job has failed"):
        retry(job, actor=None)


@pytest.mark.usefixtures("no_waiting")
def test_a_transient_error_is_tried_again_and_paid_once(
    painter: Configure, outfits: Callable[..., Plan]
) -> None:
    engine = painter()
    engine.incidents.extend([Transient("Too many requests.", retry_after=0.05), Transient("500")])
    job = create_job(outfits(1, 1), owner=None)

    run_job(job)

    item = job.items.get()
    assert (item.state, item.attempts, item.reason) == (ItemState.SUCCEEDED, 3, "")
    assert (len(engine.ledger), job.committed) == (3, Decimal("0.04"))


@pytest.mark.usefixtures("no_waiting")
def test_a_call_that_may_have_been_charged_keeps_its_money_set_aside(
    painter: Configure, outfits: Callable[..., Plan]
) -> None:
    engine = painter()
    engine.incidents.extend([Transient("No answer in time.", maybe_charged=True), Transient("500")])
    job = create_job(outfits(1, 1), owner=None)

    run_job(job)

    item = job.items.get()
    assert (item.state, item.attempts, item.cost) == (ItemState.SUCCEEDED, 3, Decimal("0.04"))
    assert job.committed == Decimal("0.08"), "one that was paid, one that may have been"


def test_the_vendors_own_word_on_when_to_come_back_is_kept(
    painter: Configure, outfits: Callable[..., Plan]
) -> None:
    engine = painter()
    engine.incidents.append(Transient("Too many requests.", retry_after=40))
    job = create_job(outfits(1, 1), owner=None)

    assert run_item(job.items.get().pk)

    item = job.items.get()
    assert (item.state, item.reason) == (ItemState.QUEUED, "Too many requests.")
    wait = (item.not_before - timezone.now()).total_seconds()
    assert 38 < wait <= 44
    assert not run_item(item.pk)
    assert len(engine.ledger) == 1


@pytest.mark.usefixtures("no_waiting")
def test_tries_end(painter: Configure, outfits: Callable[..., Plan]) -> None:
    engine = painter()
    engine.incidents.extend([Transient("The vendor is down.")] * 20)
    job = create_job(outfits(1, 1), owner=None)

    run_job(job)

    assert (job.state, job.items.get().state) == (JobState.FINISHED, ItemState.FAILED)
    assert len(engine.ledger) == running.MAX_ATTEMPTS
    assert job.committed == 0


def test_failures_can_be_tried_again(painter: Configure, outfits: Callable[..., Plan], editor: User) -> None:
    engine = painter()
    engine.incidents.append(Refused("The key was refused."))
    job = create_job(outfits(1, 2), owner=None)
    run_job(job)
    assert states(job) == [ItemState.FAILED, ItemState.SUCCEEDED]

    assert retry(job, actor=editor) == 1
    run_job(job)

    assert states(job) == [ItemState.SUCCEEDED] * 2
    assert len(engine.ledger) == 3
    assert AuditEntry.objects.get(action="job.retried").actor == editor


def test_an_error_nobody_foresaw_ends_the_item_and_keeps_its_money_aside(
    painter: Configure, outfits: Callable[..., Plan]
) -> None:
    engine = painter()
    engine.incidents.append(ZeroDivisionError("a bug in a vendor's library"))
    job = create_job(outfits(1, 2), owner=None)

    run_job(job)

    assert states(job) == [ItemState.FAILED, ItemState.SUCCEEDED]
    assert job.items.first().reason == "The provider failed in an unforeseen way; the log has more."
    assert job.committed == Decimal("0.08")


def test_an_answer_that_is_no_picture_fails_the_item_and_is_dropped(
    painter: Configure, outfits: Callable[..., Plan]
) -> None:
    engine = painter()
    engine.incidents.append(text_as_jpg())
    job = create_job(outfits(1, 1), owner=None)

    run_job(job)

    item = job.items.get()
    assert item.state == ItemState.FAILED
    assert item.reason.startswith("What the provider sent cannot be used:")
    assert (item.cost, item.answer.name) == (Decimal("0.04"), "")
    retry(job, actor=None)
    run_job(job)
    assert (job.items.get().state, job.items.get().cost) == (ItemState.SUCCEEDED, Decimal("0.08"))


@pytest.mark.parametrize("loss", ["trashed", "file", "rights"])
def test_an_input_that_is_gone_fails_its_cells_only_and_calls_nobody(
    painter: Configure, assets_of: Make, loss: str
) -> None:
    engine = painter()
    [model], [kept, lost] = assets_of("model", 1), assets_of("garment", 2)
    job = create_job(plan_outfits([model], [kept, lost]), owner=None)
    if loss == "trashed":
        editing.trash([lost], actor=None)
    elif loss == "file":
        lost.current.file.storage.delete(lost.current.file.name)
    else:
        yesterday = timezone.localdate() - timedelta(days=1)
        editing.update_assets([lost], actor=None, changes={"rights_expire_on": yesterday})

    run_job(job)

    assert states(job) == [ItemState.SUCCEEDED, ItemState.FAILED]
    reason = job.items.get(state=ItemState.FAILED).reason
    assert reason.startswith("The input “Garment 2” cannot be used:")
    assert len(engine.ledger) == 1


@pytest.mark.usefixtures("no_waiting", "away_storage")
def test_while_the_storage_is_away_nobody_is_called_and_no_paid_picture_is_lost(
    painter: Configure, outfits: Callable[..., Plan]
) -> None:
    engine = painter(price="0.1")
    job = create_job(outfits(1, 1), owner=None)
    key = job.items.get().pk

    def run_again() -> bool:
        GenerationItem.objects.update(not_before=timezone.now())
        return run_item(key)

    AwayStorage.away = True
    assert run_again()
    before = job.items.get()
    assert (before.state, before.cause, len(engine.ledger)) == (ItemState.QUEUED, Cause.STORAGE, 0)

    def goes_away(_request: ProviderRequest) -> None:
        AwayStorage.away = True

    AwayStorage.away = False
    engine.incidents.append(goes_away)
    assert run_again()
    paid = job.items.get()
    assert (paid.state, paid.cause, paid.cost) == (ItemState.QUEUED, Cause.STORAGE, Decimal("0.1"))
    assert run_again(), "it is tried again, and still away"
    AwayStorage.away = False
    assert HeldAnswer.objects.count() == 1

    assert run_again()

    item = job.items.get()
    assert (item.state, len(engine.ledger), item.cost) == (ItemState.SUCCEEDED, 1, Decimal("0.1"))
    assert item.output.origin == AssetOrigin.GENERATED
    assert (HeldAnswer.objects.count(), item.answer.name) == (0, "")


# --- Accepting ------------------------------------------------------------------------------------


def test_what_cannot_run_is_no_job(painter: Configure, assets_of: Make, outfits: Callable[..., Plan]) -> None:
    painter(price="0.04")
    with pytest.raises(JobError, match=r"budget of 0\.03 USD is too small: one picture costs 0\.04 USD"):
        create_job(outfits(1, 1), owner=None, budget=Decimal("0.03"))
    [model], [garment] = assets_of("model", 1), assets_of("garment", 1)
    editing.trash([garment], actor=None)
    garment.refresh_from_db()
    with pytest.raises(JobError, match=r"There is no picture to make\..*It is in the trash"):
        create_job(plan_outfits([model], [garment]), owner=None)
    painter(missing="Set GEMINI_API_KEY.")
    with pytest.raises(JobError, match="Set GEMINI_API_KEY"):
        create_job(outfits(1, 1), owner=None)
    assert GenerationJob.objects.count() == 0


# --- Budget ---------------------------------------------------------------------------------------


def test_the_budget_ends_a_job_and_a_larger_one_goes_on(
    painter: Configure, outfits: Callable[..., Plan]
) -> None:
    engine = painter(price="0.1")
    job = create_job(outfits(2, 3), owner=None, budget=Decimal("0.3"))

    run_job(job)

    assert len(engine.ledger) == 3
    assert sorted(states(job)) == [ItemState.OVER_BUDGET] * 3 + [ItemState.SUCCEEDED] * 3
    reason = job.items.filter(state=ItemState.OVER_BUDGET).first().reason
    assert "The budget of 0.3 USD is used up: 0.3 USD is spent or set aside." in reason
    retry(job, actor=None, budget=Decimal("0.6"))
    run_job(job)
    assert states(job) == [ItemState.SUCCEEDED] * 6
    assert job.committed == Decimal("0.6")


@pytest.mark.django_db(transaction=True)
def test_concurrent_workers_do_not_pass_the_budget(painter: Configure, assets_of: Make) -> None:
    engine = painter(price="0.1", parallel_calls=8)
    engine.seconds = 0.05
    plan = plan_outfits(assets_of("model", 4), assets_of("garment", 4))
    job = create_job(plan, owner=None, budget=Decimal("0.5"), in_background=False)

    def worker(number: int) -> None:
        try:
            run_job(GenerationJob.objects.get(pk=job.pk))
        finally:
            connection.close()

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(worker, range(3)))

    job.refresh_from_db()
    assert len(engine.ledger) == 5
    assert job.committed == Decimal("0.5")
    assert progress_of(job).counts == {ItemState.SUCCEEDED: 5, ItemState.OVER_BUDGET: 11}
    assert job.state == JobState.FINISHED


@pytest.mark.django_db(transaction=True)
def test_concurrent_workers_make_each_picture_once(painter: Configure, assets_of: Make) -> None:
    engine = painter(price="0", parallel_calls=4)
    job = create_job(
        plan_outfits(assets_of("model", 4), assets_of("garment", 4)), owner=None, in_background=False
    )

    run_job(job)

    assert states(job) == [ItemState.SUCCEEDED] * 16
    keys = [request.idempotency_key for request in engine.ledger]
    assert (len(keys), len(set(keys))) == (16, 16)
    assert Asset.objects.filter(origin=AssetOrigin.GENERATED).count() == 16


# --- Crashes --------------------------------------------------------------------------------------


def test_a_worker_that_dies_after_the_answer_costs_no_second_call(
    painter: Configure, outfits: Callable[..., Plan], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = painter()
    job = create_job(outfits(1, 1), owner=None)
    with monkeypatch.context() as patch:
        patch.setattr(running.delivery, "ingest", _dies)
        with pytest.raises(Killed):
            run_job(job)
    assert job.items.get().state == ItemState.RUNNING
    assert not run_item(job.items.get().pk), "the lease is still good"

    lease_runs_out(job)
    tasks.sweep()  # the eager queue runs what it finds
    run_job(job)

    item = job.items.get()
    assert (item.state, item.attempts) == (ItemState.SUCCEEDED, 2)
    assert len(engine.ledger) == 1
    assert job.committed == Decimal("0.04")


def test_a_worker_that_dies_between_ingest_and_its_note_adds_no_second_asset(
    painter: Configure, outfits: Callable[..., Plan], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = painter()
    job = create_job(outfits(1, 1), owner=None)
    with monkeypatch.context() as patch:
        patch.setattr(running, "_end", _dies)
        with pytest.raises(Killed):
            run_job(job)
    assert Asset.objects.filter(origin=AssetOrigin.GENERATED).count() == 1

    lease_runs_out(job)
    run_job(job)

    assert Asset.objects.filter(origin=AssetOrigin.GENERATED).count() == 1
    assert job.items.get().output.origin == AssetOrigin.GENERATED
    assert len(engine.ledger) == 1


def test_a_call_that_a_crash_cut_off_stays_on_the_budget(
    painter: Configure, outfits: Callable[..., Plan]
) -> None:
    engine = painter(price="0.1")
    engine.incidents.append(_dies)
    job = create_job(outfits(1, 3), owner=None, budget=Decimal("0.3"))
    with pytest.raises(Killed):
        run_job(job)

    lease_runs_out(job)
    run_job(job)

    # Four calls would be possible by the answers alone; the vendor may have charged for the lost one.
    assert len(engine.ledger) == 3
    assert states(job) == [ItemState.SUCCEEDED, ItemState.SUCCEEDED, ItemState.OVER_BUDGET]
    assert (job.committed, progress_of(job).cost) == (Decimal("0.3"), Decimal("0.2"))


def test_an_item_that_kills_every_worker_is_given_up(
    painter: Configure, outfits: Callable[..., Plan]
) -> None:
    engine = painter(price="0")
    engine.incidents.extend([_dies] * 20)
    job = create_job(outfits(1, 1), owner=None)
    for _death in range(running.MAX_ATTEMPTS):
        with pytest.raises(Killed):
            run_job(job)
        lease_runs_out(job)

    run_job(job)

    assert job.items.get().reason == "It was given up after 5 attempts that were cut off."
    assert len(engine.ledger) == running.MAX_ATTEMPTS


@pytest.mark.django_db(transaction=True)
def test_a_slow_call_keeps_its_lease(
    painter: Configure, assets_of: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claiming, "LEASE", timedelta(seconds=0.6))
    engine = painter()
    plan = plan_outfits(assets_of("model", 1), assets_of("garment", 1))
    job = create_job(plan, owner=None, in_background=False)
    stolen: list[bool] = []

    def slow(request: ProviderRequest) -> None:
        time.sleep(2)
        stolen.append(run_item(job.items.get().pk))

    engine.incidents.append(slow)

    run_job(job)

    assert stolen == [False]
    assert (job.items.get().state, job.items.get().attempts) == (ItemState.SUCCEEDED, 1)


def _dies(*args: Any, **kwargs: Any) -> Iterator[None]:
    raise Killed


# --- Verbs ----------------------------------------------------------------------------------------


def test_a_paused_job_starts_nothing_until_it_is_resumed(
    painter: Configure, outfits: Callable[..., Plan], editor: User
) -> None:
    engine = painter()
    job = create_job(outfits(1, 3), owner=None)
    engine.incidents.append(lambda request: pause(job, actor=editor))

    run_job(job)

    assert (job.state, len(engine.ledger)) == (JobState.PAUSED, 1)
    assert states(job) == [ItemState.SUCCEEDED, ItemState.QUEUED, ItemState.QUEUED]
    with pytest.raises(JobError, match="waiting or running"):
        pause(job, actor=editor)
    resume(job, actor=editor)
    run_job(job)
    assert (job.state, len(engine.ledger)) == (JobState.FINISHED, 3)
    with pytest.raises(JobError, match="Only a paused job"):
        resume(job, actor=editor)


def test_a_cancelled_job_keeps_the_picture_under_way_and_starts_no_other(
    painter: Configure, outfits: Callable[..., Plan], editor: User
) -> None:
    engine = painter()
    job = create_job(outfits(1, 3), owner=None)
    engine.incidents.append(lambda request: cancel(job, actor=editor))

    run_job(job)

    assert job.state == JobState.CANCELLED
    assert states(job) == [ItemState.SUCCEEDED, ItemState.CANCELLED, ItemState.CANCELLED]
    assert len(engine.ledger) == 1
    with pytest.raises(JobError, match="ended already"):
        cancel(job, actor=editor)


def test_a_cancelled_jobs_dead_worker_leaves_nothing_running(
    painter: Configure, outfits: Callable[..., Plan]
) -> None:
    engine = painter()
    engine.incidents.append(_dies)
    job = create_job(outfits(1, 2), owner=None)
    with pytest.raises(Killed):
        run_job(job)
    cancel(job, actor=None)
    lease_runs_out(job)

    tasks.sweep()

    assert states(job) == [ItemState.CANCELLED, ItemState.CANCELLED]


def _away(_request: ProviderRequest) -> None:
    """While the provider paints, the storage goes away."""
    AwayStorage.away = True


@pytest.mark.usefixtures("away_storage")
@pytest.mark.parametrize("when", ["after the call", "in the call"])
def test_what_a_cancelled_job_has_paid_for_is_taken_in_when_the_storage_is_back(
    painter: Configure, outfits: Callable[..., Plan], when: str
) -> None:
    engine = painter(price="0.1")
    job = create_job(outfits(1, 1), owner=None)
    key = job.items.get().pk

    def cancelled_meanwhile(request: ProviderRequest) -> None:
        cancel(job, actor=None)
        _away(request)

    engine.incidents.append(_away if when == "after the call" else cancelled_meanwhile)
    assert run_item(key)
    if when == "after the call":
        cancel(GenerationJob.objects.get(pk=job.pk), actor=None)
    lease_runs_out(job)
    tasks.sweep()  # still away
    AwayStorage.away = False
    lease_runs_out(job)
    tasks.sweep()

    item = job.items.get()
    assert (item.state, item.cost, len(engine.ledger)) == (ItemState.SUCCEEDED, Decimal("0.1"), 1)
    assert item.output is not None
    assert (HeldAnswer.objects.count(), GenerationJob.objects.get().state) == (0, JobState.CANCELLED)


@pytest.mark.usefixtures("no_waiting")
def test_nothing_is_queued_again_in_a_job_that_was_cancelled_meanwhile(
    painter: Configure, outfits: Callable[..., Plan]
) -> None:
    engine = painter(price="0.1")
    job = create_job(outfits(1, 1), owner=None)

    def cancelled(_request: ProviderRequest) -> None:
        cancel(job, actor=None)
        raise Transient("Overloaded.")

    engine.incidents.append(cancelled)
    assert run_item(job.items.get().pk)
    assert states(job) == [ItemState.CANCELLED]


def test_a_job_whose_worker_died_after_its_last_picture_is_finished_by_the_sweep(
    painter: Configure, outfits: Callable[..., Plan], monkeypatch: pytest.MonkeyPatch
) -> None:
    painter()
    job = create_job(outfits(1, 1), owner=None)

    def die(_job: int) -> None:
        raise Killed

    with monkeypatch.context() as dying, pytest.raises(Killed):
        dying.setattr(running, "finish_job_if_done", die)
        run_item(job.items.get().pk)
    job.refresh_from_db()
    assert (states(job), job.state) == ([ItemState.SUCCEEDED], JobState.RUNNING)
    tasks.sweep()
    job.refresh_from_db()
    assert job.state == JobState.FINISHED
    assert job.finished is not None


def test_who_did_what_is_in_the_audit_log(
    painter: Configure, outfits: Callable[..., Plan], editor: User
) -> None:
    painter()
    job = create_job(outfits(1, 1), owner=editor)
    pause(job, actor=editor)
    resume(job, actor=editor)
    cancel(job, actor=editor)
    written = AuditEntry.objects.filter(target_id=str(job.public_id)).order_by("id")
    assert [entry.action for entry in written] == [
        "job.created",
        "job.paused",
        "job.resumed",
        "job.cancelled",
    ]
    assert {entry.actor for entry in written} == {editor}


# --- The workers' entrances -----------------------------------------------------------------------


def test_the_sweep_finds_a_job_whose_message_was_lost(
    painter: Configure, outfits: Callable[..., Plan]
) -> None:
    painter()
    job = create_job(outfits(1, 2), owner=None, in_background=False)
    assert claiming.providers_with_work() == {job.provider: 1}

    tasks.run_items(job.provider)

    assert claiming.providers_with_work() == {}
    assert states(job) == [ItemState.SUCCEEDED] * 2
    tasks.run_job(10**9)  # a job that is gone is no error


def test_a_worker_leaves_a_busy_provider_alone(painter: Configure, outfits: Callable[..., Plan]) -> None:
    engine = painter(parallel_calls=1)
    first, second = (create_job(outfits(1, 1), owner=None) for _number in range(2))
    engine.incidents.append(lambda request: tasks.run_items(second.provider))

    run_job(first)

    assert len(engine.ledger) == 1
    assert states(second) == [ItemState.QUEUED]


def test_a_request_carries_the_idempotency_key_of_its_item(
    painter: Configure, outfits: Callable[..., Plan]
) -> None:
    engine = painter()
    job = create_job(outfits(1, 2), owner=None)
    run_job(job)
    keys = set(GenerationItem.objects.values_list("idempotency_key", flat=True))
    assert {request.idempotency_key for request in engine.ledger} == keys
    assert isinstance(engine.ledger[0], ProviderRequest)


def test_a_composition_runs_with_its_sentence(
    painter: Configure, assets_of: Make, index_now: Callable[[], Any]
) -> None:
    painter()
    assets_of("character", 1)
    index_now()
    job = create_job(plan_composition("Character 1", None), owner=None)
    run_job(job)
    made = job.items.get().output
    assert (str(job), made.description) == ("Composition: Character 1", "Character 1")
