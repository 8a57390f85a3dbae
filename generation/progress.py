"""How fast a job goes, what is left of it, and what came last: for whoever watches it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Count, Min
from django.utils import timezone
from django.utils.translation import gettext as _

from generation import wording
from generation.jobs import JobProgress, progress_of
from generation.models import (
    ACTIVE_STATES,
    FINAL_STATES,
    GenerationItem,
    GenerationJob,
    ItemState,
    JobState,
    QualityState,
)
from generation.providers.registry import UnknownProvider, get_provider

# The pace is that of these last minutes: a pause or a slow start long ago says nothing of it.
PACE_OVER = timedelta(minutes=5)
NEWEST = 8


@dataclass(frozen=True)
class Watched:
    """A job as it is now.

    Attributes:
        per_minute: pictures that came to their end a minute, lately; None: none did.
        seconds_left: at that pace, or at the one that the provider promises; None: nobody knows, or nothing
            is left to wait for.
        newest: results, the last first.
        unscored: results whose scores are still to come.
    """

    job: GenerationJob
    progress: JobProgress
    per_minute: float | None
    seconds_left: float | None
    newest: list[GenerationItem]
    unscored: int

    @property
    def is_active(self) -> bool:
        """Whether pictures are still to come by themselves."""
        return self.job.state in ACTIVE_STATES or bool(self.progress.count(ItemState.RUNNING))

    @property
    def share_of_budget(self) -> int | None:
        """Per cent of the budget that is spent; None where there is no bound."""
        if self.job.budget is None:
            return None
        return round(100 * self.progress.cost / self.job.budget) if self.job.budget else 100

    @property
    def rate(self) -> str:
        """“12 a minute”."""
        if self.per_minute is None or not self.is_active:
            return "–"
        if self.per_minute < 1:
            return _("%(count)s an hour") % {"count": max(1, round(60 * self.per_minute))}
        return _("%(count)s a minute") % {"count": round(self.per_minute)}

    @property
    def time(self) -> str:
        """How long it took, or what is left."""
        if self.job.finished:
            taken = (self.job.finished - self.job.created).total_seconds()
            return _("took %(time)s") % {"time": wording.duration(taken)}
        if self.seconds_left is None:
            return "–"
        return _("about %(time)s left") % {"time": wording.duration(self.seconds_left)}

    @property
    def spent(self) -> str:
        """“0.4 USD”, with its share of the budget where there is one."""
        spent = wording.money(self.progress.cost, self.job.currency)
        if self.share_of_budget is None:
            return spent
        return _("%(spent)s (%(share)d %%)") % {"spent": spent, "share": self.share_of_budget}


def watch(job: GenerationJob) -> Watched:
    """Look at a job: a number of queries that does not grow with it."""
    progress = progress_of(job)
    per_minute = _pace(job) if progress.done < progress.total else None
    made = job.items.exclude(output=None)
    return Watched(
        job=job,
        progress=progress,
        per_minute=per_minute,
        seconds_left=_left(job, progress, per_minute),
        newest=list(made.select_related("output__current").order_by("-finished", "-pk")[:NEWEST]),
        unscored=made.filter(state=ItemState.SUCCEEDED, quality_state=QualityState.DUE).count(),
    )


def _pace(job: GenerationJob) -> float | None:
    """Pictures a minute since the first of those that ended lately, or since the job began."""
    now = timezone.now()
    since = now - PACE_OVER
    ended = job.items.filter(state__in=FINAL_STATES, finished__gte=since)
    ended = ended.exclude(state__in=(ItemState.CANCELLED, ItemState.OVER_BUDGET))
    found = ended.aggregate(count=Count("pk"), first=Min("finished"))
    if not found["count"]:
        return None
    begun = max(since, job.created) if found["count"] < 2 else found["first"]
    counted = found["count"] if found["count"] < 2 else found["count"] - 1
    return counted / max((now - begun).total_seconds(), 1) * 60


def _left(job: GenerationJob, progress: JobProgress, per_minute: float | None) -> float | None:
    left = progress.total - progress.done
    if not left or job.state == JobState.PAUSED:
        return None
    if per_minute:
        return left / per_minute * 60
    try:
        capability = get_provider(job.provider).capability
    except UnknownProvider:
        return None
    return left * capability.seconds_per_picture / max(1, capability.parallel_calls)
