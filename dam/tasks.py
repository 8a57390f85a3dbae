"""Celery entrances of the library; each only calls a verb."""

from __future__ import annotations

from celery import shared_task

from dam import duplicates


@shared_task(name="dam.tasks.look_for_duplicates")
def look_for_duplicates() -> None:
    """Look for what resembles the files that came in since the last time."""
    duplicates.look()
