"""Jobs and their items: a plan and its cells."""

from __future__ import annotations

from decimal import Decimal
from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from dam import clock
from dam.languages import in_language
from dam.models.asset import AssetState, new_public_id
from generation.providers.base import Cause
from generation.spending import (
    ProviderGate,
    SpendEntry,
    SpendingCap,
    SpendState,
    from_micros,
    to_micros,
)

__all__ = [
    "ACTIVE_STATES",
    "DEAD_STATES",
    "FINAL_STATES",
    "DeadLetter",
    "GenerationBatch",
    "GenerationItem",
    "GenerationItemQuerySet",
    "GenerationJob",
    "InputRole",
    "ItemInput",
    "ItemState",
    "JobKind",
    "JobPriority",
    "JobState",
    "ProviderGate",
    "QualityState",
    "Review",
    "SpendEntry",
    "SpendState",
    "SpendingCap",
    "Studio",
    "Verdict",
    "from_micros",
    "to_micros",
]


class JobKind(models.TextChoices):
    OUTFITS = "outfits", _("Outfits")
    SCENES = "scenes", _("Scenes")
    COMPOSITION = "composition", _("Composition")
    EDIT = "edit", _("Edit")
    TRY_ON = "try_on", _("Try-on")


class JobState(models.TextChoices):
    QUEUED = "queued", _("Queued")
    RUNNING = "running", _("Running")
    PAUSED = "paused", _("Paused")
    CANCELLED = "cancelled", _("Cancelled")
    FINISHED = "finished", _("Finished")


class JobPriority(models.IntegerChoices):
    LOW = 10, _("When nothing else waits")
    NORMAL = 20, _("Normal")
    HIGH = 30, _("Before all others")


# A job in one of these has its items claimed.
ACTIVE_STATES = (JobState.QUEUED, JobState.RUNNING)


def language_now() -> str:
    """The language that is spoken here: whoever asks by page or API, asks in theirs."""
    return get_language() or str(settings.LANGUAGE_CODE)


class GenerationJob(models.Model):
    """A plan that was accepted: which provider, within which budget."""

    public_id = models.UUIDField(_("id"), default=new_public_id, unique=True, editable=False)
    kind = models.CharField(_("kind"), max_length=16, choices=JobKind.choices)
    title = models.CharField(_("title"), max_length=255, blank=True)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("owner"),
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="generation_jobs",
    )
    # The team that it is paid by: its owner's when it was made.
    team = models.ForeignKey(
        "auth.Group",
        verbose_name=_("team"),
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
    )
    priority = models.PositiveSmallIntegerField(
        _("priority"), choices=JobPriority.choices, default=JobPriority.NORMAL
    )
    # When an item of it was claimed last: owners take turns by it.
    served = models.DateTimeField(null=True, editable=False)
    provider = models.CharField(_("provider"), max_length=32)
    parameters = models.JSONField(_("parameters"), default=dict, blank=True)
    request = models.JSONField(_("request"), default=dict, blank=True, help_text=_("What was asked for"))
    state = models.CharField(_("state"), max_length=12, choices=JobState.choices, default=JobState.QUEUED)
    budget = models.DecimalField(_("budget"), max_digits=12, decimal_places=4, null=True, blank=True)
    currency = models.CharField(_("currency"), max_length=3, default="USD")
    # Spent or set aside, in millionths of the currency: whole numbers, since SQLite adds decimals as floats.
    # Raised before a call and lowered only when the call is known not to have been paid, so that neither
    # concurrency nor a crash passes the budget.
    committed_micros = models.BigIntegerField(default=0, editable=False)
    # Of whoever asked for it: the letter about its end speaks it.
    language = models.CharField(max_length=16, default=language_now, editable=False)
    created = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    finished = models.DateTimeField(_("finished"), null=True, blank=True)

    class Meta:
        verbose_name = _("generation job")
        verbose_name_plural = _("generation jobs")
        ordering = ["-id"]
        indexes = [
            models.Index(
                fields=["provider"], condition=Q(state__in=ACTIVE_STATES), name="generation_job_active"
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.title}"

    @property
    def committed(self) -> Decimal:
        """What is spent or set aside, in the job's currency."""
        return from_micros(self.committed_micros)


class ItemState(models.TextChoices):
    PLANNED = "planned", _("Planned")
    QUEUED = "queued", _("Queued")
    RUNNING = "running", _("Running")
    SUCCEEDED = "succeeded", _("Succeeded")
    BLOCKED = "blocked", _("Blocked")
    FAILED = "failed", _("Failed")
    CANCELLED = "cancelled", _("Cancelled")
    OVER_BUDGET = "over_budget", _("Over budget")


FINAL_STATES = (
    ItemState.SUCCEEDED,
    ItemState.BLOCKED,
    ItemState.FAILED,
    ItemState.CANCELLED,
    ItemState.OVER_BUDGET,
)


# Ended for good, without a picture and not by anybody's wish.
DEAD_STATES = (ItemState.FAILED, ItemState.BLOCKED, ItemState.OVER_BUDGET)


class Verdict(models.TextChoices):
    NONE = "", _("Not reviewed")
    APPROVED = "approved", _("Approved")
    REJECTED = "rejected", _("Rejected")
    REGENERATE = "regenerate", _("Regenerate")


class QualityState(models.TextChoices):
    DUE = "", _("Not scored yet")
    SCORED = "scored", _("Scored")
    FAILED = "failed", _("Cannot be scored")


class GenerationItemQuerySet(models.QuerySet["GenerationItem"]):
    def unfinished(self) -> Self:
        """Neither delivered nor given up."""
        return self.filter(state__in=(ItemState.PLANNED, ItemState.QUEUED, ItemState.RUNNING))

    def under_way(self) -> Self:
        """Held by a worker whose lease is good."""
        return self.filter(state=ItemState.RUNNING, leased_until__gte=clock.Now())

    def calling(self) -> Self:
        """Under way, and the provider has not answered yet."""
        return self.under_way().filter(answer="")

    def dead(self) -> Self:
        """Failed for good, blocked, or without budget."""
        return self.filter(state__in=DEAD_STATES)

    def awaiting_review(self) -> Self:
        """Delivered, and nobody has given a verdict."""
        return self.filter(
            state=ItemState.SUCCEEDED, verdict=Verdict.NONE, output__state=AssetState.IN_REVIEW
        )

    def unscored(self) -> Self:
        """Delivered, nobody has scored it, and nobody is at it."""
        return self.filter(
            state=ItemState.SUCCEEDED, quality_state=QualityState.DUE, quality_due__lte=clock.Now()
        ).exclude(job__kind=JobKind.TRY_ON)  # a person's own pictures are looked at by nobody else

    def queued(self) -> Self:
        """Queued and due, in a job that goes on."""
        return self.filter(state=ItemState.QUEUED, not_before__lte=clock.Now(), job__state__in=ACTIVE_STATES)

    def abandoned(self) -> Self:
        """Left behind by a worker whose lease ran out."""
        return self.filter(
            state=ItemState.RUNNING, leased_until__lt=clock.Now(), job__state__in=ACTIVE_STATES
        )

    def claimable(self) -> Self:
        """What a worker may take."""
        return self.queued() | self.abandoned()


class GenerationItem(models.Model):
    """One cell of a plan: role-ordered inputs and a prompt in, one picture out."""

    public_id = models.UUIDField(_("id"), default=new_public_id, unique=True, editable=False)
    job = models.ForeignKey(GenerationJob, on_delete=models.CASCADE, related_name="items")
    position = models.PositiveIntegerField(_("position"))
    prompt = models.TextField(_("prompt"), blank=True)
    parameters = models.JSONField(_("parameters"), default=dict, blank=True)
    # Hash of inputs, prompt, provider and parameters within the job: the same cell is never paid twice.
    idempotency_key = models.CharField(max_length=64, unique=True)
    # What a plan looks for before it makes a picture anew (see `generation.finding`): the same inputs for the
    # same purpose, whoever makes it, and the very same request. Empty: it is never found again.
    cell_hash = models.CharField(max_length=64, blank=True, default="", editable=False)
    request_hash = models.CharField(max_length=64, blank=True, default="", editable=False)
    state = models.CharField(_("state"), max_length=12, choices=ItemState.choices, default=ItemState.PLANNED)
    # Raised by every claim and never lowered: whoever claimed it holds it as long as this is unchanged.
    attempts = models.PositiveIntegerField(_("attempts"), default=0)
    # Of these, those before a person queued it again: it has all its tries anew.
    attempts_before = models.PositiveIntegerField(default=0, editable=False)
    reason = models.TextField(_("reason"), blank=True, help_text=_("Why it was blocked or failed"))
    cause = models.CharField(_("cause"), max_length=16, choices=Cause.choices, blank=True, default="")
    not_before = models.DateTimeField(db_default=Now())
    leased_until = models.DateTimeField(null=True, blank=True)
    cost = models.DecimalField(_("cost"), max_digits=12, decimal_places=6, default=0)
    model = models.CharField(_("model"), max_length=120, blank=True)
    # What `generation.quality` found; the worst of it orders the review.
    scores = models.JSONField(_("scores"), default=dict, blank=True)
    quality = models.FloatField(_("quality"), null=True, blank=True)
    quality_state = models.CharField(
        _("scoring"), max_length=8, choices=QualityState.choices, blank=True, default=QualityState.DUE
    )
    # When it may be scored: pushed ahead by whoever is at it, and where scoring has to wait.
    quality_due = models.DateTimeField(db_default=Now(), editable=False)
    quality_attempts = models.PositiveSmallIntegerField(default=0, editable=False)
    # The provider's answer, kept before ingest: a crash between answer and ingest repeats no paid call.
    answer = models.FileField(upload_to="answers/", max_length=255, blank=True)
    answer_details = models.JSONField(default=dict, blank=True)
    # Of the answer as the provider sent it: the same answer once more is the same picture.
    answer_sha256 = models.CharField(max_length=64, blank=True, default="", editable=False)
    answered_at = models.DateTimeField(null=True, editable=False)
    output = models.ForeignKey(
        "dam.Asset", null=True, blank=True, on_delete=models.SET_NULL, related_name="generated_by"
    )
    # The last batch that it was handed in with.
    batch = models.ForeignKey(
        "GenerationBatch", null=True, blank=True, on_delete=models.SET_NULL, related_name="items"
    )
    # The item whose result a reviewer sent back with a note.
    regenerates = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.SET_NULL, related_name="regenerations"
    )
    verdict = models.CharField(_("verdict"), max_length=12, choices=Verdict.choices, blank=True, default="")
    verdict_note = models.TextField(_("note"), blank=True)
    reviewed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    reviewed_at = models.DateTimeField(_("reviewed"), null=True, blank=True)
    created = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    finished = models.DateTimeField(_("finished"), null=True, blank=True)

    objects = GenerationItemQuerySet.as_manager()

    class Meta:
        verbose_name = _("generation item")
        verbose_name_plural = _("generation items")
        ordering = ["job_id", "position"]
        constraints = [models.UniqueConstraint(fields=["job", "position"], name="generation_item_position")]
        indexes = [
            models.Index(fields=["state", "not_before"], name="generation_item_due"),
            models.Index(fields=["job", "state", "position"], name="generation_item_progress"),
            models.Index(
                fields=["cause", "finished"], condition=Q(state__in=DEAD_STATES), name="generation_item_dead"
            ),
            models.Index(
                fields=["answer_sha256"], condition=~Q(answer_sha256=""), name="generation_item_answer"
            ),
            models.Index(fields=["cell_hash"], condition=~Q(cell_hash=""), name="generation_item_cell"),
            models.Index(
                fields=["quality_due"],
                condition=Q(state=ItemState.SUCCEEDED, quality_state=QualityState.DUE),
                name="generation_item_unscored",
            ),
            models.Index(
                fields=["finished"], condition=Q(finished__isnull=False), name="generation_item_ended"
            ),
            models.Index(
                fields=["job"],
                condition=Q(state=ItemState.SUCCEEDED, verdict=Verdict.NONE),
                name="generation_item_unjudged",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.job_id}/{self.position}: {self.state}"

    @property
    def tries(self) -> int:
        """Attempts since it was queued."""
        return self.attempts - self.attempts_before


class HeldAnswer(models.Model):
    """A paid answer that the file storage did not take: here until it does."""

    item = models.OneToOneField(GenerationItem, on_delete=models.CASCADE, related_name="held_answer")
    content = models.BinaryField()

    def __str__(self) -> str:
        return f"{self.item_id}: {len(self.content)} bytes"


class VerdictEntry(models.Model):
    """A verdict as it was given: it stays when another takes its place, and when it is taken back."""

    # What was decided at one stroke is taken back at one stroke.
    deed = models.UUIDField(default=new_public_id, editable=False)
    item = models.ForeignKey(GenerationItem, on_delete=models.CASCADE, related_name="verdicts")
    verdict = models.CharField(_("verdict"), max_length=12, choices=Verdict.choices)
    note = models.TextField(_("note"), blank=True)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    # Outlives the account; empty: it followed from what was done in the library.
    actor_name = models.CharField(max_length=150, blank=True)
    given = models.DateTimeField(_("given"), default=timezone.now)
    # What taking it back restores.
    asset_state_before = models.CharField(max_length=16, blank=True, default="")
    sku_links = models.JSONField(default=list, blank=True)  # keys of the links that it made
    again = models.ForeignKey(
        GenerationItem, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    undone_at = models.DateTimeField(_("taken back"), null=True, blank=True)
    undone_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )

    class Meta:
        verbose_name = _("verdict")
        verbose_name_plural = _("verdicts")
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["deed"], name="generation_verdict_deed"),
            models.Index(fields=["actor", "-id"], name="generation_verdict_actor"),
        ]

    def __str__(self) -> str:
        return f"{self.item_id}: {self.verdict}"


class JobEnd(models.Model):
    """That a job came to its end at this moment, and who was told of it: each end once."""

    class Mail(models.TextChoices):
        WAITING = "waiting", _("Waiting")
        SENDING = "sending", _("Being sent")
        SENT = "sent", _("Sent")
        NONE = "none", _("Not asked for")

    job = models.ForeignKey(GenerationJob, on_delete=models.CASCADE, related_name="ends")
    finished = models.DateTimeField(_("finished"))
    mail = models.CharField(max_length=8, choices=Mail.choices, default=Mail.WAITING)
    attempts = models.PositiveSmallIntegerField(default=0)
    not_before = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name = _("end of a job")
        verbose_name_plural = _("ends of jobs")
        constraints = [models.UniqueConstraint(fields=["job", "finished"], name="generation_end_once")]
        indexes = [
            models.Index(fields=["not_before"], condition=Q(mail="waiting"), name="generation_end_waiting")
        ]

    def __str__(self) -> str:
        return f"{self.job_id}: {self.finished}"


class GenerationBatch(models.Model):
    """Items that were handed to a vendor together, and how they are found there again."""

    job = models.ForeignKey(GenerationJob, on_delete=models.CASCADE, related_name="batches")
    # Ours, written down before anything is handed in: the vendor is asked for it after a crash.
    key = models.CharField(max_length=64, unique=True)
    # The vendor's; empty until it is known that the batch was handed in.
    name = models.CharField(max_length=255, blank=True)
    not_before = models.DateTimeField(db_default=Now())
    leased_until = models.DateTimeField(null=True, blank=True)
    created = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    ended = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("batch")
        verbose_name_plural = _("batches")
        indexes = [
            models.Index(fields=["not_before"], condition=Q(ended__isnull=True), name="generation_batch_open")
        ]

    def __str__(self) -> str:
        return self.name or self.key


class InputRole(models.TextChoices):
    MODEL = "model", _("Model")
    GARMENT = "garment", _("Garment")
    ACCESSORY = "accessory", _("Accessory")
    PRODUCT = "product", _("Product")
    CHARACTER = "character", _("Character")
    PROP = "prop", _("Prop")
    SCENE = "scene", _("Scene")
    REFERENCE = "reference", _("Reference")


class ItemInput(models.Model):
    """An asset that an item is made from, in its role and order."""

    item = models.ForeignKey(GenerationItem, on_delete=models.CASCADE, related_name="inputs")
    asset = models.ForeignKey("dam.Asset", on_delete=models.PROTECT, related_name="generation_inputs")
    # The file that was planned with; null where it was thrown away since, and the current one serves.
    version = models.ForeignKey(
        "dam.AssetVersion", null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    role = models.CharField(_("role"), max_length=16, choices=InputRole.choices)
    position = models.PositiveSmallIntegerField(default=0)

    class Meta:
        verbose_name = _("input")
        verbose_name_plural = _("inputs")
        ordering = ["position", "id"]
        constraints = [models.UniqueConstraint(fields=["item", "position"], name="generation_input_position")]

    def __str__(self) -> str:
        return f"{self.role}: {self.asset_id}"

    def of(self, item: GenerationItem) -> ItemInput:
        """The same for another item, not kept yet."""
        return ItemInput(
            item=item,
            asset_id=self.asset_id,
            version_id=self.version_id,
            role=self.role,
            position=self.position,
        )


class StyleSet(models.Model):
    """A look that many pictures share: reference pictures, and words in both languages."""

    slug = models.SlugField(_("slug"), max_length=48, unique=True)
    name = models.CharField(_("name (English)"), max_length=120)
    name_zh = models.CharField(_("name (Chinese)"), max_length=120, blank=True)
    words = models.TextField(
        _("words (English)"), blank=True, max_length=1000, help_text=_("Light, colours, mood, medium")
    )
    words_zh = models.TextField(_("words (Chinese)"), blank=True, max_length=1000)
    negative = models.CharField(_("not to be seen (English)"), max_length=500, blank=True)
    negative_zh = models.CharField(_("not to be seen (Chinese)"), max_length=500, blank=True)
    pictures = models.ManyToManyField(
        "dam.Asset", verbose_name=_("reference pictures"), blank=True, related_name="style_sets"
    )
    created = models.DateTimeField(_("created"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("style set")
        verbose_name_plural = _("style sets")
        ordering = ["slug"]

    def __str__(self) -> str:
        return in_language(self.name, self.name_zh) or self.slug


class PromptTemplate(models.Model):
    """One version of a template that the studio wrote; a change is a new version, the old one stays."""

    key = models.SlugField(_("key"), max_length=48)
    version = models.PositiveIntegerField(_("version"), default=1, editable=False)
    kind = models.CharField(_("kind"), max_length=16, choices=JobKind.choices)
    name = models.CharField(_("name (English)"), max_length=120)
    name_zh = models.CharField(_("name (Chinese)"), max_length=120, blank=True)
    text = models.TextField(_("text (English)"), max_length=6000)
    text_zh = models.TextField(_("text (Chinese)"), max_length=6000)
    slots = models.JSONField(_("slots"), default=list, blank=True)
    negative = models.CharField(_("not to be seen (English)"), max_length=500, blank=True)
    negative_zh = models.CharField(_("not to be seen (Chinese)"), max_length=500, blank=True)
    created = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, editable=False, on_delete=models.SET_NULL, related_name="+"
    )

    class Meta:
        verbose_name = _("prompt template")
        verbose_name_plural = _("prompt templates")
        ordering = ["key", "-version"]
        constraints = [models.UniqueConstraint(fields=["key", "version"], name="generation_template_version")]

    def __str__(self) -> str:
        return f"{in_language(self.name, self.name_zh) or self.key} @{self.version}"


class CombinationRule(models.Model):
    """What does not go together in one picture: a rule over tags and kinds, which a plan follows.

    An asset is meant where it carries one of the tags, or one below them, or is of a kind that is written as
    `kind:accessory`. Without `others`, at most `at_most` assets of a picture may be among those meant; with
    them, none of these goes with one of the others.
    """

    name = models.CharField(_("name (English)"), max_length=120, help_text=_("“One bottom”"))
    name_zh = models.CharField(_("name (Chinese)"), max_length=120, blank=True)
    terms = models.JSONField(_("tags and kinds"), default=list)
    at_most = models.PositiveSmallIntegerField(_("at most"), default=1)
    others = models.JSONField(_("do not go with"), default=list, blank=True)
    active = models.BooleanField(_("active"), default=True)

    class Meta:
        verbose_name = _("combination rule")
        verbose_name_plural = _("combination rules")
        ordering = ["id"]

    def __str__(self) -> str:
        return in_language(self.name, self.name_zh)


class PersonPhoto(models.Model):
    """A person's own picture to try things on with: theirs alone, no asset, and gone after a set time.

    The row stays as the record of what was agreed to; `file` is empty once the picture is deleted.
    """

    public_id = models.UUIDField(_("id"), default=new_public_id, unique=True, editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="person_photos"
    )
    file = models.FileField(upload_to="people/", max_length=255, blank=True)
    mime = models.CharField(max_length=32)
    consent = models.TextField(_("consent"), help_text=_("The text that was accepted"))
    consented_at = models.DateTimeField(_("accepted"), default=timezone.now)
    expires = models.DateTimeField(_("deleted at the latest"), db_index=True)
    deleted = models.DateTimeField(_("deleted"), null=True, blank=True)

    class Meta:
        verbose_name = _("person's picture")
        verbose_name_plural = _("people's pictures")
        ordering = ["-id"]

    def __str__(self) -> str:
        return str(self.public_id)


class TryOn(models.Model):
    """An item that dresses a person's own picture; its result is kept with the picture and goes with it."""

    item = models.OneToOneField(GenerationItem, on_delete=models.CASCADE, related_name="try_on")
    photo = models.ForeignKey(PersonPhoto, on_delete=models.PROTECT, related_name="try_ons")
    result = models.FileField(upload_to="try-ons/", max_length=255, blank=True)
    mime = models.CharField(max_length=32, blank=True)

    class Meta:
        verbose_name = _("try-on")
        verbose_name_plural = _("try-ons")

    def __str__(self) -> str:
        return str(self.item_id)


class Studio(GenerationJob):
    """Planning as a page of the admin, with an address and a permission of its own."""

    class Meta:
        proxy = True
        verbose_name = _("studio")
        verbose_name_plural = _("studio")


class DeadLetter(GenerationItem):
    """What ended without a picture, as a list of the admin."""

    class Meta:
        proxy = True
        verbose_name = _("failed picture")
        verbose_name_plural = _("failed pictures")


class Review(GenerationItem):
    """Reviewing as a page of the admin, with an address and a permission of its own."""

    class Meta:
        proxy = True
        verbose_name = _("review")
        verbose_name_plural = _("review")
