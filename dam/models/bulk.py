"""Changes of many assets at once, done in the background, with what each was before."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from dam.models.asset import Asset


class BulkState(models.TextChoices):
    RUNNING = "running", _("Running")
    DONE = "done", _("Done")
    STOPPED = "stopped", _("Stopped")
    UNDOING = "undoing", _("Being undone")
    UNDONE = "undone", _("Undone")


class BulkOutcome(models.TextChoices):
    WAITING = "waiting", _("Waiting")
    CHANGED = "changed", _("Changed")
    SKIPPED = "skipped", _("Left as it was")
    UNDONE = "undone", _("Undone")
    KEPT = "kept", _("Not undone: changed again since")


class BulkEdit(models.Model):
    """One change for many assets: fields, tags, a state."""

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.SET_NULL,
        related_name="+",
        verbose_name=_("owner"),
    )
    # That in which the owner asked for it, where a key lowered it; empty: the owner's own.
    role = models.CharField(max_length=16, blank=True, editable=False)
    changes = models.JSONField(_("changes"), default=dict)
    add_tags = models.JSONField(_("tags added"), default=list)
    remove_tags = models.JSONField(_("tags removed"), default=list)
    to_state = models.CharField(_("moved to"), max_length=16, blank=True)
    state = models.CharField(_("state"), max_length=16, choices=BulkState.choices, default=BulkState.RUNNING)
    total = models.PositiveIntegerField(_("assets"), default=0)
    leased_until = models.DateTimeField(null=True, editable=False)
    created = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    finished = models.DateTimeField(_("finished"), null=True, editable=False)

    class Meta:
        verbose_name = _("bulk edit")
        verbose_name_plural = _("bulk edits")
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"#{self.pk}"


class BulkEditItem(models.Model):
    """One asset of a bulk edit: what it was before, and when the edit had changed it."""

    edit = models.ForeignKey(BulkEdit, on_delete=models.CASCADE, related_name="items")
    asset = models.ForeignKey(Asset, on_delete=models.CASCADE, related_name="+")
    outcome = models.CharField(max_length=16, choices=BulkOutcome.choices, default=BulkOutcome.WAITING)
    before = models.JSONField(default=dict)
    changed_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("asset of a bulk edit")
        verbose_name_plural = _("assets of a bulk edit")
        constraints = [models.UniqueConstraint(fields=["edit", "asset"], name="dam_bulk_once")]
        indexes = [
            models.Index(fields=["edit", "id"], condition=Q(outcome="waiting"), name="dam_bulk_waiting"),
            models.Index(fields=["edit", "outcome"], name="dam_bulk_outcome"),
        ]

    def __str__(self) -> str:
        return f"{self.edit_id}: {self.asset_id} {self.outcome}"
