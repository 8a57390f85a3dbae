"""The audit log: who did what, when; written once and never changed."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class AuditEntryQuerySet(models.QuerySet["AuditEntry"]):
    """Adds and reads; what is in the log stays as it is."""

    def update(self, **changes: Any) -> int:
        raise TypeError("An audit entry is never changed.")

    def delete(self) -> tuple[int, dict[str, int]]:
        raise TypeError("An audit entry is never deleted.")


class AuditEntry(models.Model):
    """One deed. It names its target by public id and its actor by name, so that it outlives both.

    On PostgreSQL a trigger refuses every change from whatever client (migration 0005), but for the
    reference to an account that is deleted.
    """

    at = models.DateTimeField(_("time"), default=timezone.now, editable=False)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("who"),
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
    )
    actor_name = models.CharField(_("who, by name"), max_length=150, blank=True, editable=False)
    action = models.CharField(_("action"), max_length=64)
    target_type = models.CharField(_("type"), max_length=32)
    target_id = models.CharField(_("target"), max_length=64, db_index=True)
    details = models.JSONField(_("details"), default=dict, blank=True)

    objects = AuditEntryQuerySet.as_manager()

    class Meta:
        verbose_name = _("audit entry")
        verbose_name_plural = _("audit log")
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["at"]),
            # Found by how they begin, which an index in the order of a language does not serve.
            models.Index(
                fields=["action", "-id"],
                name="dam_audit_action",
                opclasses=["varchar_pattern_ops", "int8_ops"],
            ),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.target_type} {self.target_id}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if self.pk is not None:
            raise TypeError("An audit entry is never changed.")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        raise TypeError("An audit entry is never deleted.")
