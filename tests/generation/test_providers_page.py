"""The page of how each provider stands."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.conf import settings as site
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from dam.models import Asset
from generation import pace, provider_report
from generation.jobs import create_job
from generation.models import GenerationItem, SpendEntry
from generation.planning import plan_outfits
from generation.provider_report import Standing
from generation.providers.base import Refused
from generation.running import run_job
from tests.generation.painter import Painter

pytestmark = pytest.mark.django_db
Make = Callable[..., list[Asset]]


def standing(name: str) -> Standing:
    (found,) = (one for one in provider_report.standings() if one.name == name)
    return found


def page(client: Client) -> str:
    return client.get(reverse("admin:generation_providers")).content.decode()


def test_a_provider_that_works_says_when_it_answered_and_what_it_cost(
    staff: Client, painter: Callable[..., Painter], assets_of: Make, settings: Settings
) -> None:
    engine = painter(price="0.04", parallel_calls=3)
    name = settings.GENERATION_PROVIDER
    settings.GENERATION_CALLS_PER_MINUTE = {name: 120}
    before = standing(name)
    assert (before.default, before.answered, before.failure, before.spent) == (True, None, None, ())
    engine.incidents.extend([Refused("The model paints no <hats>.")])
    plan = plan_outfits(assets_of("model", 1), assets_of("garment", 3))
    began = timezone.now()
    job = create_job(plan, owner=None, in_background=False)
    waiting = standing(name)
    assert (waiting.running, waiting.queued) == (0, 3)

    run_job(job)

    now = standing(name)
    assert (now.running, now.queued, now.parallel, now.per_minute) == (0, 0, 3, 120)
    assert now.answered is not None and now.answered >= began
    assert now.failure is not None and (now.failure.reason, now.failure.job) == (
        "The model paints no <hats>.", job.pk,
    )  # fmt: skip
    ((currency, day, month),) = now.spent
    assert (currency, f"{day:f}", f"{month:f}") == ("USD", "0.08", "0.08")
    shown = page(staff)
    assert "The model paints no &lt;hats&gt;." in shown and "0.08 USD" in shown
    assert "0 of at most 3 at the same time" in shown and "at most 120 calls a minute" in shown

    # What was long ago is neither this month's nor the last that happened.
    long_ago = timezone.now() - timedelta(days=40)
    SpendEntry.objects.update(day=long_ago.date(), closed=long_ago)
    GenerationItem.objects.update(finished=long_ago)
    later = standing(name)
    assert (later.answered, later.failure, later.spent) == (None, None, ())
    assert "none in the last 30 days" in page(staff)


def test_what_is_missing_and_what_does_not_answer_is_said_in_words(
    staff: Client, painter: Callable[..., Painter], settings: Settings
) -> None:
    painter(missing="Set PAINT_KEY.")
    unfinished = settings.GENERATION_PROVIDER
    painter()
    away = settings.GENERATION_PROVIDER
    for _call in range(pace.OUTAGES_UNTIL_CLOSED):
        pace.note_outage(away, "503 Service Unavailable")
    assert standing(unfinished).missing == "Set PAINT_KEY."
    assert standing(away).outage == pace.standing(away) != ""
    shown = page(staff)
    assert "Set PAINT_KEY." in shown
    assert "did not answer 5 times in a row" in shown and "503 Service Unavailable" in shown
    pace.note_answer(away)
    assert standing(away).outage == "" and "did not answer" not in page(staff)


def test_every_provider_is_shown_in_the_same_number_of_queries(
    staff: Client, painter: Callable[..., Painter], settings: Settings
) -> None:
    with CaptureQueriesContext(connection) as few:
        names = [one.name for one in provider_report.standings()]
    assert names[0] == site.GENERATION_PROVIDER and sorted(names) == sorted(settings.GENERATION_PROVIDERS)
    for _number in range(3):
        painter()
    with CaptureQueriesContext(connection) as more:
        provider_report.standings()
    assert len(few) == len(more) == 4
    shown = page(staff)
    assert all(f"{name}" in shown for name in settings.GENERATION_PROVIDERS)
