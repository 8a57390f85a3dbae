"""Celery entrances of the library; each only calls a verb."""

from __future__ import annotations

from celery import shared_task

from dam import duplicates, trash, uploads


@shared_task(name="dam.tasks.look_for_duplicates")
def look_for_duplicates() -> None:
    """Look for what resembles the files that came in since the last time."""
    duplicates.look()


@shared_task(name="dam.tasks.empty_trash")
def empty_trash() -> None:
    """Delete for good what has lain in the trash for its time."""
    trash.empty_trash()


@shared_task(name="dam.tasks.sweep_uploads")
def sweep_uploads() -> None:
    """Finish uploads that were cut off at their end, and remove those that nobody continues."""
    uploads.sweep()
