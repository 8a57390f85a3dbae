"""What people say to each other about assets: comments, assignments with due dates, notices."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from dam.models.asset import Asset

LONGEST_COMMENT = 5000


class Comment(models.Model):
    """A remark on an asset."""

    asset = models.ForeignKey(Asset, on_delete=models.CASCADE, related_name="comments")
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.SET_NULL,
        related_name="+",
        verbose_name=_("author"),
    )
    text = models.TextField(_("text"), max_length=LONGEST_COMMENT)
    created = models.DateTimeField(_("created"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("comment")
        verbose_name_plural = _("comments")
        ordering = ["id"]

    def __str__(self) -> str:
        return self.text[:80]


class Assignment(models.Model):
    """Something that somebody is asked to do with an asset, by a day where one is given."""

    asset = models.ForeignKey(Asset, on_delete=models.CASCADE, related_name="assignments")
    assignee = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="assignments",
        verbose_name=_("assigned to"),
    )
    assigned_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+", verbose_name=_("by")
    )
    task = models.CharField(_("task"), max_length=500)
    due_on = models.DateField(_("due on"), null=True, blank=True)
    created = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    done_at = models.DateTimeField(_("done"), null=True, editable=False)
    done_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+", editable=False
    )

    class Meta:
        verbose_name = _("assignment")
        verbose_name_plural = _("assignments")
        ordering = ["due_on", "id"]
        indexes = [
            models.Index(fields=["assignee", "due_on"], condition=Q(done_at=None), name="dam_assignment_open")
        ]

    def __str__(self) -> str:
        return self.task

    @property
    def is_overdue(self) -> bool:
        return self.done_at is None and self.due_on is not None and self.due_on < timezone.localdate()


class NoticeKind(models.TextChoices):
    ASSIGNED = "assigned", _("Assigned to you")
    DONE = "done", _("Done")
    DUE = "due", _("Due")
    COMMENTED = "commented", _("Comment")
    RIGHTS_ENDING = "rights_ending", _("Rights end soon")
    RIGHTS_ENDED = "rights_ended", _("Rights have ended")


class Notice(models.Model):
    """Something that one person is told; `key` keeps it from being told twice."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="notices")
    kind = models.CharField(max_length=16, choices=NoticeKind.choices)
    asset = models.ForeignKey(Asset, null=True, on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=120)
    details = models.JSONField(default=dict)
    created = models.DateTimeField(default=timezone.now, editable=False)
    read_at = models.DateTimeField(null=True)
    mailed_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("notice")
        verbose_name_plural = _("notices")
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["user", "key"], name="dam_notice_once")]
        indexes = [
            models.Index(fields=["user"], condition=Q(read_at=None), name="dam_notice_unread"),
            models.Index(fields=["id"], condition=Q(mailed_at=None), name="dam_notice_unmailed"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.key}"
