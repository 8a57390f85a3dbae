"""Who works on what: items are claimed with a lease, and a dead worker's items are found again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, F, Min, OuterRef, Q, QuerySet
from django.utils import timezone

from dam import clock
from dam.leases import renewed
from generation import pace
from generation.models import (
    ACTIVE_STATES,
    GenerationItem,
    GenerationJob,
    ItemState,
    JobState,
    ProviderGate,
)
from generation.providers.base import Cause
from generation.providers.registry import get_provider

LEASE = timedelta(seconds=30)
_FULL_SECONDS = 0.2
_SPARE = 8  # candidates beside those wanted: somebody may take one meanwhile


@dataclass(frozen=True)
class Wait:
    """Something is due, but the provider takes no call for so many seconds."""

    seconds: float


def claim(provider: str, *, only: GenerationJob | None = None) -> GenerationItem | Wait | None:
    """The next due item of a provider, now held by the caller; None where nothing is due.

    Args:
        only: items of this job alone.
    """
    found = claim_some(provider, 1, only=only)
    return found[0] if isinstance(found, list) else found


def claim_some(
    provider: str, most: int, *, only: GenerationJob | None = None
) -> list[GenerationItem] | Wait | None:
    """The next due items of a provider, now held by the caller; None where nothing is due.

    Jobs of a higher priority go first; among those of one priority, owners take turns, whoever waits longest
    first, each with their oldest job. The provider's row is locked meanwhile, so that however many workers
    ask at once, its calls, its rate and its outages are counted by one at a time.

    Args:
        most: so many of them at most.
        only: items of this job alone.
    """
    if in_batches(provider):
        return None
    # Asked in vain, it locks nothing.
    if not _active(provider, only).filter(_has_due()).exists():
        return None
    if _free_calls(provider) <= 0 and not _answered(provider, only).exists():
        return Wait(_FULL_SECONDS)
    with transaction.atomic():
        gate = _locked(provider)
        turns = _Turns(provider, only, most)
        if turns.are_over:
            return None
        found = turns.take_each(_answered(provider, only))  # needs no call
        free = _free_calls(provider)
        while len(found) < most:
            item = _wait(gate, free) or turns.next()
            if not isinstance(item, GenerationItem):
                return found or item
            found.append(item)
            free -= 1
        return found


def _wait(gate: ProviderGate, free: int) -> Wait | None:
    if free <= 0:
        return Wait(_FULL_SECONDS)
    seconds = pace.closed_for(gate) or pace.take_token(gate)
    return Wait(seconds) if seconds else None


def _free_calls(provider: str) -> int:
    """How many more calls it takes than are under way; below 0 where it takes fewer now than it did."""
    under_way = GenerationItem.objects.calling().filter(job__provider=provider).count()
    return pace.parallel_calls(provider) - under_way


def _locked(provider: str) -> ProviderGate:
    """Its row, locked to the end of the caller's transaction: by an update, as SQLite locks too."""
    gates = ProviderGate.objects.filter(provider=provider)
    if not gates.update(claims=F("claims") + 1):
        ProviderGate.objects.bulk_create([ProviderGate(provider=provider)], ignore_conflicts=True)
        gates.update(claims=F("claims") + 1)
    return gates.get()


def _active(provider: str, only: GenerationJob | None) -> QuerySet[GenerationJob]:
    jobs = GenerationJob.objects.filter(provider=provider, state__in=ACTIVE_STATES)
    return jobs if only is None else jobs.filter(pk=only.pk)


def _has_due() -> Q:
    """One query each, not an OR: both are answered from the index, however long the job."""
    items = GenerationItem.objects.filter(job=OuterRef("pk")).order_by()
    return Q(Exists(items.filter(state=ItemState.QUEUED, not_before__lte=clock.Now()))) | Q(
        Exists(items.filter(state=ItemState.RUNNING, leased_until__lt=clock.Now()))
    )


def _answered(provider: str, only: GenerationJob | None) -> QuerySet[GenerationItem]:
    """Items whose answer is kept and whose worker died."""
    kept = GenerationItem.objects.abandoned().exclude(answer="")
    return kept.filter(job__in=_active(provider, only)).order_by("leased_until")


class _Turns:
    """Jobs with due items, whose turn it is, and what is theirs to take; for one claim."""

    def __init__(self, provider: str, only: GenerationJob | None, most: int) -> None:
        self._most = most
        self._goes_on: dict[int, bool] = {}
        self._served: dict[int | None, datetime] = {}
        self._turns: dict[int | None, int] = {}
        jobs = list(_active(provider, only).annotate(is_due=_has_due()).order_by("pk"))
        for job in jobs:
            if job.served:
                self._served[job.owner_id] = max(job.served, self._served.get(job.owner_id, job.served))
        self._jobs = {job: self._due(job) for job in jobs if getattr(job, "is_due", False)}

    @property
    def are_over(self) -> bool:
        return not self._jobs

    def next(self) -> GenerationItem | None:
        """The item whose turn it is, taken."""
        while self._jobs:
            job = min(self._jobs, key=self._rank)
            for item in self._jobs[job]:
                if self._take(item):
                    self._turns[job.owner_id] = 1 + max(self._turns.values(), default=0)
                    return item
            del self._jobs[job]
        return None

    def take_each(self, items: QuerySet[GenerationItem]) -> list[GenerationItem]:
        """Of these, as many as are wanted."""
        return [item for item in items.select_related("job__owner")[: self._most] if self._take(item)]

    def _rank(self, job: GenerationJob) -> tuple[int, int, datetime, int]:
        """Whom this claim has served comes after all that it has not, in the same order again."""
        never = datetime.min.replace(tzinfo=timezone.get_current_timezone())
        turn = self._turns.get(job.owner_id, 0)
        return -job.priority, turn, self._served.get(job.owner_id, never), job.pk

    def _due(self, job: GenerationJob) -> Iterator[GenerationItem]:
        """What a crash cut off comes first: its money is set aside already."""
        for due in (job.items.abandoned(), job.items.queued()):
            yield from due.select_related("job__owner").order_by("position")[: self._most + _SPARE]

    def _take(self, item: GenerationItem) -> bool:
        """The job before its item, as pause and cancel do it: no deadlock, and nothing begins after them."""
        if item.job_id not in self._goes_on:
            active = GenerationJob.objects.filter(pk=item.job_id, state__in=ACTIVE_STATES)
            self._goes_on[item.job_id] = bool(active.update(served=clock.Now()))
        return self._goes_on[item.job_id] and take(item)


def take(item: GenerationItem) -> bool:
    """Claim by conditional update: of two workers that saw the same item, one changes the row."""
    if item.job.state == JobState.QUEUED:
        GenerationJob.objects.filter(pk=item.job_id, state=JobState.QUEUED).update(state=JobState.RUNNING)
    taken = GenerationItem.objects.filter(
        pk=item.pk, state=item.state, attempts=item.attempts, leased_until=item.leased_until
    ).update(state=ItemState.RUNNING, attempts=item.attempts + 1, leased_until=clock.after(LEASE))
    if not taken:
        return False
    item.state = ItemState.RUNNING
    item.attempts += 1
    return True


def seconds_until_due(job: GenerationJob) -> float | None:
    """How long until an item of this job may be claimed; None where nothing is left to do."""
    return _seconds_until_due(job.items.all()) if _active(job.provider, job).exists() else None


def seconds_until_provider_due(provider: str) -> float | None:
    """How long until an item of any job of the provider may be claimed; None where nothing is left."""
    return _seconds_until_due(GenerationItem.objects.filter(job__in=_active(provider, None)))


def _seconds_until_due(items: QuerySet[GenerationItem]) -> float | None:
    times = items.filter(state__in=(ItemState.QUEUED, ItemState.RUNNING)).aggregate(
        queued=Min("not_before", filter=Q(state=ItemState.QUEUED)),
        leased=Min("leased_until", filter=Q(state=ItemState.RUNNING)),
    )
    due = [moment for moment in times.values() if moment is not None]
    return max(0.0, (min(due) - clock.now()).total_seconds()) if due else None


def why_waiting(job: GenerationJob) -> str:
    """A sentence where a job that goes on makes no pictures for now; else empty."""
    if job.state not in ACTIVE_STATES:
        return ""
    if away := pace.standing(job.provider):
        return away
    capped = job.items.filter(state=ItemState.QUEUED, cause=Cause.CAP, not_before__gt=clock.Now())
    return capped.order_by("position").values_list("reason", flat=True).first() or ""


@contextmanager
def lease_kept(item: GenerationItem) -> Iterator[None]:
    """Renew the lease while a slow call runs, so that only a dead worker's items are taken over."""
    held = GenerationItem.objects.filter(pk=item.pk, attempts=item.attempts, state=ItemState.RUNNING)
    with renewed(held, LEASE):
        yield


def in_batches(provider: str) -> bool:
    """Whether its items are handed in together (`generation.batches`)."""
    return bool(get_provider(provider).capability.batch_size)


def jobs_with_due_batches() -> list[int]:
    """Jobs whose items are handed in together, and of which some are due."""
    return [key for key, provider in _with_due().values_list("pk", "provider") if in_batches(provider)]


def _with_due() -> QuerySet[GenerationJob]:
    """Of providers that are declared: what others were to make waits until they are again."""
    declared = list(settings.GENERATION_PROVIDERS)
    return GenerationJob.objects.filter(_has_due(), provider__in=declared, state__in=ACTIVE_STATES)


def providers_with_work() -> dict[str, int]:
    """Providers that are called, with due items that nobody takes, and how many more calls each takes."""
    found = {}
    for provider in _with_due().order_by().values_list("provider", flat=True).distinct():
        if not in_batches(provider) and (free := _free_calls(provider)):
            found[provider] = max(0, free)
    return found
