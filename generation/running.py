"""Runs items: calls the provider within the budget, keeps the answer, delivers it to the library."""

from __future__ import annotations

import logging
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone
from django.utils.text import Truncator
from django.utils.translation import gettext as _
from tqdm import tqdm

from dam import clock
from dam.errors import StorageUnavailable
from dam.ingest import IngestError
from generation import budget as money
from generation import delivery, pace, wording
from generation.claiming import (
    LEASE,
    Wait,
    claim,
    lease_kept,
    seconds_until_due,
    seconds_until_provider_due,
    take,
)
from generation.jobs import (
    JobError,
    cancel,
    create_job,
    finish_job_if_done,
    is_cancelled,
    pause,
    resume,
    retry,
)
from generation.models import GenerationItem, GenerationJob, ItemState, JobKind, JobState
from generation.providers.base import (
    Blocked,
    Cause,
    ProviderError,
    ProviderRequest,
    ProviderResult,
    Transient,
)
from generation.providers.registry import get_provider

__all__ = ["JobError", "cancel", "create_job", "pause", "resume", "retry", "run_item", "run_job", "work"]

logger = logging.getLogger(__name__)

MAX_ATTEMPTS = 5
BACKOFF_SECONDS = 2.0
BACKOFF_LIMIT_SECONDS = 300.0
_TITLE_SHOWN = 40
# A worker that finds all calls taken stays so long for one that ends; then its other tasks have their turn.
_PATIENCE_SECONDS = 2.0
# Whoever waits for a job here and now is not kept until the next day.
_LONGEST_WAIT_SECONDS = 2 * BACKOFF_LIMIT_SECONDS


def run_job(job: GenerationJob, *, progress: bool = False) -> None:
    """Run a job here and now, as many calls at once as its provider takes; return when it has ended.

    It returns earlier where all that is left has to wait for another day. Background workers may take items
    of the same job meanwhile.

    Args:
        job: its state is read anew at the end.
        progress: show a progress bar on standard error.
    """
    calls = pace.parallel_calls(job.provider)
    stop = threading.Event()
    total, left = job.items.count(), job.items.unfinished().count()
    title = Truncator(str(job)).chars(_TITLE_SHOWN)
    with tqdm(total=total, initial=total - left, unit="picture", desc=title, disable=not progress) as bar:
        if calls == 1 or connection.in_atomic_block:  # others see nothing of an open transaction
            _work_until_done(job, bar, stop)
        else:
            _work_in_threads(job, bar, stop, calls)
    job.refresh_from_db()


def _work_in_threads(job: GenerationJob, bar: tqdm, stop: threading.Event, calls: int) -> None:
    def thread() -> None:
        try:
            _work_until_done(job, bar, stop)
        finally:
            connection.close()

    with ThreadPoolExecutor(calls, thread_name_prefix="generation") as pool:
        try:
            for future in [pool.submit(thread) for _number in range(calls)]:
                future.result()
        finally:
            stop.set()


def _work_until_done(job: GenerationJob, bar: tqdm, stop: threading.Event) -> None:
    while not stop.is_set():
        found = claim(job.provider, only=job)
        if isinstance(found, GenerationItem):
            deliver(found)
            if found.state != ItemState.QUEUED:
                bar.update()
            continue
        wait = seconds_until_due(job) if found is None else found.seconds
        if wait is None or wait > _LONGEST_WAIT_SECONDS:
            return
        stop.wait(min(max(wait, 0.05), 0.5))


def work(provider: str, *, seconds: float) -> float | None:
    """A worker's slice of a provider's items: short, so that a long job lets its other tasks through.

    Returns the seconds until there is more to do; None where there is nothing, or where others make all the
    calls that the provider takes.
    """
    end = time.monotonic() + seconds
    leave = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < end:
        found = claim(provider)
        if isinstance(found, GenerationItem):
            deliver(found)
            leave = time.monotonic() + _PATIENCE_SECONDS
        elif isinstance(found, Wait):
            if found.seconds > _PATIENCE_SECONDS:
                return found.seconds
            if time.monotonic() > leave:
                return None
            time.sleep(found.seconds)
        else:
            break
    return seconds_until_provider_due(provider)


def run_item(item_id: int) -> bool:
    """Run one item if it is due; False where it is not, or another worker has it."""
    item = GenerationItem.objects.claimable().select_related("job__owner").filter(pk=item_id).first()
    if item is None or not take(item):
        return False
    deliver(item)
    return True


def deliver(item: GenerationItem) -> None:
    """Take a claimed item as far as it goes; its state tells how it ended."""
    with lease_kept(item):
        if answered(item):
            _ingest(item)
    finish_job_if_done(item.job_id)


def answered(item: GenerationItem) -> bool:
    """True where the answer of a claimed item is kept, for which the provider is called if need be.

    Otherwise the item has ended, or is queued again.
    """
    if item.tries > _tries_of(item):
        reason = _("It was given up after %(count)s attempts that were cut off.")
        return _end(item, ItemState.FAILED, reason % {"count": _tries_of(item)}, cause=Cause.CUT_OFF)
    return bool(item.answer) or obtain(item)


def _tries_of(item: GenerationItem) -> int:
    """Calls have so many; taking in what was paid for has as many of its own."""
    return 2 * MAX_ATTEMPTS if item.answer else MAX_ATTEMPTS


def obtain(item: GenerationItem) -> bool:
    """Call the provider within the budget; True when the answer is kept."""
    try:
        request = request_of(item)
    except delivery.InputMissing as error:
        return _end(item, ItemState.FAILED, str(error), cause=Cause.INPUT)
    except StorageUnavailable as error:
        return _put_back_or_fail(item, str(error))
    if not reserved(item, inputs=len(request.inputs)):
        return False
    try:
        result = get_provider(item.job.provider).generate(request)
    except ProviderError as error:
        _note(item.job.provider, error)
        return _not_delivered(item, error)
    except Exception:  # whatever a vendor's library raises ends this item, not the job
        # Its money counts as paid: nobody knows whether the vendor charged for this call.
        logger.exception("provider %s failed on item %s", item.job.provider, item.public_id)
        reason = _("The provider failed in an unforeseen way; the log has more.")
        return _end(item, ItemState.FAILED, reason, cause=Cause.UNFORESEEN)
    kept = delivery.keep_answer(item, result)
    _note(item.job.provider, None)
    return kept


def _note(provider: str, error: ProviderError | None) -> None:
    """For the circuit breaker. A refusal is an answer too."""
    if error is not None and error.cause == Cause.OUTAGE:
        pace.note_outage(provider, str(error))
    else:
        pace.note_answer(provider)


def reserved(item: GenerationItem, *, inputs: int) -> bool:
    """Set the price of a claimed item's call aside; False where the item has ended or waits instead."""
    parameters = {**item.job.parameters, **item.parameters}
    try:
        price = get_provider(item.job.provider).price(parameters, inputs=inputs)
        money.reserve(item, price)
    except ProviderError as error:
        return _end(item, ItemState.FAILED, str(error), cause=error.cause)
    except money.BudgetUsedUp:
        return _end(item, ItemState.OVER_BUDGET, _budget_used_up(item), cause=Cause.BUDGET)
    except money.CapReached as error:
        return _wait_for_tomorrow(item, error)
    return True


def _wait_for_tomorrow(item: GenerationItem, error: money.CapReached) -> bool:
    """Nothing of the job runs before the caps of the next day; resuming the job asks them again."""
    cap = error.cap
    named = {"amount": wording.money(cap.amount, cap.currency), "whose": cap.user or cap.team}
    if cap.user_id:
        reason = _("“%(whose)s” may spend %(amount)s a day, which is used up: it goes on tomorrow.") % named
    else:
        reason = _("The team “%(whose)s” may spend %(amount)s a day: it goes on tomorrow.") % named
    day = timezone.localdate() + timedelta(days=1)
    held = {
        "not_before": timezone.make_aware(datetime.combine(day, datetime.min.time())),
        "cause": Cause.CAP,
    }
    item.job.items.filter(state=ItemState.QUEUED).update(reason=reason, **held)
    # Nobody was called: it is no try.
    tries = F("attempts_before") + 1
    return _release(item, ItemState.QUEUED, reason, leased_until=None, attempts_before=tries, **held)


def take_outcome(item: GenerationItem, outcome: ProviderResult | ProviderError) -> None:
    """Deliver or end a claimed item whose answer came with others'."""
    if isinstance(outcome, ProviderError):
        _not_delivered(item, outcome)
    elif item.answer or delivery.keep_answer(item, outcome):
        _ingest(item)
    finish_job_if_done(item.job_id)


def request_of(item: GenerationItem) -> ProviderRequest:
    """
    Raises:
        InputMissing: an input cannot be used any more.
    """
    inputs = delivery.inputs_of(item)
    titles = delivery.titles_of(item.job, inputs)
    return ProviderRequest(
        prompt=item.prompt,
        inputs=[*delivery.person_of(item), *delivery.provider_inputs(inputs)],
        parameters={
            **item.job.parameters,
            **item.parameters,
            "kind": item.job.kind,
            "title": titles["en"],
            "title_zh": titles["zh"],
        },
        idempotency_key=item.idempotency_key,
    )


def _budget_used_up(item: GenerationItem) -> str:
    job = GenerationJob.objects.get(pk=item.job_id)
    return _("The budget of %(budget)s is used up: %(committed)s is spent or set aside.") % {
        "budget": wording.money(job.budget or Decimal(0), job.currency),
        "committed": wording.money(job.committed, job.currency),
    }


def _not_delivered(item: GenerationItem, error: ProviderError) -> bool:
    if not (isinstance(error, Transient) and error.maybe_charged):  # else it is assumed to be paid
        money.settle(item, error.cost)
    if isinstance(error, Blocked):
        return _end(item, ItemState.BLOCKED, str(error), cause=error.cause)
    if isinstance(error, Transient) and item.tries < MAX_ATTEMPTS:
        return _put_back(item, str(error), cause=error.cause, retry_after=error.retry_after)
    return _end(item, ItemState.FAILED, str(error), cause=error.cause)


def _ingest(item: GenerationItem) -> None:
    if item.job.kind == JobKind.TRY_ON:
        _keep_private(item)
        return
    try:
        asset, is_new = delivery.ingest_answer(item)
    except IngestError as error:
        if error.code != "storage":
            delivery.drop_answer(item)
            reason = _("What the provider sent cannot be used: %(reason)s") % {"reason": error}
            _end(item, ItemState.FAILED, reason, cause=Cause.DAMAGED)
            return
        _put_back_or_fail(item, str(error))
        return
    except OSError as error:
        logger.exception("the answer of item %s cannot be ingested", item.public_id)
        _put_back_or_fail(item, str(error))
        return
    item.output = asset
    note = "" if is_new else _("The library held this very picture already.")
    _end(item, ItemState.SUCCEEDED, note, output=asset)
    delivery.drop_answer(item)


def _keep_private(item: GenerationItem) -> None:
    """A try-on's picture belongs to its person: it never enters the library."""
    try:
        kept = delivery.keep_private(item)
    except OSError as error:
        logger.exception("the answer of item %s cannot be kept", item.public_id)
        _put_back_or_fail(item, str(error))
        return
    if kept:
        _end(item, ItemState.SUCCEEDED)
    else:
        _end(item, ItemState.CANCELLED, _("The person's picture was deleted."))
    delivery.drop_answer(item)


def _put_back_or_fail(item: GenerationItem, reason: str) -> bool:
    if item.tries < _tries_of(item):
        return _put_back(item, reason, cause=Cause.STORAGE)
    return _end(item, ItemState.FAILED, reason, cause=Cause.STORAGE)


def _put_back(item: GenerationItem, reason: str, *, cause: Cause, retry_after: float | None = None) -> bool:
    """Queue the item for later: exponential, with jitter, and never before the vendor's own word."""
    delay = min(BACKOFF_LIMIT_SECONDS, BACKOFF_SECONDS * 2 ** (item.tries - 1))
    delay = max(delay * random.uniform(0.5, 1.0), (retry_after or 0) * random.uniform(1.0, 1.1))  # noqa: S311
    not_before = clock.after(timedelta(seconds=delay))
    return _release(item, ItemState.QUEUED, reason, not_before=not_before, leased_until=None, cause=cause)


def _end(
    item: GenerationItem, state: ItemState, reason: str = "", *, cause: str = "", **changes: Any
) -> bool:
    ended = timezone.now()
    return _release(item, state, reason, finished=ended, leased_until=None, cause=cause, **changes)


def _release(item: GenerationItem, state: ItemState, reason: str, **changes: Any) -> bool:
    """Write the outcome unless the claim was lost. Always False: there is no answer to go on with.

    A call that is still open then got no answer. In a cancelled job nothing is queued again: what is paid
    stays with the sweep (`mend_cancelled`), the rest is given up.
    """
    with transaction.atomic():
        if state == ItemState.QUEUED and is_cancelled(item.job_id):
            if item.answer:
                state, changes = ItemState.RUNNING, {"leased_until": clock.after(LEASE)}
            else:
                state = ItemState.CANCELLED
                changes = {"finished": timezone.now(), "leased_until": None, "cause": ""}
        held = GenerationItem.objects.filter(pk=item.pk, attempts=item.attempts, state=ItemState.RUNNING)
        if held.update(state=state, reason=reason, **changes):
            money.assume(item)
    item.state, item.reason = state, reason
    return False


def mend_waits() -> None:
    """What a clock that was ahead has left: leases of the dead, and waits that nothing asks for."""
    calling = GenerationItem.objects.filter(state=ItemState.RUNNING, batch=None)
    clock.mend(calling, "leased_until", LEASE)
    # How long these two wait is said by others.
    told = (Cause.CAP, Cause.RATE)
    untold = GenerationItem.objects.filter(state=ItemState.QUEUED).exclude(cause__in=told)
    clock.mend(untold, "not_before", timedelta(seconds=BACKOFF_LIMIT_SECONDS))
    clock.mend(untold.filter(cause=""), "not_before", timedelta(0))
    pace.mend_waits()


def mend_cancelled() -> None:
    """Items of cancelled jobs whose worker died: a paid answer is still taken, the rest is given up."""
    left = GenerationItem.objects.filter(
        state=ItemState.RUNNING, leased_until__lt=clock.Now(), job__state=JobState.CANCELLED
    )
    for item in left.select_related("job__owner"):
        if not take(item):
            continue
        if not item.answer:
            _end(item, ItemState.CANCELLED)
            continue
        try:
            deliver(item)
        except Exception:  # the others of the sweep go on
            logger.exception("the answer of item %s waits for the next sweep", item.public_id)
