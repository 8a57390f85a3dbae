"""Answers of the API that are kept for requests that are sent again."""

from __future__ import annotations

from django.db import models
from django.utils import timezone


class KeptAnswer(models.Model):
    """A request that was sent with an Idempotency-Key, and its answer once there is one.

    Written through `dam.idempotency` only.
    """

    caller = models.CharField(max_length=40)
    key = models.CharField(max_length=255)
    # Of the request: the same key with another one is a mistake of the caller's.
    fingerprint = models.CharField(max_length=64)
    # Until then the request counts as being under way; afterwards its process has died.
    claimed_until = models.DateTimeField()
    # Whose it is until then: another one for each process that took it up.
    claim = models.UUIDField(null=True)
    status = models.PositiveSmallIntegerField(null=True)
    headers = models.JSONField(default=dict)
    # None beside a status: the answer was too large to keep.
    body = models.BinaryField(null=True)
    created = models.DateTimeField(default=timezone.now, db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["caller", "key"], name="dam_kept_answer_once")]

    def __str__(self) -> str:
        return self.key
