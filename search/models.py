"""Spaces, the outbox that leads assets into them, and the vectors that were computed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Self

import numpy as np
from django.conf import settings
from django.db import models, transaction
from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from numpy.typing import NDArray

from dam import clock
from dam.models import Asset, AssetVersion
from search.evaluation_models import (  # Django looks for models here
    EncoderVote,
    EvaluationQuery,
    EvaluationRun,
    Judgement,
    QueryResult,
)
from search.word_models import (
    AssetTerms,
    FrequentQuery,
    SearchClick,
    SearchDay,
    SearchLog,
    Synonym,
    Term,
    TermChange,
    VocabularyState,
)

__all__ = [
    "OPEN_REINDEX",
    "AssetTerms",
    "Calibration",
    "Embedding",
    "EncoderVote",
    "EvaluationQuery",
    "EvaluationRun",
    "FrequentQuery",
    "IndexEntry",
    "IndexState",
    "Judgement",
    "QueryResult",
    "Reindex",
    "ReindexState",
    "SearchClick",
    "SearchDay",
    "SearchLog",
    "Space",
    "SpaceCoverage",
    "SpaceState",
    "Synonym",
    "Term",
    "TermChange",
    "VocabularyState",
]


class SpaceState(models.TextChoices):
    BUILDING = "building", _("Building")
    LIVE = "live", _("Live")
    # Not searched, but every change is written to it: it can become the live one at once.
    STANDBY = "standby", _("Kept up to date")
    # Not written to any more; what it missed is made up for before it is searched again.
    RETIRED = "retired", _("Retired")
    DROPPING = "dropping", _("Being dropped")


class SpaceCoverage(models.TextChoices):
    ALL = "all", _("Every asset")
    CHOSEN = "chosen", _("Assets that the policy chooses")


class Space(models.Model):
    """One vector space: encoder, weights and dimension. Vectors of two spaces are never compared."""

    slug = models.CharField(_("slug"), max_length=64, unique=True)
    encoder = models.CharField(_("encoder"), max_length=160)
    weights = models.CharField(_("weights"), max_length=160)
    dimension = models.PositiveIntegerField(_("dimension"))
    collection = models.CharField(_("Milvus collection"), max_length=128, unique=True)
    state = models.CharField(
        _("state"), max_length=12, choices=SpaceState.choices, default=SpaceState.BUILDING
    )
    coverage = models.CharField(
        _("holds"), max_length=12, choices=SpaceCoverage.choices, default=SpaceCoverage.ALL
    )
    # Of a space that is being dropped: whether the computed vectors go too.
    drop_vectors = models.BooleanField(default=False, editable=False)
    created = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    # So long one process has its collection to replace (`search.upgrade`).
    replaced_until = models.DateTimeField(null=True, editable=False)
    # When its `Calibration` was made: whoever has the space knows whether theirs is the last one.
    calibrated = models.DateTimeField(null=True, editable=False)
    # Since when its encoder or Milvus has not answered the outbox; none while both do.
    away_since = models.DateTimeField(null=True, editable=False)

    class Meta:
        verbose_name = _("vector space")
        verbose_name_plural = _("vector spaces")

    def __str__(self) -> str:
        return f"{self.encoder} ({self.dimension})"


class Calibration(models.Model):
    """What scores mean in a space (`search.calibration`)."""

    space = models.OneToOneField(
        Space, primary_key=True, on_delete=models.CASCADE, related_name="calibration"
    )
    background = models.BinaryField(help_text=_("float32, little-endian"))
    digest = models.CharField(max_length=64)
    bar = models.FloatField()
    pictures = models.PositiveBigIntegerField()

    class Meta:
        verbose_name = _("calibration")
        verbose_name_plural = _("calibrations")

    def __str__(self) -> str:
        return f"{self.space_id}: {self.bar:.2f}"


class ReindexState(models.TextChoices):
    CHECKING = "checking", _("Checking the encoder")
    RUNNING = "running", _("Running")
    PAUSED = "paused", _("Paused")
    COMPLETE = "complete", _("Complete, not switched")
    SWITCHED = "switched", _("Switched")
    CANCELLED = "cancelled", _("Cancelled")
    FAILED = "failed", _("Failed")


# What still wants something: at most one reindex is in one of these.
OPEN_REINDEX = (
    ReindexState.CHECKING,
    ReindexState.RUNNING,
    ReindexState.PAUSED,
    ReindexState.COMPLETE,
    ReindexState.FAILED,
)


class Reindex(models.Model):
    """Building the space of another encoder beside the live one: how far it is, and who wanted it.

    The library is walked by key, a piece at a time: `walked` is the last asset that was looked at and
    `entries_walked` the last of the space's own entries. Both move in the transaction that notes the piece.
    """

    space = models.ForeignKey(Space, on_delete=models.SET_NULL, null=True, related_name="reindexes")
    encoder = models.CharField(_("encoder"), max_length=400)
    state = models.CharField(
        _("state"), max_length=12, choices=ReindexState.choices, default=ReindexState.CHECKING
    )
    switch_when_complete = models.BooleanField(_("switch when complete"), default=False)
    total = models.PositiveIntegerField(_("assets"), default=0)
    noted = models.PositiveIntegerField(default=0)
    walked = models.BigIntegerField(default=0)
    entries_walked = models.BigIntegerField(default=0)
    rate = models.FloatField(_("assets a second"), default=0.0)
    # What had been done at the moment the rate was measured last; none while nothing is being done.
    measured_done = models.PositiveIntegerField(default=0)
    measured = models.DateTimeField(null=True)
    created = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    started = models.DateTimeField(_("started"), null=True)
    paused = models.DateTimeField(_("paused"), null=True)
    finished = models.DateTimeField(_("finished"), null=True)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name=_("by")
    )
    last_error = models.TextField(_("last error"), blank=True)

    class Meta:
        verbose_name = _("reindex")
        verbose_name_plural = _("reindexes")
        constraints = [
            models.UniqueConstraint(
                fields=["space"], condition=models.Q(state__in=OPEN_REINDEX), name="search_reindex_one_open"
            )
        ]

    def __str__(self) -> str:
        return f"{self.encoder}: {self.state}"


class IndexState(models.TextChoices):
    PENDING = "pending", _("Pending")
    WORKING = "working", _("Working")
    INDEXED = "indexed", _("Indexed")
    FAILED = "failed", _("Failed")
    REMOVED = "removed", _("Removed")


OPEN_STATES = (IndexState.PENDING, IndexState.WORKING)


class IndexEntryQuerySet(models.QuerySet["IndexEntry"]):
    def claimable(self) -> Self:
        """Pending and due, or left behind by a worker whose lease ran out; never what a worker still has."""
        # The first condition says nothing new: it lets the database use the index of open entries.
        return self.filter(
            Q(state__in=OPEN_STATES),
            Q(state=IndexState.PENDING, not_before__lte=clock.Now(), leased_until=None)
            | Q(leased_until__lt=clock.Now()),
        )

    def without_asset(self) -> Self:
        """Of assets that were deleted for good."""
        return self.filter(~Exists(Asset.objects.filter(pk=OuterRef("asset_key"))))


class IndexEntry(models.Model):
    """The outbox: what has to be done, or was done, for one asset in one space.

    `asset_key` is the asset's primary key and the id in Milvus. It is no foreign key: the entry
    must outlive a deleted asset until its vector is gone too.
    """

    space = models.ForeignKey(Space, on_delete=models.CASCADE, related_name="entries")
    asset_key = models.BigIntegerField(_("asset"))
    state = models.CharField(
        _("state"), max_length=12, choices=IndexState.choices, default=IndexState.PENDING
    )
    # Raised by every change; an entry becomes "indexed" only if it is still at the value that was read.
    revision = models.PositiveIntegerField(default=1)
    content_hash = models.CharField(_("indexed file"), max_length=64, blank=True)
    # Those that failed on the asset itself; one that failed on Milvus or on the encoder is none.
    attempts = models.PositiveIntegerField(_("attempts"), default=0)
    last_error = models.TextField(_("last error"), blank=True)
    not_before = models.DateTimeField(_("not before"), db_default=Now())
    waits_for_budget = models.BooleanField(_("waits for the budget"), default=False)
    leased_until = models.DateTimeField(_("leased until"), null=True, blank=True)
    created = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    indexed_at = models.DateTimeField(_("indexed"), null=True, blank=True)

    objects = IndexEntryQuerySet.as_manager()

    class Meta:
        verbose_name = _("index entry")
        verbose_name_plural = _("index")
        constraints = [models.UniqueConstraint(fields=["space", "asset_key"], name="search_entry_once")]
        # Few of a million entries are open or have failed, and those are what is asked for all the time.
        indexes = [
            models.Index(
                fields=["space", "id"],
                condition=Q(state__in=[IndexState.PENDING, IndexState.WORKING]),
                name="search_entry_open",
            ),
            models.Index(fields=["space"], condition=Q(state=IndexState.FAILED), name="search_entry_failed"),
        ]

    def __str__(self) -> str:
        return f"{self.asset_key} in {self.space_id}: {self.state}"


def held_files(files: Collection[str]) -> set[str]:
    """Of these files, by SHA-256, those that an asset has. Until the transaction ends no such asset is
    deleted for good: what is kept of a file in it goes with the asset, and is never left behind.
    """
    if not files:
        return set()
    versions = AssetVersion.objects.select_related("asset").only("sha256", "asset__id").order_by("asset_id")
    locked = versions.select_for_update(no_key=True, of=("asset",))
    return {version.sha256 for version in locked.filter(sha256__in=files)}


class EmbeddingQuerySet(models.QuerySet["Embedding"]):
    @transaction.atomic
    def keep(self, space: Space, vectors: Mapping[str, NDArray[np.float32]]) -> None:
        """Keep new vectors by SHA-256, of files that an asset still has."""
        held = held_files(vectors.keys())
        rows = [
            Embedding(space=space, sha256=sha256, vector=vector.astype("<f4").tobytes())
            for sha256, vector in vectors.items()
            if sha256 in held
        ]
        Embedding.objects.bulk_create(rows, ignore_conflicts=True)

    def without_file(self) -> Self:
        """Of files that no asset has any more."""
        return self.filter(~Exists(AssetVersion.objects.filter(sha256=OuterRef("sha256"))))


class Embedding(models.Model):
    """A vector that was computed, by file content: encoding, paid or slow, is never repeated,
    and a lost index is rebuilt from the database.
    """

    space = models.ForeignKey(Space, on_delete=models.CASCADE, related_name="embeddings")
    sha256 = models.CharField("SHA-256", max_length=64)
    vector = models.BinaryField(help_text=_("float32, little-endian"))
    created = models.DateTimeField(_("created"), default=timezone.now, editable=False)

    objects = EmbeddingQuerySet.as_manager()

    class Meta:
        verbose_name = _("embedding")
        verbose_name_plural = _("embeddings")
        constraints = [models.UniqueConstraint(fields=["space", "sha256"], name="search_embedding_once")]

    def __str__(self) -> str:
        return f"{self.sha256[:12]} in {self.space_id}"


class PictureDescription(models.Model):
    """A picture in the words of a paid model, by file content: never paid for twice. Or its refusal."""

    sha256 = models.CharField("SHA-256", max_length=64)
    described_with = models.CharField(_("described with"), max_length=160)
    alt_text = models.CharField(_("alternative text (English)"), max_length=500, blank=True)
    alt_text_zh = models.CharField(_("alternative text (Chinese)"), max_length=500, blank=True)
    description = models.TextField(_("description (English)"), blank=True)
    description_zh = models.TextField(_("description (Chinese)"), blank=True)
    refusal = models.TextField(_("refusal"), blank=True)
    created = models.DateTimeField(_("created"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("description of a picture")
        verbose_name_plural = _("descriptions of pictures")
        constraints = [
            models.UniqueConstraint(fields=["sha256", "described_with"], name="search_described_once")
        ]

    def __str__(self) -> str:
        return f"{self.sha256[:12]}: {self.alt_text or self.refusal}"


class SpendAccount(models.Model):
    """What one encoder has cost so far, what is set aside for calls under way included.

    In millionths of the currency: whole numbers, since SQLite adds decimals as floats. Its row is what
    several workers reach for at the same time.
    """

    encoder = models.CharField(_("encoder"), max_length=160, unique=True)
    currency = models.CharField(_("currency"), max_length=3)
    spent_micros = models.BigIntegerField(default=0)
    day = models.DateField(_("day"))
    day_micros = models.BigIntegerField(default=0)

    class Meta:
        verbose_name = _("account of an encoder")
        verbose_name_plural = _("accounts of encoders")

    def __str__(self) -> str:
        return self.encoder


class SpendReservation(models.Model):
    """What is set aside for one call. If its worker dies it is counted as spent when it expires."""

    account = models.ForeignKey(SpendAccount, on_delete=models.CASCADE, related_name="reservations")
    micros = models.BigIntegerField()
    day = models.DateField()
    model = models.CharField(max_length=120)
    purpose = models.CharField(max_length=12)
    files = models.JSONField(default=list, help_text="[[sha256, asset key or null], …]")
    expires = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return f"{self.account_id}: {self.micros}"


class SpendPurpose(models.TextChoices):
    DESCRIBE = "describe", _("Describing")
    EMBED = "embed", _("Embedding")
    QUERY = "query", _("Searching")
    CALIBRATE = "calibrate", _("Calibrating")


class Spend(models.Model):
    """What a vendor was paid for one file, for one call that calibrated a space, or for the queries of a day;
    outlives asset and space.
    """

    day = models.DateField(_("day"))
    space = models.ForeignKey(Space, null=True, on_delete=models.SET_NULL, related_name="spends")
    encoder = models.CharField(_("encoder"), max_length=160)
    model = models.CharField(_("model"), max_length=120)
    purpose = models.CharField(_("purpose"), max_length=12, choices=SpendPurpose.choices)
    asset_key = models.BigIntegerField(_("asset"), null=True, blank=True)
    sha256 = models.CharField("SHA-256", max_length=64, blank=True)
    calls = models.PositiveIntegerField(_("calls"), default=1)
    tokens = models.PositiveBigIntegerField(_("tokens"), default=0)
    micros = models.BigIntegerField(_("amount"))
    currency = models.CharField(_("currency"), max_length=3)
    assumed = models.BooleanField(
        _("assumed"), default=False, help_text=_("The answer was lost; counted as if it had been billed.")
    )
    created = models.DateTimeField(_("created"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("spend of an encoder")
        verbose_name_plural = _("spend of encoders")
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["day", "encoder"], name="search_spend_day"),
            models.Index(fields=["asset_key"], name="search_spend_asset"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["day", "encoder", "model"],
                condition=Q(purpose="query"),
                name="search_spend_queries_once",
            )
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.model}: {self.micros / 1_000_000:f} {self.currency}"
