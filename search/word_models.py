"""The words of the library, groups of words that mean the same, and the log of what people searched for."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class TermKind(models.TextChoices):
    WORD = "word", _("Word")
    TAG = "tag", _("Tag")
    SLUG = "slug", _("Slug of a tag")
    SKU = "sku", _("SKU")


class Term(models.Model):
    """A word or name by which assets are found, and how many have it.

    `search.terms` keeps the numbers by what each asset adds (`AssetTerms`).
    """

    kind = models.CharField(_("kind"), max_length=8, choices=TermKind.choices)
    text = models.CharField(_("text"), max_length=120)
    language = models.CharField(_("language"), max_length=2)
    everywhere = models.IntegerField(_("assets"), default=0)
    storefront = models.IntegerField(_("assets on the storefront"), default=0)
    pinyin = models.CharField(_("pinyin"), max_length=400, blank=True)
    initials = models.CharField(_("initials of the pinyin"), max_length=120, blank=True)

    class Meta:
        verbose_name = _("term")
        verbose_name_plural = _("terms")
        constraints = [models.UniqueConstraint(fields=["kind", "text"], name="search_term_once")]
        indexes = [models.Index(fields=["-everywhere", "id"], name="search_term_weight")]

    def __str__(self) -> str:
        return self.text


class AssetTerms(models.Model):
    """What one asset adds to the numbers of terms; so it is known what to take off when it changes."""

    asset_key = models.BigIntegerField(primary_key=True)
    terms = models.JSONField(default=list, help_text=_("Keys of terms"))
    on_storefront = models.BooleanField(default=False)
    until = models.DateField(null=True, help_text=_("Last day on the storefront"))

    class Meta:
        verbose_name = _("terms of an asset")
        verbose_name_plural = _("terms of assets")
        indexes = [
            models.Index(fields=["until"], condition=Q(on_storefront=True), name="search_terms_until"),
        ]

    def __str__(self) -> str:
        return str(self.asset_key)


class TermChange(models.Model):
    """An asset whose terms have to be counted again. Only added to: no change waits for another."""

    asset_key = models.BigIntegerField(db_index=True)

    class Meta:
        verbose_name = _("asset to be counted")
        verbose_name_plural = _("assets to be counted")

    def __str__(self) -> str:
        return str(self.asset_key)


class VocabularyState(models.Model):
    """One row: a new random mark with every change of terms and synonyms, by which processes see it."""

    mark = models.CharField(max_length=32, blank=True)

    def __str__(self) -> str:
        return self.mark


class Synonym(models.Model):
    """Words that mean the same here, in both languages: who searches for one finds the others too."""

    words = models.JSONField(_("words (English)"), default=list, blank=True)
    words_zh = models.JSONField(_("words (Chinese)"), default=list, blank=True)
    created = models.DateTimeField(_("created"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("group of synonyms")
        verbose_name_plural = _("synonyms")
        ordering = ["pk"]

    def __str__(self) -> str:
        return " = ".join([*self.words, *self.words_zh])


class Entrance(models.TextChoices):
    PAGE = "page", _("Search page")
    REST = "rest", "REST"
    COMMAND = "command", _("Command")


class QueryLanguage(models.TextChoices):
    ENGLISH = "en", _("English")
    CHINESE = "zh", _("Chinese")
    MIXED = "mixed", _("Both")
    NONE = "none", _("Neither")


class SearchLog(models.Model):
    """One question and how it was answered.

    Who asked is kept for SEARCH_LOG_PERSON_DAYS, the row for SEARCH_LOG_DAYS. `visitor` is a keyed hash that
    is another for every question: it tells strangers who asked the same apart, and nothing about them.
    """

    at = models.DateTimeField(_("at"), default=timezone.now, editable=False)
    text = models.CharField(_("text"), max_length=200)
    normalised = models.CharField(_("text, normalised"), max_length=200)
    language = models.CharField(_("language"), max_length=8, choices=QueryLanguage.choices)
    filters = models.JSONField(_("filters"), default=dict)
    entrance = models.CharField(_("entrance"), max_length=8, choices=Entrance.choices)
    account = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("account"),
        null=True,
        on_delete=models.SET_NULL,
        related_name="+",
    )
    visitor = models.CharField(_("visitor"), max_length=16, blank=True)
    of_library = models.BooleanField(_("sees the library"))
    total = models.PositiveIntegerField(_("results"))
    took_ms = models.FloatField(_("milliseconds"))
    encoder = models.CharField(_("encoder"), max_length=160, blank=True)
    degraded = models.BooleanField(_("degraded"), default=False)
    corrections = models.JSONField(_("corrections"), default=dict)

    class Meta:
        verbose_name = _("search")
        verbose_name_plural = _("log of searches")
        indexes = [models.Index(fields=["at"], name="search_log_at")]

    def __str__(self) -> str:
        return self.text


class SearchClick(models.Model):
    """A result that was opened, by its place among the results."""

    search = models.ForeignKey(SearchLog, on_delete=models.CASCADE, related_name="clicks")
    asset_key = models.BigIntegerField(_("asset"))
    position = models.PositiveIntegerField(_("position"))
    at = models.DateTimeField(_("at"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("opened result")
        verbose_name_plural = _("opened results")
        constraints = [models.UniqueConstraint(fields=["search", "asset_key"], name="search_click_once")]
        indexes = [models.Index(fields=["asset_key"], name="search_click_asset")]

    def __str__(self) -> str:
        return f"{self.search_id}: {self.asset_key}"


class SearchDay(models.Model):
    """One question on one day, summed up: nothing in it says who asked. Reports read these rows only."""

    day = models.DateField(_("day"))
    normalised = models.CharField(_("text"), max_length=200)
    language = models.CharField(_("language"), max_length=8, choices=QueryLanguage.choices)
    asked = models.PositiveIntegerField(_("asked"))
    empty = models.PositiveIntegerField(_("without results"))
    clicked = models.PositiveIntegerField(_("with an opened result"))
    took_ms = models.FloatField(_("milliseconds of all"))
    slowest_ms = models.FloatField(_("milliseconds of the slowest"))

    class Meta:
        verbose_name = _("searches of a day")
        verbose_name_plural = _("searches by day")
        constraints = [models.UniqueConstraint(fields=["day", "normalised"], name="search_day_once")]

    def __str__(self) -> str:
        return f"{self.day}: {self.normalised}"


class FrequentQuery(models.Model):
    """What at least three people searched for and found: it is suggested to others.

    `storefront` counts only those who see no more than the storefront, and only their words go to the like.
    """

    normalised = models.CharField(_("text"), max_length=200, unique=True)
    everywhere = models.PositiveIntegerField(_("people"))
    storefront = models.PositiveIntegerField(_("people on the storefront"), default=0)

    class Meta:
        verbose_name = _("frequent search")
        verbose_name_plural = _("frequent searches")

    def __str__(self) -> str:
        return self.normalised
