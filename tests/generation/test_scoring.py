"""Scoring in the background: found by the sweep, once, whatever dies; a second try; where it is shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from io import BytesIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from PIL import Image, ImageDraw
from pytest_django import DjangoAssertNumQueries, Settings

from dam.models import Asset, AuditEntry
from generation import tasks
from generation.models import GenerationItem, GenerationJob, ItemState, JobState, QualityState
from generation.planning import plan_outfits
from generation.providers.base import ProviderRequest
from generation.quality import again, scoring
from generation.review import reject
from generation.running import cancel, create_job, run_job
from search.models import Space
from tests.clients import api_of
from tests.encoders import DIRECTORY, ColourEncoder
from tests.generation.painter import Painter

Make = Callable[..., list[Asset]]
Configure = Callable[..., Painter]
REVIEW = "/admin/generation/review/"


class Killed(BaseException):
    """A worker that dies: nothing in the code catches it."""


@pytest.fixture(autouse=True)
def _quick(settings: Settings) -> None:
    """An encoder that knows colours, and no matting network."""
    settings.SEARCH_ENCODERS = {**settings.SEARCH_ENCODERS, **DIRECTORY}
    settings.SEARCH_ENCODER = "colours:8"
    settings.DAM_MATTING = ""


def good_picture(request: ProviderRequest) -> bytes:
    """Both inputs, large and sharp, on a sheet of the shape that was asked for."""
    sheet = Image.new("RGB", (600, 800), "white")
    for number, given in enumerate(request.inputs):
        with Image.open(BytesIO(given.read())) as picture:
            sheet.paste(picture.convert("RGB").resize((580, 380)), (10, 10 + 400 * number))
    # No two requests get the same file.
    ImageDraw.Draw(sheet).point((0, 0), f"#{request.idempotency_key[:6]}")
    out = BytesIO()
    sheet.save(out, "PNG")
    return out.getvalue()


class GoodPainter(Painter):
    """Paints good pictures but for the first `poor` ones, which have another shape than asked for."""

    def __init__(self, *, poor: int = 0, **options: Any) -> None:
        super().__init__(**options)
        self.poor = poor

    def _paint(self, request: ProviderRequest) -> bytes:
        return super()._paint(request) if len(self.ledger) <= self.poor else good_picture(request)


@pytest.fixture
def good_painter(settings: Settings) -> Callable[..., GoodPainter]:
    """`good_painter(poor=1)`: the configured provider of this test."""
    from generation.providers.registry import get_provider

    def configure(**options: Any) -> GoodPainter:
        name = f"good{len(settings.GENERATION_PROVIDERS)}-{timezone.now().timestamp()}"[:32]
        declared = {"CLASS": f"{__name__}.GoodPainter", "OPTIONS": options}
        settings.GENERATION_PROVIDERS = {**settings.GENERATION_PROVIDERS, name: declared}
        settings.GENERATION_PROVIDER = name
        provider = get_provider(name)
        assert isinstance(provider, GoodPainter)
        return provider

    return configure


@pytest.fixture
def delivered(good_painter: Callable[..., GoodPainter], assets_of: Make) -> Callable[..., GenerationJob]:
    """`delivered(2, poor=1, asked=True)`: a job of so many pictures, all delivered, none scored."""

    def make(
        garments: int = 1,
        *,
        poor: int = 0,
        asked: bool = False,
        budget: str | None = None,
        price: str = "0.1",
    ) -> GenerationJob:
        good_painter(poor=poor, price=price)
        [model] = assets_of("model", 1, picture__colour="green")
        plan = plan_outfits([model], assets_of("garment", garments, picture__colour="navy"))
        job = create_job(
            plan,
            owner=None,
            budget=Decimal(budget) if budget else None,
            parameters=again.parameters(asked),
        )
        run_job(job)
        return job

    return make


def states(job: GenerationJob) -> list[str]:
    return list(job.items.order_by("position").values_list("quality_state", flat=True))


def lease_runs_out() -> None:
    """What time does after a worker died."""
    GenerationItem.objects.update(quality_due=timezone.now() - timedelta(seconds=1))


def search_with(settings: Settings, encoder: str) -> None:
    """The searched space is this encoder's."""
    Space.objects.all().delete()
    settings.SEARCH_ENCODER = encoder


# --- In the background ----------------------------------------------------------------------------


def test_the_sweep_finds_what_was_delivered_and_scores_it_once(
    delivered: Callable[..., GenerationJob],
) -> None:
    job = delivered(3, poor=1)
    assert states(job) == [QualityState.DUE] * 3

    tasks.score_results()

    assert states(job) == [QualityState.SCORED] * 3
    poor, *good = job.items.order_by("position")
    assert poor.quality < 0.5 < min(item.quality for item in good)
    assert [check["name"] for check in poor.scores["checks"]] == [
        *("content", "sharpness", "size", "lettering", "likeness", "likeness")
    ]
    assert poor.scores["encoder"] == "colours:8"
    before = list(job.items.values("quality", "scores", "quality_due", "quality_attempts"))
    lease_runs_out()
    assert scoring.score_due() == 0
    assert [item["scores"] for item in before] == list(job.items.values_list("scores", flat=True))
    assert job.items.count() == 3, "nobody asked for a second try"


def test_what_is_not_delivered_is_not_scored(delivered: Callable[..., GenerationJob]) -> None:
    job = delivered(1)
    job.items.update(state=ItemState.FAILED, output=None)
    assert scoring.score_due() == 0
    assert states(job) == [QualityState.DUE]


def test_two_workers_do_not_score_the_same(
    delivered: Callable[..., GenerationJob], monkeypatch: pytest.MonkeyPatch
) -> None:
    job = delivered(2)
    others: list[int] = []
    encode = ColourEncoder._encode_images

    def meanwhile(encoder: ColourEncoder, images: Any) -> Any:
        if not others:
            others.append(-1)
            others[0] = scoring.score_due()
        return encode(encoder, images)

    monkeypatch.setattr(ColourEncoder, "_encode_images", meanwhile)

    assert scoring.score_due() == 2
    assert others == [0]
    assert states(job) == [QualityState.SCORED] * 2


def test_a_worker_that_dies_leaves_its_batch_to_the_next(
    delivered: Callable[..., GenerationJob], monkeypatch: pytest.MonkeyPatch
) -> None:
    job = delivered(2)
    with monkeypatch.context() as patch:
        patch.setattr(ColourEncoder, "_encode_images", _dies)
        with pytest.raises(Killed):
            scoring.score_due()
    assert scoring.score_due() == 0, "the lease is still good"
    lease_runs_out()
    assert scoring.score_due() == 2
    assert states(job) == [QualityState.SCORED] * 2


def test_what_kills_every_worker_is_left_without_scores_and_says_so(
    delivered: Callable[..., GenerationJob], monkeypatch: pytest.MonkeyPatch
) -> None:
    job = delivered(1)
    monkeypatch.setattr(ColourEncoder, "_encode_images", _dies)
    for _death in range(scoring.MAX_ATTEMPTS):
        with pytest.raises(Killed):
            scoring.score_due()
        lease_runs_out()

    assert scoring.score_due() == 0

    item = job.items.get()
    assert (item.quality_state, item.quality) == (QualityState.FAILED, None)
    assert shown(item)["sentence"] == "There are no scores: scoring was cut off several times."
    assert list(GenerationItem.objects.awaiting_review()) == [item], "the picture is not lost"


def test_a_picture_that_cannot_be_judged_costs_the_others_nothing(
    delivered: Callable[..., GenerationJob], monkeypatch: pytest.MonkeyPatch
) -> None:
    job = delivered(3)
    gone, broken, fine = job.items.order_by("position")
    gone.output.current.file.storage.delete(gone.output.current.file.name)
    encode = ColourEncoder._encode_images
    with Image.open(BytesIO(broken.output.current.file.read())) as picture:
        pixel = picture.convert("RGB").getpixel((0, 0))

    def choke(encoder: ColourEncoder, images: Any) -> Any:
        if any(image.getpixel((0, 0)) == pixel for image in images):
            raise ValueError("an array is empty")
        return encode(encoder, images)

    monkeypatch.setattr(ColourEncoder, "_encode_images", choke)
    tasks.score_results()

    assert states(job) == [QualityState.FAILED, QualityState.FAILED, QualityState.SCORED]
    assert [shown(item)["sentence"] for item in job.items.order_by("position")] == [
        "There are no scores: the file of the picture cannot be read.",
        "There are no scores: scoring failed in an unforeseen way; the log has more.",
        "Nothing was found that speaks against it.",
    ]
    assert GenerationItem.objects.awaiting_review().count() == 3
    assert fine.state == ItemState.SUCCEEDED


def test_an_input_that_is_gone_leaves_the_other_checks(delivered: Callable[..., GenerationJob]) -> None:
    job = delivered(1)
    version = job.items.get().inputs.get(role="garment").asset.current
    version.file.storage.delete(version.file.name)

    scoring.score_due()

    told = shown(job.items.get())
    assert told["sentence"].endswith(
        "Garment: its source is not there any more, so that nothing was compared."
    )
    assert [check["label"] for check in told["checks"] if check["name"] == "likeness"] == ["Model"]


def test_without_its_encoder_everything_waits_and_is_scored_later(
    delivered: Callable[..., GenerationJob], settings: Settings
) -> None:
    job = delivered(2)
    search_with(settings, "colours:8-broken")

    for _round in range(scoring.MAX_ATTEMPTS + 2):
        scoring.score_due()
        lease_runs_out()

    assert states(job) == [QualityState.DUE] * 2
    assert "The weights of colours are not there; put them back." in shown(job.items.first())["sentence"]
    search_with(settings, "colours:8")
    assert scoring.score_due() == 2
    assert "problem" not in job.items.first().scores


def test_no_vendor_is_asked_where_the_searched_space_is_a_vendors(
    delivered: Callable[..., GenerationJob], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = delivered(1)
    settings.OPENAI_API_KEY = "no key at all"
    search_with(settings, "openai")
    monkeypatch.setattr(scoring, "LOCAL_ENCODER", "colours:16")

    scoring.score_due()

    assert job.items.get().scores["encoder"] == "colours:16"


def _dies(*args: Any, **kwargs: Any) -> Iterator[None]:
    raise Killed


# --- A second try ---------------------------------------------------------------------------------


def test_a_poor_picture_is_made_again_once_where_that_was_asked_for(
    delivered: Callable[..., GenerationJob],
) -> None:
    job = delivered(2, poor=4, asked=True)
    assert JobState(job.state) == JobState.FINISHED

    tasks.score_results()

    first, second, *tries = job.items.order_by("position")
    assert [(one.regenerates, one.state) for one in tries] == [
        (first, ItemState.QUEUED),
        (second, ItemState.QUEUED),
    ]
    assert tries[0].prompt.startswith(first.prompt)
    assert "It does not have the size or shape that was asked for." in tries[0].prompt
    assert [link.asset for link in tries[0].inputs.all()] == [link.asset for link in first.inputs.all()]
    job.refresh_from_db()
    assert (job.state, job.finished) == (JobState.QUEUED, None)
    assert AuditEntry.objects.filter(action="item.made_again").count() == 2
    assert shown(first)["followed"] == "It was made again without being told; both wait for review."

    run_job(job)  # as poor as before
    tasks.score_results()

    assert job.items.count() == 4, "not a third time"
    assert states(job) == [QualityState.SCORED] * 4
    assert GenerationItem.objects.awaiting_review().count() == 4, "nothing is taken from the reviewer"


def test_a_death_between_scores_and_second_try_neither_loses_nor_doubles_it(
    delivered: Callable[..., GenerationJob], monkeypatch: pytest.MonkeyPatch
) -> None:
    job = delivered(1, poor=1, asked=True)
    made = again.make_again

    def before(*args: Any) -> None:
        raise Killed

    def after(*args: Any) -> None:
        made(*args)
        raise Killed

    for death in (before, after):
        with monkeypatch.context() as patch:
            patch.setattr(again, "make_again", death)
            with pytest.raises(Killed):
                scoring.score_due()
        assert (states(job), job.items.count()) == ([QualityState.DUE], 1)
        lease_runs_out()

    scoring.score_due()
    lease_runs_out()
    scoring.score_due()

    assert job.items.count() == 2
    assert job.items.get(position=1).regenerates.quality_state == QualityState.SCORED


def test_the_budget_bounds_the_second_try(delivered: Callable[..., GenerationJob]) -> None:
    job = delivered(1, poor=1, asked=True, budget="0.15", price="0.1")

    scoring.score_due()

    assert job.items.count() == 1
    assert shown(job.items.get())["followed"] == (
        "It was not made again: the budget does not hold another picture."
    )
    job.refresh_from_db()
    assert job.state == JobState.FINISHED


def test_what_a_person_decided_is_not_overruled(
    delivered: Callable[..., GenerationJob], reviewer: User
) -> None:
    job = delivered(1, poor=1, asked=True)
    reject(job.items.select_related("job", "output").get(), actor=reviewer)
    scoring.score_due()
    assert (states(job), job.items.count()) == ([QualityState.SCORED], 1)


def test_a_cancelled_job_makes_nothing_again(
    good_painter: Callable[..., GoodPainter], assets_of: Make, editor: User
) -> None:
    engine = good_painter(poor=9)
    plan = plan_outfits(assets_of("model", 1), assets_of("garment", 2))
    job = create_job(plan, owner=None, parameters=again.parameters(True))
    engine.incidents.append(lambda request: cancel(job, actor=editor))
    run_job(job)

    scoring.score_due()

    assert job.items.count() == 2
    assert job.items.get(position=0).quality < 0.5


def test_a_board_is_not_made_again_since_it_would_be_the_same(assets_of: Make) -> None:
    [model] = assets_of("model", 1, picture__colour="green")
    [garment] = assets_of("garment", 1, picture__colour="navy")
    plan = plan_outfits([model], [garment], provider="board")
    job = create_job(plan, owner=None, parameters=again.parameters(True))
    run_job(job)

    scoring.score_due()

    item = job.items.get()
    assert item.quality_state == QualityState.SCORED
    assert "lettering" not in [check["name"] for check in item.scores["checks"]], "boards carry captions"
    assert job.items.count() == 1


# --- Where it is shown ----------------------------------------------------------------------------


def shown(item: GenerationItem) -> dict[str, Any]:
    """What the API says of an item's quality, to an editor."""
    from tests.factories import EditorFactory

    client = api_of(EditorFactory())
    return client.get(f"/api/v1/generation/items/{item.public_id}/").json()["quality"]


def test_the_api_tells_score_checks_and_sentences(delivered: Callable[..., GenerationJob]) -> None:
    job = delivered(1, poor=1)
    item = job.items.get()
    assert shown(item) == {
        "state": "due",
        "score": None,
        "sentence": "It has not been scored yet.",
        "followed": "",
        "checks": [],
    }

    scoring.score_due()

    told = shown(item)
    item.refresh_from_db()
    assert (told["state"], told["score"]) == ("scored", pytest.approx(item.quality))
    assert "It does not have the size or shape that was asked for." in told["sentence"]
    assert [check["score"] for check in told["checks"]] == sorted(c["score"] for c in told["checks"])
    assert {check["label"] for check in told["checks"]} >= {"Size and shape", "Sharpness", "Model", "Garment"}


def test_the_api_takes_the_order_for_a_second_try(
    good_painter: Callable[..., GoodPainter], assets_of: Make, editor: User
) -> None:
    good_painter()
    client = api_of(editor)
    for sent, parameters in (({}, {}), ({"retry_poor": True}, {"retry_poor": True})):
        order = {
            "kind": "outfits",
            "models": [str(one.public_id) for one in assets_of("model", 1)],
            "garments": [str(one.public_id) for one in assets_of("garment", 1)],
        }
        made = client.post("/api/v1/generation/jobs/", {**order, **sent}, format="json").json()
        kept = made["parameters"]
        assert {name: kept[name] for name in kept if name == "retry_poor"} == parameters


def test_the_review_shows_scores_and_goes_by_them(
    delivered: Callable[..., GenerationJob],
    client: Client,
    reviewer: User,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    job = delivered(3, poor=1)
    scoring.score_due()
    client.force_login(reviewer)
    items = list(job.items.order_by("position"))
    job.items.filter(pk=items[1].pk).update(quality=0.9)
    job.items.filter(pk=items[2].pk).update(quality=None, quality_state="", scores={})

    def order(**given: str) -> list[int]:
        return [item.position for item in client.get(REVIEW, given).context["shown"].results]

    assert order() == order(order="worst") == order(order="no order") == [0, 1, 2]
    assert order(order="best") == [1, 0, 2], "what has no scores comes last"
    assert order(order="oldest") == [0, 1, 2]

    text = client.get(REVIEW).content.decode()
    assert "90 %" in text
    assert "Not scored yet" in text
    assert "It does not have the size or shape that was asked for." in text
    one_job = client.get(REVIEW, {"job": job.public_id, "order": "worst"}).content.decode()
    assert f'href="?job={job.public_id}&amp;order=best"' in one_job
    with django_assert_max_num_queries(16):
        client.get(REVIEW)


def test_a_verdict_given_without_script_leads_back_to_the_same_order(
    delivered: Callable[..., GenerationJob], client: Client, reviewer: User
) -> None:
    job = delivered(1)
    client.force_login(reviewer)
    answer = client.post(
        f"{REVIEW}verdict/",
        {
            "verdict": "approve",
            "items": [job.items.get().public_id],
            "job": job.public_id,
            "order": "best",
        },
    )
    assert answer["Location"] == f"{REVIEW}?job={job.public_id}&order=best"


def test_the_jobs_page_and_its_progress_show_scores(
    delivered: Callable[..., GenerationJob], client: Client, reviewer: User
) -> None:
    job = delivered(2, poor=1)
    client.force_login(reviewer)
    page = reverse("admin:generation_generationjob_change", args=[job.pk])
    assert client.get(page).content.decode().count("Not scored yet") >= 2

    scoring.score_due()

    poor, good = job.items.order_by("position")
    text = client.get(page).content.decode()
    assert f"{round(100 * poor.quality)} %" in text
    cells = client.get(reverse("admin:generation_job_progress", args=[job.pk])).json()["cells"]
    assert [cell["quality"]["kind"] for cell in cells] == ["poor", "good"]
    assert cells[1]["quality"]["shown"] == f"{round(100 * good.quality)} %"
