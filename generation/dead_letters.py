"""Items that ended without a picture: counted by cause and provider, and run again in bulk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import Count, QuerySet
from django.utils.translation import gettext as _

from generation.jobs import JobError, is_anothers_try_on, queue_again
from generation.models import DEAD_STATES, GenerationItem, GenerationJob

if TYPE_CHECKING:
    from django.contrib.auth.models import User


@dataclass(frozen=True)
class DeadLetters:
    """How many items ended for this cause at this provider."""

    cause: str
    provider: str
    count: int


def dead_items() -> QuerySet[GenerationItem]:
    """What ended without a picture and nobody has sent again, the latest first."""
    return GenerationItem.objects.dead().filter(regenerations=None).order_by("-finished", "-pk")


def counted(items: QuerySet[GenerationItem]) -> list[DeadLetters]:
    """By cause and provider, the most frequent first; one query."""
    rows = items.order_by().values("cause", "job__provider").annotate(count=Count("pk"))
    found = [DeadLetters(row["cause"], row["job__provider"], row["count"]) for row in rows]
    return sorted(found, key=lambda row: (-row.count, row.provider, row.cause))


def run_again(items: QuerySet[GenerationItem], *, actor: User | None) -> int:
    """Queue these again, job by job; how many. An answer that was paid and kept is not asked for again.

    Try-ons of others are left.

    Raises:
        JobError: there is nothing of the kind, or nothing but try-ons of others.
    """
    count = left = 0
    keys: Sequence[int] = list(items.order_by().values_list("job_id", flat=True).distinct())
    for job in GenerationJob.objects.filter(pk__in=keys).order_by("pk"):
        if is_anothers_try_on(job, actor):
            left += 1
            continue
        with transaction.atomic():
            # The same choice, asked anew: what somebody else has queued meanwhile is left.
            chosen = items.filter(job=job).order_by().values("pk")
            again = GenerationItem.objects.filter(pk__in=list(chosen.values_list("pk", flat=True)))
            count += queue_again(job, again.filter(state__in=DEAD_STATES), actor=actor)
    if not count and left:
        raise JobError(_("A try-on is made again from the person's picture, on its own page."))
    if not count:
        raise JobError(_("Nothing here has failed."))
    return count
