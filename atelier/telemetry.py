"""Prometheus metrics: of this process, and of the library as the database has it.

What waits, and for how long, is asked of the database: a message in the broker may stand for a thousand
assets or for none. That is a handful of queries on small indexes, and what they say is kept for ten seconds.
"""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

from django.core.cache import cache
from django.db import Error
from django.db.models import Count, Min, Q, QuerySet
from django.utils import timezone
from prometheus_client import REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from atelier.container import Container
from dam import facets
from dam.models import DeliveryState, Import, PendingRemoval, UploadSession, WebhookDelivery
from dam.models.imports import AT_WORK
from dam.models.uploads import UploadState
from generation import costs
from generation.models import ACTIVE_STATES, GenerationItem, ItemState
from search.models import IndexEntry, IndexState, Space, SpaceState, SpendAccount
from search.spaces import spaces_beside

log = logging.getLogger(__name__)
KEPT_SECONDS = 10
LAST = timedelta(hours=1)
# name, help, labels, rows of (label values, number)
_Family = tuple[str, str, tuple[str, ...], list[tuple[tuple[str, ...], float]]]


def of_process() -> bytes:
    """What this process, or all processes of this server, have counted and take."""
    folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    if not folder:
        return generate_latest(REGISTRY)
    registry = CollectorRegistry()
    MultiProcessCollector(registry)
    registry.register(Container())
    with (Path(folder) / "lock").open("a") as lock:  # deploy/gunicorn.conf.py has it while it joins files
        fcntl.flock(lock, fcntl.LOCK_SH)
        return generate_latest(registry)


def of_library() -> bytes:
    """What the database says of the library and of what waits in it; where it does not answer, only that."""
    registry = CollectorRegistry()
    registry.register(_Library())
    return generate_latest(registry)


class _Library(Collector):
    def collect(self) -> Iterator[Metric]:
        try:
            families = cache.get_or_set("telemetry", _families, KEPT_SECONDS) or _families()
        except Error as error:
            log.warning("Nothing is told of the library: the database does not answer (%s).", error)
            families = []
        yield GaugeMetricFamily(
            "atelier_database_up", "1 where the database answers this site.", value=bool(families)
        )
        for name, told, labels, rows in families:
            family = GaugeMetricFamily(name, told, labels=labels)
            for values, number in rows:
                family.add_metric(values, number)
            yield family


def _families() -> list[_Family]:
    now = timezone.now()
    return [*_assets(), *_outbox(now), *_generation(now), *_background(now), *_spend()]


def _assets() -> Iterable[_Family]:
    by_state: dict[str, float] = {}
    for sort, number in facets.of_library().numbers.items():
        by_state[sort[0]] = by_state.get(sort[0], 0) + number
    yield "atelier_assets", "Assets by state.", ("state",), [((key,), n) for key, n in by_state.items()]


def _outbox(now: datetime) -> Iterable[_Family]:
    entries = IndexEntry.objects.order_by().filter(space__in=_worked_spaces())
    waiting = entries.filter(state__in=(IndexState.PENDING, IndexState.WORKING))
    # What fails on the asset itself has attempts; the others met Milvus, encoder, storage or budget.
    put_off = Count("pk", filter=Q(attempts=0) & ~Q(last_error=""))
    sums = waiting.values_list("space__slug")
    rows = list(sums.annotate(n=Count("pk"), oldest=Min("not_before"), put_off=put_off))
    yield (
        "atelier_outbox_waiting", "Assets that wait for the index.", ("space",),
        [((space,), number) for space, number, _oldest, _put_off in rows],
    )  # fmt: skip
    yield (
        "atelier_outbox_oldest_seconds", "How long the first of them has been due.", ("space",),
        [((space,), _age(oldest, now)) for space, _number, oldest, _put_off in rows],
    )  # fmt: skip
    yield (
        "atelier_outbox_put_off", "Those of them that an outage or the budget has put off.", ("space",),
        [((space,), put_off) for space, _number, _oldest, put_off in rows],
    )  # fmt: skip
    failed = entries.filter(state=IndexState.FAILED).values_list("space__slug").annotate(n=Count("pk"))
    yield (
        "atelier_outbox_failed", "Assets that could not be indexed.", ("space",),
        [((space,), number) for space, number in failed],
    )  # fmt: skip


def _worked_spaces() -> list[Space]:
    """Those whose entries workers take: what is noted for another waits for a person."""
    return [*Space.objects.filter(state=SpaceState.LIVE), *spaces_beside()]


def _generation(now: datetime) -> Iterable[_Family]:
    items = GenerationItem.objects.order_by()
    # Those of a paused job wait for a person.
    waiting = items.unfinished().filter(job__state__in=ACTIVE_STATES).values_list("job__provider", "state")
    rows = list(waiting.annotate(n=Count("pk"), oldest=Min("not_before")))
    yield (
        "atelier_generation_items", "Pictures that jobs are still to make.", ("provider", "state"),
        [((provider, state), number) for provider, state, number, _oldest in rows],
    )  # fmt: skip
    yield (
        "atelier_generation_oldest_seconds", "How long the first queued one has been due.", ("provider",),
        [((who,), _age(oldest, now)) for who, state, _n, oldest in rows if state == ItemState.QUEUED],
    )  # fmt: skip
    ended = items.filter(finished__gte=now - LAST).values_list("job__provider", "state", "cause")
    yield (
        "atelier_generation_ended_last_hour", "Pictures that ended within an hour, and why.",
        ("provider", "state", "cause"),
        [((provider, state, cause), n) for provider, state, cause, n in ended.annotate(n=Count("pk"))],
    )  # fmt: skip
    unjudged = items.awaiting_review().count()
    yield "atelier_reviews_waiting", "Results that nobody has judged.", (), [((), unjudged)]


def _background(now: datetime) -> Iterable[_Family]:
    imports = Import.objects.filter(state__in=AT_WORK)
    uploads = UploadSession.objects.filter(state=UploadState.RECEIVING)
    messages = WebhookDelivery.objects.filter(state=DeliveryState.PENDING, endpoint__active=True)
    for name, told, waiting, since in (
        ("imports_open", "Imports at work.", imports, "created"),
        ("uploads_open", "Uploads that are not complete.", uploads, "created"),
        ("webhooks_waiting", "Messages to other systems that wait.", messages, "created"),
        ("removals_waiting", "Files that are to be removed.", PendingRemoval.objects.all(), "created"),
    ):
        number, oldest = _number_and_oldest(waiting, since)
        yield f"atelier_{name}", told, (), [((), number)]
        yield (
            f"atelier_{name}_oldest_seconds", f"Age of the first. {told}", (), [((), _age(oldest, now))]
        )  # fmt: skip


def _number_and_oldest(waiting: QuerySet, since: str) -> tuple[int, datetime | None]:
    found = waiting.order_by().aggregate(n=Count("pk"), oldest=Min(since))
    return found["n"], found["oldest"]


def _spend() -> Iterable[_Family]:
    today = timezone.localdate()
    encoders = SpendAccount.objects.filter(day=today).values_list("encoder", "currency", "day_micros")
    rows: list[tuple[tuple[str, ...], float]] = [
        (("search", who, currency), micros / 1_000_000) for who, currency, micros in encoders
    ]
    providers = costs.report(today, today).by("provider")
    rows += [(("generation", total.name, total.currency), float(total.cost)) for total in providers]
    yield (
        "atelier_spend_today", "Money spent today, in units of the currency.",
        ("purpose", "who", "currency"), rows,
    )  # fmt: skip


def _age(since: datetime | None, now: datetime) -> float:
    return max(0.0, (now - since).total_seconds()) if since else 0.0
