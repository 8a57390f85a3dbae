"""How fast a provider may be called by all workers together, and whether it is up at all.

The rate is a token bucket (as GCRA, which keeps one number): in Redis where there is one, else in the
database, which also steps in while Redis is away. The circuit breaker is in the database.
"""

from __future__ import annotations

import logging
import time
from datetime import timedelta
from functools import cache

import redis
from django.conf import settings
from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone
from django.utils.formats import time_format
from django.utils.translation import gettext as _

from dam import clock
from generation.models import ProviderGate
from generation.providers.registry import get_provider

logger = logging.getLogger(__name__)

OUTAGES_UNTIL_CLOSED = 5
CLOSED_SECONDS = 30.0
CLOSED_LIMIT_SECONDS = 600.0
_REDIS_SECONDS = 1.0
_NO_REDIS_SECONDS = 10.0
# When the number is in the future by more than the burst, the caller waits; else it moves on by one interval.
_TAKE = """
local clock = redis.call('TIME')
local now = clock[1] + clock[2] / 1000000
local interval, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local idle_at = math.max(tonumber(redis.call('GET', KEYS[1]) or '0'), now)
local wait = idle_at - now - interval * (burst - 1)
if wait > 0 then return string.format('%.6f', wait) end
redis.call('SET', KEYS[1], string.format('%.6f', idle_at + interval), 'EX', 86400)
return '0'
"""


def parallel_calls(provider: str) -> int:
    """Calls at the same time over all workers: what is set for the provider, else what it declares."""
    declared = get_provider(provider).capability.parallel_calls
    return max(1, int(settings.GENERATION_PARALLEL_CALLS.get(provider, declared)))


# --- Rate ----------------------------------------------------------------------------------------


def take_token(gate: ProviderGate) -> float:
    """0 where a call may be made now, and it is counted; else the seconds until there may be one.

    To be called with the gate's row locked.
    """
    per_minute = float(settings.GENERATION_CALLS_PER_MINUTE.get(gate.provider, 0))
    if per_minute <= 0:
        return 0.0
    interval, burst = 60 / per_minute, max(1, int(per_minute / 60))  # a second's worth at once
    wait = _take_from_redis(gate.provider, interval, burst) if settings.REDIS_URL else None
    return _take_from_database(gate, interval, burst) if wait is None else wait


def _take_from_redis(provider: str, interval: float, burst: int) -> float | None:
    """None where Redis is away; it is not asked again for some seconds then."""
    bucket = _bucket(settings.REDIS_URL)
    return bucket.take(f"atelier:pace:{provider}", interval, burst)


class _Bucket:
    def __init__(self, url: str) -> None:
        client = redis.Redis.from_url(
            url, socket_timeout=_REDIS_SECONDS, socket_connect_timeout=_REDIS_SECONDS
        )
        self._take = client.register_script(_TAKE)
        self._away_until = 0.0

    def take(self, key: str, interval: float, burst: int) -> float | None:
        if time.monotonic() < self._away_until:
            return None
        try:
            return float(self._take(keys=[key], args=[interval, burst]))
        except redis.RedisError as error:
            logger.warning("the database keeps the rate: Redis does not answer (%s)", error)
            self._away_until = time.monotonic() + _NO_REDIS_SECONDS
            return None


@cache
def _bucket(url: str) -> _Bucket:
    return _Bucket(url)


def _take_from_database(gate: ProviderGate, interval: float, burst: int) -> float:
    now = clock.now().timestamp()
    # At most as long as a whole burst takes: the clock may have been ahead.
    idle_at = min(max(gate.idle_at, now), now + interval * burst)
    wait = idle_at - now - interval * (burst - 1)
    if wait > 0:
        return wait
    gate.idle_at = idle_at + interval
    gate.save(update_fields=["idle_at"])
    return 0.0


# --- Circuit breaker -----------------------------------------------------------------------------


def closed_for(gate: ProviderGate) -> float:
    """0 where the provider may be called; else the seconds until somebody may try.

    After an outage one caller is let through as the probe; it becomes the probe by being answered 0. To be
    called with the gate's row locked.
    """
    if gate.closed_until is None:
        return 0.0
    now = clock.now()
    waits = [moment for moment in (gate.closed_until, gate.probe_until) if moment and moment > now]
    if waits:
        return (max(waits) - now).total_seconds()
    patience = 60.0 + 2 * get_provider(gate.provider).capability.seconds_per_picture
    gate.probe_until = now + timedelta(seconds=patience)
    gate.save(update_fields=["probe_until"])
    return 0.0


def note_answer(provider: str) -> None:
    """The provider is there, whatever it said."""
    troubled = ProviderGate.objects.filter(
        Q(outages__gt=0) | Q(closed_until__isnull=False), provider=provider
    )
    troubled.update(outages=0, closed_until=None, probe_until=None, reason="")


def note_outage(provider: str, reason: str) -> None:
    """The provider did not answer. So many in a row, and nobody calls it for a while, each time longer."""
    now = clock.now()
    with transaction.atomic():
        ProviderGate.objects.get_or_create(provider=provider)
        # Calls that were under way when it was closed say nothing new.
        asked = ProviderGate.objects.filter(
            Q(closed_until__isnull=True) | Q(closed_until__lte=now), provider=provider
        )
        if not asked.update(outages=F("outages") + 1, probe_until=None, reason=reason):
            return
        outages = asked.values_list("outages", flat=True).get()
        if outages >= OUTAGES_UNTIL_CLOSED:
            seconds = CLOSED_SECONDS * 2 ** min(outages - OUTAGES_UNTIL_CLOSED, 10)
            asked.update(closed_until=now + timedelta(seconds=min(seconds, CLOSED_LIMIT_SECONDS)))
            logger.warning("provider %s is left alone for a while: %s", provider, reason)


def mend_waits() -> None:
    """What a clock that was ahead has left."""
    for field in ("closed_until", "probe_until"):
        clock.mend(ProviderGate.objects.all(), field, timedelta(seconds=CLOSED_LIMIT_SECONDS))


def standing(provider: str) -> str:
    """A sentence where nobody calls the provider because it does not answer; else empty."""
    gate = ProviderGate.objects.filter(provider=provider).first()
    return in_words(gate) if gate else ""


def in_words(gate: ProviderGate) -> str:
    """A sentence where the gate is closed; else empty."""
    if gate.closed_until is None:
        return ""
    named = {
        "provider": gate.provider,
        "count": gate.outages,
        "time": time_format(timezone.localtime(gate.closed_until), "H:i:s"),
        "reason": gate.reason,
    }
    if gate.closed_until > clock.now():
        return (
            _(
                "“%(provider)s” did not answer %(count)s times in a row and is tried again at %(time)s. "
                "It said last: %(reason)s"
            )
            % named
        )
    return _("“%(provider)s” did not answer and is being tried again. It said last: %(reason)s") % named
