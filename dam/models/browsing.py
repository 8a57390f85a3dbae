"""What lets a list of a million assets be filtered, counted and asked by word without reading it all."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from dam.models.asset import Asset


class AssetWords(models.Model):
    """The words by which lists find an asset, made from its texts, tags, SKUs and file name (`dam.words`).

    On PostgreSQL a generated column with a GIN index lies beside `words` (migration 0004).
    """

    asset = models.OneToOneField(Asset, primary_key=True, on_delete=models.CASCADE, related_name="words")
    words = models.TextField(default="")

    class Meta:
        verbose_name = _("words of an asset")
        verbose_name_plural = _("words of assets")

    def __str__(self) -> str:
        return self.words.strip()


class AssetCount(models.Model):
    """How many assets there are of each sort: on PostgreSQL written by triggers, as sums and changes.

    A sort may have several rows; their sum counts. `dam.facets` reads and folds them.
    """

    state = models.CharField(max_length=16)
    kind = models.CharField(max_length=16)
    origin = models.CharField(max_length=16)
    colour_family = models.CharField(max_length=16)
    number = models.BigIntegerField()

    class Meta:
        verbose_name = _("count of assets")
        verbose_name_plural = _("counts of assets")

    def __str__(self) -> str:
        return f"{self.state} {self.kind} {self.origin} {self.colour_family}: {self.number}"


class SavedSearch(models.Model):
    """Filters of the list of assets under a name, for oneself or for all who work in the library."""

    name = models.CharField(_("name"), max_length=120)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="saved_searches",
        verbose_name=_("owner"),
    )
    query = models.CharField(_("filters"), max_length=2000, blank=True)
    shared = models.BooleanField(_("for everybody"), default=False)
    created = models.DateTimeField(_("created"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("saved search")
        verbose_name_plural = _("saved searches")
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["owner", "name"], name="dam_saved_search_name")]

    def __str__(self) -> str:
        return self.name
