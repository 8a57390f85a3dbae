"""Celery entrances of the library; each only calls a verb."""

from __future__ import annotations

from celery import shared_task

from dam import duplicates, pruning, trash


@shared_task(name="dam.tasks.look_for_duplicates")
def look_for_duplicates() -> None:
    """Look for what resembles the files that came in since the last time."""
    duplicates.look()


@shared_task(name="dam.tasks.empty_trash")
def empty_trash() -> None:
    """Delete for good what has lain in the trash for its time."""
    trash.empty_trash()


@shared_task(name="dam.tasks.prune_renditions")
def prune_renditions() -> None:
    """Take away renditions of presets and focal points of before."""
    pruning.prune_renditions()
