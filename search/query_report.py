"""What people searched for, and how it went, from the sums by day."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.db.models import F, Max, Q, QuerySet, Sum
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from search.word_models import QueryLanguage, SearchDay

PER_PAGE = 50
PERIODS = (7, 30, 90, 365)
# Of fewer answers nobody can say that they were poor.
FEWEST_ANSWERED, POOR_SHARE = 3, 0.2
COLUMNS = ("query", "language", "asked", "without results", "opened", "average ms", "slowest ms")

LISTS = {
    "frequent": _("Most frequent"),
    "empty": _("Without results"),
    "unopened": _("Results rarely opened"),
    "slow": _("Slowest"),
}


@dataclass(frozen=True)
class ReportQuery:
    """Which searches are looked at: of the last days up to today, in a language or in any."""

    days: int = 30
    language: str = ""
    chosen: str = "frequent"

    @property
    def first_day(self) -> date:
        return timezone.localdate() - timedelta(days=self.days - 1)

    def sums(self) -> QuerySet[SearchDay]:
        """The rows of these days."""
        found = SearchDay.objects.filter(day__gte=self.first_day)
        return found.filter(language=self.language) if self.language else found


@dataclass(frozen=True)
class ReportRow:
    """One question over all these days; times in milliseconds."""

    text: str
    language: str
    asked: int
    empty: int
    clicked: int
    took_ms: float
    slowest_ms: float
    measure: float

    @property
    def average_ms(self) -> float:
        return self.took_ms / self.asked

    @property
    def language_label(self) -> str:
        return str(QueryLanguage(self.language).label)


@dataclass(frozen=True)
class ReportPage:
    """Some rows, and for the address of the next ones; empty where there are none."""

    rows: list[ReportRow]
    after: str


@dataclass(frozen=True)
class Day:
    """All questions of a day."""

    day: date
    asked: int
    empty: int


def page_of(query: ReportQuery, after: str = "") -> ReportPage:
    """Rows of the chosen list, the first of them or those after a place."""
    rows = list(_rows(query, _beyond(after))[: PER_PAGE + 1])
    more = len(rows) > PER_PAGE
    shown = [_row(row) for row in rows[:PER_PAGE]]
    return ReportPage(shown, f"{shown[-1].measure!r}~{shown[-1].text}" if more else "")


def table(query: ReportQuery) -> Iterator[list[str]]:
    """All rows of the chosen list, for a file."""
    yield list(COLUMNS)
    for row in map(_row, _rows(query, Q()).iterator(2_000)):
        times = (f"{row.average_ms:.1f}", f"{row.slowest_ms:.1f}")
        yield [row.text, row.language, str(row.asked), str(row.empty), str(row.clicked), *times]


def by_day(query: ReportQuery) -> list[Day]:
    """Every day of the period, those without a search too."""
    rows = query.sums().order_by().values_list("day").annotate(asked=Sum("asked"), empty=Sum("empty"))
    found = {day: (asked, empty) for day, asked, empty in rows}
    days = (query.first_day + timedelta(days=number) for number in range(query.days))
    return [Day(day, *found.get(day, (0, 0))) for day in days]


def by_language(query: ReportQuery) -> list[dict[str, Any]]:
    """Numbers by language, the most used first."""
    sums = query.sums().order_by().values("language").annotate(
        number=Sum("asked"), without=Sum("empty"), opened=Sum("clicked"), time=Sum("took_ms")
    )  # fmt: skip
    return [
        {
            "label": QueryLanguage(row["language"]).label,
            "asked": row["number"],
            "empty_percent": round(100 * row["without"] / row["number"]),
            "opened_percent": round(100 * row["opened"] / row["number"]),
            "average_ms": round(row["time"] / row["number"]),
        }
        for row in sums.order_by("-number", "language")
    ]


def _rows(query: ReportQuery, beyond: Q) -> QuerySet[SearchDay, Any]:
    """Grouped by question, those of the list, in its order."""
    grouped = query.sums().order_by().values("normalised").annotate(
        spoken=Max("language"),
        number=Sum("asked"),
        without=Sum("empty"),
        opened=Sum("clicked"),
        time=Sum("took_ms"),
        slowest=Max("slowest_ms"),
    )  # fmt: skip
    if query.chosen == "empty":
        grouped = grouped.filter(without__gt=0).annotate(measure=F("without"))
    elif query.chosen == "unopened":
        answered = F("number") - F("without")
        grouped = grouped.annotate(answered=answered, measure=answered - F("opened")).filter(
            answered__gte=FEWEST_ANSWERED, opened__lt=POOR_SHARE * F("answered")
        )
    elif query.chosen == "slow":
        grouped = grouped.annotate(measure=F("slowest"))
    else:
        grouped = grouped.annotate(measure=F("number"))
    return grouped.filter(beyond).order_by("-measure", "normalised")


def _row(row: dict[str, Any]) -> ReportRow:
    return ReportRow(
        row["normalised"], row["spoken"], row["number"], row["without"], row["opened"], row["time"],
        row["slowest"], row["measure"],
    )  # fmt: skip


def _beyond(after: str) -> Q:
    """What comes after this place in the address; a broken one means all."""
    measure, separator, text = after.partition("~")
    try:
        value = float(measure)
    except ValueError:
        return Q()
    if not separator or not math.isfinite(value) or "\0" in text:
        return Q()
    return Q(measure__lt=value) | Q(measure=value, normalised__gt=text)
