"""A clock that was two hours ahead and is right again: nothing that was begun by it waits for that time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from celery.beat import PersistentScheduler
from django.contrib.auth.models import User
from django.db.models import F, Model
from django.utils import timezone

from atelier.beat import Scheduler
from atelier.celery import app
from dam import tasks as dam_tasks
from dam.models import Asset, Collection, Import, ImportState, KeptAnswer
from dam.signals import assets_changed
from generation import claiming
from generation import tasks as generation_tasks
from generation.models import GenerationItem, ItemState, JobState
from generation.planning import plan_outfits
from generation.running import create_job, work
from search import outbox
from search import tasks as search_tasks
from search.models import IndexEntry, IndexState
from tests.clients import api_of
from tests.factories import AssetFactory
from tests.generation.conftest import painter
from tests.generation.painter import Painter
from tests.pictures import picture

__all__ = ["painter"]  # the fixture
AHEAD = timedelta(hours=2)
LONGEST_LEASE = timedelta(minutes=2)  # of those here


class Killed(BaseException):
    """A worker that dies: nothing in the code catches it."""


@pytest.fixture
def wrong_clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[], Any]:
    """`with wrong_clock():` this process's clock is ahead; PostgreSQL's is its own."""
    right = timezone.now

    @contextmanager
    def ahead() -> Iterator[None]:
        with monkeypatch.context() as patched:
            patched.setattr(timezone, "now", lambda: right() + AHEAD)
            yield

    return ahead


def die(*_args: object, **_named: object) -> None:
    raise Killed


def time_passes(model: type[Model], field: str) -> None:
    """As long as a lease lasts."""
    model._default_manager.update(**{field: F(field) - LONGEST_LEASE})


@pytest.mark.django_db
def test_an_import_goes_on(administrator: User, wrong_clock: Any, tmp_path: Path, settings: Any) -> None:
    settings.DAM_IMPORT_FOLDERS = [str(tmp_path)]
    for number in range(3):
        (tmp_path / f"{number}.jpg").write_bytes(picture(seed=number))
    with wrong_clock():
        order = {"folder": str(tmp_path), "dry_run": False}
        assert api_of(administrator).post("/api/v1/imports/", order, format="json").status_code == 201
        run = Import.objects.get()
        assets_changed.connect(die)
        try:
            with pytest.raises(Killed):
                dam_tasks.run_import(run.pk)
        finally:
            assets_changed.disconnect(die)
    dam_tasks.sweep_imports()
    time_passes(Import, "leased_until")
    dam_tasks.run_import(run.pk)
    run.refresh_from_db()
    assert (run.state, Asset.objects.count()) == (ImportState.DONE, 3)


@pytest.mark.django_db
def test_what_is_to_be_indexed_is_due_at_once(wrong_clock: Any) -> None:
    with wrong_clock():
        AssetFactory()
    search_tasks.sweep()
    assert IndexEntry.objects.get().state == IndexState.INDEXED


@pytest.mark.django_db
def test_what_a_worker_was_indexing_goes_on(wrong_clock: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with wrong_clock(), monkeypatch.context() as dying:
        AssetFactory()
        dying.setattr(outbox, "_finish", die)
        with pytest.raises(Killed):
            search_tasks.sweep()
    search_tasks.sweep()
    assert IndexEntry.objects.get().state == IndexState.WORKING, "nobody took it while its worker might live"
    time_passes(IndexEntry, "leased_until")
    search_tasks.sweep()
    assert IndexEntry.objects.get().state == IndexState.INDEXED


@pytest.fixture
def garments() -> tuple[list[Asset], list[Asset]]:
    return [AssetFactory(kind="model")], [AssetFactory(kind="garment") for _number in range(2)]


@pytest.mark.django_db
def test_pictures_are_made(painter: Callable[..., Painter], garments: Any, wrong_clock: Any) -> None:
    engine = painter(parallel_calls=2)
    with wrong_clock():
        job = create_job(plan_outfits(*garments), owner=None)
        engine.incidents.append(die)
        with pytest.raises(Killed):
            work(job.provider, seconds=5)
    generation_tasks.sweep()
    work(job.provider, seconds=5)
    states = set(job.items.values_list("state", flat=True))
    assert states == {ItemState.RUNNING, ItemState.SUCCEEDED}, "what may be paid for is not asked again"
    time_passes(GenerationItem, "leased_until")
    generation_tasks.sweep()
    work(job.provider, seconds=5)
    job.refresh_from_db()
    assert job.state == JobState.FINISHED
    assert set(job.items.values_list("state", flat=True)) == {ItemState.SUCCEEDED}


@pytest.mark.services
@pytest.mark.django_db
def test_a_worker_whose_clock_is_ahead_takes_nothing_from_others(
    painter: Callable[..., Painter], garments: Any, wrong_clock: Any
) -> None:
    painter()
    job = create_job(plan_outfits(*garments), owner=None)
    assert claiming.claim_some(job.provider, 1)
    held = GenerationItem.objects.get(state=ItemState.RUNNING)
    with wrong_clock():
        generation_tasks.sweep()
        assert claiming.claim_some(job.provider, 9) != [held]
        assert held not in GenerationItem.objects.abandoned()


@pytest.mark.django_db
def test_a_request_with_a_key_can_be_sent_again(editor: User, wrong_clock: Any) -> None:
    api = api_of(editor)

    def send() -> Any:
        return api.post("/api/v1/collections/", {"name": "Summer"}, headers={"Idempotency-Key": "one"})

    with wrong_clock():
        assert send().status_code == 201
        # As when the process was killed before it answered.
        Collection.objects.all().delete()
        KeptAnswer.objects.update(status=None)
    assert send().status_code == 409
    time_passes(KeptAnswer, "claimed_until")
    assert send().status_code == 201


def test_beat_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = str(tmp_path / "schedule")
    before = PersistentScheduler(app, schedule_filename=file)
    for entry in before.schedule.values():
        entry.last_run_at = app.now() + AHEAD
    before.close()

    sent: list[str] = []
    monkeypatch.setattr(Scheduler, "producer", None)
    monkeypatch.setattr(Scheduler, "apply_async", lambda self, entry, **_named: sent.append(entry.task))
    after = Scheduler(app, schedule_filename=file)
    while not after.tick():
        pass
    assert not sent
    right = app.now
    monkeypatch.setattr(app, "now", lambda: right() + timedelta(seconds=61))
    while not after.tick():
        pass
    assert {"search.tasks.sweep", "dam.tasks.sweep_imports", "generation.tasks.sweep"} <= set(sent)
    after.close()
