"""Watching a job, what was spent, and being told when it is done."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from smtplib import SMTPServerDisconnected
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.models import Group
from django.core.mail.backends.locmem import EmailBackend
from django.db import connection
from django.db.models import QuerySet
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone, translation
from rest_framework.test import APIClient

from atelier import telemetry
from dam import webhooks
from dam.models import Asset, AssetState, WebhookDelivery, WebhookEndpoint, WebhookEvent
from generation import review
from generation.models import (
    GenerationItem,
    GenerationJob,
    ItemState,
    JobEnd,
    JobState,
    QualityState,
    SpendEntry,
    Verdict,
)
from generation.planning import plan_outfits
from generation.running import create_job, run_job
from generation.tasks import tell_ends
from tests.factories import UserFactory

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.test import Client
    from pytest_django.fixtures import SettingsWrapper

    from tests.generation.painter import Painter

Make = Callable[..., list[Asset]]
Configure = Callable[..., "Painter"]
COSTS, COSTS_API = "/admin/generation/generationjob/costs/", "/api/v1/generation/costs/"


@pytest.fixture
def job_of(painter: Configure, assets_of: Make) -> Callable[..., GenerationJob]:
    """`job_of(3, owner=…, run=False)`: so many pictures at 0.1 USD each."""

    def make(count: int, *, owner: User | None = None, run: bool = True, **given: Any) -> GenerationJob:
        painter(price="0.1")
        plan = plan_outfits(assets_of("model", 1), assets_of("garment", count))
        job = create_job(plan, owner=owner, **given)
        if run:
            run_job(job)
            job.refresh_from_db()
        return job

    return make


def progress_of(client: Client, job: GenerationJob) -> dict[str, Any]:
    told: dict[str, Any] = client.get(reverse("admin:generation_job_progress", args=[job.pk])).json()
    return told


# --- Progress -------------------------------------------------------------------------------------


def test_pace_and_remaining_time_are_those_of_the_last_minutes(
    staff: Client, reviewer_api: APIClient, job_of: Callable[..., GenerationJob]
) -> None:
    job = job_of(12, run=False, budget=Decimal("2"))
    before = progress_of(staff, job)
    assert (before["rate"], before["time"], before["newest"]) == ("–", "about 24 s left", [])
    now = timezone.now()
    # An hour of waiting, then one every twenty seconds.
    GenerationJob.objects.filter(pk=job.pk).update(created=now - timedelta(hours=1), state=JobState.RUNNING)
    for number, item in enumerate(job.items.order_by("position")[:4]):
        GenerationItem.objects.filter(pk=item.pk).update(
            state=ItemState.SUCCEEDED,
            cost=Decimal("0.1"),
            finished=now - timedelta(seconds=20 * (4 - number)),
        )

    told = progress_of(staff, job)

    assert (told["rate"], told["cost"], told["share_of_budget"]) == ("2 a minute", "0.4 USD (20 %)", 20)
    assert told["time"] == "about 4 min left"
    assert told["said"] == "Running: 4 of 12 pictures are done."
    watched = reviewer_api.get(f"/api/v1/generation/jobs/{job.public_id}/progress/").json()
    assert watched["per_minute"] == pytest.approx(2.25, abs=0.25)
    assert (watched["cost"], watched["budget"]) == ({"amount": 0.4, "currency": "USD"}, 2.0)


@pytest.mark.skipif("not config.getoption('--services')", reason="SQLite plans in its own way")
def test_what_operators_are_told_of_pictures_is_found_by_indexes(db: None) -> None:
    job = GenerationJob.objects.create(kind="outfits", provider="gemini", state=JobState.FINISHED)
    Asset.objects.bulk_create(Asset(title=str(number), state=AssetState.IN_REVIEW) for number in range(5_000))
    GenerationItem.objects.bulk_create(
        GenerationItem(
            job=job, position=number, idempotency_key=str(number), state=ItemState.SUCCEEDED,
            verdict=Verdict.APPROVED if number % 1000 else Verdict.NONE,
            finished=timezone.now() - timedelta(days=30),
        )
        for number in range(20_000)
    )  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE generation_generationitem, dam_asset")
    with CaptureQueriesContext(connection) as captured:
        telemetry.of_library()
    plans = ""
    with connection.cursor() as cursor:
        for query in captured.captured_queries:
            if 'FROM "generation_generationitem"' in query["sql"]:
                cursor.execute(f"EXPLAIN {query['sql']}")
                plans += str(cursor.fetchall())
    assert "generation_item_ended" in plans
    assert "generation_item_unjudged" in plans
    assert "Seq Scan on generation_generationitem" not in plans


def test_newest_results_and_late_scores_are_told_and_then_nothing_more(
    staff: Client, job_of: Callable[..., GenerationJob]
) -> None:
    job = job_of(10)
    told = progress_of(staff, job)
    newest = job.items.order_by("-finished", "-pk")[:8]
    assert [one["id"] for one in told["newest"]] == [str(item.public_id) for item in newest]
    assert told["newest"][0]["address"] == reverse("admin:generation_review_look", args=[newest[0].public_id])
    assert (told["active"], told["unscored"]) == (False, 10)
    page = staff.get(reverse("admin:generation_generationjob_change", args=[job.pk])).content.decode()
    assert 'data-active="false" data-unscored="10"' in page
    assert page.count("data-newest-id=") == 8
    scored = {"quality_state": QualityState.SCORED, "quality": 0.9}
    job.items.update(**scored)
    told = progress_of(staff, job)
    assert (told["unscored"], told["cells"][0]["quality"]["shown"]) == (0, "90 %")


def test_watching_takes_as_many_queries_for_many_as_for_few(
    staff: Client, job_of: Callable[..., GenerationJob]
) -> None:
    taken = []
    for count in (2, 9):
        job = job_of(count)
        progress_of(staff, job)
        with CaptureQueriesContext(connection) as queries:
            progress_of(staff, job)
        taken.append(len(queries))
    assert taken[0] == taken[1]


def test_parameters_are_said_in_words(staff: Client, job_of: Callable[..., GenerationJob]) -> None:
    job = job_of(1, run=False, parameters={"retry_poor": True, "some_word": ["a", True]})
    address = reverse("admin:generation_generationjob_change", args=[job.pk])
    shown = staff.get(address).content.decode()
    assert "<dt>Poor results</dt><dd>made once more, within the budget</dd>" in shown
    assert "<dt>Language of the prompts</dt><dd>English</dd>" in shown
    assert "<dt>Some word</dt><dd>a, yes</dd>" in shown
    assert "retry_poor" not in shown
    assert staff.get(address, HTTP_ACCEPT_LANGUAGE="zh-hans").status_code == 200


# --- Costs ----------------------------------------------------------------------------------------


def test_costs_are_told_by_day_team_job_and_provider(
    staff: Client, reviewer_api: APIClient, job_of: Callable[..., GenerationJob], settings: SettingsWrapper
) -> None:
    anna, ben = UserFactory(username="anna"), UserFactory(username="ben")
    anna.groups.add(
        *(Group.objects.get_or_create(name=name)[0] for name in ("Studio Nord", "editor", "Film"))
    )
    jobs = [job_of(2, owner=anna), job_of(3, owner=ben), job_of(1, owner=anna)]
    today = timezone.localdate()
    jobs[2].spending.update(day=today - timedelta(days=40))
    first = jobs[0].spending.first()
    SpendEntry.objects.filter(pk=first.pk).update(day=today - timedelta(days=1))

    told = reviewer_api.get(COSTS_API).json()

    assert (told["since"], told["until"]) == (str(today - timedelta(days=29)), str(today))
    assert told["totals"] == [{"name": "", "pictures": 5, "cost": 0.5, "assumed": 0.0, "currency": "USD"}]
    assert [(one["name"], one["cost"]) for one in told["by_team"]] == [("", 0.3), ("Film", 0.2)]
    assert [one["cost"] for one in told["by_provider"]] == [0.3, 0.2]
    assert [(row["day"], row["owner"], row["pictures"]) for row in told["rows"]] == [
        (str(today), "ben", 3),
        (str(today), "anna", 1),
        (str(today - timedelta(days=1)), "anna", 1),
    ]
    page = staff.get(COSTS).content.decode()
    assert "Film" in page
    assert page.count("0.3 USD") >= 2
    assert reverse("admin:generation_generationjob_change", args=[jobs[1].pk]) in page
    since = str(today - timedelta(days=60))
    table = staff.get(COSTS, {"since": since, "as": "csv"})
    sent = table.getvalue()
    rows = list(csv.DictReader(io.StringIO(sent.decode("utf-8-sig"))))
    assert len(rows) == 4
    assert (rows[-1]["job"], Decimal(rows[-1]["cost"])) == (str(jobs[2].public_id), Decimal("0.1"))
    csv_of_api = reviewer_api.get(COSTS_API, {"since": since, "as": "csv"})
    assert csv_of_api.getvalue() == sent
    assert reviewer_api.get(COSTS_API, {"since": str(today), "until": since}).status_code == 400
    assert "The first day comes after" in staff.get(COSTS, {"since": today, "until": since}).content.decode()
    assert "Write days like" in staff.get(COSTS, {"since": "soon"}).content.decode()
    nothing = staff.get(COSTS, {"since": "2020-01-01", "until": "2020-01-02"}, HTTP_ACCEPT_LANGUAGE="zh-hans")
    assert nothing.status_code == 200


def test_costs_take_as_many_queries_for_many_jobs_as_for_few(
    reviewer_api: APIClient, job_of: Callable[..., GenerationJob]
) -> None:
    taken = []
    for _round in range(2):
        job_of(1, owner=UserFactory())
        job_of(1, owner=UserFactory())
        reviewer_api.get(COSTS_API)
        with CaptureQueriesContext(connection) as queries:
            reviewer_api.get(COSTS_API)
        taken.append(len(queries))
    assert taken[0] == taken[1]


# --- Being told -----------------------------------------------------------------------------------


@pytest.fixture
def hook(db: None) -> WebhookEndpoint:
    """A system that wants to hear of jobs, beside one that does not."""
    rows = []
    for name, events in (("PIM", [WebhookEvent.JOB_FINISHED]), ("Shop", [WebhookEvent.APPROVED])):
        row = WebhookEndpoint(name=name, url="https://93.184.215.14/", events=events)
        webhooks.save(row, actor=None)
        rows.append(row)
    return rows[0]


def messages() -> QuerySet[WebhookDelivery]:
    """What systems outside are told of jobs."""
    return WebhookDelivery.objects.filter(event="job.finished")


def page_of(job: GenerationJob) -> str:
    """The whole address of the job's page."""
    return f"http://127.0.0.1:8000/admin/generation/generationjob/{job.pk}/change/"


@pytest.fixture
def mail(settings: SettingsWrapper) -> None:
    settings.EMAIL_HOST = "mail.example.com"
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"


def test_each_end_of_a_job_is_told_once(
    job_of: Callable[..., GenerationJob], hook: WebhookEndpoint, mail: None, mailoutbox: list[Any]
) -> None:
    owner = UserFactory(email="anna@example.com")
    job = job_of(2, owner=owner)
    running = job_of(1, run=False)

    tell_ends()
    tell_ends()

    message = messages().get()
    assert (message.endpoint, message.event, message.subject) == (hook, "job.finished", job.public_id)
    told = message.payload["data"]
    assert (told["id"], told["counts"], told["cost"]) == (
        str(job.public_id),
        {"succeeded": 2},
        {"amount": 0.2, "currency": "USD"},
    )
    assert told["finished"].startswith(f"{job.finished:%Y-%m-%dT%H:%M}")
    [letter] = mailoutbox
    assert letter.to == ["anna@example.com"]
    assert "is done" in letter.subject
    assert "• Succeeded: 2" in letter.body
    assert "0.2 USD" in letter.body
    assert "2 pictures wait for a verdict." in letter.body
    assert page_of(job) in letter.body.splitlines()
    assert told["url"] == page_of(job)
    assert not JobEnd.objects.filter(job=running).exists()

    # A picture made again is another end; one that was taken back before it was made is none.
    again = review.regenerate(job.items.first(), actor=None, note="longer")
    review.undo(review.history_of(job.items.first())[0].deed, actor=None)
    tell_ends()
    again.refresh_from_db()
    assert again.state == ItemState.CANCELLED
    assert (len(mailoutbox), messages().count()) == (1, 1)
    review.regenerate(job.items.first(), actor=None, note="longer")
    job.refresh_from_db()
    run_job(job)
    tell_ends()
    assert (len(mailoutbox), messages().count()) == (2, 2)


def test_the_letter_speaks_the_language_in_which_the_job_was_asked_for(
    reviewer_api: APIClient,
    reviewer: User,
    painter: Configure,
    assets_of: Make,
    mail: None,
    mailoutbox: list[Any],
    settings: SettingsWrapper,
) -> None:
    painter()
    settings.SITE_URL = "https://dam.example.com"
    reviewer.email = "mei@example.com"
    reviewer.save()
    chosen = {name: [str(one.public_id) for one in assets_of(name, 1)] for name in ("model", "garment")}
    sent = {"kind": "outfits", "models": chosen["model"], "garments": chosen["garment"]}
    made = reviewer_api.post("/api/v1/generation/jobs/", sent, format="json", HTTP_ACCEPT_LANGUAGE="zh-hans")
    assert made.status_code == 201, made.json()
    job = GenerationJob.objects.get()
    run_job(job)

    tell_ends()

    [letter] = mailoutbox
    assert letter.to == ["mei@example.com"]
    with translation.override("zh-hans"):
        assert str(job) in letter.subject
        assert f"• {ItemState.SUCCEEDED.label}: 1" in letter.body
    assert "Succeeded" not in letter.body
    assert (
        f"https://dam.example.com/admin/generation/generationjob/{job.pk}/change/" in letter.body.splitlines()
    )


def test_a_letter_that_may_have_gone_out_is_not_sent_again(
    job_of: Callable[..., GenerationJob], mail: None, mailoutbox: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = UserFactory(email="anna@example.com")
    job = job_of(1, owner=owner)

    class Killed(BaseException):
        """The process dies while the letter goes out."""

    def die(*_args: Any) -> int:
        raise Killed

    with monkeypatch.context() as during:
        during.setattr(EmailBackend, "send_messages", die)
        with pytest.raises(Killed):
            tell_ends()
    tell_ends()
    assert mailoutbox == []
    assert JobEnd.objects.get(job=job).mail == JobEnd.Mail.SENDING


def test_a_mail_server_that_is_away_is_asked_again_later(
    job_of: Callable[..., GenerationJob], mail: None, mailoutbox: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    job = job_of(1, owner=UserFactory(email="anna@example.com"))

    def away(*_args: Any) -> int:
        raise SMTPServerDisconnected("gone")

    with monkeypatch.context() as during:
        during.setattr(EmailBackend, "send_messages", away)
        tell_ends()
    tell_ends()
    assert mailoutbox == [], "not before its time"
    JobEnd.objects.filter(job=job).update(not_before=timezone.now())
    tell_ends()
    assert len(mailoutbox) == 1


def test_who_has_no_address_gets_no_letter_and_nothing_waits(
    job_of: Callable[..., GenerationJob], mailoutbox: list[Any], settings: SettingsWrapper
) -> None:
    job_of(1, owner=UserFactory(email=""))
    settings.EMAIL_HOST = "mail.example.com"
    tell_ends()
    job_of(1, owner=UserFactory(email="anna@example.com"))
    settings.EMAIL_HOST = ""
    tell_ends()
    assert set(JobEnd.objects.values_list("mail", flat=True)) == {JobEnd.Mail.NONE}
    assert mailoutbox == []


def test_a_job_that_makes_poor_results_again_is_done_when_they_are_scored(
    job_of: Callable[..., GenerationJob], hook: WebhookEndpoint
) -> None:
    job = job_of(1, parameters={"retry_poor": True})
    tell_ends()
    assert not messages().exists()
    job.items.update(quality_state=QualityState.SCORED)
    tell_ends()
    assert messages().count() == 1
    old = job_of(1)
    GenerationJob.objects.filter(pk=old.pk).update(finished=datetime(2026, 1, 1, tzinfo=UTC))
    tell_ends()
    assert messages().count() == 1
