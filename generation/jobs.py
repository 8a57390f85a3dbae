"""Jobs: a plan accepted, paused, resumed, cancelled, tried again; and how far it is."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import Count, Exists, F, OuterRef, QuerySet, Sum
from django.dispatch import Signal
from django.utils import timezone
from django.utils.translation import gettext as _

from dam import clock
from dam.audit import record
from dam.roles import Role, has_role
from generation import wording
from generation.budget import team_of
from generation.models import (
    ACTIVE_STATES,
    GenerationItem,
    GenerationJob,
    ItemInput,
    ItemState,
    JobKind,
    JobPriority,
    JobState,
)
from generation.planning import Plan, PlanCell
from generation.providers.base import Cause
from generation.providers.registry import get_provider

if TYPE_CHECKING:
    from django.contrib.auth.models import User

# Sent with `job_id: int` inside the transaction that gave a job something to do.
work_waiting = Signal()

# In an item's parameters: what of its prompt the provider had no room for.
LEFT_OUT = "prompt_left_out"
_ROWS_AT_ONCE = 500


class JobError(Exception):
    """A job cannot be made or changed so; the message is a sentence."""


def create_job(
    plan: Plan,
    *,
    owner: User | None,
    budget: Decimal | None = None,
    parameters: Mapping[str, Any] | None = None,
    priority: int = JobPriority.NORMAL,
    in_background: bool = True,
) -> GenerationJob:
    """Turn a plan into a job whose items are queued; a worker hears of it unless the caller runs it.

    Raises:
        JobError: an empty plan, a provider that is not configured, a budget below one picture.
    """
    _refuse(plan, budget)
    with opened(
        owner,
        {"pictures": plan.picture_count},
        in_background=in_background,
        kind=plan.kind,
        title=_title(plan),
        priority=priority,
        provider=plan.provider,
        parameters={**plan.parameters, **(parameters or {})},
        request=_request(plan),
        budget=budget,
        currency=plan.currency,
    ) as job:
        _create_items(job, plan.cells)
    return job


@contextmanager
def opened(
    owner: User | None, audited: Mapping[str, Any], *, in_background: bool, **fields: Any
) -> Iterator[GenerationJob]:
    """A new job, paid by its owner's team, to be given its items; audited, and told to the workers, when the
    block ends. One transaction.

    Raises:
        JobError: the owner's account was disabled meanwhile.
    """
    with transaction.atomic():
        job = GenerationJob.objects.create(owner=owner, team=team_of(owner), **fields)
        yield job
        if owner is not None and not _is_active(owner):
            raise JobError(_("This account is switched off, so nothing is made for it."))
        record(owner, "job.created", job, provider=job.provider, **audited)
        if in_background:
            work_waiting.send(GenerationJob, job_id=job.pk)


def _is_active(owner: User) -> bool:
    """Locked: whoever disables the account at this moment finds the job (`cancel_all_of`)."""
    accounts = get_user_model().objects.select_for_update(no_key=True).filter(pk=owner.pk)
    return bool(accounts.values_list("is_active", flat=True).first())


def require_payable(provider: str, price: Decimal, currency: str, budget: Decimal | None) -> None:
    """
    Raises:
        JobError: the provider is not configured, or the budget is below one picture.
    """
    if missing := get_provider(provider).check():
        raise JobError(missing)
    if budget is not None and budget < price:
        raise JobError(
            _("The budget of %(budget)s is too small: one picture costs %(price)s.")
            % {"budget": wording.money(budget, currency), "price": wording.money(price, currency)}
        )


def _refuse(plan: Plan, budget: Decimal | None) -> None:
    if not plan.cells:
        if plan.found:
            raise JobError(
                _(
                    "There is a picture of everything already. Ask for it to be made again, or change "
                    "something."
                )
            )
        reasons = " ".join(dict.fromkeys(f"{left.description}: {left.reason}" for left in plan.excluded[:5]))
        raise JobError(_("There is no picture to make. %(reasons)s") % {"reasons": reasons})
    require_payable(plan.provider, plan.price_per_picture, plan.currency, budget)


def _title(plan: Plan) -> str:
    if words := plan.sentence or plan.instruction:
        return words[:255]
    return " × ".join(str(len(ids)) for ids in _chosen_ids(plan).values())


def _request(plan: Plan) -> dict[str, Any]:
    fill = {"role": plan.fill.role, "skus": list(plan.fill.skus)} if plan.fill else None
    return {
        **({"fill": fill} if fill else {}),
        "sentence": plan.sentence,
        "instruction": plan.instruction,
        "inputs": _chosen_ids(plan),
        "excluded": [
            {"cell": left.description, "reason": left.reason, "cells": left.cells}
            for left in plan.excluded[:200]
        ],
    }


def _chosen_ids(plan: Plan) -> dict[str, list[str]]:
    chosen: dict[str, dict[str, None]] = defaultdict(dict)
    for cell in plan.cells:
        for role, asset in cell.inputs:
            chosen[role][str(asset.public_id)] = None
    return {role: list(ids) for role, ids in chosen.items()}


def _create_items(job: GenerationJob, cells: Sequence[PlanCell]) -> None:
    items = GenerationItem.objects.bulk_create(
        [
            GenerationItem(
                job=job,
                position=position,
                prompt=cell.prompt,
                parameters={LEFT_OUT: cell.left_out} if cell.left_out else {},
                state=ItemState.QUEUED,
                idempotency_key=idempotency_key(
                    job, cell.prompt, [(role, asset.pk, asset.current_id) for role, asset in cell.inputs]
                ),
                cell_hash=cell.cell_hash,
                request_hash=cell.request_hash,
            )
            for position, cell in enumerate(cells)
        ],
        batch_size=_ROWS_AT_ONCE,
    )
    ItemInput.objects.bulk_create(
        (
            ItemInput(item=item, asset=asset, version_id=asset.current_id, role=role, position=position)
            for item, cell in zip(items, cells, strict=True)
            for position, (role, asset) in enumerate(cell.inputs)
        ),
        batch_size=_ROWS_AT_ONCE,
    )


def idempotency_key(
    job: GenerationJob,
    prompt: str,
    inputs: Sequence[tuple[str, int, int | None]],
    parameters: Mapping[str, Any] | None = None,
) -> str:
    """Hash of what makes a cell of this job what it is; unique, so the same cell is never paid twice."""
    cell = [str(job.public_id), job.provider, job.parameters, prompt, list(inputs), dict(parameters or {})]
    return hashlib.sha256(json.dumps(cell, sort_keys=True, default=str).encode()).hexdigest()


def pause(job: GenerationJob, *, actor: User | None) -> None:
    """Start nothing more; calls under way end as they end."""
    with transaction.atomic():
        if not _move(job, ACTIVE_STATES, JobState.PAUSED):
            raise JobError(_("Only a job that is waiting or running can be paused."))
        record(actor, "job.paused", job)


def resume(job: GenerationJob, *, actor: User | None) -> None:
    """Go on with a paused job; what waited for another day's spending cap asks it again."""
    with transaction.atomic():
        if not _move(job, (JobState.PAUSED,), JobState.QUEUED):
            raise JobError(_("Only a paused job can be resumed."))
        capped = job.items.filter(state=ItemState.QUEUED, cause=Cause.CAP)
        capped.update(not_before=clock.Now(), cause="", reason="")
        record(actor, "job.resumed", job)
        work_waiting.send(GenerationJob, job_id=job.pk)
    finish_job_if_done(job.pk)
    job.refresh_from_db()


def cancel(job: GenerationJob, *, actor: User | None) -> None:
    """Give up what has not started; a call under way is paid, so its picture is still taken."""
    now = timezone.now()
    with transaction.atomic():
        if not _move(job, (*ACTIVE_STATES, JobState.PAUSED), JobState.CANCELLED):
            raise JobError(_("This job has ended already."))
        waiting = job.items.filter(state__in=(ItemState.PLANNED, ItemState.QUEUED))
        waiting.filter(answer="").update(state=ItemState.CANCELLED, finished=now)
        # Paid and not taken in yet: left to the sweep (`generation.running.mend_cancelled`).
        waiting.exclude(answer="").update(state=ItemState.RUNNING, leased_until=clock.Now())
        GenerationJob.objects.filter(pk=job.pk).update(finished=now)
        record(actor, "job.cancelled", job)
    job.finished = now


def cancel_all_of(owner: User) -> None:
    """Give up all jobs of an account that go on or are paused."""
    going_on = GenerationJob.objects.filter(owner=owner, state__in=(*ACTIVE_STATES, JobState.PAUSED))
    for job in going_on.order_by("pk"):
        with suppress(JobError):  # it has ended meanwhile
            cancel(job, actor=None)


def prioritise(job: GenerationJob, priority: int, *, actor: User | None) -> None:
    """Put a job before or behind others.

    Raises:
        JobError: there is no such priority, or the job has ended.
    """
    if priority not in JobPriority.values:
        raise JobError(_("There is no such priority."))
    with transaction.atomic():
        going_on = GenerationJob.objects.filter(pk=job.pk, state__in=(*ACTIVE_STATES, JobState.PAUSED))
        if not going_on.update(priority=priority):
            raise JobError(_("This job has ended already."))
        record(actor, "job.prioritised", job, priority=priority)
    job.priority = priority


def retry(job: GenerationJob, *, actor: User | None, budget: Decimal | None = None) -> int:
    """Queue what failed or found no budget again, under a new budget if one is given.

    What the provider refused on grounds of content is left: the same request is refused again.
    An answer that was paid and kept is ingested, not asked for again.

    Raises:
        JobError: nothing has failed, the budget is not the actor's to change, or it is another's try-on.
    """
    if is_anothers_try_on(job, actor):
        raise JobError(_("A try-on is made again from the person's picture, on its own page."))
    if budget is not None and not may_change_budget(job, actor):
        raise JobError(_("Only who made the job, or an administrator, changes its budget."))
    with transaction.atomic():
        failed = job.items.filter(state__in=(ItemState.FAILED, ItemState.OVER_BUDGET))
        count = queue_again(job, failed, actor=actor, budget=budget)
        if not count:
            raise JobError(_("Nothing in this job has failed."))
    job.refresh_from_db()
    return count


def may_change_budget(job: GenerationJob, actor: User | None) -> bool:
    """What a job spends is entered as its owner's and their team's."""
    return has_role(actor, Role.ADMINISTRATOR) or (actor is not None and job.owner_id == actor.pk)


def is_anothers_try_on(job: GenerationJob, actor: User | None) -> bool:
    """Whether running it again would send another person's picture to a vendor."""
    return job.kind == JobKind.TRY_ON and actor is not None and job.owner_id != actor.pk


def queue_again(
    job: GenerationJob,
    items: QuerySet[GenerationItem],
    *,
    actor: User | None,
    budget: Decimal | None = None,
) -> int:
    """Queue ended items of a job once more; how many. To be called in a transaction."""
    _locked(job.pk)  # else it could be finished between the items and itself
    count = items.update(
        state=ItemState.QUEUED,
        attempts_before=F("attempts"),
        reason="",
        cause="",
        finished=None,
        not_before=clock.Now(),
    )
    if not count:
        return 0
    # A job that somebody has paused stays so.
    ended = GenerationJob.objects.filter(pk=job.pk, state__in=(JobState.FINISHED, JobState.CANCELLED))
    ended.update(state=JobState.QUEUED, finished=None)
    if budget is not None:
        GenerationJob.objects.filter(pk=job.pk).update(budget=budget)
    record(actor, "job.retried", job, pictures=count, **({"budget": str(budget)} if budget else {}))
    work_waiting.send(GenerationJob, job_id=job.pk)
    return count


def _move(job: GenerationJob, before: Sequence[str], after: str) -> bool:
    moved = GenerationJob.objects.filter(pk=job.pk, state__in=before).update(state=after)
    if moved:
        job.state = after
    return bool(moved)


@dataclass(frozen=True)
class JobProgress:
    """How far a job is: items by state and money."""

    counts: Mapping[str, int]
    cost: Decimal

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    @property
    def done(self) -> int:
        return self.total - sum(
            self.counts.get(state, 0) for state in (ItemState.PLANNED, ItemState.QUEUED, ItemState.RUNNING)
        )

    def count(self, state: str) -> int:
        return self.counts.get(state, 0)


def progress_of(job: GenerationJob) -> JobProgress:
    """The job's items by state, and what they have cost."""
    rows = job.items.order_by().values("state").annotate(count=Count("pk"), cost=Sum("cost"))
    counts = {row["state"]: row["count"] for row in rows}
    return JobProgress(counts, sum((row["cost"] for row in rows), Decimal(0)))


def finish_job_if_done(job_id: int) -> None:
    """A job without unfinished items is finished; safe to call by several workers at once."""
    unfinished = GenerationItem.objects.filter(job_id=job_id).unfinished()
    if unfinished.exists():
        return
    with transaction.atomic():
        if _locked(job_id) in ACTIVE_STATES and not unfinished.exists():
            GenerationJob.objects.filter(pk=job_id).update(state=JobState.FINISHED, finished=timezone.now())


def finish_all_that_are_done() -> None:
    """Jobs whose last item ended without anybody who would say so."""
    unfinished = GenerationItem.objects.filter(job=OuterRef("pk")).unfinished()
    done = GenerationJob.objects.filter(~Exists(unfinished), state__in=ACTIVE_STATES)
    for key in list(done.values_list("pk", flat=True)):
        finish_job_if_done(key)


def is_cancelled(job_id: int) -> bool:
    """Whether somebody has given the job up; nobody does before the end of the caller's transaction."""
    return _locked(job_id) == JobState.CANCELLED


def _locked(job_id: int) -> str | None:
    """The state of a job, whose row is locked: whoever adds items to it, or ends it, waits."""
    jobs = GenerationJob.objects.select_for_update(no_key=True).filter(pk=job_id)
    return jobs.values_list("state", flat=True).first()
