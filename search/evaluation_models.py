"""What a team says about results, and the measures that follow from it."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class Language(models.TextChoices):
    EN = "en", _("English")
    ZH = "zh", _("Chinese")
    OTHER = "other", _("Other")


class EvaluationQuery(models.Model):
    """Something people ask, kept to measure with: words, or a picture of the library, or both."""

    text = models.CharField(_("text"), max_length=400, blank=True)
    language = models.CharField(_("language"), max_length=8, choices=Language.choices, default=Language.EN)
    # The primary key of an asset; no foreign key, so that the library deletes without knowing of it.
    picture_key = models.BigIntegerField(_("picture"), null=True, blank=True, db_index=True)
    notes = models.TextField(_("notes"), blank=True, help_text=_("What counts as right, for all who judge."))
    created = models.DateTimeField(_("created"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("evaluation query")
        verbose_name_plural = _("evaluation queries")
        constraints = [
            models.UniqueConstraint(
                fields=["text", "language"],
                condition=models.Q(picture_key=None),
                name="search_evaluation_query_once",
            ),
            models.CheckConstraint(
                condition=~models.Q(text="") | models.Q(picture_key__isnull=False),
                name="search_evaluation_query_asks",
            ),
        ]

    def __str__(self) -> str:
        return self.text or f"#{self.picture_key}"


class Grade(models.IntegerChoices):
    WRONG = 0, _("Wrong")
    PARTLY = 1, _("Partly")
    RIGHT = 2, _("Right")


class Judgement(models.Model):
    """What somebody said about one result of one query; the last word stands."""

    query = models.ForeignKey(EvaluationQuery, on_delete=models.CASCADE, related_name="judgements")
    asset_key = models.BigIntegerField(_("asset"), db_index=True)
    grade = models.PositiveSmallIntegerField(_("grade"), choices=Grade.choices)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name=_("by")
    )
    judged = models.DateTimeField(_("judged"), default=timezone.now)

    class Meta:
        verbose_name = _("judgement")
        verbose_name_plural = _("judgements")
        constraints = [models.UniqueConstraint(fields=["query", "asset_key"], name="search_judgement_once")]

    def __str__(self) -> str:
        return f"{self.query_id}/{self.asset_key}: {self.grade}"


class RunState(models.TextChoices):
    QUEUED = "queued", _("Queued")
    RUNNING = "running", _("Running")
    DONE = "done", _("Done")
    FAILED = "failed", _("Failed")


class EvaluationRun(models.Model):
    """All judged queries asked in one space at one time. Its figures outlive the space."""

    space = models.ForeignKey("search.Space", on_delete=models.SET_NULL, null=True, related_name="runs")
    encoder = models.CharField(_("encoder"), max_length=400)
    state = models.CharField(_("state"), max_length=8, choices=RunState.choices, default=RunState.QUEUED)
    k = models.PositiveSmallIntegerField("k", default=10)
    # language, or "all" → {"queries", "judged", "map", "recall", "ndcg", "p_at_10", "unjudged"}
    metrics = models.JSONField(_("metrics"), default=dict)
    # How many judgements there were: with the newest one's time it says whether they have changed since.
    judgements = models.PositiveIntegerField(default=0)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name=_("by")
    )
    created = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    leased_until = models.DateTimeField(null=True)
    problem = models.TextField(_("problem"), blank=True)

    class Meta:
        verbose_name = _("evaluation")
        verbose_name_plural = _("evaluations")
        indexes = [models.Index(fields=["state", "created"], name="search_run_state")]

    def __str__(self) -> str:
        return f"{self.encoder}, {self.created:%Y-%m-%d %H:%M}"


class QueryResult(models.Model):
    """One query of a run: its measures and what came first."""

    run = models.ForeignKey(EvaluationRun, on_delete=models.CASCADE, related_name="results")
    query = models.ForeignKey(EvaluationQuery, on_delete=models.CASCADE, related_name="results")
    scores = models.JSONField(default=dict)
    ndcg = models.FloatField("nDCG")
    first = models.JSONField(default=list)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "query"], name="search_query_result_once")]
        indexes = [models.Index(fields=["run", "ndcg"], name="search_query_result_worst")]

    def __str__(self) -> str:
        return f"{self.query_id} in {self.run_id}"


class Preference(models.TextChoices):
    LEFT = "left", _("The left one")
    RIGHT = "right", _("The right one")
    SAME = "same", _("No difference")


class EncoderVote(models.Model):
    """Which of two encoders answered a query better, to one person."""

    text = models.CharField(_("text"), max_length=400)
    left = models.CharField(_("left"), max_length=400)
    right = models.CharField(_("right"), max_length=400)
    preferred = models.CharField(_("preferred"), max_length=8, choices=Preference.choices)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", verbose_name=_("by")
    )
    given = models.DateTimeField(_("given"), default=timezone.now)

    class Meta:
        verbose_name = _("vote")
        verbose_name_plural = _("votes")
        constraints = [
            models.UniqueConstraint(fields=["text", "left", "right", "by"], name="search_vote_once")
        ]

    def __str__(self) -> str:
        return f"{self.text}: {self.preferred}"
