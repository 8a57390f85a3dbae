"""The API of generation: plans, jobs, items, verdicts; who may, and what is answered otherwise."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db.models.signals import post_save
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema
from rest_framework.test import APIClient

from dam.models import Asset, AssetState
from generation.models import GenerationItem, GenerationJob, ItemState, JobState, Verdict
from generation.providers.base import Refused
from generation.running import run_job
from tests.generation.painter import Painter

Make = Callable[..., list[Asset]]
Configure = Callable[..., Painter]
PLANS, JOBS = "/api/v1/generation/plans/", "/api/v1/generation/jobs/"


@pytest.fixture
def order(assets_of: Make) -> dict[str, Any]:
    """Two models in two garments."""
    models, garments = assets_of("model", 2), assets_of("garment", 2)
    return {
        "kind": "outfits",
        "models": [str(asset.public_id) for asset in models],
        "garments": ",".join(str(asset.public_id) for asset in garments),
    }


@pytest.fixture
def job(painter: Configure, staff_api: APIClient, order: dict[str, Any]) -> GenerationJob:
    painter()
    answer = staff_api.post(JOBS, order, format="json")
    assert answer.status_code == 201, answer.data
    return GenerationJob.objects.get(public_id=answer.data["id"])


def test_a_plan_shows_the_matrix_and_leaves_no_trace(
    painter: Configure, staff_api: APIClient, order: dict[str, Any]
) -> None:
    engine = painter(price="0.04", parallel_calls=2)

    answer = staff_api.post(PLANS, order, format="json")

    assert answer.status_code == 200
    plan = answer.json()
    assert (plan["picture_count"], plan["seconds"]) == (4, 4.0)
    assert plan["cost"] == {"amount": 0.16, "currency": "USD"}
    assert [given["role"] for given in plan["cells"][0]["inputs"]] == ["model", "garment"]
    assert {asset["id"] for asset in plan["assets"]} >= {plan["cells"][0]["inputs"][0]["asset"]}
    assert plan["assets"][0]["thumbnail"].startswith("http://testserver/")
    assert (GenerationJob.objects.count(), engine.ledger) == (0, [])


def test_a_composition_shows_its_slots(
    painter: Configure, staff_api: APIClient, assets_of: Make, index_now: Callable[[], Any]
) -> None:
    painter()
    first, second = assets_of("character", 2)
    index_now()
    sent = {"kind": "composition", "sentence": "Character 1"}

    slot = staff_api.post(PLANS, sent, format="json").json()["slots"][0]
    picked = staff_api.post(PLANS, {**sent, "choices": {"0": str(second.public_id)}}, format="json").json()

    assert (slot["role"], slot["text"]) == ("character", "Character 1")
    assert slot["chosen"]["id"] == str(first.public_id)
    assert picked["slots"][0]["chosen"]["id"] == str(second.public_id)
    for number in ("²", "9" * 5000, "one"):
        wrong = staff_api.post(PLANS, {**sent, "choices": {number: str(second.public_id)}}, format="json")
        assert wrong.status_code == 400


def test_a_job_is_made_run_and_read(job: GenerationJob, staff_api: APIClient, editor: User) -> None:
    shown = staff_api.get(f"{JOBS}{job.public_id}/").json()
    assert (shown["owner"], shown["state"], shown["counts"]) == (editor.username, "queued", {"queued": 4})

    run_job(job)

    shown = staff_api.get(f"{JOBS}{job.public_id}/").json()
    assert (shown["state"], shown["counts"]) == ("finished", {"succeeded": 4})
    assert shown["cost"] == {"amount": 0.16, "currency": "USD"}
    items = staff_api.get(f"{JOBS}{job.public_id}/items/?limit=3").json()
    assert [item["position"] for item in items["results"]] == [0, 1, 2]
    assert items["results"][0]["output"]["state"] == "in_review"
    assert [given["role"] for given in items["results"][0]["inputs"]] == ["model", "garment"]
    assert len(staff_api.get(items["next"]).json()["results"]) == 1
    assert staff_api.get(f"{JOBS}{job.public_id}/items/?state=failed").json()["results"] == []
    assert [row["id"] for row in staff_api.get(f"{JOBS}?state=finished").json()["results"]] == [
        str(job.public_id)
    ]


def test_the_same_request_with_the_same_key_is_one_job(
    painter: Configure, staff_api: APIClient, order: dict[str, Any]
) -> None:
    painter()
    key = {"HTTP_IDEMPOTENCY_KEY": "night-run-7"}

    first = staff_api.post(JOBS, order, format="json", **key)
    second = staff_api.post(JOBS, order, format="json", **key)
    other = staff_api.post(JOBS, {**order, "language": "zh"}, format="json", **key)

    assert (first.status_code, second.status_code, other.status_code) == (201, 201, 422)
    assert first.json() == second.json() and first["Location"] == second["Location"]
    assert GenerationJob.objects.count() == 1


def test_an_account_that_is_disabled_while_it_orders_gets_no_job(
    painter: Configure, staff_api: APIClient, order: dict[str, Any], editor: User
) -> None:
    painter()

    def disable(**_made: Any) -> None:
        User.objects.filter(pk=editor.pk).update(is_active=False)

    post_save.connect(disable, sender=GenerationJob)
    try:
        refused = staff_api.post(JOBS, order, format="json")
    finally:
        post_save.disconnect(disable, sender=GenerationJob)

    assert refused.status_code == 422
    assert refused.json()["detail"] == "This account is switched off, so nothing is made for it."
    assert not GenerationJob.objects.exists()


def test_a_job_is_paused_resumed_cancelled_and_tried_again(
    painter: Configure, staff_api: APIClient, order: dict[str, Any]
) -> None:
    engine = painter(price="0.1")
    engine.incidents.append(Refused("The key is wrong."))
    address = f"{JOBS}{staff_api.post(JOBS, {**order, 'budget': '0.3'}, format='json').json()['id']}/"

    assert staff_api.post(f"{address}pause/").json()["state"] == "paused"
    again = staff_api.post(f"{address}pause/")
    assert (again.status_code, again["Content-Type"]) == (409, "application/problem+json")
    assert again.json()["detail"] == "Only a job that is waiting or running can be paused."
    assert staff_api.post(f"{address}resume/").json()["state"] == "queued"
    job = GenerationJob.objects.get()
    run_job(job)
    assert staff_api.post(f"{address}retry/", {"budget": "0.5"}, format="json").json()["state"] == "queued"
    job.refresh_from_db()
    run_job(job)
    assert staff_api.get(address).json()["counts"] == {"succeeded": 4}
    assert staff_api.post(f"{address}cancel/").status_code == 409


def test_results_are_judged(job: GenerationJob, api: APIClient, reviewer: User) -> None:
    api.force_authenticate(reviewer)
    run_job(job)
    first, second, third, _fourth = job.items.order_by("position")

    approved = api.post(f"/api/v1/generation/items/{first.public_id}/approve/").json()
    rejected = api.post(
        f"/api/v1/generation/items/{second.public_id}/reject/", {"note": "too dark"}, format="json"
    ).json()
    again = api.post(
        f"/api/v1/generation/items/{third.public_id}/regenerate/", {"note": "brighter"}, format="json"
    )

    assert (approved["verdict"], approved["reviewed_by"]) == ("approved", reviewer.username)
    assert approved["output"]["state"] == AssetState.APPROVED
    assert (rejected["verdict"], rejected["verdict_note"]) == ("rejected", "too dark")
    assert again.status_code == 201
    assert again.json()["regenerates"] == str(third.public_id)
    assert "brighter" in again.json()["prompt"]
    refused = api.post(f"/api/v1/generation/items/{again.json()['id']}/approve/")
    assert (refused.status_code, refused.json()["detail"]) == (409, "This item has no picture to judge.")
    read = api.get(f"/api/v1/generation/items/{again.json()['id']}/")
    assert (read.status_code, read.json()["state"]) == (200, "queued")


@pytest.mark.parametrize(
    ("changes", "status", "words"),
    [
        ({"kind": "poster"}, 400, "kind"),
        ({"models": 7}, 400, "models"),
        ({"provider": "brush"}, 400, "There is no provider “brush”"),
        ({"budget": "-1"}, 400, "budget"),
        ({"budget": "0.01"}, 422, "The budget of 0.01 USD is too small: one picture costs 0.04 USD."),
        ({"models": []}, 422, "Choose the models first."),
        ({"models": "sku:NONE"}, 422, "Nothing was found for “sku:NONE”."),
        ({"kind": "composition"}, 422, "Write one sentence"),
    ],
)
def test_a_wrong_order_is_answered_with_a_sentence_and_makes_no_job(
    painter: Configure,
    staff_api: APIClient,
    order: dict[str, Any],
    changes: dict[str, Any],
    status: int,
    words: str,
) -> None:
    painter(price="0.04")
    answer = staff_api.post(JOBS, {**order, **changes}, format="json")
    assert (answer.status_code, answer["Content-Type"]) == (status, "application/problem+json")
    assert words in answer.content.decode()
    assert GenerationJob.objects.count() == 0


@pytest.mark.parametrize("who", ["nobody", "stranger"])
def test_only_staff_generate(
    job: GenerationJob, api: APIClient, stranger: User, order: dict[str, Any], who: str
) -> None:
    run_job(job)
    item = job.items.first()
    if who == "stranger":
        api.force_authenticate(stranger)
    expected = 403 if who == "stranger" else 401
    address = f"{JOBS}{job.public_id}/"

    answers = [
        api.post(PLANS, order, format="json"),
        api.post(JOBS, order, format="json"),
        api.get(JOBS),
        api.get(address),
        api.get(f"{address}items/"),
        *(api.post(f"{address}{verb}/") for verb in ("pause", "resume", "cancel", "retry")),
        *(
            api.post(f"/api/v1/generation/items/{item.public_id}/{verb}/")
            for verb in ("approve", "reject", "regenerate")
        ),
    ]

    assert {answer.status_code for answer in answers} == {expected}
    item.refresh_from_db()
    assert (item.verdict, item.output.state) == (Verdict.NONE, AssetState.IN_REVIEW)
    assert (GenerationJob.objects.get().state, GenerationItem.objects.count()) == (JobState.FINISHED, 4)
    assert item.state == ItemState.SUCCEEDED


def test_what_is_not_there_is_not_found(staff_api: APIClient) -> None:
    assert staff_api.get(f"{JOBS}{uuid.uuid4()}/").status_code == 404
    assert staff_api.post(f"/api/v1/generation/items/{uuid.uuid4()}/approve/").status_code == 404


def test_a_list_of_items_takes_a_fixed_number_of_queries(
    job: GenerationJob, staff_api: APIClient, django_assert_max_num_queries: Callable[[int], Any]
) -> None:
    run_job(job)
    with django_assert_max_num_queries(8):
        staff_api.get(f"{JOBS}{job.public_id}/items/")


@pytest.mark.once
def test_the_schema_describes_generation_without_a_warning(
    db: None, capsys: pytest.CaptureFixture[str]
) -> None:
    schema = SchemaGenerator().get_schema(request=None, public=True)
    validate_schema(schema)
    warnings = capsys.readouterr().err
    assert "generation" not in warnings.lower()
    paths = {path.removeprefix("/api/v1") for path in schema["paths"] if "/generation/" in path}
    assert paths == {
        "/generation/costs/",
        "/generation/items/undo/",
        "/generation/items/verdicts/",
        "/generation/items/{public_id}/history/",
        "/generation/jobs/{public_id}/progress/",
        "/generation/plans/",
        "/generation/plans/fill/",
        "/generation/dead-letters/",
        "/generation/dead-letters/counts/",
        "/generation/dead-letters/run-again/",
        "/generation/jobs/{public_id}/prioritise/",
        "/generation/jobs/",
        "/generation/jobs/{public_id}/",
        *(
            f"/generation/jobs/{{public_id}}/{name}/"
            for name in ("items", "pause", "resume", "cancel", "retry")
        ),
        "/generation/items/{public_id}/",
        *(
            f"/generation/items/{{public_id}}/{name}/"
            for name in ("approve", "reject", "regenerate", "make-again")
        ),
        "/generation/selections/",
        "/generation/templates/",
        "/generation/templates/preview/",
        "/generation/styles/",
        "/generation/styles/{slug}/",
        "/generation/rules/",
        "/generation/rules/{id}/",
        "/generation/try-ons/",
        "/generation/try-ons/consent/",
        "/generation/try-ons/{public_id}/",
        *(f"/generation/try-ons/{{public_id}}/{name}/" for name in ("picture", "results", "run")),
        "/generation/try-ons/{public_id}/results/{item}/",
    }
