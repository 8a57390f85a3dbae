"""Runs items: calls the provider within the budget, keeps the answer, delivers it to the library."""

from __future__ import annotations

import logging
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.db import connection
from django.utils import timezone
from django.utils.text import Truncator
from django.utils.translation import gettext as _
from tqdm import tqdm

from dam.ingest import IngestError
from generation import budget as money
from generation import delivery, wording
from generation.claiming import claim, lease_kept, seconds_until_due, take
from generation.jobs import JobError, cancel, create_job, finish_job_if_done, pause, resume, retry
from generation.models import GenerationItem, GenerationJob, ItemState, JobKind, JobState
from generation.providers.base import Blocked, ProviderError, ProviderRequest, ProviderResult, Transient
from generation.providers.registry import get_provider

__all__ = ["JobError", "cancel", "create_job", "pause", "resume", "retry", "run_item", "run_job", "work"]

logger = logging.getLogger(__name__)

MAX_ATTEMPTS = 5
BACKOFF_SECONDS = 2.0
BACKOFF_LIMIT_SECONDS = 300.0
_TITLE_SHOWN = 40


def run_job(job: GenerationJob, *, progress: bool = False) -> None:
    """Run a job here and now, as many calls at once as its provider takes; return when it has ended.

    Background workers may take items of the same job meanwhile.

    Args:
        job: its state is read anew at the end.
        progress: show a progress bar on standard error.
    """
    calls = max(1, get_provider(job.provider).capability.parallel_calls)
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
        if item := claim(job):
            _deliver(item)
            if item.state != ItemState.QUEUED:
                bar.update()
            continue
        wait = seconds_until_due(job)
        if wait is None:
            return
        stop.wait(min(max(wait, 0.05), 0.5))


def work(job: GenerationJob, *, seconds: float) -> float | None:
    """A worker's slice of a job: short, so that a long job lets the worker's other tasks through.

    Returns the seconds until the job has more to do; None where it has nothing, or where nothing
    was free for this worker (others hold it, or the provider's calls are taken).
    """
    end = time.monotonic() + seconds
    claimed = False
    while time.monotonic() < end:
        item = claim(job)
        if item is None:
            return seconds_until_due(job) if claimed else None
        claimed = True
        _deliver(item)
    return seconds_until_due(job)


def run_item(item_id: int) -> bool:
    """Run one item if it is due; False where it is not, or another worker has it."""
    item = GenerationItem.objects.claimable().select_related("job__owner").filter(pk=item_id).first()
    if item is None or not take(item):
        return False
    _deliver(item)
    return True


def _deliver(item: GenerationItem) -> None:
    """Take a claimed item as far as it goes; its state tells how it ended."""
    with lease_kept(item):
        if item.attempts > MAX_ATTEMPTS:
            reason = _("It was given up after %(count)s attempts that were cut off.")
            _end(item, ItemState.FAILED, reason % {"count": MAX_ATTEMPTS})
        elif item.answer or _obtain(item):
            _ingest(item)
    finish_job_if_done(item.job_id)


def _obtain(item: GenerationItem) -> bool:
    """Call the provider within the budget; True when the answer is kept."""
    try:
        request = request_of(item)
    except delivery.InputMissing as error:
        return _end(item, ItemState.FAILED, str(error))
    if not reserved(item, inputs=len(request.inputs)):
        return False
    try:
        result = get_provider(item.job.provider).generate(request)
    except ProviderError as error:
        return _not_delivered(item, error)
    except Exception:  # whatever a vendor's library raises ends this item, not the job
        # The money stays set aside: nobody knows whether the vendor charged for this call.
        logger.exception("provider %s failed on item %s", item.job.provider, item.public_id)
        return _end(item, ItemState.FAILED, _("The provider failed in an unforeseen way; the log has more."))
    return _keep(item, result)


def reserved(item: GenerationItem, *, inputs: int) -> bool:
    """Set the price of a claimed item's call aside; False where the item has ended instead."""
    parameters = {**item.job.parameters, **item.parameters}
    try:
        price = get_provider(item.job.provider).price(parameters, inputs=inputs)
    except ProviderError as error:
        return _end(item, ItemState.FAILED, str(error))
    return money.reserve(item, price) or _end(item, ItemState.OVER_BUDGET, _budget_used_up(item))


def take_outcome(item: GenerationItem, outcome: ProviderResult | ProviderError) -> None:
    """Deliver or end a claimed item whose answer came with others'."""
    if isinstance(outcome, ProviderError):
        _not_delivered(item, outcome)
    elif item.answer or _keep(item, outcome):
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
    if not (isinstance(error, Transient) and error.maybe_charged):  # else it stays set aside
        money.settle(item, error.cost)
    if isinstance(error, Blocked):
        return _end(item, ItemState.BLOCKED, str(error))
    if isinstance(error, Transient) and item.attempts < MAX_ATTEMPTS:
        return _put_back(item, str(error), retry_after=error.retry_after)
    return _end(item, ItemState.FAILED, str(error))


def _keep(item: GenerationItem, result: ProviderResult) -> bool:
    try:
        return delivery.keep_answer(item, result)
    except OSError:
        logger.exception("the answer of item %s cannot be stored", item.public_id)
        money.settle(item, result.cost)
        return _end(item, ItemState.FAILED, _("The picture was made, but the storage did not take it."))


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
            _end(item, ItemState.FAILED, reason)
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


def _put_back_or_fail(item: GenerationItem, reason: str) -> None:
    if item.attempts < MAX_ATTEMPTS:
        _put_back(item, reason)
    else:
        _end(item, ItemState.FAILED, reason)


def _put_back(item: GenerationItem, reason: str, *, retry_after: float | None = None) -> bool:
    """Queue the item for later: exponential, with jitter, and never before the vendor's own word."""
    delay = min(BACKOFF_LIMIT_SECONDS, BACKOFF_SECONDS * 2 ** (item.attempts - 1))
    delay = max(delay * random.uniform(0.5, 1.0), (retry_after or 0) * random.uniform(1.0, 1.1))  # noqa: S311
    cancelled = GenerationJob.objects.filter(pk=item.job_id, state=JobState.CANCELLED).exists()
    if cancelled:
        return _end(item, ItemState.CANCELLED, reason)
    not_before = timezone.now() + timedelta(seconds=delay)
    return _release(item, ItemState.QUEUED, reason, not_before=not_before, leased_until=None)


def _end(item: GenerationItem, state: ItemState, reason: str = "", **changes: Any) -> bool:
    return _release(item, state, reason, finished=timezone.now(), leased_until=None, **changes)


def _release(item: GenerationItem, state: ItemState, reason: str, **changes: Any) -> bool:
    """Write the outcome unless the claim was lost. Always False: there is no answer to go on with."""
    GenerationItem.objects.filter(pk=item.pk, attempts=item.attempts, state=ItemState.RUNNING).update(
        state=state, reason=reason, **changes
    )
    item.state, item.reason = state, reason
    return False


def mend_cancelled() -> None:
    """Items of cancelled jobs whose worker died: a paid answer is still taken, the rest is given up."""
    left = GenerationItem.objects.filter(
        state=ItemState.RUNNING, leased_until__lt=timezone.now(), job__state=JobState.CANCELLED
    )
    for item in left.select_related("job__owner"):
        if not take(item):
            continue
        if item.answer:
            with lease_kept(item):
                _ingest(item)
        else:
            _end(item, ItemState.CANCELLED)
