"""Celery entrances of the library; each only calls a verb."""

from __future__ import annotations

from celery import shared_task

from dam import duplicates, facets, notices, pruning, trash, words


@shared_task(name="dam.tasks.look_for_duplicates")
def look_for_duplicates() -> None:
    """Look for what resembles the files that came in since the last time."""
    duplicates.look()


@shared_task(name="dam.tasks.empty_trash")
def empty_trash() -> None:
    """Delete for good what has lain in the trash for its time."""
    trash.empty_trash()


@shared_task(name="dam.tasks.fold_counts")
def fold_counts() -> None:
    """Keep the counts of assets in few rows."""
    facets.fold()


@shared_task(name="dam.tasks.fill_words")
def fill_words() -> None:
    """Make the words of assets that came into the table past the library's verbs."""
    words.fill()


@shared_task(name="dam.tasks.tell_people")
def tell_people() -> None:
    """Tell owners of rights that end, and assignees of what is due."""
    notices.tell_of_rights()
    notices.tell_of_due()


@shared_task(name="dam.tasks.send_letters")
def send_letters() -> None:
    """Send by mail what has not been sent or read."""
    notices.send_letters()


@shared_task(name="dam.tasks.prune_renditions")
def prune_renditions() -> None:
    """Take away renditions of presets and focal points of before."""
    pruning.prune_renditions()
