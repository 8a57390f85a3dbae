"""Receivers of the app's signals; they only enqueue, and only after the commit."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.db import transaction
from django.dispatch import receiver

from generation.jobs import work_waiting
from generation.tasks import publish


@receiver(work_waiting)
def tell_workers(sender: type, job_id: int, **kwargs: Any) -> None:
    """A job has something to do."""
    transaction.on_commit(partial(publish, job_id))
