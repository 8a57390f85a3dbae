"""Requests that are sent again with the same Idempotency-Key: done once, and answered as they were.

A claim commits before the deed; the answer commits with the deed, in one transaction, and only as long as the
claim is still held. So a process that dies leaves a claim without a deed, which lapses, or a deed with its
answer, and of two that hold the same request only one can commit.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.utils import timezone

from dam.models import KeptAnswer

KEPT = timedelta(hours=24)
# Longer than a worker of the web server is let work on one request.
LEASE = timedelta(minutes=3)
MAX_BODY = 256 * 1024  # bytes of an answer that are kept
SWEPT_AT_ONCE = 1000


class KeyReused(ValueError):
    """The key came before with another request."""


class UnderWay(ValueError):
    """The first request with this key has no answer yet."""


class ClaimLost(RuntimeError):
    """It took so long that another process was given the request; nothing may commit here."""


@dataclass(frozen=True)
class Claim:
    """The right to carry a request out."""

    row: int
    until: datetime


@dataclass(frozen=True)
class Answer:
    """What was answered. `body` is None where it was too large to keep."""

    status: int
    headers: dict[str, str]
    body: bytes | None


def claim(caller: str, key: str, fingerprint: str) -> Claim | Answer:
    """The right to carry out this request, or what it was answered.

    Raises:
        KeyReused, UnderWay
    """
    now = timezone.now()
    KeptAnswer.objects.filter(caller=caller, key=key, created__lt=now - KEPT).delete()
    until = now + LEASE
    try:
        with transaction.atomic():
            row = KeptAnswer.objects.create(
                caller=caller, key=key, fingerprint=fingerprint, claimed_until=until
            )
    except IntegrityError:
        return _came_before(caller, key, fingerprint)
    return Claim(row.pk, until)


def keep(held: Claim, answer: Answer) -> None:
    """Keep the answer; to be called in the transaction of the deed.

    Raises:
        ClaimLost: roll the deed back.
    """
    body = answer.body if answer.body is not None and len(answer.body) <= MAX_BODY else None
    kept = KeptAnswer.objects.filter(pk=held.row, status=None, claimed_until=held.until).update(
        status=answer.status, headers=answer.headers, body=body
    )
    if not kept:
        raise ClaimLost


def let_go(held: Claim) -> None:
    """Nothing was done: the key may come again, with the same request or another one."""
    KeptAnswer.objects.filter(pk=held.row, status=None, claimed_until=held.until).delete()


def sweep() -> None:
    """Forget what was kept for its time."""
    old = KeptAnswer.objects.filter(created__lt=timezone.now() - KEPT).order_by("pk")
    while keys := list(old.values_list("pk", flat=True)[:SWEPT_AT_ONCE]):
        KeptAnswer.objects.filter(pk__in=keys).delete()


def _came_before(caller: str, key: str, fingerprint: str) -> Claim | Answer:
    row = KeptAnswer.objects.filter(caller=caller, key=key).first()
    if row is None:  # let go in this very moment
        raise UnderWay
    if row.fingerprint != fingerprint:
        raise KeyReused
    if row.status is not None:
        return Answer(row.status, row.headers, None if row.body is None else bytes(row.body))
    now = timezone.now()
    if row.claimed_until > now:
        raise UnderWay
    until = now + LEASE
    lapsed = KeptAnswer.objects.filter(pk=row.pk, status=None, claimed_until=row.claimed_until)
    if not lapsed.update(claimed_until=until):
        raise UnderWay
    return Claim(row.pk, until)
