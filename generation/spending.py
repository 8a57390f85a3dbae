"""The ledger of paid calls, who may spend how much a day, and how each provider stands, over all workers."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from django.conf import settings
from django.contrib.auth.models import Group
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

MICROS = 1_000_000


def to_micros(amount: Decimal) -> int:
    """An amount of money in millionths."""
    return int((amount * MICROS).to_integral_value())


def from_micros(micros: int) -> Decimal:
    """Millionths as an amount of money."""
    return Decimal(micros) / MICROS


def today() -> date:
    """The day that a call begun now counts for, in the site's time zone."""
    return timezone.localdate()


class SpendState(models.TextChoices):
    # The call is under way: its price is set aside.
    RESERVED = "reserved", _("Set aside")
    # The vendor answered: what the call cost.
    SETTLED = "settled", _("Paid")
    # No answer came, and the vendor may charge for it: counted as if it did.
    ASSUMED = "assumed", _("Perhaps paid")
    # The vendor charges nothing for it.
    RELEASED = "released", _("Not paid")


class SpendEntry(models.Model):
    """One call of a provider and its money; never deleted, and changed only while it is reserved."""

    item = models.ForeignKey("generation.GenerationItem", on_delete=models.PROTECT, related_name="spending")
    # Of the job, kept here too, so that a day's sums read one table.
    job = models.ForeignKey("generation.GenerationJob", on_delete=models.PROTECT, related_name="spending")
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("owner"),
        null=True,
        on_delete=models.SET_NULL,
        related_name="+",
    )
    team = models.ForeignKey(
        Group, verbose_name=_("team"), null=True, on_delete=models.SET_NULL, related_name="+"
    )
    attempt = models.PositiveIntegerField(_("attempt"))
    provider = models.CharField(_("provider"), max_length=32)
    model = models.CharField(_("model"), max_length=120, blank=True)
    # The idempotency key that the provider was given: the same for all calls of an item.
    key = models.CharField(max_length=64)
    amount_micros = models.BigIntegerField()
    currency = models.CharField(_("currency"), max_length=3)
    state = models.CharField(
        _("state"), max_length=8, choices=SpendState.choices, default=SpendState.RESERVED
    )
    day = models.DateField(_("day"), default=today)
    created = models.DateTimeField(_("created"), default=timezone.now)
    closed = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("spending")
        verbose_name_plural = _("spending")
        constraints = [
            models.UniqueConstraint(
                fields=["item"], condition=Q(state=SpendState.RESERVED), name="generation_spend_one_call"
            )
        ]
        indexes = [
            models.Index(fields=["day", "currency"], name="generation_spend_day"),
            models.Index(fields=["owner", "day"], name="generation_spend_owner"),
        ]

    def __str__(self) -> str:
        return f"{self.item_id}/{self.attempt}: {self.state} {self.amount} {self.currency}"

    @property
    def amount(self) -> Decimal:
        """What the call cost, or is set aside or assumed for it."""
        return from_micros(self.amount_micros)


# What counts against budgets and caps.
COMMITTED = (SpendState.RESERVED, SpendState.SETTLED, SpendState.ASSUMED)


class SpendingCap(models.Model):
    """How much a person, or all members of a team together, may spend in a day."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        verbose_name=_("person"),
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="+",
    )
    team = models.OneToOneField(
        Group, verbose_name=_("team"), null=True, blank=True, on_delete=models.CASCADE, related_name="+"
    )
    amount = models.DecimalField(_("amount a day"), max_digits=12, decimal_places=4)
    currency = models.CharField(_("currency"), max_length=3, default="USD")
    # Raised by whoever is about to spend: the row is locked, so that one at a time reads the day's sum.
    turns = models.BigIntegerField(default=0, editable=False)

    class Meta:
        verbose_name = _("spending cap")
        verbose_name_plural = _("spending caps")
        constraints = [
            models.CheckConstraint(
                condition=Q(user__isnull=False, team__isnull=True) | Q(user__isnull=True, team__isnull=False),
                name="generation_cap_of_one",
                violation_error_message=_("A cap is of a person or of a team: choose one."),
            ),
            models.CheckConstraint(
                condition=Q(amount__gte=0),
                name="generation_cap_amount",
                violation_error_message=_("The amount is at least 0."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user or self.team}: {self.amount} {self.currency}"


class ProviderGate(models.Model):
    """What all workers share about a provider: whose turn it is to claim, its rate, its outages."""

    provider = models.CharField(max_length=32, unique=True)
    # Raised by each claim: the row is locked, so that one at a time counts the calls under way.
    claims = models.BigIntegerField(default=0)
    # Where no Redis keeps it: when the rate limit is idle again, in seconds since the epoch (GCRA).
    idle_at = models.FloatField(default=0)
    # Outages since the last answer.
    outages = models.PositiveIntegerField(default=0)
    # The circuit breaker: until then nobody calls; after it, one does.
    closed_until = models.DateTimeField(null=True)
    # The one call that tries whether the provider is back has until then.
    probe_until = models.DateTimeField(null=True)
    reason = models.TextField(blank=True)

    def __str__(self) -> str:
        return self.provider
