"""Money: set aside before a call, settled after it, each step a row of the ledger in the same transaction.

A job's budget and the day's caps are hard: what is set aside counts, and what a crash cut off is assumed to
be paid, since the vendor may have charged it.
"""

from __future__ import annotations

from decimal import Decimal

from django.contrib.auth.models import Group, User
from django.db import transaction
from django.db.models import F, Q, Sum
from django.utils import timezone

from dam.roles import Role
from generation.models import (
    GenerationItem,
    GenerationJob,
    SpendEntry,
    SpendingCap,
    SpendState,
    from_micros,
    to_micros,
)
from generation.spending import COMMITTED, today


class BudgetUsedUp(Exception):
    """The job's budget does not hold another call."""


class CapReached(Exception):
    """The day's cap of the owner or of the team does not hold another call; `cap` is which."""

    def __init__(self, cap: SpendingCap) -> None:
        super().__init__(str(cap))
        self.cap = cap


def reserve(item: GenerationItem, price: Decimal) -> None:
    """Set the price of one call aside. What an earlier call left open is assumed to be paid first.

    A conditional update and locked rows: of two workers that reach for the last money, one gets it.

    Raises:
        BudgetUsedUp, CapReached: nothing is set aside.
    """
    micros = to_micros(price)
    assume(item)
    job = item.job
    with transaction.atomic():
        _keep_within_caps(job, micros)
        jobs = GenerationJob.objects.filter(pk=item.job_id)
        budget = jobs.values_list("budget", flat=True).get()
        if budget is not None:
            jobs = jobs.filter(committed_micros__lte=to_micros(budget) - micros)
        if not jobs.update(committed_micros=F("committed_micros") + micros):
            raise BudgetUsedUp
        SpendEntry.objects.create(
            item=item,
            job=job,
            owner_id=job.owner_id,
            team_id=job.team_id,
            attempt=item.attempts,
            provider=job.provider,
            key=item.idempotency_key,
            amount_micros=micros,
            currency=job.currency,
        )


def settle(item: GenerationItem, cost: Decimal, *, model: str = "") -> None:
    """Replace what was set aside for this attempt by what the call cost.

    An answer that comes after another worker took the item over was assumed to be paid; now it is known.
    """
    with transaction.atomic():
        entry = item.spending.select_for_update().filter(attempt=item.attempts).order_by("-pk").first()
        if entry is None or entry.state not in (SpendState.RESERVED, SpendState.ASSUMED):
            return
        micros = to_micros(cost)
        entry.state = SpendState.SETTLED if micros or model else SpendState.RELEASED
        difference, entry.amount_micros = micros - entry.amount_micros, micros
        entry.model, entry.closed = model[:120], timezone.now()
        entry.save(update_fields=["state", "amount_micros", "model", "closed"])
        if difference:
            GenerationJob.objects.filter(pk=item.job_id).update(
                committed_micros=F("committed_micros") + difference
            )
        GenerationItem.objects.filter(pk=item.pk).update(cost=F("cost") + cost)


def assume(item: GenerationItem) -> None:
    """The call that is open got no answer and may be charged: its money stays committed."""
    item.spending.filter(state=SpendState.RESERVED).update(state=SpendState.ASSUMED, closed=timezone.now())


# --- Teams and caps ------------------------------------------------------------------------------


def team_of(user: User | None) -> Group | None:
    """The group that pays for a person's jobs: the first by name that is not one of the roles."""
    return user.groups.exclude(name__in=Role.values).order_by("name").first() if user else None


def spent_today(cap: SpendingCap) -> Decimal:
    """What is spent or set aside today by whom the cap is for."""
    return from_micros(_spent(cap))


def _spent(cap: SpendingCap) -> int:
    whose = {"owner": cap.user_id} if cap.user_id else {"team": cap.team_id}
    entries = SpendEntry.objects.filter(**whose, day=today(), currency=cap.currency, state__in=COMMITTED)
    return entries.aggregate(sum=Sum("amount_micros"))["sum"] or 0


def _keep_within_caps(job: GenerationJob, micros: int) -> None:
    """In the caller's transaction: from here to its end nobody else spends under the same caps."""
    if not micros:
        return
    # `__in` leaves out an owner or a team that is none.
    caps = SpendingCap.objects.filter(
        Q(user__in=[job.owner_id] if job.owner_id else []) | Q(team__in=[job.team_id] if job.team_id else []),
        currency=job.currency,
    )
    for cap in caps.select_related("user", "team").order_by("pk"):  # one order for all: no deadlock
        SpendingCap.objects.filter(pk=cap.pk).update(turns=F("turns") + 1)
        cap.refresh_from_db(fields=["amount"])
        if _spent(cap) + micros > to_micros(cap.amount):
            raise CapReached(cap)
