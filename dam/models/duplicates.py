"""Pairs of assets that look alike, and what people decided about them."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class PairState(models.TextChoices):
    OPEN = "open", _("Open")
    DIFFERENT = "different", _("Two different pictures")
    MERGED = "merged", _("Merged")


class DuplicatePair(models.Model):
    """Two assets whose current versions look alike; the older one is the first."""

    first = models.ForeignKey("dam.Asset", on_delete=models.CASCADE, related_name="+")
    second = models.ForeignKey("dam.Asset", on_delete=models.CASCADE, related_name="+")
    distance = models.PositiveSmallIntegerField(_("difference in bits"))
    turned = models.BooleanField(_("turned or mirrored"), default=False)
    state = models.CharField(_("state"), max_length=12, choices=PairState.choices, default=PairState.OPEN)
    found = models.DateTimeField(_("found"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("near duplicate")
        verbose_name_plural = _("near duplicates")
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["first", "second"], name="dam_pair_once"),
            models.CheckConstraint(condition=Q(first__lt=F("second")), name="dam_pair_in_order"),
        ]
        indexes = [
            models.Index(fields=["state", "-id"]),
            models.Index(fields=["distance", "-id"], condition=Q(state="open"), name="dam_pair_open"),
        ]

    def __str__(self) -> str:
        return f"{self.first_id} ≈ {self.second_id}"
