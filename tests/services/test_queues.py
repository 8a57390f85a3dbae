"""Workers by queue: each takes its own work and leaves the rest, and together they leave nothing."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from django.conf import settings

from atelier.celery import app
from dam.models import AssetKind
from generation.models import GenerationItem, GenerationJob, ItemState, JobState
from generation.planning import plan_outfits
from generation.running import create_job
from generation.tasks import publish
from search.models import IndexEntry, IndexState
from search.tasks import drain_outbox
from tests.factories import AssetFactory
from tests.pictures import picture
from tests.services.processes import Process, eventually


@pytest.mark.services
def test_each_worker_takes_its_own_queue(worker: Callable[..., Process]) -> None:
    model, garment = (
        AssetFactory(kind=kind, file=picture(format="PNG", size=(300, 400), alpha=True, seed=seed))
        for seed, kind in enumerate((AssetKind.MODEL, AssetKind.GARMENT))
    )
    uploaded = IndexEntry.objects.filter(asset_key__in=[model.pk, garment.pk])
    job = create_job(plan_outfits([model], [garment]), owner=None)
    drain_outbox.delay()
    publish(job.pk)

    generating = worker("generate")
    eventually(
        lambda: GenerationJob.objects.get(pk=job.pk).state == JobState.FINISHED,
        "the job is done",
        process=generating,
    )
    assert GenerationItem.objects.get(job=job).state == ItemState.SUCCEEDED
    time.sleep(1)  # time for it to take what is not meant for it
    assert set(uploaded.values_list("state", flat=True)) == {IndexState.PENDING}

    encoding = worker("encode")
    eventually(
        lambda: set(uploaded.values_list("state", flat=True)) == {IndexState.INDEXED},
        "both are indexed",
        process=encoding,
    )


def test_routes_are_of_tasks_and_queues_that_exist() -> None:
    app.loader.import_default_modules()
    assert set(settings.CELERY_TASK_ROUTES) <= set(app.tasks)
    queues = {queue.name for queue in settings.CELERY_TASK_QUEUES}
    assert {route["queue"] for route in settings.CELERY_TASK_ROUTES.values()} < queues
