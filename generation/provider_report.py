"""How each provider stands: set up, answering, at work, and what it has cost; in four queries for all."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db.models import Count, Max, Q, Sum
from django.utils import timezone

from generation.models import (
    ACTIVE_STATES,
    GenerationItem,
    ItemState,
    ProviderGate,
    SpendEntry,
    SpendState,
    from_micros,
)
from generation.pace import in_words, parallel_calls
from generation.providers.registry import get_provider
from generation.spending import COMMITTED, today
from generation.wording import readiness

# Further back nobody looks for what a provider did last.
DAYS = 30


@dataclass(frozen=True)
class Failure:
    """A picture that was not made: what was said, and the job it was for."""

    reason: str
    finished: datetime
    job: int


@dataclass(frozen=True)
class Standing:
    """How one provider stands.

    Attributes:
        missing: what its configuration lacks, as a sentence; empty where it lacks nothing.
        outage: a sentence where it does not answer; empty where it does, as far as is known.
        readiness: what a picture costs.
        per_minute: calls that it may be sent in a minute; 0 for no limit.
        spent: by currency, today and in this month, with what is set aside.
    """

    name: str
    default: bool
    missing: str
    outage: str
    readiness: str
    parallel: int
    per_minute: float
    running: int
    queued: int
    answered: datetime | None
    failure: Failure | None
    spent: tuple[tuple[str, Decimal, Decimal], ...]


def standings() -> list[Standing]:
    """Of every provider that settings declare, the default one first."""
    names = sorted(
        settings.GENERATION_PROVIDERS, key=lambda name: (name != settings.GENERATION_PROVIDER, name)
    )
    gates = {gate.provider: gate for gate in ProviderGate.objects.filter(provider__in=names)}
    work, money = _work(), _money()
    failures = _failures(names)
    return [
        _standing(name, gates.get(name), work.get(name, (0, 0)), money[name], failures.get(name))
        for name in names
    ]


def _standing(
    name: str,
    gate: ProviderGate | None,
    work: tuple[int, int],
    money: list[Mapping[str, Any]],
    failure: Failure | None,
) -> Standing:
    provider = get_provider(name)
    return Standing(
        name=name,
        default=name == settings.GENERATION_PROVIDER,
        missing=provider.check() or "",
        outage=in_words(gate) if gate else "",
        readiness=readiness(provider.capability),
        parallel=parallel_calls(name),
        per_minute=float(settings.GENERATION_CALLS_PER_MINUTE.get(name, 0)),
        running=work[0],
        queued=work[1],
        answered=max((row["answered"] for row in money if row["answered"]), default=None),
        failure=failure,
        spent=tuple(
            (row["currency"], from_micros(row["day_sum"]), from_micros(row["month_sum"]))
            for row in money
            if row["month_sum"]
        ),
    )


def _work() -> dict[str, tuple[int, int]]:
    """What runs and what waits in the jobs that go on, by provider."""
    open_items = GenerationItem.objects.filter(
        job__state__in=ACTIVE_STATES, state__in=(ItemState.RUNNING, ItemState.QUEUED)
    ).order_by()
    rows = open_items.values("job__provider").annotate(
        running=Count("pk", filter=Q(state=ItemState.RUNNING)),
        queued=Count("pk", filter=Q(state=ItemState.QUEUED)),
    )
    return {row["job__provider"]: (row["running"], row["queued"]) for row in rows}


def _money() -> dict[str, list[Mapping[str, Any]]]:
    """Sums of the ledger by provider and currency, and when a call was answered last."""
    day = today()
    month = day.replace(day=1)
    committed = Q(state__in=COMMITTED)
    answered = Q(state__in=(SpendState.SETTLED, SpendState.RELEASED), item__answered_at__isnull=False)
    rows = (
        SpendEntry.objects.filter(day__gte=min(month, _since(day)))
        .order_by()
        .values("provider", "currency")
        .annotate(
            day_sum=Sum("amount_micros", filter=committed & Q(day=day), default=0),
            month_sum=Sum("amount_micros", filter=committed & Q(day__gte=month), default=0),
            answered=Max("closed", filter=answered),
        )
        .order_by("provider", "currency")
    )
    found: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        found[row["provider"]].append(row)
    return found


def _failures(names: Iterable[str]) -> dict[str, Failure]:
    """The last picture of each provider that was not made, of those that ended lately."""
    since = timezone.now() - timedelta(days=DAYS)
    lately = GenerationItem.objects.dead().filter(job__provider__in=names, finished__gte=since).order_by()
    last = lately.exclude(reason="").values("job__provider").annotate(last=Max("pk")).values("last")
    rows = GenerationItem.objects.filter(pk__in=last).values_list(
        "job__provider", "reason", "finished", "job_id"
    )
    return {provider: Failure(reason, finished, job) for provider, reason, finished, job in rows if finished}


def _since(day: date) -> date:
    return day - timedelta(days=DAYS)
