"""The admin's first page: what the library holds, what waits for somebody, what runs."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.core.cache import cache
from django.db.models import Count, Q, QuerySet
from django.db.models.functions import TruncDate
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from atelier import attention
from dam import facets
from dam.models import Asset, AssetKind, AssetOrigin, AssetState
from dam.people import signed_in
from dam.roles import sees_library
from generation import costs
from generation.models import FINAL_STATES, GenerationJob, JobState
from generation.wording import money
from search.index.standing import LITE_LIMIT
from search.models import IndexEntry, IndexState, Space, SpaceState

RECENT = 12
WAITING = 6
JOBS = 5
WEEKS = 12
GROWTH_SECONDS = 600.0  # counting a million new assets takes a second
EXPIRING = 5
NOTICE_DAYS = 30
STATES = (AssetState.APPROVED, AssetState.IN_REVIEW, AssetState.DRAFT)


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Called by django-unfold with the context of the index page."""
    context["title"] = _("Overview")
    context["may_look"] = request.user.has_perm("dam.view_asset")
    if not context["may_look"]:
        return context
    library = Asset.objects.visible_to(request.user)
    waiting = library.filter(state=AssetState.IN_REVIEW)
    context |= {
        **counts(request.user, library),
        "recent": library.select_related("current")[:RECENT],
        "waiting": waiting.select_related("current")[:WAITING],
        "troubles": attention.troubles(signed_in(request)),
        "growth": growth(request.user, library),
        "expiring": expiring(library),
        "index": index_state(),
        "may_generate": sees_library(request.user),
        "jobs": open_jobs() if sees_library(request.user) else [],
        "may_see_spend": request.user.has_perm("generation.view_generationjob"),
        "spent": spent() if request.user.has_perm("generation.view_generationjob") else [],
        "assets_url": reverse("admin:dam_asset_changelist"),
    }
    return context


@dataclass(frozen=True)
class Week:
    """How many assets came in from this day on; the height is in percent of the highest week."""

    begins: date
    number: int
    height: float

    @property
    def top(self) -> float:
        """Where its column begins, from above."""
        return 100 - self.height


def growth(user: Any, library: QuerySet[Asset]) -> list[Week]:
    """The last weeks, this one last; of the whole library it is counted now and then only."""
    today = timezone.localdate()
    first = today - timedelta(days=today.weekday(), weeks=WEEKS - 1)

    def counted() -> Counter[date]:
        days = library.order_by().filter(created__date__gte=first).annotate(day=TruncDate("created"))
        by_week: Counter[date] = Counter()
        for day, number in days.values_list("day").annotate(number=Count("pk")):
            by_week[day - timedelta(days=day.weekday())] += number
        return by_week

    if sees_library(user):
        kept = cache.get_or_set(f"dashboard-growth-{first}", counted, GROWTH_SECONDS)
        numbers = kept if kept is not None else counted()
    else:
        numbers = counted()
    weeks = [first + timedelta(weeks=number) for number in range(WEEKS)]
    highest = max(numbers.values(), default=0) or 1
    return [Week(week, numbers[week], round(100 * numbers[week] / highest, 2)) for week in weeks]


def expiring(library: QuerySet[Asset]) -> dict[str, Any]:
    """What may be used today, and within a month no longer."""
    today = timezone.localdate()
    ending = library.filter(usable_until__range=(today, today + timedelta(days=NOTICE_DAYS)))
    return {
        "number": ending.count(),
        "assets": ending.select_related("current").order_by("usable_until", "pk")[:EXPIRING],
    }


def spent() -> list[dict[str, str]]:
    """What generation cost today and in the last thirty days, in each currency."""
    month = costs.report()
    today = {
        total.currency: total.cost
        for total in costs.Report(
            month.until, month.until, [row for row in month.rows if row.day == month.until]
        ).by("")
    }
    return [
        {
            "month": money(total.cost, total.currency),
            "today": money(today.get(total.currency, Decimal(0)), total.currency),
        }
        for total in month.by("")
    ]


def counts(user: Any, library: QuerySet[Asset]) -> dict[str, Any]:
    """Cards by state and measures by kind, from the sums that are kept, or one pass over what is visible."""
    by_state, by_kind, by_origin = Counter[str](), Counter[str](), Counter[str]()
    for (state, kind, origin), number in _sorts(user, library):
        by_state[state] += number
        by_kind[kind] += number
        by_origin[origin] += number
    kinds = [{"kind": kind, "label": kind.label, "number": by_kind[kind]} for kind in AssetKind]
    return {
        "total": by_state.total(),
        "states": [{"state": s, "label": s.label, "number": by_state[s]} for s in STATES],
        "generated": by_origin[AssetOrigin.GENERATED],
        "kinds": sorted((row for row in kinds if row["number"]), key=lambda row: -row["number"]),
    }


def _sorts(user: Any, library: QuerySet[Asset]) -> list[tuple[tuple[str, str, str], int]]:
    """State, kind and origin, with the number of assets that have them."""
    if sees_library(user):
        kept = facets.of_library().numbers.items()
        return [((sort[0], sort[1], sort[2]), n) for sort, n in kept if sort[0] != AssetState.TRASHED]
    rows = library.order_by().values_list("state", "kind", "origin").annotate(number=Count("pk"))
    return [((state, kind, origin), number) for state, kind, origin, number in rows]


def index_state() -> dict[str, Any]:
    """How far the live index has followed the library."""
    space = Space.objects.filter(state=SpaceState.LIVE).order_by("-pk").first()
    entries = IndexEntry.objects.filter(space=space) if space else IndexEntry.objects.none()
    numbers = dict(entries.order_by().values_list("state").annotate(number=Count("pk")))
    waiting = numbers.get(IndexState.PENDING, 0) + numbers.get(IndexState.WORKING, 0)
    indexed = numbers.get(IndexState.INDEXED, 0)
    failed = numbers.get(IndexState.FAILED, 0)
    total = indexed + waiting + failed
    return {
        "encoder": space.encoder if space else "",
        "indexed": indexed,
        "waiting": waiting,
        "failed": failed,
        "all": total,
        "too_many": not settings.MILVUS_URI and total > LITE_LIMIT,
    }


def open_jobs() -> QuerySet[GenerationJob]:
    """Jobs that are not over, each with how many of its items are."""
    return (
        GenerationJob.objects.filter(state__in=(JobState.QUEUED, JobState.RUNNING, JobState.PAUSED))
        .annotate(
            item_count=Count("items"),
            done_count=Count("items", filter=Q(items__state__in=FINAL_STATES)),
        )
        .order_by("-pk")[:JOBS]
    )
