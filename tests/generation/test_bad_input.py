"""What goes wrong with inputs, answers and accounts: a state with a sentence, counted, run again in bulk."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from functools import cache
from io import BytesIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from PIL import Image
from pytest_django import Settings
from rest_framework.test import APIClient

from dam import editing
from dam.models import Asset, AuditEntry
from generation import dead_letters, running
from generation.jobs import JobError
from generation.models import GenerationItem, GenerationJob, ItemState, JobState
from generation.planning import plan_outfits
from generation.providers.base import Cause, ProviderRequest
from generation.running import create_job, run_job
from tests.generation.gemini_server import (
    Behaviour,
    Call,
    GeminiServer,
    answered,
    blocked_prompt,
    damaged_picture,
    exhausted,
    failing,
    finished_with,
    mixed,
    no_candidates,
    picture_part,
    words_only,
)
from tests.generation.painter import Painter
from tests.loopback import Answer

Make = Callable[..., list[Asset]]
LARGE_BYTES = 20_000_000


@pytest.fixture
def server(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[GeminiServer]:
    """Gemini on loopback, as the provider of this test."""
    monkeypatch.setattr(running, "MAX_ATTEMPTS", 1)
    with GeminiServer() as gemini:
        declared = settings.GENERATION_PROVIDERS["gemini"]
        options = {**declared["OPTIONS"], "api_key": "test-key", "base_url": gemini.url}
        name = f"gemini-{gemini.url.rpartition(':')[2]}"
        settings.GENERATION_PROVIDERS = {
            **settings.GENERATION_PROVIDERS,
            name: {**declared, "OPTIONS": options},
        }
        settings.GENERATION_PROVIDER = name
        settings.GENERATION_PARALLEL_CALLS = {name: 1}  # so that the script is followed in order
        yield gemini


@pytest.fixture
def job_of(assets_of: Make) -> Callable[[int], GenerationJob]:
    """`job_of(pictures)`: a job that no worker hears of."""

    def make(pictures: int) -> GenerationJob:
        plan = plan_outfits(assets_of("model", 1), assets_of("garment", pictures))
        return create_job(plan, owner=None, in_background=False)

    return make


@cache
def _noise() -> bytes:
    channel = Image.effect_noise((2900, 2900), 120)
    content = BytesIO()
    Image.merge("RGB", [channel, channel.rotate(180), channel.rotate(90)]).save(
        content, "PNG", compress_level=1
    )
    return content.getvalue()


def large(call: Call) -> Answer:
    return Answer(200, answered(call, [picture_part(_noise())]))


def cut_short(call: Call) -> Answer:
    """A picture whose beginning is right."""
    return Answer(200, answered(call, [picture_part(mixed(call)[:-40])]))


WRONG: list[tuple[Behaviour, str, str, str]] = [
    (blocked_prompt, ItemState.BLOCKED, Cause.BLOCKED, "Gemini's filters refused the request"),
    (finished_with("IMAGE_SAFETY"), ItemState.BLOCKED, Cause.BLOCKED, "may break the safety policies"),
    (words_only, ItemState.FAILED, Cause.NO_PICTURE, "I would rather describe it"),
    (no_candidates, ItemState.FAILED, Cause.NO_PICTURE, "Gemini answered without a result"),
    (damaged_picture, ItemState.FAILED, Cause.DAMAGED, "damaged picture"),
    (cut_short, ItemState.FAILED, Cause.DAMAGED, "damaged picture"),
    (
        failing(400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key."),
        ItemState.FAILED,
        Cause.KEY,
        "Check GEMINI_API_KEY.",
    ),
    (exhausted("1s", "Quota exceeded, limit: 0, model"), ItemState.FAILED, Cause.QUOTA, "has no quota for"),
    (exhausted("1s"), ItemState.FAILED, Cause.RATE, "rate limit is reached"),
    (failing(503, "UNAVAILABLE", "Overloaded."), ItemState.FAILED, Cause.OUTAGE, "Gemini failed (503)"),
]


def test_each_has_a_state_a_cause_and_a_sentence_and_runs_again(
    server: GeminiServer,
    job_of: Callable[[int], GenerationJob],
    staff_api: APIClient,
    editor: User,
    django_assert_num_queries: Any,
) -> None:
    server.script([behaviour for behaviour, *_rest in WRONG])
    job = job_of(len(WRONG) + 1)

    run_job(job)

    items = list(job.items.order_by("position"))
    for item, (_behaviour, state, cause, words) in zip(items, WRONG, strict=False):
        assert (item.state, item.cause) == (state, cause), item.reason
        assert words in item.reason
        assert item.output is None
    assert (items[-1].state, items[-1].cause) == (ItemState.SUCCEEDED, "")

    expected = Counter(cause for _behaviour, _state, cause, _words in WRONG)
    with django_assert_num_queries(1):
        found = dead_letters.counted(dead_letters.dead_items())
    assert {row.cause: row.count for row in found} == expected
    assert {row.provider for row in found} == {job.provider}
    counts = staff_api.get("/api/v1/generation/dead-letters/counts/", {"job": str(job.public_id)}).json()
    assert {row["cause"]: row["count"] for row in counts} == expected

    some = {"cause": Cause.NO_PICTURE, "provider": job.provider}
    listed = staff_api.get("/api/v1/generation/dead-letters/", some).json()["results"]
    assert [row["id"] for row in listed] == [str(items[3].public_id), str(items[2].public_id)]
    answer = staff_api.post("/api/v1/generation/dead-letters/run-again/", some, format="json")
    assert (answer.status_code, answer.json()) == (200, {"queued": 2})
    run_job(job)
    assert Counter(job.items.values_list("state", flat=True))[ItemState.SUCCEEDED] == 3
    assert len(server.calls) == len(WRONG) + 3
    again = staff_api.post("/api/v1/generation/dead-letters/run-again/", some, format="json")
    assert (again.status_code, again.json()["detail"]) == (409, "Nothing here has failed.")

    assert dead_letters.run_again(dead_letters.dead_items(), actor=editor) == len(WRONG) - 2
    run_job(job)
    assert (job.state, set(job.items.values_list("state", flat=True))) == (
        JobState.FINISHED,
        {ItemState.SUCCEEDED},
    )
    assert AuditEntry.objects.filter(action="job.retried", actor=editor).count() == 2
    with pytest.raises(JobError, match="Nothing here has failed"):
        dead_letters.run_again(dead_letters.dead_items(), actor=editor)


def test_a_picture_of_20_mb_is_taken(server: GeminiServer, job_of: Callable[[int], GenerationJob]) -> None:
    assert len(_noise()) > LARGE_BYTES
    server.script([large])
    job = job_of(1)

    run_job(job)

    item = job.items.get()
    assert (item.state, item.reason) == (ItemState.SUCCEEDED, "")
    assert item.output is not None
    assert item.output.current is not None
    assert (item.output.current.width, item.output.current.size > LARGE_BYTES) == (2900, True)


def test_a_picture_above_the_library_s_bounds_is_paid_told_and_dropped(
    server: GeminiServer, job_of: Callable[[int], GenerationJob], settings: Settings
) -> None:
    settings.DAM_MAX_FILE_BYTES = 5_000_000
    server.script([large])
    job = job_of(1)

    run_job(job)

    item = job.items.get()
    assert (item.state, item.cause) == (ItemState.FAILED, Cause.DAMAGED)
    assert item.reason.startswith("What the provider sent cannot be used:")
    assert item.cost > 0
    assert not item.answer


def test_an_input_that_goes_away_during_the_run_ends_its_cell_and_comes_back(
    painter: Callable[..., Painter], assets_of: Make
) -> None:
    engine = painter(price="0.1")
    [model], garments = assets_of("model", 1), assets_of("garment", 3)
    job = create_job(plan_outfits([model], garments), owner=None, in_background=False)
    yesterday = timezone.localdate() - timedelta(days=1)

    def goes(request: ProviderRequest) -> None:
        editing.trash([garments[1]], actor=None)
        editing.update_assets([garments[2]], actor=None, changes={"rights_expire_on": yesterday})

    engine.incidents.append(goes)

    run_job(job)

    first, second, third = job.items.order_by("position")
    assert first.state == ItemState.SUCCEEDED
    for item, title in ((second, "Garment 2"), (third, "Garment 3")):
        assert (item.state, item.cause) == (ItemState.FAILED, Cause.INPUT)
        assert item.reason.startswith(f"The input “{title}” cannot be used:")
    assert (len(engine.ledger), job.committed) == (1, Decimal("0.1"))

    editing.restore([garments[1]], actor=None)
    chosen = dead_letters.dead_items().filter(cause=Cause.INPUT)
    assert dead_letters.run_again(chosen, actor=None) == 2
    run_job(job)
    assert [item.state for item in job.items.order_by("position")] == [
        ItemState.SUCCEEDED,
        ItemState.SUCCEEDED,
        ItemState.FAILED,
    ]


def test_the_page_of_failed_pictures_filters_and_runs_again(
    server: GeminiServer, job_of: Callable[[int], GenerationJob], client: Client, editor: User
) -> None:
    server.script([words_only, blocked_prompt])
    job = job_of(2)
    run_job(job)
    client.force_login(editor)
    address = reverse("admin:generation_deadletter_changelist")

    everything = client.get(address).content.decode()
    assert "An answer without a picture" in everything
    assert "filters refused the request" in everything
    filtered = client.get(address, {"cause__exact": Cause.BLOCKED}).content.decode()
    assert "I would rather describe it" not in filtered

    failed = GenerationItem.objects.get(cause=Cause.NO_PICTURE)
    chosen = {"action": "run_again", "_selected_action": [failed.pk]}
    answer = client.post(address, chosen, follow=True)
    assert "1 picture is queued again." in answer.content.decode()
    assert sorted(job.items.values_list("state", flat=True)) != [ItemState.BLOCKED, ItemState.FAILED]
    assert job.items.get(cause=Cause.BLOCKED).state == ItemState.BLOCKED
