"""Reviewing in a browser without a mouse: looked at closely, judged, sent back, taken back."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.utils import timezone
from playwright.sync_api import Browser, Page, expect

from dam.models import Asset, AssetOrigin, AssetState
from generation.models import (
    GenerationItem,
    GenerationJob,
    ItemInput,
    ItemState,
    JobState,
    QualityState,
    Verdict,
)
from tests.factories import AssetFactory, ReviewerFactory
from tests.journeys.visits import sign_in
from tests.services.processes import Web

pytestmark = [pytest.mark.services, pytest.mark.browser, pytest.mark.usefixtures("real_passwords")]
REVIEW = "/admin/generation/review/"


def results(count: int) -> list[GenerationItem]:
    """Delivered by a job that is over, each of its own garment."""
    job = GenerationJob.objects.create(kind="outfits", title="Spring", provider="board", state="finished")
    model = AssetFactory(title="Nils", kind="model")
    made = []
    for number in range(count):
        garment = AssetFactory(title=f"Coat {number}", kind="garment", skus=[(f"C-{number}", "packshot")])
        output = AssetFactory(
            title=f"Look {number}", state=AssetState.IN_REVIEW, origin=AssetOrigin.GENERATED, kind="model"
        )
        item = GenerationItem.objects.create(
            job=job,
            position=number,
            prompt="A look",
            idempotency_key=f"look {number}",
            state=ItemState.SUCCEEDED,
            output=output,
            quality=number / 10,
        )
        for place, (role, asset) in enumerate((("model", model), ("garment", garment))):
            ItemInput.objects.create(item=item, asset=asset, role=role, position=place)
        made.append(item)
    return made


def job_at(job: GenerationJob, state: JobState, done: int) -> None:
    """So many of its pictures are delivered, the others wait."""
    now = timezone.now()
    GenerationJob.objects.filter(pk=job.pk).update(
        state=state, finished=now if state == JobState.FINISHED else None
    )
    job.items.update(quality_state=QualityState.SCORED)
    job.items.filter(position__lt=done).update(state=ItemState.SUCCEEDED, finished=now)
    job.items.filter(position__gte=done).update(state=ItemState.QUEUED, finished=None)


def state_of(item: GenerationItem) -> tuple[str, str]:
    item.refresh_from_db()
    assert item.output is not None
    return item.verdict, Asset.objects.get(pk=item.output.pk).state


def opened(page: Page, item: GenerationItem) -> None:
    """Its page is there, and its script too, which shows the button."""
    expect(page).to_have_url(re.compile(str(item.public_id)))
    expect(page.get_by_role("button", name="Full size")).to_be_visible()


def test_the_next_page_begins_behind_what_is_still_undecided(page: Page, web: Web) -> None:
    results(27)
    sign_in(page, web, ReviewerFactory(), f"{REVIEW}?order=oldest")
    articles = page.get_by_role("article")
    expect(articles).to_have_count(24)
    # Three are judged, the fourth has the focus: nothing of the next page may be passed over.
    page.keyboard.press("j")
    for left in (23, 22, 21):
        page.keyboard.press("a")
        expect(articles).to_have_count(left)
    page.keyboard.press("n")
    expect(page).to_have_url(re.compile("from=21"))
    expect(articles).to_have_count(3)
    expect(articles.first).to_contain_text("Look 24")
    page.keyboard.press("j")
    page.keyboard.press("r")
    page.keyboard.press("Enter")
    expect(articles).to_have_count(2)
    page.keyboard.press("u")
    expect(page.get_by_text("1 verdict taken back.")).to_be_visible()
    expect(page).to_have_url(re.compile("from=21"))
    expect(articles).to_have_count(3)
    page.keyboard.press("p")
    expect(articles.first).to_contain_text("Look 3")
    expect(articles).to_have_count(24)


def test_a_jobs_page_goes_on_by_itself_when_the_server_is_back(
    browser: Browser, web: Web, tmp_path: Path
) -> None:
    job = results(3)[0].job
    job_at(job, JobState.RUNNING, 1)
    context = browser.new_context(locale="en-GB")  # of its own: requests fail here, as they should
    page = context.new_page()
    sign_in(page, web, ReviewerFactory(), f"/admin/generation/generationjob/{job.pk}/change/")
    done, lost = page.locator("[data-done]"), page.get_by_text("The server does not answer")
    expect(done).to_have_text("1")
    expect(lost).to_be_hidden()
    job_at(job, JobState.RUNNING, 2)
    expect(done).to_have_text("2")

    web.stop()
    expect(lost).to_be_visible()
    expect(done).to_have_text("2")
    job_at(job, JobState.RUNNING, 3)
    again = Web(tmp_path / "again.log", port=web.port)
    try:
        expect(done).to_have_text("3")
        expect(lost).to_be_hidden()
        job_at(job, JobState.FINISHED, 3)
        expect(page.locator("[data-state-label]")).to_have_text("Finished")
        expect(page.get_by_role("button", name="Cancel")).to_have_count(0)
    finally:
        context.close()
        again.kill()


def test_results_are_reviewed_by_keyboard_alone(page: Page, web: Web) -> None:
    first, second, third, fourth = made = results(4)
    sign_in(page, web, ReviewerFactory(), REVIEW)
    expect(page.get_by_role("article")).to_have_count(4)
    waiting = page.locator('[data-shelf="waiting"]')

    # The worst comes first: approved, and the next one has the focus.
    page.keyboard.press("j")
    expect(page.get_by_role("article", name="Look 0")).to_be_focused()
    page.keyboard.press("a")
    expect(waiting).to_have_text("3")
    expect(page.get_by_role("article", name="Look 1")).to_be_focused()
    assert state_of(first) == (Verdict.APPROVED, AssetState.APPROVED)
    assert [(link.sku.code, link.role) for link in first.output.sku_links.all()] == [("C-0", "on_model")]

    # Rejected with a reason, and that taken back.
    page.keyboard.press("r")
    page.keyboard.type("The collar is wrong.")
    page.keyboard.press("Enter")
    expect(waiting).to_have_text("2")
    assert state_of(second) == (Verdict.REJECTED, AssetState.REJECTED)
    assert second.verdict_note == "The collar is wrong."
    expect(page.get_by_text("Rejected: 1")).to_be_visible()
    page.keyboard.press("u")
    expect(page.get_by_text("1 verdict taken back.")).to_be_visible()
    assert state_of(second) == (Verdict.NONE, AssetState.IN_REVIEW)

    # Looked at closely beside its inputs: the second one, in full size, over the result.
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    opened(page, second)
    page.keyboard.press("2")
    expect(page.get_by_role("link", name="Coat 1", exact=True)).to_be_visible()
    opened(page, second)
    page.keyboard.press("z")
    expect(page.get_by_role("button", name="Full size")).to_have_attribute("aria-pressed", "true")
    for shown in (second.output, second.inputs.get(role="garment").asset):
        expect(page.locator(f"img[src*='{shown.public_id}/original/']")).to_be_visible()
    page.keyboard.press("s")
    expect(page.get_by_label(re.compile("Left of the edge: Coat 1"))).to_be_visible()

    # Sent back with a note from there; the next one follows.
    page.keyboard.press("g")
    page.keyboard.type("longer sleeves")
    page.keyboard.press("Enter")
    opened(page, third)
    assert state_of(second) == (Verdict.REGENERATE, AssetState.REJECTED)
    again = second.regenerations.get()
    assert again.prompt.endswith("longer sleeves")
    page.keyboard.press("a")
    opened(page, fourth)
    assert state_of(third) == (Verdict.APPROVED, AssetState.APPROVED)
    page.keyboard.press("u")
    expect(page.get_by_text("1 verdict taken back.")).to_be_visible()
    assert state_of(third) == (Verdict.NONE, AssetState.IN_REVIEW)

    # Back in the grid: both that wait are chosen and rejected at one stroke.
    page.keyboard.press("Escape")
    expect(page.get_by_role("article")).to_have_count(2)
    for _article in range(2):
        page.keyboard.press("j")
        page.keyboard.press("x")
    page.keyboard.press("r")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Nothing waits for review")).to_be_visible()
    assert [state_of(item)[0] for item in made[2:]] == [Verdict.REJECTED] * 2
    expect(page.get_by_text("Rejected: 2")).to_be_visible()

    # What was judged can be judged otherwise, and the history keeps both.
    page.get_by_role("link", name=re.compile("^Rejected")).press("Enter")
    expect(page.get_by_role("article")).to_have_count(2)
    expect(page.get_by_text(re.compile("Kept until")).first).to_be_visible()
    page.get_by_role("article", name="Look 3").get_by_role("link").first.press("Enter")
    opened(page, fourth)
    page.keyboard.press("a")
    expect(page.get_by_text("1 verdict given.")).to_be_visible()
    assert state_of(fourth) == (Verdict.APPROVED, AssetState.APPROVED)
    assert list(fourth.verdicts.values_list("verdict", flat=True)) == [Verdict.APPROVED, Verdict.REJECTED]

    # An edit begins in the studio with the picture.
    page.goto(f"{web.url}{REVIEW}{fourth.public_id}/")
    opened(page, fourth)
    page.keyboard.press("e")
    expect(page).to_have_url(re.compile(f"kind=edit&assets={fourth.output.public_id}"))
