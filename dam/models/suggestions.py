"""Words that somebody's machine proposes for a picture; people take them over or do not."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from dam.models.asset import Asset


class SuggestionState(models.TextChoices):
    OPEN = "open", _("Open")
    ACCEPTED = "accepted", _("Accepted")
    DISMISSED = "dismissed", _("Dismissed")
    SUPERSEDED = "superseded", _("Superseded")


class AltTextSuggestion(models.Model):
    """Alternative texts and descriptions for one file of an asset, from one source. No field of the asset
    holds them until somebody accepts them.
    """

    asset = models.ForeignKey(Asset, on_delete=models.CASCADE, related_name="alt_suggestions")
    sha256 = models.CharField("SHA-256", max_length=64, help_text=_("The file that is described."))
    source = models.CharField(_("source"), max_length=160)
    alt_text = models.CharField(_("alternative text (English)"), max_length=500, blank=True)
    alt_text_zh = models.CharField(_("alternative text (Chinese)"), max_length=500, blank=True)
    description = models.TextField(_("description (English)"), blank=True)
    description_zh = models.TextField(_("description (Chinese)"), blank=True)
    state = models.CharField(
        _("state"), max_length=12, choices=SuggestionState.choices, default=SuggestionState.OPEN
    )
    created = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    decided_at = models.DateTimeField(_("decided"), null=True, editable=False)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+", editable=False
    )

    class Meta:
        verbose_name = _("suggested alternative text")
        verbose_name_plural = _("suggested alternative texts")
        constraints = [
            models.UniqueConstraint(fields=["asset", "sha256", "source"], name="dam_alt_suggested_once"),
            models.UniqueConstraint(
                fields=["asset"], condition=Q(state="open"), name="dam_alt_suggestion_open"
            ),
        ]

    def __str__(self) -> str:
        return self.alt_text or self.alt_text_zh
