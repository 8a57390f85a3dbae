"""Uploads that go on after a broken connection: what is known of a file while its bytes arrive."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from dam.models.asset import Asset, new_public_id


class UploadPurpose(models.TextChoices):
    ASSET = "asset", _("A picture for the library")
    IMPORT = "import", _("An archive or table to import from")


class UploadState(models.TextChoices):
    RECEIVING = "receiving", _("Being received")
    CREATED = "created", _("Taken in")
    KNOWN = "known", _("In the library already")
    REFUSED = "refused", _("Refused")
    KEPT = "kept", _("Complete")


class UploadSession(models.Model):
    """One file on its way over HTTP. How much of it is there, its spooled file says (`dam.upload_spool`)."""

    public_id = models.UUIDField(default=new_public_id, unique=True, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="uploads")
    purpose = models.CharField(max_length=8, choices=UploadPurpose.choices, default=UploadPurpose.ASSET)
    name = models.CharField(_("file name"), max_length=255)
    length = models.BigIntegerField(_("size in bytes"))
    metadata = models.JSONField(default=dict, help_text="What ingest is told, as `AssetMetadata` names it.")
    collection = models.ForeignKey("dam.Collection", null=True, on_delete=models.SET_NULL, related_name="+")
    sent_metadata = models.TextField(blank=True, help_text="The header Upload-Metadata as it came.")
    state = models.CharField(max_length=12, choices=UploadState.choices, default=UploadState.RECEIVING)
    asset = models.ForeignKey(Asset, null=True, on_delete=models.SET_NULL, related_name="+")
    problem_code = models.CharField(max_length=24, blank=True)
    problem = models.TextField(blank=True)
    created = models.DateTimeField(default=timezone.now, editable=False)
    expires = models.DateTimeField(db_index=True)

    class Meta:
        verbose_name = _("upload")
        verbose_name_plural = _("uploads")
        ordering = ["-id"]
        constraints = [models.CheckConstraint(condition=Q(length__gte=0), name="dam_upload_length")]
        indexes = [models.Index(fields=["owner", "state"])]

    def __str__(self) -> str:
        return f"{self.name} ({self.public_id})"

    @property
    def is_receiving(self) -> bool:
        return self.state == UploadState.RECEIVING
