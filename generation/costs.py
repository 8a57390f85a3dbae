"""What was spent: by day, team, job and provider."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal

from django.contrib.auth.models import User
from django.db.models import Count, Sum
from django.db.models.functions import Coalesce, TruncDate
from django.utils import timezone
from django.utils.translation import gettext as _

from dam.roles import Role
from generation.models import GenerationItem, JobKind

MOST_DAYS = 400
_EXACT = Decimal("0.000001")
COLUMNS = ("day", "team", "owner", "job", "title", "provider", "pictures", "cost", "currency")


class BadDays(ValueError):
    """These are no days to report on; `str()` says why."""


@dataclass(frozen=True)
class Spent:
    """What one job cost on one day.

    Attributes:
        team: the groups of whoever asked for it, those that only give a role aside; empty for none.
        pictures: calls that were answered and paid.
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
    currency: str


@dataclass(frozen=True)
class Total:
    """What everything of one name cost together."""

    name: str
    pictures: int
    cost: Decimal
    currency: str


@dataclass(frozen=True)
class Report:
    """The days from `since` to `until`, both among them."""

    since: date
    until: date
    rows: list[Spent]

    def by(self, column: str) -> list[Total]:
        """Sums by “team”, “provider” or “day”, or of everything (“”), in each currency, the dearest first."""
        sums: dict[tuple[str, str], tuple[int, Decimal]] = defaultdict(lambda: (0, Decimal(0)))
        for row in self.rows:
            key = (str(getattr(row, column)) if column else "", row.currency)
            pictures, cost = sums[key]
            sums[key] = (pictures + row.pictures, cost + row.cost)
        found = [Total(name, *sums[name, currency], currency) for name, currency in sums]
        return sorted(found, key=lambda one: (one.currency, -one.cost, one.name))


def report(since: date | None = None, until: date | None = None) -> Report:
    """What was spent on these days, by default on the last thirty; two queries, however many there are.

    Raises:
        BadDays: they end before they begin, or are more than 400.
    """
    until = until or timezone.localdate()
    since = since or until - timedelta(days=29)
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
            str(row.pictures), str(row.cost), row.currency,
        ]  # fmt: skip


def _spending(since: date, until: date) -> Iterator[Spent]:
    """Where all figures come from: what answered calls cost, on the day of the answer; two queries."""
    items = GenerationItem.objects.filter(cost__gt=0).annotate(
        spent_at=Coalesce("answered_at", "finished", "created")
    )
    found = (
        items.filter(spent_at__gte=_begin(since), spent_at__lt=_begin(until + timedelta(days=1)))
        .annotate(day=TruncDate("spent_at"))
        .order_by()
        .values(
            "day", "job", "job__owner", "job__owner__username", "job__public_id", "job__kind",
            "job__title", "job__provider", "job__currency",
        )
        .annotate(pictures=Count("pk"), spent=Sum("cost"))
        .order_by("-day", "-job")
    )  # fmt: skip
    teams = _teams({row["job__owner"] for row in found if row["job__owner"]})
    for row in found:
        yield Spent(
            day=row["day"],
            team=teams.get(row["job__owner"], ""),
            owner=row["job__owner__username"] or "",
            job=row["job__public_id"],
            job_key=row["job"],
            title=f"{JobKind(row['job__kind']).label}: {row['job__title']}",
            provider=row["job__provider"],
            pictures=row["pictures"],
            # SQLite adds decimals as floats.
            cost=Decimal(row["spent"]).quantize(_EXACT),
            currency=row["job__currency"],
        )


def _begin(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min))


def _teams(owners: set[int]) -> dict[int, str]:
    """Key of each account → its groups by name; somebody in two is counted once, under both names."""
    names: dict[int, list[str]] = defaultdict(list)
    groups = User.groups.through.objects.filter(user__in=owners).exclude(group__name__in=Role.values)
    for user, name in groups.order_by("group__name").values_list("user", "group__name"):
        names[user].append(name)
    return {user: ", ".join(found) for user, found in names.items()}
