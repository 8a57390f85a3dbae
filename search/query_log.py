"""The log of searches: one insert a question, after its answer; days summed up; old rows gone.

What is kept of a person: the account of whoever is signed in, and of strangers a keyed hash of address and
question: it tells how many asked the same, and of no two questions whether they are one stranger's. Both are
forgotten after SEARCH_LOG_PERSON_DAYS, the row after SEARCH_LOG_DAYS. The sums by day (`SearchDay`) hold
questions and numbers only; frequent ones (`FrequentQuery`) are suggested to others, so nothing that looks
like an address or a number of somebody is among them.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import re
import secrets
import unicodedata
from dataclasses import asdict, dataclass
from datetime import date, datetime, time, timedelta
from functools import partial
from time import time_ns
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core import signing
from django.db import DatabaseError, connection, transaction
from django.db.models import Count, Max, Min, Q, Sum
from django.http import HttpRequest
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from dam.chinese import CHINESE
from dam.models import Asset
from dam.roles import sees_library
from search.afterwards import afterwards
from search.request import SearchRequest, SearchResults
from search.terms import touch
from search.word_models import (
    Entrance,
    FrequentQuery,
    QueryLanguage,
    SearchClick,
    SearchDay,
    SearchLog,
)

logger = logging.getLogger(__name__)

LONGEST = 200
MOST_CLICKED_PLACE = 10_000
SALT = "search.query_log"
CLICKS_WITHIN = timedelta(days=1)
FREQUENT_WITHIN = timedelta(days=30)
FREQUENT_PEOPLE = 3
MOST_FREQUENT = 5_000
DELETED_AT_ONCE = 10_000
CHANCE_BITS = 20  # of 63; the others hold milliseconds since 1970 until the year 2248
_PRIVATE = re.compile(r"@|\d{6}|\d[\d -]{7,}\d")
_CHINESE, _LATIN = re.compile(f"[{CHINESE}]"), re.compile(r"[a-z]")


class NoSuchSearch(Exception):
    """The id names no search of the last day."""


@dataclass(frozen=True)
class Source:
    """Where a question came from.

    Attributes:
        address: of strangers, and not kept; empty for accounts and the command line.
    """

    entrance: Entrance
    address: str = ""


def source_of(request: HttpRequest | Request, entrance: Entrance) -> Source:
    """The source of a web request."""
    if isinstance(request.user, User):
        return Source(entrance)
    return Source(entrance, BaseThrottle().get_ident(request))  # type: ignore[arg-type]  # it reads META only


def _visitor(address: str, normalised: str) -> str:
    """One address is one person, whatever browsers are used there, and one for each question another."""
    if not address:
        return ""
    who = f"{address}|{normalised}"
    return hmac.new(settings.SECRET_KEY.encode(), who.encode(), hashlib.sha256).hexdigest()[:16]


def normalised(text: str) -> str:
    """What counts as the same question: width, case and spaces do not."""
    return _squeezed(unicodedata.normalize("NFKC", text).casefold())


def language_of(text: str) -> QueryLanguage:
    """By its letters."""
    chinese, latin = bool(_CHINESE.search(text)), bool(_LATIN.search(text.lower()))
    if chinese and latin:
        return QueryLanguage.MIXED
    if chinese:
        return QueryLanguage.CHINESE
    return QueryLanguage.ENGLISH if latin else QueryLanguage.NONE


def record(request: SearchRequest, results: SearchResults, *, source: Source, user: Any) -> str:
    """Keep one question with words and how it was answered.

    Returns:
        The id that `click` takes; empty where nothing is kept.
    """
    plain = normalised(request.text)
    if not plain or not settings.SEARCH_LOG_DAYS:
        return ""
    keeps_person = settings.SEARCH_LOG_PERSON_DAYS > 0
    entry = SearchLog(
        pk=_new_key(),
        text=_squeezed(request.text),
        normalised=plain,
        language=language_of(plain),
        filters=_filters(request),
        entrance=source.entrance,
        account=user if keeps_person and isinstance(user, User) else None,
        visitor=_visitor(source.address, plain) if keeps_person else "",
        of_library=sees_library(user),
        total=results.total,
        took_ms=round(results.took_ms, 1),
        encoder=results.encoder,
        degraded=bool(results.degraded),
        corrections=results.corrections,
    )
    afterwards(partial(_write, entry))
    return signing.dumps(entry.pk, salt=SALT, compress=False)


def _new_key() -> int:
    """Milliseconds, and behind them chance: keys that ascend, known before the row is written."""
    return (time_ns() // 1_000_000 << CHANCE_BITS) | secrets.randbits(CHANCE_BITS)


def _write(entry: SearchLog) -> None:
    try:
        with transaction.atomic():
            _commit_without_waiting()
            entry.save(force_insert=True)
    except DatabaseError as error:
        logger.warning("A search was not logged: %s", error)


def _commit_without_waiting() -> None:
    """Nothing waits for PostgreSQL's disk: should the server itself crash, the log lacks its last
    half second, and nothing else does (https://www.postgresql.org/docs/current/wal-async-commit.html).
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL synchronous_commit TO off")


def _squeezed(text: str) -> str:
    """One line, without what PostgreSQL cannot keep."""
    return " ".join(text.replace("\0", " ").split())[:LONGEST]


def _filters(request: SearchRequest) -> dict[str, Any]:
    """Those that were set, as text where JSON has nothing for them."""
    given = {name: value for name, value in asdict(request.filters).items() if value}
    if request.colours:
        given["colours"] = request.colours
    return json.loads(json.dumps(given, default=str))


def click(query_id: str, asset: Asset, position: int) -> None:
    """A result of a search was opened; once a result and search.

    Args:
        position: its place among the results, from 1.

    Raises:
        NoSuchSearch: the id was not made here, or is older than a day.
    """
    try:
        key = signing.loads(query_id, salt=SALT, max_age=CLICKS_WITHIN)
    except signing.BadSignature as error:
        raise NoSuchSearch from error
    if not SearchLog.objects.filter(pk=key).exists():
        raise NoSuchSearch
    SearchClick.objects.bulk_create(
        [SearchClick(search_id=key, asset_key=asset.pk, position=position)], ignore_conflicts=True
    )


# ── Summing up ────────────────────────────────────────────────────────────────────────────────────


def sum_up(today: date | None = None) -> None:
    """Sum up today and yesterday, and every day before that was not summed up."""
    today = today or timezone.localdate()
    last = SearchDay.objects.filter(day__lt=today).aggregate(last=Max("day"))["last"]
    first = SearchLog.objects.aggregate(first=Min("at"))["first"]
    if first is None:
        return
    day = max(last, timezone.localtime(first).date()) if last else timezone.localtime(first).date()
    while day <= today:
        _sum_up_day(min(day, today))
        day += timedelta(days=1)


@transaction.atomic
def _sum_up_day(day: date) -> None:
    start = timezone.make_aware(datetime.combine(day, time.min))
    rows = SearchLog.objects.filter(at__gte=start, at__lt=start + timedelta(days=1))
    sums = rows.order_by().values("normalised").annotate(
        spoken=Min("language"),
        asked=Count("pk"),
        empty=Count("pk", filter=Q(total=0)),
        took=Sum("took_ms"),
        slowest=Max("took_ms"),
    )  # fmt: skip
    opened = dict(
        rows.order_by()
        .filter(clicks__isnull=False)
        .values_list("normalised")
        .annotate(number=Count("pk", distinct=True))
    )
    SearchDay.objects.filter(day=day).delete()
    SearchDay.objects.bulk_create(
        (
            SearchDay(
                day=day,
                normalised=row["normalised"],
                language=row["spoken"],
                asked=row["asked"],
                empty=row["empty"],
                clicked=opened.get(row["normalised"], 0),
                took_ms=row["took"],
                slowest_ms=row["slowest"],
            )
            for row in sums.iterator(5_000)
        ),
        batch_size=2_000,
        ignore_conflicts=True,  # another process sums up the same day
    )


@transaction.atomic
def find_frequent() -> None:
    """Keep what at least three people of the last thirty days searched for and found."""
    since = timezone.now() - FREQUENT_WITHIN
    found = SearchLog.objects.filter(at__gte=since, total__gt=0, degraded=False).order_by()
    accounts, visitors = (
        Count("account", distinct=True),
        Count("visitor", distinct=True, filter=~Q(visitor="")),
    )
    all_people = found.values("normalised").annotate(people=accounts + visitors)
    strangers = dict(
        found.filter(of_library=False)
        .values("normalised")
        .annotate(people=accounts + visitors)
        .filter(people__gte=FREQUENT_PEOPLE)
        .values_list("normalised", "people")
    )
    rows = [
        FrequentQuery(normalised=text, everywhere=people, storefront=strangers.get(text, 0))
        for text, people in all_people.filter(people__gte=FREQUENT_PEOPLE)
        .order_by("-people", "normalised")
        .values_list("normalised", "people")[:MOST_FREQUENT]
        if not _PRIVATE.search(text)
    ]
    before = set(FrequentQuery.objects.values_list("normalised", "everywhere", "storefront"))
    if before == {(row.normalised, row.everywhere, row.storefront) for row in rows}:
        return
    FrequentQuery.objects.all().delete()
    FrequentQuery.objects.bulk_create(rows, batch_size=2_000)
    touch()


def sweep() -> None:
    """Forget people and rows whose time is over; days are summed up before."""
    sum_up()
    now = timezone.now()
    named = Q(account__isnull=False) | ~Q(visitor="")
    SearchLog.objects.filter(named, at__lt=now - timedelta(days=settings.SEARCH_LOG_PERSON_DAYS)).update(
        account=None, visitor=""
    )
    old = SearchLog.objects.filter(at__lt=now - timedelta(days=settings.SEARCH_LOG_DAYS)).order_by("at")
    while keys := list(old.values_list("pk", flat=True)[:DELETED_AT_ONCE]):
        SearchLog.objects.filter(pk__in=keys).delete()
    SearchDay.objects.filter(day__lt=(now - timedelta(days=settings.SEARCH_LOG_DAYS)).date()).delete()
    find_frequent()
