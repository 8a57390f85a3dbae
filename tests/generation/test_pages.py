"""The studio, job and review pages: what they show, what they do, who may."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from dam import editing
from dam.models import Asset, AssetState
from generation.models import GenerationItem, GenerationJob, ItemState, JobState, Verdict
from generation.planning import plan_outfits
from generation.providers.base import Blocked, Refused
from generation.running import create_job, run_job
from tests.factories import AssetFactory
from tests.generation.painter import Painter

Make = Callable[..., list[Asset]]
Configure = Callable[..., Painter]
STUDIO, REVIEW = "/admin/generation/studio/", "/admin/generation/review/"
VERDICT = f"{REVIEW}verdict/"
JSON = {"HTTP_ACCEPT": "application/json"}


@pytest.fixture
def job(painter: Configure, assets_of: Make, reviewer: User) -> GenerationJob:
    """Four pictures to make."""
    painter(price="0.1")
    return create_job(plan_outfits(assets_of("model", 2), assets_of("garment", 2)), owner=reviewer)


def page_of(job: GenerationJob) -> str:
    return reverse("admin:generation_generationjob_change", args=[job.pk])


def ids(assets: list[Asset]) -> list[str]:
    return [str(asset.public_id) for asset in assets]


# --- The studio -----------------------------------------------------------------------------------


def test_the_studio_opens_with_what_there_is_to_choose(
    staff: Client, painter: Configure, assets_of: Make
) -> None:
    painter()
    models, garments = assets_of("model", 2), assets_of("garment", 2)

    shown = staff.get(STUDIO).content.decode()

    assert all(public_id in shown for public_id in ids(models + garments))
    assert "Choose the models to see the plan." in shown
    assert reverse("admin:generation_studio") == STUDIO


@pytest.mark.parametrize("kind", ["outfits", "scenes", "composition", "edit"])
def test_every_kind_of_job_has_its_page_in_both_languages(
    staff: Client, painter: Configure, kind: str
) -> None:
    painter()
    for language in ("en", "zh-hans"):
        answer = staff.get(STUDIO, {"kind": kind}, HTTP_ACCEPT_LANGUAGE=language)
        assert answer.status_code == 200
        assert f'name="kind" value="{kind}"' in answer.content.decode()


def test_pictures_from_the_search_page_are_put_where_they_belong(
    staff: Client, painter: Configure, assets_of: Make
) -> None:
    painter()
    [model], [garment], [hat] = assets_of("model", 1), assets_of("garment", 1), assets_of("accessory", 1)
    named = ",".join([*ids([garment, hat, model]), "no-id"])

    shown = staff.get(STUDIO, {"assets": named})

    pickers = {picker.name: picker.picked for picker in shown.context["pickers"]}
    assert pickers == {"models": [model], "garments": [garment], "accessories": [hat]}
    [scene], [product] = assets_of("scene", 1), assets_of("product", 1)
    pickers = staff.get(STUDIO, {"assets": ",".join(ids([scene, product]))}).context["pickers"]
    assert [(picker.name, picker.picked) for picker in pickers] == [
        ("products", [product]),
        ("scenes", [scene]),
    ]


def test_a_sentence_finds_tiles(staff: Client, painter: Configure, index_now: Callable[[], Any]) -> None:
    painter()
    shirt = AssetFactory(title="Green linen shirt", kind="garment")
    index_now()
    address = reverse("admin:generation_studio_find")

    found = staff.get(address, {"selection": "garments", "q": "green linen shirt"}).content.decode()

    assert f'name="garments" value="{shirt.public_id}"' in found
    assert staff.get(address, {"selection": "cats", "q": "x"}).status_code == 404


def test_the_plan_follows_what_is_ticked_and_makes_nothing(
    staff: Client, painter: Configure, assets_of: Make, settings: Any
) -> None:
    painter(price="0.04")
    models, garments = assets_of("model", 2), assets_of("garment", 3)
    editing.trash(garments[:1], actor=None)
    sent = {
        "kind": "outfits",
        "models": ids(models),
        "garments": ids(garments),
        "provider": settings.GENERATION_PROVIDER,
    }

    answer = staff.post(STUDIO, sent, HTTP_X_FRAGMENT="plan")

    shown = answer.content.decode()
    assert "<html" not in shown
    assert answer.context["plan"].picture_count == 4
    assert "Make 4 pictures" in shown
    assert "0.16 USD" in shown
    assert "Garment 1 (Garment)</strong>: It is in the trash." in shown
    assert GenerationJob.objects.count() == 0


def test_running_a_plan_leads_to_its_job(
    staff: Client, painter: Configure, assets_of: Make, reviewer: User, settings: Any
) -> None:
    painter(price="0.04")
    sent = {
        "kind": "outfits",
        "models": ids(assets_of("model", 2)),
        "garments": ids(assets_of("garment", 2)),
        "provider": settings.GENERATION_PROVIDER,
        "budget": "0.10",
        "do": "run",
    }

    answer = staff.post(STUDIO, sent)

    job = GenerationJob.objects.get()
    assert (answer.status_code, answer["Location"]) == (302, page_of(job))
    assert (job.owner, str(job.budget), job.items.count()) == (reviewer, "0.1000", 4)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"garments": []}, "Choose the garments to see the plan."),
        ({"budget": "0.01"}, "The budget of 0.01 USD is too small"),
        ({"budget": "much"}, "Enter a number"),
        ({"kind": "composition", "sentence": "???"}, "Write one sentence"),
    ],
)
def test_what_is_missing_is_said_on_the_page(
    staff: Client,
    painter: Configure,
    assets_of: Make,
    settings: Any,
    changes: dict[str, Any],
    sentence: str,
) -> None:
    painter(price="0.04")
    sent = {
        "kind": "outfits",
        "models": ids(assets_of("model", 1)),
        "garments": ids(assets_of("garment", 1)),
        "provider": settings.GENERATION_PROVIDER,
        "do": "run",
    }
    answer = staff.post(STUDIO, {**sent, **changes})
    assert answer.status_code == 200
    assert sentence in answer.content.decode()
    assert GenerationJob.objects.count() == 0


def test_a_provider_without_its_key_is_said_before_running(
    staff: Client, painter: Configure, assets_of: Make, settings: Any
) -> None:
    painter(missing="Set PAINTER_API_KEY to use the painter.")
    sent = {
        "kind": "edit",
        "assets": ids(assets_of("product", 1)),
        "instruction": "blue",
        "provider": settings.GENERATION_PROVIDER,
    }
    assert "Set PAINTER_API_KEY" in staff.post(STUDIO, sent, HTTP_X_FRAGMENT="plan").content.decode()


def test_another_candidate_of_a_slot_can_be_picked(
    staff: Client, painter: Configure, assets_of: Make, index_now: Callable[[], Any], settings: Any
) -> None:
    painter()
    first, second = assets_of("character", 2)
    index_now()
    sent = {
        "kind": "composition",
        "sentence": "Character 1",
        "provider": settings.GENERATION_PROVIDER,
    }

    plan = staff.post(STUDIO, sent, HTTP_X_FRAGMENT="plan").context["plan"]
    sent |= {"slot-²": "1"}  # a digit, and no number
    picked = staff.post(STUDIO, {**sent, "slot-0": str(second.public_id)}, HTTP_X_FRAGMENT="plan")

    assert plan.slots[0].chosen == first
    assert picked.context["plan"].slots[0].chosen == second
    assert f'value="{second.public_id}" checked' in picked.content.decode()


# --- A job ----------------------------------------------------------------------------------------


def test_a_jobs_page_shows_its_cells_and_what_can_be_done(staff: Client, job: GenerationJob) -> None:
    shown = staff.get(page_of(job))

    assert shown.status_code == 200
    assert [verb for verb, _label, _icon in shown.context["verbs"]] == ["pause", "cancel"]
    assert shown.content.decode().count("data-cell=") == 4

    run_job(job)

    shown = staff.get(page_of(job)).content.decode()
    made = job.items.first().output
    assert reverse("admin:dam_asset_change", args=[made.pk]) in shown
    assert f"{REVIEW}?job={job.public_id}" in shown
    assert "0.4 USD" in shown


def test_a_jobs_progress_is_told(painter: Configure, staff: Client, assets_of: Make) -> None:
    engine = painter(price="0.1")
    engine.incidents.extend([Blocked("Not this one."), Refused("The key is wrong.")])
    job = create_job(plan_outfits(assets_of("model", 1), assets_of("garment", 4)), owner=None)
    address = reverse("admin:generation_job_progress", args=[job.pk])

    before = staff.get(address).json()
    run_job(job)
    after = staff.get(address).json()

    assert (before["active"], before["done"], before["total"], before["state"]) == (True, 0, 4, "queued")
    assert (after["active"], after["done"], after["state"]) == (False, 4, "finished")
    counts = {row["state"]: row["count"] for row in after["counts"] if row["count"]}
    assert counts == {"succeeded": 2, "blocked": 1, "failed": 1}
    assert after["cost"] == "0.2 USD"
    assert [cell["reason"] for cell in after["cells"]] == ["Not this one.", "The key is wrong.", "", ""]
    assert after["cells"][2]["picture"].endswith(".webp")
    assert after["verbs"] == ["retry"]
    assert len(staff.get(address, {"state": "blocked"}).json()["cells"]) == 1


def test_a_job_is_paused_resumed_and_cancelled_from_its_page(staff: Client, job: GenerationJob) -> None:
    for verb, state in (
        ("pause", JobState.PAUSED),
        ("resume", JobState.QUEUED),
        ("cancel", JobState.CANCELLED),
    ):
        address = reverse("admin:generation_job_verb", args=[job.pk, verb])
        assert staff.get(address).status_code == 404, "a link must change nothing"
        answer = staff.post(address)
        job.refresh_from_db()
        assert (answer["Location"], job.state) == (page_of(job), state)
    again = staff.post(reverse("admin:generation_job_verb", args=[job.pk, "cancel"]), follow=True)
    assert "This job has ended already." in again.content.decode()


def test_a_job_over_its_budget_goes_on_with_a_larger_one(
    staff: Client, reviewer: User, painter: Configure, assets_of: Make
) -> None:
    painter(price="0.1")
    plan = plan_outfits(assets_of("model", 1), assets_of("garment", 3))
    job = create_job(plan, owner=reviewer, budget=plan.price_per_picture)
    run_job(job)
    address = reverse("admin:generation_job_verb", args=[job.pk, "retry"])

    for amount in ("a lot", "-1", "NaN", "100000000"):
        refused = staff.post(address, {"budget": amount}, follow=True)
        job.refresh_from_db()
        assert "The budget is not an amount of money." in refused.content.decode()
        assert job.state == JobState.FINISHED
    staff.post(address, {"budget": "0.3"})

    job.refresh_from_db()
    run_job(job)
    assert set(job.items.values_list("state", flat=True)) == {ItemState.SUCCEEDED}


def test_the_list_of_jobs(staff: Client, job: GenerationJob) -> None:
    run_job(job)
    changelist = reverse("admin:generation_generationjob_changelist")

    shown = staff.get(changelist).content.decode()

    assert "Outfits: 2 × 2" in shown
    assert "4 / 4" in shown
    assert "0.4 USD" in shown
    refused = staff.post(changelist, {"action": "pause_chosen", "_selected_action": [job.pk]}, follow=True)
    assert "Only a job that is waiting or running can be paused." in refused.content.decode()
    assert staff.get(reverse("admin:generation_generationjob_add"))["Location"] == STUDIO
    assert staff.post(reverse("admin:generation_generationjob_delete", args=[job.pk])).status_code == 403


# --- Review ---------------------------------------------------------------------------------------


def test_results_are_shown_beside_what_they_were_made_from(staff: Client, job: GenerationJob) -> None:
    assert "Nothing waits for review" in staff.get(REVIEW).content.decode()
    run_job(job)

    answer = staff.get(REVIEW, {"job": str(job.public_id)})

    shown = answer.content.decode()
    assert answer.context["waiting"] == 4
    item = job.items.first()
    assert str(item.public_id) in shown
    for link in item.inputs.all():
        assert reverse("admin:dam_asset_change", args=[link.asset_id]) in shown


def test_many_results_are_judged_at_once(staff: Client, job: GenerationJob, reviewer: User) -> None:
    run_job(job)
    first, second, third, fourth = job.items.order_by("position")

    approved = staff.post(
        VERDICT, {"verdict": "approve", "items": [first.public_id, second.public_id]}, **JSON
    ).json()
    rejected = staff.post(
        VERDICT, {"verdict": "reject", "items": [third.public_id], "note": "too dark"}, **JSON
    ).json()

    assert sorted(approved["done"]) == sorted([str(first.public_id), str(second.public_id)])
    assert (approved["refused"], approved["waiting"], rejected["waiting"]) == ([], 2, 1)
    third.refresh_from_db()
    assert (third.verdict, third.verdict_note, third.reviewed_by) == (Verdict.REJECTED, "too dark", reviewer)
    assert Asset.objects.get(pk=first.output_id).state == AssetState.APPROVED
    assert list(GenerationItem.objects.awaiting_review()) == [fourth]


def test_one_that_cannot_be_judged_stops_none_of_the_others(staff: Client, job: GenerationJob) -> None:
    run_job(job)
    first, second, *_rest = job.items.order_by("position")
    editing.trash([first.output], actor=None)

    told = staff.post(
        VERDICT, {"verdict": "approve", "items": [first.public_id, second.public_id]}, **JSON
    ).json()

    assert told["done"] == [str(second.public_id)]
    assert told["refused"] == [
        {"id": str(first.public_id), "reason": "The picture is in the trash; restore it first."}
    ]


def test_verdicts_work_without_the_script(staff: Client, job: GenerationJob) -> None:
    run_job(job)
    first, second, *_rest = job.items.order_by("position")

    answer = staff.post(
        f"{VERDICT}?only={first.public_id}",
        {"verdict": "regenerate", "job": job.public_id, "items": [second.public_id]},
        HTTP_ACCEPT="text/html",
    )

    assert (answer.status_code, answer["Location"]) == (302, f"{REVIEW}?job={job.public_id}")
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.verdict, second.verdict) == (Verdict.REGENERATE, Verdict.NONE)
    assert job.items.count() == 5
    assert staff.get(VERDICT).status_code == 404
    assert staff.post(VERDICT, {"verdict": "burn"}).status_code == 404


@pytest.mark.parametrize("who", ["nobody", "stranger"])
def test_only_staff_open_the_pages(client: Client, stranger: User, job: GenerationJob, who: str) -> None:
    run_job(job)
    if who == "stranger":
        client.force_login(stranger)
    item = job.items.first()
    answers = [
        client.get(STUDIO),
        client.post(STUDIO, {"kind": "outfits", "do": "run"}),
        client.get(reverse("admin:generation_studio_find"), {"selection": "models"}),
        client.get(REVIEW),
        client.post(VERDICT, {"verdict": "approve", "items": [item.public_id]}),
        client.get(page_of(job)),
        client.get(reverse("admin:generation_job_progress", args=[job.pk])),
        client.post(reverse("admin:generation_job_verb", args=[job.pk, "retry"])),
    ]
    assert all(
        answer.status_code == 302 and answer["Location"].startswith("/admin/login/") for answer in answers
    )
    item.refresh_from_db()
    assert (item.verdict, item.output.state) == (Verdict.NONE, AssetState.IN_REVIEW)
