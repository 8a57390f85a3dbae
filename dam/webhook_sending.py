"""Bringing webhook messages out: claimed, signed, posted, tried again later, at last given up.

Each message arrives at least once. Signatures are those of Standard Webhooks
(https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md).
"""

from __future__ import annotations

import json
import logging
import secrets
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import F, Min
from django.utils import timezone
from standardwebhooks import Webhook

from dam import clock
from dam.models import DeliveryState, WebhookDelivery, WebhookEndpoint
from dam.webhook_http import Answer, post

log = logging.getLogger(__name__)

# Seconds until the next attempt, after the first one, the second …; after the last one it is given up.
WAITS = (5, 30, 2 * 60, 15 * 60, 3600, 4 * 3600, 12 * 3600, 24 * 3600)
JITTER = 0.2  # as a share of the wait, to either side
# An endpoint that gives no answer is left alone for as long as a message would be, but at most so many.
LONGEST_PAUSE = 15 * 60
AT_ONCE = 8  # endpoints that are spoken to at the same time
PER_ENDPOINT = 20
LEASE = timedelta(minutes=5)  # longer than all messages of a claim may take
KEPT = timedelta(days=30)
PRUNED = 1000

Sent = list[tuple[WebhookDelivery, Answer]]


def send_due(*, seconds: float = 30.0) -> int:
    """Send what is due until nothing is, or the time is over. Returns how many messages arrived.

    Any number of senders may run at once. What a crashed one had claimed is due again after the lease.

    Args:
        seconds: after so long no more is claimed.
    """
    _mend_waits()
    end, arrived = time.monotonic() + seconds, 0
    while time.monotonic() < end and (claims := _claim()):
        with ThreadPoolExecutor(AT_ONCE) as pool:
            # The threads only speak to the network; all rows are written here.
            for future in as_completed([pool.submit(_send_in_turn, claim) for claim in claims]):
                arrived += _note(*future.result())
    return arrived


def _mend_waits() -> None:
    """What a clock that was ahead has left."""
    waiting = WebhookDelivery.objects.filter(state=DeliveryState.PENDING)
    clock.mend(waiting, "claimed_until", LEASE)
    clock.mend(waiting.filter(attempts=0), "next_attempt_at", timedelta(0))
    clock.mend(WebhookEndpoint.objects.all(), "paused_until", timedelta(seconds=LONGEST_PAUSE))


def prune() -> int:
    """Delete messages that arrived long ago; what was given up stays until it is sent again.

    Returns:
        How many were deleted.
    """
    old = WebhookDelivery.objects.filter(
        state=DeliveryState.DELIVERED, delivered_at__lt=timezone.now() - KEPT
    ).order_by("delivered_at")
    pruned = 0
    while keys := list(old.values_list("pk", flat=True)[:PRUNED]):
        pruned += WebhookDelivery.objects.filter(pk__in=keys).delete()[0]
    return pruned


def _claim() -> list[list[WebhookDelivery]]:
    """Messages for a few endpoints, those that waited longest first; theirs until the lease is over."""
    waiting = WebhookDelivery.objects.due().order_by().values("endpoint")
    first = waiting.annotate(oldest=Min("next_attempt_at")).order_by("oldest")[:AT_ONCE]
    claims = (_claim_of(row["endpoint"]) for row in first)
    return [claim for claim in claims if claim]


@transaction.atomic
def _claim_of(endpoint: int) -> list[WebhookDelivery]:
    due = WebhookDelivery.objects.due().filter(endpoint=endpoint).select_related("endpoint")
    locked = due.select_for_update(skip_locked=True, no_key=True, of=("self",))
    claim = list(locked.order_by("next_attempt_at", "pk")[:PER_ENDPOINT])
    until = clock.now() + LEASE
    keys = [delivery.pk for delivery in claim]
    # An attempt counts from the claim on: once it may have been sent, no later message takes its place.
    WebhookDelivery.objects.filter(pk__in=keys).update(claimed_until=until, attempts=F("attempts") + 1)
    for delivery in claim:
        delivery.claimed_until, delivery.attempts = until, delivery.attempts + 1
    return claim


def _send_in_turn(claim: Sequence[WebhookDelivery]) -> tuple[Sent, list[WebhookDelivery]]:
    """What was sent, and what was not even tried, since the endpoint had given no answer before it."""
    sent: Sent = []
    for index, delivery in enumerate(claim):
        answer = _send(delivery)
        sent.append((delivery, answer))
        if answer.status is None:
            return sent, list(claim[index + 1 :])
    return sent, []


def _send(delivery: WebhookDelivery) -> Answer:
    body = json.dumps(delivery.payload, ensure_ascii=False, separators=(",", ":"))
    now = timezone.now()
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "Atelier-Webhooks/1.0",
        "webhook-id": delivery.message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(
            Webhook(secret).sign(delivery.message_id, now, body) for secret in _secrets(delivery.endpoint)
        ),
    }
    return post(delivery.endpoint.url, body.encode(), headers)


def _secrets(endpoint: WebhookEndpoint) -> list[str]:
    until = endpoint.previous_until
    both = endpoint.previous_secret and until is not None and until > timezone.now()
    return [endpoint.secret, endpoint.previous_secret] if both else [endpoint.secret]


@transaction.atomic
def _note(sent: Sent, untried: Sequence[WebhookDelivery]) -> int:
    """Write down what came of a claim. Returns how many messages arrived."""
    for delivery, answer in sent:
        _note_one(delivery, answer)
    WebhookDelivery.objects.filter(
        pk__in=[delivery.pk for delivery in untried],
        claimed_until__in={delivery.claimed_until for delivery in untried},
    ).update(claimed_until=None, attempts=F("attempts") - 1)
    _note_endpoint(sent)
    return sum(not answer.problem for _delivery, answer in sent)


def _note_one(delivery: WebhookDelivery, answer: Answer) -> None:
    outcome: dict[str, Any] = {
        "claimed_until": None,
        "last_status": answer.status,
        "last_error": answer.problem[:500],
        "response": answer.text,
    }
    if not answer.problem:
        outcome |= {"state": DeliveryState.DELIVERED, "delivered_at": timezone.now()}
    elif delivery.attempts > len(WAITS):
        outcome |= {"state": DeliveryState.DEAD}
        log.warning("Webhook message %s is given up: %s", delivery, answer.problem)
    else:
        outcome |= {"next_attempt_at": clock.after(wait_after(delivery.attempts))}
    # Not if the lease ran out and another sender has it.
    WebhookDelivery.objects.filter(pk=delivery.pk, claimed_until=delivery.claimed_until).update(**outcome)


def wait_after(attempts: int) -> timedelta:
    """How long to wait after so many attempts, by chance a little more or less: not all return at once."""
    share = secrets.SystemRandom().uniform(1 - JITTER, 1 + JITTER)
    return timedelta(seconds=WAITS[min(attempts, len(WAITS)) - 1] * share)


def _note_endpoint(sent: Sent) -> None:
    """Failures in a row since the last success, and a pause where there was no answer."""
    row = WebhookEndpoint.objects.filter(pk=sent[0][0].endpoint_id)
    in_a_row = 0
    for _delivery, answer in sent:
        in_a_row = in_a_row + 1 if answer.problem else 0
    if in_a_row < len(sent):  # one of them arrived
        row.update(failures=in_a_row, paused_until=None)
    else:
        row.update(failures=F("failures") + in_a_row)
    if sent[-1][1].status is None:
        failures = row.values_list("failures", flat=True).first() or 1
        pause = min(wait_after(failures), timedelta(seconds=LONGEST_PAUSE))
        row.update(paused_until=clock.after(pause))
