"""Links that show a collection to people without an account."""

from __future__ import annotations

import secrets

from django.conf import settings
from django.contrib.auth.hashers import check_password, make_password
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from dam.models.organisation import Collection


def new_token() -> str:
    """192 random bits: nobody guesses a link."""
    return secrets.token_urlsafe(24)


class ShareLink(models.Model):
    """A way to one collection, until it ends, is used up or is revoked."""

    collection = models.ForeignKey(
        Collection, on_delete=models.CASCADE, related_name="share_links", verbose_name=_("collection")
    )
    token = models.CharField(max_length=64, default=new_token, unique=True, editable=False)
    label = models.CharField(_("for whom"), max_length=120, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+", editable=False
    )
    created = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    expires_at = models.DateTimeField(_("valid until"))
    password = models.CharField(max_length=128, blank=True, editable=False)
    max_downloads = models.PositiveIntegerField(
        _("downloads at most"), null=True, blank=True, validators=[MinValueValidator(0)]
    )
    downloads = models.PositiveIntegerField(_("downloads"), default=0, editable=False)
    revoked_at = models.DateTimeField(_("revoked"), null=True, editable=False)

    class Meta:
        verbose_name = _("share link")
        verbose_name_plural = _("share links")
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(max_downloads=None) | Q(downloads__lte=F("max_downloads")), name="dam_share_limit"
            )
        ]

    def __str__(self) -> str:
        return self.label or f"{self.collection} #{self.pk}"

    @property
    def is_open(self) -> bool:
        return self.revoked_at is None and self.expires_at > timezone.now()

    @property
    def downloads_left(self) -> int | None:
        """None: any number."""
        return None if self.max_downloads is None else self.max_downloads - self.downloads

    def set_password(self, password: str) -> None:
        """Hashed as accounts' are; empty: none is asked for."""
        self.password = make_password(password) if password else ""

    def is_password(self, given: str) -> bool:
        return not self.password or check_password(given, self.password)
