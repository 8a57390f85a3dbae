"""Files that have to go, as no row names them any more, and what holds that up."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class PendingRemoval(models.Model):
    """The outbox of deletions: written with them, and gone once the storage has deleted the file."""

    name = models.CharField(max_length=255, unique=True)
    attempts = models.PositiveIntegerField(default=0)
    last_error = models.TextField(blank=True)
    not_before = models.DateTimeField(db_default=Now(), db_index=True)
    created = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = _("file to remove")
        verbose_name_plural = _("files to remove")

    def __str__(self) -> str:
        return self.name


class RemovalHold(models.Model):
    """While one has not run out, no file is removed: somebody is copying what a moment ago was named."""

    until = models.DateTimeField()

    class Meta:
        verbose_name = _("hold on removals")
        verbose_name_plural = _("holds on removals")

    def __str__(self) -> str:
        return f"until {self.until:%Y-%m-%d %H:%M:%S}"
