"""Verdicts: what they do to the asset, who gave them, and what a sent-back picture becomes."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from dam import editing, field_rules
from dam.models import Asset, AssetState, AuditEntry, FieldRule, SKURole
from generation.models import GenerationItem, GenerationJob, ItemState, JobState, Verdict
from generation.planning import plan_outfits, plan_scenes
from generation.providers.base import Blocked
from generation.review import ReviewError, approve, regenerate, reject
from generation.running import create_job, run_job
from tests.clients import api_of
from tests.generation.painter import Painter
from tests.pictures import picture

Make = Callable[..., list[Asset]]
Configure = Callable[..., Painter]


@pytest.fixture
def made(painter: Configure, assets_of: Make) -> GenerationItem:
    """A result that waits for review."""
    painter()
    job = create_job(plan_outfits(assets_of("model", 1), assets_of("garment", 1)), owner=None)
    run_job(job)
    return job.items.select_related("output", "job").get()


def test_an_approved_result_reaches_the_storefront_and_shows_its_skus(
    made: GenerationItem, reviewer: User
) -> None:
    model, garment = (link.asset for link in made.inputs.all())
    editing.link_sku(model, "MODEL-7", actor=None)
    editing.link_sku(garment, "TS-01", actor=None)

    approve(made, actor=reviewer, note="lovely")

    made.refresh_from_db()
    assert (made.verdict, made.verdict_note, made.reviewed_by) == (Verdict.APPROVED, "lovely", reviewer)
    assert made.reviewed_at is not None
    assert Asset.objects.for_storefront().for_sku("TS-01").filter(pk=made.output_id).exists()
    links = made.output.sku_links.all()
    assert [(link.sku.code, link.role) for link in links] == [("TS-01", SKURole.ON_MODEL)]
    assert not GenerationItem.objects.awaiting_review().exists()


def test_a_product_in_a_scene_is_approved_as_scene_of_its_sku(painter: Configure, assets_of: Make) -> None:
    painter()
    [product], [scene] = assets_of("product", 1), assets_of("scene", 1)
    editing.link_sku(product, "MUG-1", actor=None)
    job = create_job(plan_scenes([product], [scene]), owner=None)
    run_job(job)
    item = job.items.get()

    approve(item, actor=None)

    assert [(link.sku.code, link.role) for link in item.output.sku_links.all()] == [("MUG-1", "scene")]


def test_a_rejected_result_is_kept_and_never_shown(made: GenerationItem, reviewer: User) -> None:
    reject(made, actor=reviewer, note="The collar is wrong.")

    made.refresh_from_db()
    assert made.output.state == AssetState.REJECTED
    assert (made.verdict, made.verdict_note) == (Verdict.REJECTED, "The collar is wrong.")
    assert not Asset.objects.for_storefront().filter(pk=made.output_id).exists()
    assert AuditEntry.objects.get(action="item.rejected").details == {"note": "The collar is wrong."}


def test_a_verdict_can_be_changed(made: GenerationItem, reviewer: User) -> None:
    reject(made, actor=reviewer)
    approve(made, actor=reviewer)
    made.refresh_from_db()
    assert (made.verdict, made.output.state) == (Verdict.APPROVED, AssetState.APPROVED)


def test_a_picture_made_again_follows_the_note(made: GenerationItem, reviewer: User) -> None:
    again = regenerate(made, actor=reviewer, note="Longer sleeves")

    job = GenerationJob.objects.get(pk=made.job_id)
    assert (job.state, job.finished) == (JobState.QUEUED, None)
    run_job(job)
    again.refresh_from_db()
    made.refresh_from_db()
    assert again.prompt == made.prompt + (
        "\nThe last attempt was sent back with this note; follow it: Longer sleeves"
    )
    assert [(link.role, link.asset) for link in again.inputs.all()] == [
        (link.role, link.asset) for link in made.inputs.all()
    ]
    assert (again.regenerates, again.state, again.position) == (made, ItemState.SUCCEEDED, 1)
    assert again.output != made.output
    assert (made.verdict, made.output.state) == (Verdict.REGENERATE, AssetState.REJECTED)
    assert list(GenerationItem.objects.awaiting_review()) == [again]


def test_the_same_picture_again_comes_back_to_review(
    painter: Configure, assets_of: Make, reviewer: User
) -> None:
    engine = painter()
    engine.incidents.extend([picture(seed=99)] * 2)
    job = create_job(plan_outfits(assets_of("model", 1), assets_of("garment", 1)), owner=reviewer)
    run_job(job)

    again = regenerate(job.items.get(), actor=reviewer)
    run_job(job)

    assert list(GenerationItem.objects.awaiting_review()) == [again]


def test_a_picture_made_again_stays_within_the_budget(painter: Configure, assets_of: Make) -> None:
    engine = painter(price="0.1")
    plan = plan_outfits(assets_of("model", 1), assets_of("garment", 1))
    job = create_job(plan, owner=None, budget=Decimal("0.1"))
    run_job(job)

    again = regenerate(job.items.get(), actor=None, note="brighter")
    job.refresh_from_db()
    run_job(job)

    again.refresh_from_db()
    assert (again.state, len(engine.ledger)) == (ItemState.OVER_BUDGET, 1)


def test_a_blocked_picture_can_be_asked_for_differently(painter: Configure, assets_of: Make) -> None:
    engine = painter()
    engine.incidents.append(Blocked("Refused."))
    job = create_job(plan_outfits(assets_of("model", 1), assets_of("garment", 1)), owner=None)
    run_job(job)

    again = regenerate(job.items.get(), actor=None, note="a full-length coat")
    job.refresh_from_db()
    run_job(job)

    again.refresh_from_db()
    assert again.state == ItemState.SUCCEEDED


def test_only_a_result_can_be_judged(painter: Configure, assets_of: Make, reviewer: User) -> None:
    painter()
    job = create_job(plan_outfits(assets_of("model", 1), assets_of("garment", 1)), owner=None)
    item = job.items.get()
    for verdict in (approve, reject):
        with pytest.raises(ReviewError, match="no picture to judge"):
            verdict(item, actor=reviewer)
    with pytest.raises(ReviewError, match="not made yet"):
        regenerate(item, actor=reviewer)
    run_job(job)
    item = job.items.get()
    editing.trash([item.output], actor=reviewer)
    with pytest.raises(ReviewError, match="in the trash"):
        approve(job.items.get(), actor=reviewer)
    assert job.items.get().verdict == Verdict.NONE


def test_a_result_that_lacks_a_required_field_waits_for_it(made: GenerationItem, reviewer: User) -> None:
    rule = FieldRule(state="approved", required=["licence", "skus"])
    field_rules.save(rule, actor=None)
    editing.link_sku(made.inputs.get(role="garment").asset, "TS-01", actor=None)
    client = api_of(reviewer)
    address = f"/api/v1/generation/items/{made.public_id}/approve/"
    refused = client.post(address)
    assert (refused.status_code, refused.json()["code"]) == (409, "incomplete")
    assert refused.json()["missing"] == {str(made.output.public_id): ["licence"]}
    page = Client()
    page.force_login(reviewer)
    told = page.post(
        reverse("admin:generation_review_verdict"),
        {"verdict": "approve", "items": [made.public_id]},
        follow=True,
    )
    assert "it still needs: “Licence”" in told.content.decode()
    made.refresh_from_db()
    assert (made.verdict, made.output.state) == (Verdict.NONE, AssetState.IN_REVIEW)
    assert not made.output.sku_links.exists()
    editing.update_assets([made.output], actor=reviewer, changes={"licence": "Own"})
    assert client.post(address).json()["output"]["state"] == AssetState.APPROVED
    assert made.output.sku_links.get().sku.code == "TS-01"
