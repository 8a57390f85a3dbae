"""What was spent: by day, team, job and provider."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from django.db.models import Count, Q, Sum
from django.utils import timezone
from django.utils.translation import gettext as _

from generation.models import JobKind, SpendEntry, SpendState, from_micros

MOST_DAYS = 400
COLUMNS = ("day", "team", "owner", "job", "title", "provider", "pictures", "cost", "assumed", "currency")


class BadDays(ValueError):
    """These are no days to report on; `str()` says why."""


@dataclass(frozen=True)
class Spent:
    """What one job cost on one day.

    Attributes:
        team: the one that the job was paid by; empty for none.
        pictures: calls that were answered and paid.
        assumed: how much of the cost is for calls that got no answer and may have been charged.
    """

    day: date
    team: str
    owner: str
    job: uuid.UUID
    job_key: int
    title: str
    provider: str
    pictures: int
    cost: Decimal
    assumed: Decimal
    currency: str


@dataclass(frozen=True)
class Total:
    """What everything of one name cost together."""

    name: str
    pictures: int
    cost: Decimal
    assumed: Decimal
    currency: str


@dataclass(frozen=True)
class Report:
    """The days from `since` to `until`, both among them."""

    since: date
    until: date
    rows: list[Spent]

    def by(self, column: str) -> list[Total]:
        """Sums by “team”, “provider” or “day”, or of everything (“”), in each currency, the dearest first."""
        groups: dict[tuple[str, str], list[Spent]] = defaultdict(list)
        for row in self.rows:
            groups[str(getattr(row, column)) if column else "", row.currency].append(row)
        found = [
            Total(
                name,
                sum(row.pictures for row in rows),
                sum((row.cost for row in rows), Decimal(0)),
                sum((row.assumed for row in rows), Decimal(0)),
                currency,
            )
            for (name, currency), rows in groups.items()
        ]
        return sorted(found, key=lambda one: (one.currency, -one.cost, one.name))


def report(since: date | None = None, until: date | None = None) -> Report:
    """What was spent on these days, by default on the last thirty; one query, however many there are.

    Raises:
        BadDays: they end before they begin, or are more than 400.
    """
    until = until or timezone.localdate()
    since = since or max(until, date.min + timedelta(days=29)) - timedelta(days=29)
    if since > until:
        raise BadDays(_("The first day comes after the last one."))
    if (until - since).days >= MOST_DAYS:
        raise BadDays(_("At most %(count)d days at once.") % {"count": MOST_DAYS})
    return Report(since, until, list(_spending(since, until)))


def as_table(shown: Report) -> Iterator[list[str]]:
    """The report as rows of text, its head first."""
    yield list(COLUMNS)
    for row in shown.rows:
        yield [
            row.day.isoformat(), row.team, row.owner, str(row.job), row.title, row.provider,
            str(row.pictures), str(row.cost), str(row.assumed), row.currency,
        ]  # fmt: skip


def _spending(since: date, until: date) -> Iterator[Spent]:
    """Where all figures come from: the ledger's calls, on the day on which each began; one query."""
    settled, assumed = Q(state=SpendState.SETTLED), Q(state=SpendState.ASSUMED)
    found = (
        SpendEntry.objects.filter(settled | assumed, day__gte=since, day__lte=until, amount_micros__gt=0)
        .order_by()
        .values(
            "day", "team__name", "owner__username", "job", "job__public_id", "job__kind", "job__title",
            "provider", "currency",
        )
        .annotate(
            pictures=Count("pk", filter=settled),
            spent=Sum("amount_micros"),
            perhaps=Sum("amount_micros", filter=assumed, default=0),
        )
        .order_by("-day", "-job", "provider")
    )  # fmt: skip
    for row in found:
        yield Spent(
            day=row["day"],
            team=row["team__name"] or "",
            owner=row["owner__username"] or "",
            job=row["job__public_id"],
            job_key=row["job"],
            title=f"{JobKind(row['job__kind']).label}: {row['job__title']}",
            provider=row["provider"],
            pictures=row["pictures"],
            cost=from_micros(row["spent"]),
            assumed=from_micros(row["perhaps"]),
            currency=row["currency"],
        )
