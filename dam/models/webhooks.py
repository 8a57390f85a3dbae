"""Webhooks: which systems outside are told what, and each message to them until it has arrived."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from uuid6 import uuid7

from dam import clock


class WebhookEvent(models.TextChoices):
    """What an endpoint can ask for."""

    APPROVED = "asset.approved", _("Asset approved")
    CHANGED = "asset.changed", _("Asset changed")
    EXPIRED = "asset.expired", _("Rights of an asset ended")
    DELETED = "asset.deleted", _("Asset deleted, to the trash or for good")
    JOB_FINISHED = "job.finished", _("Generation job finished")


# Sent only when somebody asks for it, to every endpoint whatever it listens to.
TEST_EVENT = "webhook.test"


class DeliveryState(models.TextChoices):
    PENDING = "pending", _("Waiting")
    DELIVERED = "delivered", _("Delivered")
    DEAD = "dead", _("Given up")


def new_message_id() -> str:
    """The same on every attempt, so that a receiver can tell a message that it has had."""
    return f"msg_{uuid7().hex}"


class WebhookEndpoint(models.Model):
    """An address outside that is told of events. Written through `dam.webhooks` only."""

    name = models.CharField(_("name"), max_length=80)
    url = models.URLField(_("address"), max_length=500)
    secret = models.CharField(max_length=80, editable=False)
    # Until then messages are signed with both, so that the receiver can change over without a gap.
    previous_secret = models.CharField(max_length=80, blank=True, editable=False)
    previous_until = models.DateTimeField(null=True, editable=False)
    events = models.JSONField(_("events"), default=list)
    active = models.BooleanField(
        _("active"),
        default=True,
        help_text=_("Switched off: nothing new is noted, what waits goes on waiting."),
    )
    failures = models.PositiveIntegerField(_("failures in a row"), default=0, editable=False)
    # An address that gives no answer is left alone until then, whatever waits for it.
    paused_until = models.DateTimeField(_("left alone until"), null=True, editable=False)
    created = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("created by"),
        null=True,
        editable=False,
        on_delete=models.SET_NULL,
        related_name="+",
    )

    class Meta:
        verbose_name = _("webhook")
        verbose_name_plural = _("webhooks")
        ordering = ["name", "id"]

    def __str__(self) -> str:
        return self.name


class WebhookDeliveryQuerySet(models.QuerySet["WebhookDelivery"]):
    """The domain's words for choosing deliveries."""

    def due(self) -> WebhookDeliveryQuerySet:
        """Waiting, its time has come, no sender has it, and its endpoint is to be spoken to."""
        return self.filter(
            Q(claimed_until=None) | Q(claimed_until__lt=clock.Now()),
            Q(endpoint__paused_until=None) | Q(endpoint__paused_until__lte=clock.Now()),
            state=DeliveryState.PENDING,
            next_attempt_at__lte=clock.Now(),
            endpoint__active=True,
        )


class WebhookDelivery(models.Model):
    """One message to one endpoint, and what became of it."""

    endpoint = models.ForeignKey(
        WebhookEndpoint, verbose_name=_("webhook"), on_delete=models.CASCADE, related_name="deliveries"
    )
    message_id = models.CharField(_("message"), max_length=40, unique=True, default=new_message_id)
    event = models.CharField(
        _("event"), max_length=24, choices=[*WebhookEvent.choices, (TEST_EVENT, _("Test message"))]
    )
    # The public id of the asset, or of what else it is about: it outlives that.
    subject = models.UUIDField(_("asset"), null=True)
    payload = models.JSONField(_("content"))
    state = models.CharField(
        _("state"), max_length=12, choices=DeliveryState.choices, default=DeliveryState.PENDING
    )
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    next_attempt_at = models.DateTimeField(_("next attempt"), db_default=Now())
    claimed_until = models.DateTimeField(null=True, editable=False)
    last_status = models.PositiveSmallIntegerField(_("last answer"), null=True)
    last_error = models.CharField(_("last problem"), max_length=500, blank=True)
    response = models.TextField(_("beginning of the answer"), blank=True)
    created = models.DateTimeField(_("created"), default=timezone.now)
    delivered_at = models.DateTimeField(_("delivered"), null=True)

    objects = WebhookDeliveryQuerySet.as_manager()

    class Meta:
        verbose_name = _("webhook message")
        verbose_name_plural = _("webhook messages")
        ordering = ["-id"]
        indexes = [
            models.Index(
                fields=["endpoint", "next_attempt_at"],
                condition=Q(state=DeliveryState.PENDING),
                name="dam_delivery_due",
            ),
            models.Index(
                fields=["subject"], condition=Q(state=DeliveryState.PENDING), name="dam_delivery_subject"
            ),
            models.Index(
                fields=["delivered_at"], condition=Q(state=DeliveryState.DELIVERED), name="dam_delivery_done"
            ),
            models.Index(fields=["endpoint", "-id"], name="dam_delivery_list"),
            models.Index(F("state"), F("id").desc(), name="dam_delivery_state"),
        ]

    def __str__(self) -> str:
        return self.message_id


class ToldExpiry(models.Model):
    """That the end of an asset's rights on this day was told; kept longer than the messages are."""

    asset: models.ForeignKey[Any, Any] = models.ForeignKey(
        "dam.Asset", on_delete=models.CASCADE, related_name="+"
    )
    until = models.DateField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["asset", "until"], name="dam_told_expiry_once")]

    def __str__(self) -> str:
        return f"{self.asset_id} {self.until}"
