"""Nothing is paid twice that there is already: cells found before they are made, and pictures made again."""

from __future__ import annotations

import json
from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client
from rest_framework.test import APIClient

from dam import editing, versions
from dam.models import Asset, AssetState
from generation import review
from generation.models import GenerationItem, GenerationJob
from generation.orders import Order, plan_order
from generation.providers.registry import get_provider
from generation.running import run_job
from tests.generation.painter import Painter
from tests.pictures import picture

Make = Callable[..., list[Asset]]
Configure = Callable[..., Painter]
PLANS, JOBS, ITEMS = (f"/api/v1/generation/{name}/" for name in ("plans", "jobs", "items"))
STUDIO = "/admin/generation/studio/"


def ids(assets: list[Asset]) -> str:
    return ",".join(str(asset.public_id) for asset in assets)


@pytest.fixture
def order(painter: Configure, assets_of: Make) -> dict[str, Any]:
    """Two models in two garments."""
    painter(price="0.1")
    return {"kind": "outfits", "models": ids(assets_of("model", 2)), "garments": ids(assets_of("garment", 2))}


@pytest.fixture
def made(order: dict[str, Any], staff_api: APIClient) -> GenerationJob:
    """The order's four pictures."""
    answer = staff_api.post(JOBS, order, format="json")
    job = GenerationJob.objects.get(public_id=answer.json()["id"])
    run_job(job)
    assert set(job.items.values_list("state", flat=True)) == {"succeeded"}
    return job


def test_what_there_is_already_is_shown_and_not_paid_again(
    order: dict[str, Any], made: GenerationJob, staff_api: APIClient, reviewer: User
) -> None:
    first, second, third, fourth = made.items.order_by("position")
    review.approve(first, actor=reviewer)
    review.reject(second, actor=reviewer)
    review.regenerate(third, actor=reviewer, note="smile")  # to be made once more: under way

    plan = staff_api.post(PLANS, order, format="json").json()
    again = staff_api.post(PLANS, {**order, "again": True}, format="json").json()

    assert [(cell["how"], cell["item"]) for cell in plan["found"]] == [
        ("approved", str(first.public_id)),
        ("rejected", str(second.public_id)),
        ("under_way", str(third.regenerations.get().public_id)),
        ("in_review", str(fourth.public_id)),
    ]
    assert plan["found"][0]["asset"] == str(first.output.public_id)
    assert (plan["picture_count"], plan["found_count"], plan["cost"]["amount"]) == (0, 4, 0.0)
    assert plan["saved"]["amount"] == 0.4
    assert (again["picture_count"], again["found_count"], again["cost"]["amount"]) == (4, 4, 0.4)
    refused = staff_api.post(JOBS, order, format="json")
    assert (refused.status_code, GenerationJob.objects.count()) == (422, 1)
    assert "There is a picture of everything already" in refused.json()["detail"]


def test_only_exactly_the_same_is_found(
    order: dict[str, Any], made: GenerationJob, staff_api: APIClient, editor: User
) -> None:
    def to_make(**changes: Any) -> int:
        answer = staff_api.post(PLANS, {**order, **changes}, format="json")
        assert answer.status_code == 200, answer.json()
        return answer.json()["picture_count"]

    assert to_make() == 0
    assert to_make(language="zh") == 0  # another language says the same
    assert to_make(negative="sunglasses") == 4
    assert to_make(garments_together=2) == 2
    assert to_make(like=order["models"].split(",")[0]) == 4
    model = made.items.order_by("position")[0].inputs.get(role="model").asset
    versions.add_version(model, picture(colour="teal"), filename="new.jpg", actor=editor)
    assert to_make() == 2  # another file of one of the models


def test_what_was_rejected_is_made_again_where_the_request_is_another(
    order: dict[str, Any], made: GenerationJob, staff_api: APIClient, reviewer: User
) -> None:
    for item in made.items.all():
        review.reject(item, actor=reviewer)
    same = staff_api.post(PLANS, order, format="json").json()
    other = staff_api.post(PLANS, {**order, "language": "zh"}, format="json").json()
    assert ({cell["how"] for cell in same["found"]}, same["picture_count"]) == ({"rejected"}, 0)
    assert (other["found"], other["picture_count"]) == ([], 4)


def test_the_studio_shows_pictures_that_there_are_in_the_matrix(
    order: dict[str, Any], made: GenerationJob, client: Client, editor: User
) -> None:
    client.force_login(editor)
    sent = {"kind": "outfits", "provider": made.provider}
    sent |= {"models": order["models"].split(","), "garments": order["garments"].split(",")}

    shown = client.post(STUDIO, sent, HTTP_X_FRAGMENT="plan")
    repeated = client.post(STUDIO, {**sent, "do": "run"})
    again = client.post(STUDIO, {**sent, "do": "run", "again": "on"})

    text = shown.content.decode()
    assert text.count("st-matrix__picture") == 4
    assert "There are 4 of these already; they are not made again. That saves 0.4 USD." in text
    assert "Make 0" not in text
    assert "There is a picture of everything already" in repeated.context["problem"]
    assert (again.status_code, GenerationJob.objects.count()) == (302, 2)


def test_the_command_tells_and_skips_what_there_is(order: dict[str, Any], made: GenerationJob) -> None:
    words = ["outfits", "--models", order["models"], "--garments", order["garments"]]
    out = StringIO()
    call_command("generate", *words, "--dry-run", "--json", stdout=out)
    report = json.loads(out.getvalue())
    assert (report["planned"], len(report["found"])) == (0, 4)
    assert report["found"][0]["reason"] == "A picture of exactly this waits for review."
    out = StringIO()
    call_command("generate", *words, "--json", stdout=out)
    report = json.loads(out.getvalue())
    assert (report["job"], report["planned"], report["succeeded"], report["cost"]["amount"]) == (
        None,
        0,
        0,
        0,
    )
    there = [str(key) for key in made.items.order_by("position").values_list("output__public_id", flat=True)]
    assert [(output["asset"], output["found"]) for output in report["outputs"]] == [
        (key, True) for key in there
    ]
    out = StringIO()
    call_command("generate", *words, stdout=out)
    assert "There is a picture of everything already; --again makes and pays it once more." in out.getvalue()
    assert GenerationJob.objects.count() == 1
    out = StringIO()
    call_command("generate", *words, "--again", "--json", stdout=out, stderr=StringIO(), verbosity=0)
    assert json.loads(out.getvalue())["succeeded"] == 4


def test_finding_costs_one_query_however_many_cells(
    order: dict[str, Any], made: GenerationJob, editor: User, django_assert_num_queries: Any
) -> None:
    selections = {"models": order["models"], "garments": order["garments"]}
    with django_assert_num_queries(6):  # two selections, rules, tags, who carries them, what was made before
        plan = plan_order(Order("outfits", selections), user=None)
    assert len(plan.found) == 4


# --- Made again -----------------------------------------------------------------------------------


def test_a_result_keeps_all_that_it_was_made_with_and_is_made_again_with_it(
    order: dict[str, Any], made: GenerationJob, staff_api: APIClient, painter: Configure, editor: User
) -> None:
    item = made.items.order_by("position")[1]
    engine: Any = get_provider(made.provider)
    before = next(call for call in engine.ledger if call.idempotency_key == item.idempotency_key)
    first_bytes = [given.read() for given in before.inputs]
    garment = item.inputs.get(role="garment").asset
    versions.add_version(garment, picture(colour="teal"), filename="new.jpg", actor=editor)

    shown = staff_api.get(f"{ITEMS}{item.public_id}/").json()
    answer = staff_api.post(f"{ITEMS}{item.public_id}/make-again/", {"budget": "1"}, format="json")

    assert (shown["prompt"], shown["model"]) == (item.prompt, "painter-1")
    assert shown["parameters"]["template"].startswith("outfits@")
    assert [given["version"] for given in shown["inputs"]] == [1, 1]
    assert answer.status_code == 201, answer.json()
    job = GenerationJob.objects.get(public_id=answer.json()["id"])
    run_job(job)
    call = engine.ledger[-1]
    assert (call.prompt, call.parameters) == (before.prompt, before.parameters)
    # The file that it was made with, though the garment has another by now.
    assert [given.read() for given in call.inputs] == first_bytes
    assert job.items.get().state == "succeeded"


def test_what_cannot_be_made_again_is_said_and_nothing_is_made(
    order: dict[str, Any], made: GenerationJob, staff_api: APIClient, reviewer: User
) -> None:
    item = made.items.order_by("position")[0]
    address = f"{ITEMS}{item.public_id}/make-again/"
    poor = staff_api.post(address, {"budget": "0.01"}, format="json")
    editing.trash([item.inputs.get(role="model").asset], actor=reviewer)
    gone = staff_api.post(address, {}, format="json")
    assert (poor.status_code, gone.status_code, GenerationJob.objects.count()) == (422, 422, 1)
    assert "one picture costs 0.1 USD" in poor.json()["detail"]
    assert "It is in the trash." in gone.json()["detail"]


def test_a_page_tells_how_a_picture_was_made_and_makes_it_again(
    made: GenerationJob, client: Client, editor: User, stranger: User
) -> None:
    item = made.items.order_by("position")[0]
    address = f"{STUDIO}made/{item.public_id}/"
    client.force_login(editor)
    shown = client.get(address).content.decode()
    again = client.post(address)
    assert "A photorealistic full-length fashion photograph" in shown
    assert "painter-1" in shown
    assert f"like={item.output.public_id}" in shown
    assert GenerationItem.objects.last().prompt == item.prompt
    assert (again.status_code, client.get(f"{STUDIO}made/nothing/").status_code) == (302, 404)
    client.force_login(stranger)
    assert client.post(address).status_code in (302, 403)
    assert GenerationJob.objects.count() == 2


def test_the_command_makes_a_picture_again(made: GenerationJob) -> None:
    item = made.items.order_by("position")[0]
    out = StringIO()
    call_command("generate", "again", str(item.public_id), "--json", stdout=out, verbosity=0)
    report = json.loads(out.getvalue())
    assert (report["succeeded"], report["outputs"][0]["prompt"]) == (1, item.prompt)
    assert Asset.objects.get(public_id=report["outputs"][0]["asset"]).state == AssetState.IN_REVIEW
    with pytest.raises(CommandError, match="There is no item “nothing”"):
        call_command("generate", "again", "nothing")
