"""Imports as they run in the background: where from, how far, and what became of each file."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from dam.models.asset import Asset, new_public_id
from dam.models.uploads import UploadSession


class ImportSource(models.TextChoices):
    ARCHIVE = "archive", pgettext_lazy("file", "Archive")
    S3 = "s3", _("S3 prefix")
    FOLDER = "folder", _("Folder on the server")


class ImportState(models.TextChoices):
    CHECKING = "checking", _("Being checked")
    READY = "ready", _("Checked")
    RUNNING = "running", _("Running")
    DONE = "done", _("Done")
    FAILED = "failed", _("Failed")
    STOPPED = "stopped", _("Stopped")


AT_WORK = (ImportState.CHECKING, ImportState.RUNNING)


class Import(models.Model):
    """One import. Rows say what became of its files, so that it goes on where it stopped."""

    public_id = models.UUIDField(default=new_public_id, unique=True, editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, verbose_name=_("owner"), on_delete=models.CASCADE, related_name="imports"
    )
    source = models.CharField(_("source"), max_length=8, choices=ImportSource.choices)
    location = models.CharField(_("from"), max_length=1024, help_text=_("File name, s3:// address or folder"))
    upload = models.ForeignKey(UploadSession, null=True, on_delete=models.SET_NULL, related_name="+")
    table = models.ForeignKey(UploadSession, null=True, on_delete=models.SET_NULL, related_name="+")
    options = models.JSONField(default=dict, help_text="Defaults of each asset, as `AssetMetadata` has them.")
    language = models.CharField(max_length=16, default="en", help_text="Of the sentences in its report.")
    state = models.CharField(_("state"), max_length=8, choices=ImportState.choices)
    total = models.PositiveIntegerField(_("files"), default=0)
    imported = models.PositiveIntegerField(_("taken in"), default=0)
    duplicates = models.PositiveIntegerField(_("in the library already"), default=0)
    rejected = models.PositiveIntegerField(_("rejected"), default=0)
    notices = models.JSONField(default=list)
    columns = models.JSONField(default=list, help_text="First row of the manifest.")
    problem = models.TextField(_("problem"), blank=True)
    attempts = models.PositiveSmallIntegerField(default=0, help_text="Begun since something was last done.")
    claim = models.UUIDField(null=True, editable=False)
    leased_until = models.DateTimeField(null=True, editable=False)
    created = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    started = models.DateTimeField(_("started"), null=True, editable=False)
    finished = models.DateTimeField(_("finished"), null=True, editable=False)

    class Meta:
        verbose_name = _("import")
        verbose_name_plural = _("imports")
        ordering = ["-id"]
        indexes = [models.Index(fields=["state", "leased_until"]), models.Index(fields=["owner", "-id"])]

    def __str__(self) -> str:
        return self.location

    @property
    def done(self) -> int:
        """Files whose outcome is known."""
        return self.imported + self.duplicates + self.rejected

    @property
    def is_at_work(self) -> bool:
        return self.state in AT_WORK


class ImportOutcome(models.TextChoices):
    IMPORTED = "imported", _("Taken in")
    KNOWN = "known", _("In the library already")
    REJECTED = "rejected", _("Rejected")


class ImportRow(models.Model):
    """What became of one file or row of the manifest; while it is only checked, those with a problem."""

    run = models.ForeignKey(Import, on_delete=models.CASCADE, related_name="rows")
    key = models.TextField(blank=True, help_text="What the source calls the picture; empty: there is none.")
    name = models.TextField(_("file"), blank=True)
    number = models.PositiveIntegerField(_("row"), default=0, help_text="Of the manifest; 0: none.")
    outcome = models.CharField(max_length=8, choices=ImportOutcome.choices)
    problem = models.TextField(_("problem"), blank=True)
    cells = models.JSONField(default=list, help_text="Of the manifest's row, where it is rejected.")
    asset = models.ForeignKey(Asset, null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        verbose_name = _("file of an import")
        verbose_name_plural = _("files of an import")
        ordering = ["id"]
        indexes = [models.Index(fields=["run", "outcome", "id"])]

    def __str__(self) -> str:
        return f"{self.name}: {self.outcome}"
