"""Who works on what: items are claimed with a lease, and a dead worker's items are found again."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from django.db import connection
from django.db.models import Min, Q, QuerySet
from django.utils import timezone

from generation.models import ACTIVE_STATES, GenerationItem, GenerationJob, ItemState, JobState
from generation.providers.registry import get_provider

LEASE = timedelta(seconds=60)
_CANDIDATES = 8


def claim(job: GenerationJob) -> GenerationItem | None:
    """The next due item of this job, now held by the caller; None where nothing is due or free."""
    capability = get_provider(job.provider).capability
    if capability.batch_size:  # its items go in batches
        return None
    busy = GenerationItem.objects.under_way().filter(job__provider=job.provider).count()
    if busy >= capability.parallel_calls:
        return None
    items = job.items.select_related("job__owner").order_by("position")
    # One query each, not an OR: both are answered from the index in its order, however long the job.
    # What a crash cut off comes first: its money is reserved already.
    for due in (items.abandoned(), items.queued()):
        if item := next((item for item in due[:_CANDIDATES] if take(item)), None):
            return item
    return None


def take(item: GenerationItem) -> bool:
    """Claim by conditional update: of two workers that saw the same item, one changes the row."""
    lease = timezone.now() + LEASE
    taken = GenerationItem.objects.filter(
        pk=item.pk, state=item.state, attempts=item.attempts, leased_until=item.leased_until
    ).update(state=ItemState.RUNNING, attempts=item.attempts + 1, leased_until=lease)
    if not taken:
        return False
    if item.job.state == JobState.QUEUED:
        GenerationJob.objects.filter(pk=item.job_id, state=JobState.QUEUED).update(state=JobState.RUNNING)
    item.state, item.leased_until = ItemState.RUNNING, lease
    item.attempts += 1
    return True


def seconds_until_due(job: GenerationJob) -> float | None:
    """How long until an item of this job may be claimed; None where nothing is left to do."""
    if not GenerationJob.objects.filter(pk=job.pk, state__in=ACTIVE_STATES).exists():
        return None
    times = job.items.unfinished().aggregate(
        queued=Min("not_before", filter=Q(state=ItemState.QUEUED)),
        leased=Min("leased_until", filter=Q(state=ItemState.RUNNING)),
    )
    due = [moment for moment in times.values() if moment is not None]
    return max(0.0, (min(due) - timezone.now()).total_seconds()) if due else None


@contextmanager
def lease_kept(item: GenerationItem) -> Iterator[None]:
    """Renew the lease while a slow call runs, so that only a dead worker's items are taken over."""
    with renewed(GenerationItem.objects.filter(pk=item.pk, attempts=item.attempts), LEASE):
        yield


@contextmanager
def renewed(rows: QuerySet, lease: timedelta) -> Iterator[None]:
    """Renew the lease of these rows as long as the caller is at work on them."""
    done = threading.Event()

    def renew() -> None:
        try:
            while not done.wait(lease.total_seconds() / 3):
                rows.update(leased_until=timezone.now() + lease)
        finally:
            connection.close()

    keeper = threading.Thread(target=renew, name="generation-lease", daemon=True)
    keeper.start()
    try:
        yield
    finally:
        done.set()
        keeper.join()


def jobs_with_work() -> list[int]:
    """Jobs with due items and nobody at work on them: what a crash or a lost message left behind."""
    busy = GenerationItem.objects.under_way().values("job_id")
    due = GenerationItem.objects.claimable().exclude(job_id__in=busy)
    return list(due.order_by("job_id").values_list("job_id", flat=True).distinct())
