"""Workers that are killed while they score: everything gets its scores, and its second try, once."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import Settings

from generation.models import GenerationItem, QualityState
from generation.planning import plan_outfits
from generation.quality import again
from generation.running import create_job, run_job
from generation.tasks import score_results
from tests.encoders import DIRECTORY
from tests.factories import AssetFactory
from tests.generation.painter import Painter
from tests.pictures import picture
from tests.services.processes import Process, eventually

pytestmark = pytest.mark.services

GARMENTS = 20
DEATHS = 2
LOOKS_A_SWEEP = 100


@pytest.fixture
def delivered(transactional_db: None, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures of another shape than asked for, which their job wants made again."""
    settings.SEARCH_ENCODERS = {**settings.SEARCH_ENCODERS, **DIRECTORY}
    settings.SEARCH_ENCODER = "colours:8"
    settings.GENERATION_PROVIDERS = {
        **settings.GENERATION_PROVIDERS,
        "painter": {"CLASS": f"{Painter.__module__}.Painter", "OPTIONS": {}},
    }
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "tests.services.colour_settings")
    monkeypatch.setenv("DAM_MATTING", "")
    monkeypatch.setenv("COLOURS_SECONDS", "0.03")
    [model] = [AssetFactory(kind="model", file=picture(size=(300, 400), colour="green", seed=1))]
    garments = [
        AssetFactory(kind="garment", file=picture(size=(300, 400), colour="navy", seed=number + 10))
        for number in range(GARMENTS)
    ]
    plan = plan_outfits([model], garments, provider="painter")
    job = create_job(plan, owner=None, parameters=again.parameters(True), in_background=False)
    run_job(job)


def scored() -> int:
    return GenerationItem.objects.filter(regenerates=None, quality_state=QualityState.SCORED).count()


def test_killed_while_scoring(delivered: None, worker: Callable[[], Process]) -> None:
    firsts = GenerationItem.objects.filter(regenerates=None)
    for death in range(DEATHS):
        process, before = worker(), scored()
        score_results.delay()
        eventually(lambda known=before: scored() > known, "some are scored", process=process)
        process.kill()
        assert scored() < GARMENTS, f"death {death} came too late"
        firsts.update(quality_due=timezone.now() - timedelta(seconds=1))

    last = worker()
    sweeps = itertools.count()

    def all_are_scored() -> bool:
        if next(sweeps) % LOOKS_A_SWEEP == 0:  # as beat does: a message may end with the worker that took it
            score_results.delay()
        return scored() == GARMENTS

    eventually(all_are_scored, "all are scored", process=last)

    assert Counter(firsts.values_list("quality_state", flat=True)) == {QualityState.SCORED: GARMENTS}
    tries = Counter(GenerationItem.objects.exclude(regenerates=None).values_list("regenerates", flat=True))
    assert tries == dict.fromkeys(firsts.values_list("pk", flat=True), 1)
