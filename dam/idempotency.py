"""Requests that are sent again with the same Idempotency-Key: done once, and answered as they were.

A claim commits before the deed; the answer commits with the deed, in one transaction, and only as long as the
claim is still held. So a process that dies leaves a claim without a deed, which lapses, or a deed with its
answer, and of two that hold the same request only one can commit.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID, uuid4

from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from dam import clock
from dam.leases import renewed
from dam.models import KeptAnswer

KEPT = timedelta(hours=24)
LEASE = timedelta(seconds=15)  # renewed while a process is at work on the request
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
    token: UUID


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
    KeptAnswer.objects.filter(caller=caller, key=key, created__lt=clock.after(-KEPT)).delete()
    token = uuid4()
    try:
        with transaction.atomic():
            row = KeptAnswer.objects.create(
                caller=caller,
                key=key,
                fingerprint=fingerprint,
                claim=token,
                claimed_until=clock.after(LEASE),
            )
    except IntegrityError:
        return _came_before(caller, key, fingerprint)
    return Claim(row.pk, token)


def at_work(held: Claim) -> AbstractContextManager[None]:
    """Around the deed, and outside of its transaction: the claim does not lapse while it goes on."""
    return renewed(_held(held), LEASE, "claimed_until")


def keep(held: Claim, answer: Answer) -> None:
    """Keep the answer; to be called in the transaction of the deed.

    Raises:
        ClaimLost: roll the deed back.
    """
    body = answer.body if answer.body is not None and len(answer.body) <= MAX_BODY else None
    if not _held(held).update(status=answer.status, headers=answer.headers, body=body):
        raise ClaimLost


def let_go(held: Claim) -> None:
    """Nothing was done: the key may come again, with the same request or another one."""
    _held(held).delete()


def _held(held: Claim) -> QuerySet[KeptAnswer]:
    return KeptAnswer.objects.filter(pk=held.row, status=None, claim=held.token)


def sweep() -> None:
    """Forget what was kept for its time."""
    old = KeptAnswer.objects.filter(created__lt=clock.after(-KEPT)).order_by("pk")
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
    now = clock.now()
    if row.claimed_until > now:
        clock.mend(KeptAnswer.objects.filter(pk=row.pk, status=None), "claimed_until", LEASE)
        raise UnderWay
    token = uuid4()
    lapsed = KeptAnswer.objects.filter(pk=row.pk, status=None, claimed_until=row.claimed_until)
    if not lapsed.update(claim=token, claimed_until=now + LEASE):
        raise UnderWay
    return Claim(row.pk, token)
