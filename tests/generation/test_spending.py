"""The ledger of calls, caps of a day, and what can be summed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.core.exceptions import ValidationError
from django.db import connection
from django.db.models import Sum
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from dam.models import Asset
from generation import budget, running
from generation.claiming import claim, why_waiting
from generation.costs import report
from generation.jobs import pause, progress_of, resume, retry
from generation.models import (
    GenerationItem,
    GenerationJob,
    ItemState,
    JobState,
    SpendEntry,
    SpendingCap,
    SpendState,
    from_micros,
)
from generation.planning import plan_outfits
from generation.providers.base import Blocked, Refused, Transient
from generation.running import create_job, run_job
from tests.clients import api_of
from tests.dam.storages import AwayStorage
from tests.factories import EditorFactory
from tests.generation.painter import Painter

Make = Callable[..., list[Asset]]
Configure = Callable[..., Painter]
JOBS = "/admin/generation/generationjob/"


class Killed(BaseException):
    """A worker that dies: nothing in the code catches it."""


def _dies(*args: Any, **kwargs: Any) -> Iterator[None]:
    raise Killed


@pytest.fixture
def job_of(assets_of: Make) -> Callable[..., GenerationJob]:
    """`job_of(owner, pictures)`: a job of that many pictures."""

    def make(owner: User | None, pictures: int, **given: Any) -> GenerationJob:
        plan = plan_outfits(assets_of("model", 1), assets_of("garment", pictures))
        return create_job(plan, owner=owner, in_background=False, **given)

    return make


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "BACKOFF_SECONDS", 0.01)


def states(job: GenerationJob) -> dict[str, int]:
    return dict(progress_of(job).counts)


def written(job: GenerationJob) -> list[tuple[int, str, Decimal]]:
    return [(entry.attempt, entry.state, entry.amount) for entry in job.spending.order_by("pk")]


def assert_balanced(job: GenerationJob) -> None:
    """What the job has committed is what its ledger says, and what its items cost is what was paid."""
    job.refresh_from_db()
    counted = job.spending.exclude(state=SpendState.RELEASED).aggregate(sum=Sum("amount_micros"))["sum"] or 0
    paid = job.spending.filter(state=SpendState.SETTLED).aggregate(sum=Sum("amount_micros"))["sum"] or 0
    assert job.committed == from_micros(counted)
    assert progress_of(job).cost == from_micros(paid)


@pytest.mark.usefixtures("no_waiting")
def test_each_call_is_a_row_that_says_what_became_of_its_money(
    painter: Configure, job_of: Callable[..., GenerationJob], editor: User
) -> None:
    engine = painter(price="0.04")
    engine.incidents.extend(
        [
            Transient("500"),
            Transient("No answer in time.", maybe_charged=True),
            Blocked("It may copy a work.", cost=Decimal("0.01")),
            Refused("The key was refused."),
            ZeroDivisionError("a bug in a vendor's library"),
        ]
    )
    job = job_of(editor, 5)

    run_job(job)

    price, nothing = Decimal("0.04"), Decimal(0)
    told = sorted((state, amount) for _attempt, state, amount in written(job))
    assert len(engine.ledger) == 7
    assert told == [
        (SpendState.ASSUMED, price),  # no answer in time
        (SpendState.ASSUMED, price),  # nobody knows
        (SpendState.RELEASED, nothing),  # 500
        (SpendState.RELEASED, nothing),  # the key
        (SpendState.SETTLED, Decimal("0.01")),  # blocked, and charged all the same
        (SpendState.SETTLED, price),
        (SpendState.SETTLED, price),
    ]
    entry = SpendEntry.objects.filter(state=SpendState.SETTLED, amount_micros=40_000).first()
    assert entry is not None
    assert (entry.owner, entry.provider, entry.model, entry.currency, entry.day) == (
        editor,
        job.provider,
        "painter-1",
        "USD",
        timezone.localdate(),
    )
    assert entry.key == entry.item.idempotency_key
    assert_balanced(job)


def test_a_call_that_a_crash_cut_off_is_assumed_to_be_paid(
    painter: Configure, job_of: Callable[..., GenerationJob]
) -> None:
    engine = painter(price="0.1")
    engine.incidents.append(_dies)
    job = job_of(None, 1)
    with pytest.raises(Killed):
        run_job(job)
    assert written(job) == [(1, SpendState.RESERVED, Decimal("0.1"))]

    job.items.update(leased_until=timezone.now() - timedelta(seconds=1))
    run_job(job)

    assert written(job) == [
        (1, SpendState.ASSUMED, Decimal("0.1")),
        (2, SpendState.SETTLED, Decimal("0.1")),
    ]
    assert_balanced(job)


def test_an_answer_that_comes_after_another_worker_took_over_is_booked_where_it_belongs(
    painter: Configure, job_of: Callable[..., GenerationJob]
) -> None:
    engine = painter(price="0.1")
    job = job_of(None, 1)
    taken: list[bool] = []

    def late(request: Any) -> None:
        job.items.update(leased_until=timezone.now() - timedelta(seconds=1))
        taken.append(running.run_item(job.items.get().pk))

    engine.incidents.append(late)

    run_job(job)

    assert (taken, len(engine.ledger)) == ([True], 2)
    assert written(job) == [
        (1, SpendState.SETTLED, Decimal("0.1")),
        (2, SpendState.SETTLED, Decimal("0.1")),
    ]
    assert job.items.get().state == ItemState.SUCCEEDED
    assert_balanced(job)


def test_running_again_pays_nothing_for_which_an_answer_is_under_way(
    painter: Configure, job_of: Callable[..., GenerationJob], editor: User
) -> None:
    engine = painter(price="0.1", parallel_calls=3)
    job = job_of(None, 3)
    slow, refused, lost = job.items.order_by("position")

    def under_way(request: Any) -> None:
        """The first call; meanwhile the second is refused, and the third is taken over and refused."""
        running.run_item(refused.pk)
        running.run_item(lost.pk)
        assert retry(job, actor=editor) == 2
        assert job.items.get(pk=slow.pk).state == ItemState.RUNNING, "it is left alone"

    def stolen(request: Any) -> None:
        """Its worker stood still for so long that another one called."""
        job.items.filter(pk=lost.pk).update(leased_until=timezone.now() - timedelta(seconds=1))
        running.run_item(lost.pk)

    engine.incidents.extend([under_way, Refused("No."), stolen, Refused("No.")])
    assert running.run_item(slow.pk)
    assert job.items.get(pk=slow.pk).state == ItemState.SUCCEEDED
    late = job.items.get(pk=lost.pk)
    assert (late.state, late.attempts, bool(late.answer)) == (ItemState.QUEUED, 2, True)

    run_job(job)

    assert states(job) == {ItemState.SUCCEEDED: 3}
    keys = [request.idempotency_key for request in engine.ledger]
    assert [keys.count(item.idempotency_key) for item in (slow, refused, lost)] == [1, 2, 2]
    paid = job.spending.filter(state=SpendState.SETTLED)
    assert sorted(paid.values_list("item", flat=True)) == sorted([slow.pk, refused.pk, lost.pk])
    assert_balanced(job)


def test_an_answer_to_an_older_claim_is_not_taken_for_that_of_the_claim_after_a_retry(
    painter: Configure, job_of: Callable[..., GenerationJob], editor: User
) -> None:
    engine = painter(price="0.1")
    job = job_of(None, 1)
    newest: list[Any] = []

    def late(request: Any) -> None:
        job.items.update(leased_until=timezone.now() - timedelta(seconds=1))
        running.run_item(job.items.get().pk)  # refused
        retry(job, actor=editor)
        newest.append(claim(job.provider))

    engine.incidents.extend([late, Refused("No.")])
    running.run_item(job.items.get().pk)

    item = job.items.get()
    assert (item.state, bool(item.answer)) == (ItemState.RUNNING, False), "the newest claim holds it"
    running.deliver(newest[0])
    assert job.items.get().state == ItemState.SUCCEEDED
    assert written(job) == [
        (1, SpendState.SETTLED, Decimal("0.1")),
        (2, SpendState.RELEASED, Decimal(0)),
        (3, SpendState.SETTLED, Decimal("0.1")),
    ]
    assert_balanced(job)


# --- Caps ------------------------------------------------------------------------------------------


def test_a_cap_lets_the_rest_wait_for_tomorrow_and_says_so(
    painter: Configure, job_of: Callable[..., GenerationJob], editor: User
) -> None:
    engine = painter(price="0.1")
    cap = SpendingCap.objects.create(user=editor, amount=Decimal("0.25"))
    job, free = job_of(editor, 4), job_of(None, 1)

    run_job(job)
    run_job(free)

    assert states(job) == {ItemState.SUCCEEDED: 2, ItemState.QUEUED: 2}
    assert states(free) == {ItemState.SUCCEEDED: 1}, "the cap is the editor's, not everybody's"
    said = f"“{editor.username}” may spend 0.25 USD a day, which is used up: it goes on tomorrow."
    tomorrow = timezone.localdate() + timedelta(days=1)
    for item in job.items.filter(state=ItemState.QUEUED):
        assert timezone.localtime(item.not_before).date() == tomorrow
        assert item.reason == said
    assert why_waiting(job) == said
    assert budget.spent_today(cap) == Decimal("0.2")

    SpendingCap.objects.update(amount=1)
    pause(job, actor=editor)
    resume(job, actor=editor)
    run_job(job)
    assert states(job) == {ItemState.SUCCEEDED: 4}
    assert (why_waiting(job), len(engine.ledger)) == ("", 5)


def test_waiting_for_a_cap_is_no_try_however_often(
    painter: Configure, job_of: Callable[..., GenerationJob], editor: User
) -> None:
    engine = painter(price="0.1")
    SpendingCap.objects.create(user=editor, amount=Decimal("0.05"))
    job = job_of(editor, 1)
    for _day in range(running.MAX_ATTEMPTS + 1):
        GenerationItem.objects.update(not_before=timezone.now())
        run_job(job)
        assert states(job) == {ItemState.QUEUED: 1}
    SpendingCap.objects.update(amount=1)
    GenerationItem.objects.update(not_before=timezone.now())
    run_job(job)
    assert (states(job), len(engine.ledger)) == ({ItemState.SUCCEEDED: 1}, 1)


def test_yesterdays_spending_counts_for_yesterday(
    painter: Configure, job_of: Callable[..., GenerationJob], editor: User
) -> None:
    painter(price="0.1")
    SpendingCap.objects.create(user=editor, amount=Decimal("0.1"))
    job = job_of(editor, 1)
    run_job(job)
    SpendEntry.objects.update(day=timezone.localdate() - timedelta(days=1))

    another = job_of(editor, 2)
    run_job(another)

    assert states(another) == {ItemState.SUCCEEDED: 1, ItemState.QUEUED: 1}


@pytest.mark.django_db(transaction=True)
def test_concurrent_workers_do_not_pass_a_teams_cap(
    painter: Configure, job_of: Callable[..., GenerationJob], editor: User, stranger: User
) -> None:
    engine = painter(price="0.1", parallel_calls=6)
    engine.seconds = 0.05
    team = Group.objects.create(name="Knitwear")
    editor.groups.add(team)
    stranger.groups.add(team)
    SpendingCap.objects.create(team=team, amount=Decimal("0.5"))
    jobs = [job_of(editor, 6), job_of(stranger, 6)]
    assert [job.team for job in jobs] == [team, team]

    def worker(number: int) -> None:
        try:
            run_job(GenerationJob.objects.get(pk=jobs[number % 2].pk))
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(worker, range(4)))

    assert len(engine.ledger) == 5
    assert sum(states(job)[ItemState.QUEUED] for job in jobs) == 7
    for job in jobs:
        assert_balanced(job)


def test_a_cap_is_of_a_person_or_of_a_team(editor: User) -> None:
    with pytest.raises(ValidationError, match="of a person or of a team"):
        SpendingCap(amount=1).full_clean()


def end(account: User, how: str, browser: Client) -> None:
    """As an administrator does it on the account's page."""
    page = f"/admin/auth/user/{account.pk}/"
    if how == "deleted":
        answer = browser.post(f"{page}delete/", {"post": "yes"})
    else:  # the box “active” is not ticked
        kept = {"username": account.username, "is_staff": "on"}
        joined = {"date_joined_0": "2026-01-01", "date_joined_1": "00:00:00"}
        answer = browser.post(f"{page}change/", {**kept, **joined})
    assert answer.status_code == 302
    assert not User.objects.filter(pk=account.pk, is_active=True).exists()


@pytest.mark.parametrize("how", ["deleted", "disabled"])
def test_an_account_that_ends_has_nothing_more_made(
    painter: Configure, job_of: Callable[..., GenerationJob], client: Client, administrator: User, how: str
) -> None:
    engine = painter(price="0.1")
    account, other = EditorFactory(), EditorFactory()
    SpendingCap.objects.create(user=account, amount=Decimal("0.1"))
    going_on, paused, others = job_of(account, 4), job_of(account, 2), job_of(other, 1)
    pause(paused, actor=account)
    run_job(going_on)
    assert states(going_on) == {ItemState.SUCCEEDED: 1, ItemState.QUEUED: 3}

    client.force_login(administrator)
    end(account, how, client)

    SpendingCap.objects.update(amount=1)
    GenerationItem.objects.update(not_before=timezone.now())
    for job in (going_on, paused, others):
        run_job(job)
    assert states(going_on) == {ItemState.SUCCEEDED: 1, ItemState.CANCELLED: 3}
    assert states(paused) == {ItemState.CANCELLED: 2}
    assert states(others) == {ItemState.SUCCEEDED: 1}
    assert (going_on.state, paused.state) == (JobState.CANCELLED, JobState.CANCELLED)
    assert len(engine.ledger) == 2
    assert_balanced(going_on)


@pytest.mark.usefixtures("no_waiting", "away_storage")
@pytest.mark.parametrize("how", ["deleted", "disabled"])
def test_what_was_paid_before_an_account_ended_is_still_taken_in(
    painter: Configure, job_of: Callable[..., GenerationJob], client: Client, administrator: User, how: str
) -> None:
    engine = painter(price="0.1")
    account = EditorFactory()
    job = job_of(account, 2)

    def goes_away(_request: Any) -> None:
        AwayStorage.away = True

    engine.incidents.append(goes_away)
    paid = job.items.get(position=0)
    assert running.run_item(paid.pk)
    AwayStorage.away = False

    client.force_login(administrator)
    end(account, how, client)
    GenerationItem.objects.filter(pk=paid.pk).update(leased_until=timezone.now() - timedelta(seconds=1))
    running.mend_cancelled()

    assert states(job) == {ItemState.SUCCEEDED: 1, ItemState.CANCELLED: 1}
    paid.refresh_from_db()
    assert paid.output is not None
    assert len(engine.ledger) == 1


def test_a_jobs_budget_is_changed_by_whoever_made_it_or_an_administrator(
    painter: Configure,
    job_of: Callable[..., GenerationJob],
    client: Client,
    editor: User,
    administrator: User,
) -> None:
    engine = painter(price="0.1")
    job = job_of(editor, 3, budget=Decimal("0.1"))
    run_job(job)
    assert states(job) == {ItemState.SUCCEEDED: 1, ItemState.OVER_BUDGET: 2}
    other = EditorFactory()
    client.force_login(other)
    address, page = f"/api/v1/generation/jobs/{job.public_id}/retry/", f"{JOBS}{job.pk}/"

    refused = api_of(other).post(address, {"budget": "100"}, format="json")
    shown = client.get(f"{page}change/").content.decode()
    told = client.post(f"{page}do/retry/", {"budget": "100"}, follow=True).content.decode()

    said = "Only who made the job, or an administrator, changes its budget."
    assert (refused.status_code, refused.json()["detail"]) == (409, said)
    assert said in told
    assert f"{page}do/retry/" in shown
    assert 'name="budget"' not in shown
    job.refresh_from_db()
    assert job.budget == Decimal("0.1")
    assert states(job) == {ItemState.SUCCEEDED: 1, ItemState.OVER_BUDGET: 2}

    assert api_of(other).post(address, {}, format="json").status_code == 200
    run_job(job)
    assert states(job) == {ItemState.SUCCEEDED: 1, ItemState.OVER_BUDGET: 2}
    client.force_login(editor)
    assert 'name="budget"' in client.get(f"{page}change/").content.decode()
    for person, larger in ((editor, "0.2"), (administrator, "0.3")):
        answer = api_of(person).post(address, {"budget": larger}, format="json")
        assert answer.status_code == 200, answer.json()
        run_job(job)
    assert len(engine.ledger) == 3


# --- Sums ------------------------------------------------------------------------------------------


def test_costs_say_what_may_have_been_charged_without_an_answer(
    painter: Configure,
    job_of: Callable[..., GenerationJob],
    editor: User,
    staff_api: APIClient,
    django_assert_max_num_queries: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine = painter(price="0.1")
    team = Group.objects.create(name="Knitwear")
    editor.groups.add(team)
    engine.incidents.append(Transient("No answer.", maybe_charged=True))
    mine, other = job_of(editor, 2), job_of(None, 1)
    monkeypatch.setattr(running, "MAX_ATTEMPTS", 1)
    run_job(mine)
    run_job(other)

    with django_assert_max_num_queries(1):
        sums = {total.name: (total.pictures, total.cost, total.assumed) for total in report().by("team")}
    assert sums == {
        "Knitwear": (1, Decimal("0.2"), Decimal("0.1")),
        "": (1, Decimal("0.1"), Decimal(0)),
    }
    told = staff_api.get("/api/v1/generation/costs/").json()
    assert [(one["pictures"], one["cost"], one["assumed"]) for one in told["totals"]] == [(2, 0.3, 0.1)]


@pytest.mark.parametrize("days", ["until=0001-01-05", "since=9999-12-30", "since=0001-01-01"])
def test_costs_of_days_at_either_end_of_time_are_told_or_refused(staff_api: APIClient, days: str) -> None:
    assert staff_api.get(f"/api/v1/generation/costs/?{days}").status_code in (200, 400)
