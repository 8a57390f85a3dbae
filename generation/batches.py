"""Jobs of providers that work in batches: items are handed in together, and fetched when they are done.

A batch is written down before it is handed in and found again at the vendor by its key, so that a process
that is killed in between pays nothing twice (`generation.providers.base.BatchProvider`).
"""

from __future__ import annotations

import logging
import time
import uuid
from datetime import timedelta
from typing import cast

from django.db import transaction
from django.db.models import Count, Min, Q, QuerySet
from django.utils import timezone

from dam import clock
from dam.leases import renewed
from generation.claiming import jobs_with_due_batches, take
from generation.delivery import InputMissing
from generation.jobs import finish_job_if_done
from generation.models import (
    ACTIVE_STATES,
    GenerationBatch,
    GenerationItem,
    GenerationJob,
    ItemState,
    JobState,
)
from generation.providers.base import (
    BatchHandle,
    BatchProvider,
    Cause,
    ProviderError,
    ProviderRequest,
    Refused,
    Transient,
)
from generation.providers.registry import get_provider
from generation.running import deliver, request_of, reserved, take_outcome

logger = logging.getLogger(__name__)

POLL_SECONDS = 60.0
LEASE = timedelta(minutes=5)
# Longer than any vendor lets a batch wait: nobody else takes its items meanwhile.
LONGEST_WAIT = timedelta(hours=72)


def run_job(job: GenerationJob) -> None:
    """Run a job here and return when it has ended, which may take a day."""
    while (wait := advance(job)) is not None:
        time.sleep(min(wait, POLL_SECONDS))
    job.refresh_from_db()


def advance(job: GenerationJob) -> float | None:
    """Fetch what is done, hand in what waits; the seconds until there is more, None where nothing is left."""
    provider = cast(BatchProvider, get_provider(job.provider))
    for batch in _due(job.batches.all()):
        if _leased(batch):
            _go_on(batch, provider)
    _take_in_what_is_paid(job)
    while new := _gathered(job, provider.capability.batch_size):
        _go_on(new, provider, fresh=True)
    return _seconds_until_due(job)


def mend_waits() -> None:
    """What a clock that was ahead has left."""
    under_way = GenerationBatch.objects.filter(ended=None)
    clock.mend(under_way, "leased_until", LEASE)
    clock.mend(under_way, "not_before", timedelta(seconds=POLL_SECONDS))


def jobs_due() -> list[int]:
    """Jobs with batches to look at, or with items that wait for one."""
    looked_at = _due(GenerationBatch.objects.all()).order_by().values_list("job_id", flat=True).distinct()
    return sorted({*looked_at, *jobs_with_due_batches()})


def _due(batches: QuerySet[GenerationBatch]) -> QuerySet[GenerationBatch]:
    free = Q(leased_until__isnull=True) | Q(leased_until__lt=clock.Now())
    return batches.filter(free, ended__isnull=True, not_before__lte=clock.Now())


def _leased(batch: GenerationBatch) -> bool:
    """Claim by conditional update: one process at a time hands a batch in or fetches it."""
    until = clock.now() + LEASE
    taken = GenerationBatch.objects.filter(pk=batch.pk, leased_until=batch.leased_until, ended=None)
    if not taken.update(leased_until=until):
        return False
    batch.leased_until = until
    return True


def _take_in_what_is_paid(job: GenerationJob) -> None:
    """Answers that are kept since the storage or the database did not take the picture; nobody is called."""
    kept = job.items.claimable().exclude(answer="").select_related("job__owner").order_by("position")
    for item in kept:
        if take(item):
            deliver(item)


def _gathered(job: GenerationJob, size: int) -> GenerationBatch | None:
    """A batch of the next items that wait, claimed and within the budget; None where there is none."""
    waiting = job.items.queued().filter(answer="").select_related("job__owner").order_by("position")
    with transaction.atomic():
        # The job before its items, as cancelling does it: no deadlock.
        GenerationJob.objects.filter(pk=job.pk).update(served=clock.Now())
        claimed = [
            item.pk
            for item in waiting.annotate(input_count=Count("inputs"))[:size]
            if take(item) and reserved(item, inputs=item.input_count)
        ]
        if not claimed:
            finish_job_if_done(job.pk)
            return None
        batch = GenerationBatch.objects.create(
            job=job, key=uuid.uuid4().hex, leased_until=clock.now() + LEASE
        )
        GenerationItem.objects.filter(pk__in=claimed).update(
            batch=batch, leased_until=clock.after(LONGEST_WAIT)
        )
    return batch


def _go_on(batch: GenerationBatch, provider: BatchProvider, *, fresh: bool = False) -> None:
    """One step of a batch that the caller holds: handed in, asked after, or fetched.

    What the vendor refuses ends a batch that has just been made. An older one may have been paid: it is asked
    for again until no vendor keeps it any longer, for the key may be wrong only now.
    """
    row = GenerationBatch.objects.filter(pk=batch.pk)
    try:
        with renewed(row, LEASE):
            _step(batch, provider)
    except Transient as error:
        logger.warning("batch %s waits: %s", batch, error)
    except ProviderError as error:
        logger.warning("batch %s is refused: %s", batch, error)
        if fresh or batch.created + LONGEST_WAIT < timezone.now():
            _end(batch, error)
    except Exception:  # whatever a vendor's library raises: the batch is looked at again
        logger.exception("batch %s cannot be gone on with", batch)
    row.update(leased_until=None, not_before=clock.after(timedelta(seconds=POLL_SECONDS)))


def _step(batch: GenerationBatch, provider: BatchProvider) -> None:
    cancelled = GenerationJob.objects.filter(pk=batch.job_id, state=JobState.CANCELLED).exists()
    if batch.name:
        known = BatchHandle(batch.key, batch.name)
        if provider.progress(known).ended:
            _fetch(batch, known, provider)
        elif cancelled:
            provider.cancel(known)
        return
    handle = provider.find(batch.key)
    if handle is None:
        requests = [] if cancelled else _requests(batch)
        if not requests:
            _end(batch, Transient(""))
            return
        handle = provider.submit(batch.key, requests)
    GenerationBatch.objects.filter(pk=batch.pk).update(name=handle.name)


def _requests(batch: GenerationBatch) -> list[ProviderRequest]:
    """Of the items whose inputs are still there; the others end."""
    requests = []
    for item in _under_way(batch):
        try:
            requests.append(request_of(item))
        except InputMissing as error:
            take_outcome(item, Refused(str(error), cause=Cause.INPUT))
    return requests


def _fetch(batch: GenerationBatch, handle: BatchHandle, provider: BatchProvider) -> None:
    """Deliver each answer as it is read; cut off, it goes on with those that are not delivered yet."""
    items = {item.idempotency_key: item for item in _under_way(batch)}
    for answer in provider.collect(handle, list(items)):
        take_outcome(items[answer.idempotency_key], answer.outcome)
    GenerationBatch.objects.filter(pk=batch.pk).update(ended=timezone.now())


def _end(batch: GenerationBatch, error: ProviderError) -> None:
    """Nothing comes of it any more."""
    for item in _under_way(batch):
        take_outcome(item, error)
    GenerationBatch.objects.filter(pk=batch.pk).update(ended=timezone.now())


def _under_way(batch: GenerationBatch) -> QuerySet[GenerationItem]:
    return batch.items.filter(state=ItemState.RUNNING).select_related("job__owner").order_by("position")


def _seconds_until_due(job: GenerationJob) -> float | None:
    times = [
        job.batches.filter(ended=None).aggregate(at=Min("not_before"))["at"],
        job.items.filter(state=ItemState.QUEUED, job__state__in=ACTIVE_STATES).aggregate(
            at=Min("not_before")
        )["at"],
    ]
    due = [moment for moment in times if moment is not None]
    return max(0.0, (min(due) - clock.now()).total_seconds()) if due else None
