"""Keys by which programs use the API in an account's name."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class Scope(models.TextChoices):
    """What a key may do, as far as its owner's role allows it. Each of them reads."""

    STOREFRONT = "storefront", _("Storefront: what everybody may see")
    READ = "read", _("Read: what its owner may see")
    CONTRIBUTE = "contribute", _("Contribute: bring in, change and organise")
    GENERATE = "generate", _("Generate: make pictures, which may cost")
    REVIEW = "review", _("Review: approve and reject")
    ADMIN = "admin", _("Administer: everything that its owner may")


class ApiKey(models.Model):
    """A key; what is kept of the secret is its hash. Written through `dam.api_keys` only."""

    name = models.CharField(_("name"), max_length=80)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("acts for"),
        null=True,  # the account is gone; nothing is done for the key any more
        on_delete=models.SET_NULL,
        related_name="api_keys",
    )
    prefix = models.CharField(_("begins with"), max_length=16, editable=False)
    # SHA-256 of the whole key: 256 random bits need no slow hash, and are found by one look-up.
    digest = models.CharField(max_length=64, unique=True, editable=False)
    scopes = models.JSONField(_("scopes"), default=list)
    # Empty: from everywhere. Only browsers say from where, so this keeps other pages from using the key.
    origins = models.JSONField(_("pages of these sites only"), default=list, blank=True)
    expires = models.DateTimeField(_("expires"), null=True, blank=True)
    last_used = models.DateTimeField(_("last used"), null=True, editable=False)
    created = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("created by"),
        null=True,
        editable=False,
        on_delete=models.SET_NULL,
        related_name="+",
    )
    revoked = models.DateTimeField(_("revoked"), null=True, editable=False)

    class Meta:
        verbose_name = _("API key")
        verbose_name_plural = _("API keys")
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"
