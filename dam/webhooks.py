"""Webhooks: endpoints as administrators keep them, and the messages that events write for them.

Messages are rows that commit with the change that they tell of; `dam.webhook_sending` brings them out.
"""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from django.contrib.auth.models import User
from django.core.serializers.json import DjangoJSONEncoder
from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone
from django.utils.translation import gettext as _

from dam import audit, clock, workflow
from dam.audit import Actor
from dam.models import (
    TEST_EVENT,
    Asset,
    AssetState,
    DeliveryState,
    ToldExpiry,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookEvent,
)
from dam.models.asset import AssetQuerySet
from dam.rights import NEVER_USABLE
from dam.roles import Role
from dam.webhook_http import check_url

MANAGING = Role.ADMINISTRATOR
CHUNK = 1000  # assets whose messages are written at once
BOTH_SECRETS = timedelta(hours=24)  # after a rotation messages are signed with the old secret too


class CannotReplay(ValueError):
    """The message still waits to be sent; `str()` says so."""


# ── What administrators do ────────────────────────────────────────────────────────────────────────


@transaction.atomic
def save(endpoint: WebhookEndpoint, *, actor: Actor) -> str:
    """Create or update.

    Returns:
        The secret of a new endpoint, which is not shown again; empty for one that was there.

    Raises:
        NotPermitted: the account is no administrator.
        AddressRefused: nothing may be sent there.
    """
    workflow.check_role(actor, MANAGING)
    check_url(endpoint.url)
    created = endpoint.pk is None
    if created:
        endpoint.secret = new_secret()
        endpoint.created_by = actor if isinstance(actor, User) else None
        endpoint.save()
    else:
        # Not what senders write meanwhile.
        endpoint.save(update_fields=["name", "url", "events", "active"])
    audit.record(actor, f"webhook.{'created' if created else 'updated'}", endpoint, **_story(endpoint))
    return endpoint.secret if created else ""


@transaction.atomic
def delete(endpoint: WebhookEndpoint, *, actor: Actor) -> None:
    """Remove it with all its messages.

    Raises:
        NotPermitted: the account is no administrator.
    """
    workflow.check_role(actor, MANAGING)
    audit.record(actor, "webhook.deleted", endpoint, **_story(endpoint))
    endpoint.delete()


@transaction.atomic
def rotate_secret(endpoint: WebhookEndpoint, *, actor: Actor) -> str:
    """Give it a new secret; the old one signs along for a day. Returns the new one, which is not shown again.

    Raises:
        NotPermitted: the account is no administrator.
    """
    workflow.check_role(actor, MANAGING)
    locked = WebhookEndpoint.objects.select_for_update(no_key=True).get(pk=endpoint.pk)
    endpoint.previous_secret, endpoint.secret = locked.secret, new_secret()
    endpoint.previous_until = timezone.now() + BOTH_SECRETS
    endpoint.save(update_fields=["secret", "previous_secret", "previous_until"])
    audit.record(actor, "webhook.secret_rotated", endpoint, name=endpoint.name)
    return endpoint.secret


@transaction.atomic
def send_test(endpoint: WebhookEndpoint, *, actor: Actor) -> WebhookDelivery:
    """Note a test message; it goes out with the next run of the sender.

    Raises:
        NotPermitted: the account is no administrator.
    """
    workflow.check_role(actor, MANAGING)
    _speak_to_again([endpoint.pk])
    data = {"webhook": endpoint.name}
    delivery = WebhookDelivery.objects.create(
        endpoint=endpoint, event=TEST_EVENT, payload=_payload(TEST_EVENT, data)
    )
    audit.record(actor, "webhook.tested", endpoint, message=delivery.message_id)
    return delivery


@transaction.atomic
def replay(deliveries: Iterable[WebhookDelivery], *, actor: Actor) -> int:
    """Send these again, with the same id and content. Returns how many.

    Raises:
        NotPermitted: the account is no administrator.
        CannotReplay: one of them still waits to be sent; none was sent again.
    """
    workflow.check_role(actor, MANAGING)
    keys = [delivery.pk for delivery in deliveries]
    rows = list(WebhookDelivery.objects.select_for_update(no_key=True).filter(pk__in=keys).order_by("pk"))
    waiting = next((row for row in rows if row.state == DeliveryState.PENDING), None)
    if waiting is not None:
        raise CannotReplay(
            _("“%(message)s” still waits to be sent; it needs no repetition.") % {"message": waiting}
        )
    WebhookDelivery.objects.filter(pk__in=keys).update(
        state=DeliveryState.PENDING, attempts=0, next_attempt_at=clock.Now(), claimed_until=None
    )
    _speak_to_again({row.endpoint_id for row in rows})
    audit.record_many(actor, "webhook.replayed", [(row, {"message": row.message_id}) for row in rows])
    return len(rows)


def new_secret() -> str:
    """A secret as Standard Webhooks writes it: 32 random bytes in base64."""
    return f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"


# ── What happens in the library ───────────────────────────────────────────────────────────────────


def note_changes(asset_ids: Sequence[int], *, state_changed: bool) -> None:
    """Write the messages of a change, in its transaction; one cheap query where nobody listens.

    Of an asset that is in the trash only the going there is told.

    Args:
        state_changed: they have just come into the state that they are in.
    """
    events = {WebhookEvent.CHANGED}
    if state_changed:
        events |= {WebhookEvent.APPROVED, WebhookEvent.DELETED}
    listeners = _listeners(events)
    for assets in _loaded(asset_ids) if listeners else ():
        live = [asset for asset in assets if not asset.is_trashed]
        _write(listeners, WebhookEvent.CHANGED, live)
        if state_changed:
            approved = [asset for asset in live if asset.state == AssetState.APPROVED]
            _write(listeners, WebhookEvent.APPROVED, approved)
            trashed = [asset for asset in assets if asset.is_trashed]
            _write(listeners, WebhookEvent.DELETED, trashed, deletion="trash")


def note_deletions(asset_ids: Sequence[int]) -> None:
    """Write the messages of what is about to be deleted for good, in its transaction."""
    listeners = _listeners({WebhookEvent.DELETED})
    for assets in _loaded(asset_ids) if listeners else ():
        _write(listeners, WebhookEvent.DELETED, assets, deletion="permanent")


def note_expired(today: date | None = None) -> int:
    """Tell of assets whose rights have ended. Returns how many; each end of an asset is told once.

    Ends are noted as told where nobody listens too: a new endpoint is told of what ends from then on.
    """
    before = today or timezone.localdate()
    already = ToldExpiry.objects.filter(asset=OuterRef("pk"), until=OuterRef("usable_until"))
    over = (
        Asset.objects.in_library()
        .filter(usable_until__lt=before, usable_until__gt=NEVER_USABLE)
        .exclude(Exists(already))
        .order_by("pk")
    )
    told = 0
    while batch := _note_expired(over):
        told += batch
    return told


@transaction.atomic
def _note_expired(over: AssetQuerySet) -> int:
    keys = [asset.pk for asset in over.select_for_update(skip_locked=True, no_key=True)[:CHUNK]]
    # Another sweep may have told between the choice of the rows and their lock.
    known = set(ToldExpiry.objects.filter(asset__in=keys).values_list("asset_id", "until"))
    (assets,) = _loaded(keys) if keys else ([],)
    new = [asset for asset in assets if (asset.pk, asset.usable_until) not in known]
    ToldExpiry.objects.bulk_create(
        ToldExpiry(asset=asset, until=asset.usable_until) for asset in new if asset.usable_until
    )
    if new and (listeners := _listeners({WebhookEvent.EXPIRED})):
        _write(listeners, WebhookEvent.EXPIRED, new)
    return len(new)


def tell(event: WebhookEvent, data: dict[str, Any], *, subject: UUID) -> int:
    """Write the messages of something that another app tells of, in its transaction. Returns how many.

    Args:
        data: what the message says.
        subject: the public id of what it is about.
    """
    payload = _payload(event, data)
    deliveries = [
        WebhookDelivery(endpoint=endpoint, event=event, subject=subject, payload=payload)
        for endpoint in _listeners({event})
    ]
    return len(WebhookDelivery.objects.bulk_create(deliveries))


def _listeners(events: set[WebhookEvent]) -> list[WebhookEndpoint]:
    """Endpoints are few: which of them listen is found out here, not in each database's JSON."""
    endpoints = WebhookEndpoint.objects.filter(active=True).only("events")
    return [endpoint for endpoint in endpoints if events.intersection(endpoint.events)]


def _loaded(asset_ids: Sequence[int]) -> Iterator[list[Asset]]:
    """The assets as they are now, in batches of a constant number of queries."""
    keys = sorted(set(asset_ids))
    for start in range(0, len(keys), CHUNK):
        chunk = keys[start : start + CHUNK]
        yield list(Asset.objects.filter(pk__in=chunk).with_listing().order_by("pk"))


def _write(
    listeners: Sequence[WebhookEndpoint], event: WebhookEvent, assets: Sequence[Asset], **more: str
) -> None:
    endpoints = [endpoint for endpoint in listeners if event in endpoint.events]
    if not (endpoints and assets):
        return
    if event == WebhookEvent.CHANGED:
        # Never attempted, so nobody has seen it: the new message says all that it would have said.
        WebhookDelivery.objects.filter(
            endpoint__in=endpoints,
            event=event,
            subject__in=[asset.public_id for asset in assets],
            state=DeliveryState.PENDING,
            attempts=0,
        ).delete()
    payloads = {asset.public_id: _payload(event, {**_told(asset), **more}) for asset in assets}
    WebhookDelivery.objects.bulk_create(
        [
            WebhookDelivery(endpoint=endpoint, event=event, subject=subject, payload=payload)
            for endpoint in endpoints
            for subject, payload in payloads.items()
        ],
        batch_size=CHUNK,
    )


def _told(asset: Asset) -> dict[str, Any]:
    """What a message says of an asset."""
    file = asset.current
    return {
        "id": asset.public_id,
        "title": asset.title,
        "title_zh": asset.title_zh,
        "alt_text": asset.alt_text,
        "alt_text_zh": asset.alt_text_zh,
        "kind": asset.kind,
        "origin": asset.origin,
        "state": asset.state,
        "tags": sorted(tag.slug for tag in asset.tags.all()),
        "skus": sorted({link.sku.code for link in asset.sku_links.all()}),
        "custom": asset.custom,
        "usable_until": asset.usable_until,
        "updated": asset.updated,
        "version": file and file.number,
        "sha256": file and file.sha256,
    }


def _payload(event: str, data: dict[str, Any]) -> dict[str, Any]:
    message = {"type": event, "timestamp": timezone.now(), "data": data}
    plain: dict[str, Any] = json.loads(json.dumps(message, cls=DjangoJSONEncoder))
    return plain


def _speak_to_again(keys: Iterable[int]) -> None:
    """Somebody says that the receiver is there again."""
    WebhookEndpoint.objects.filter(pk__in=list(keys)).update(paused_until=None)


def _story(endpoint: WebhookEndpoint) -> dict[str, Any]:
    return {
        "name": endpoint.name,
        "url": endpoint.url,
        "events": endpoint.events,
        "active": endpoint.active,
    }
