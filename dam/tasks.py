"""Celery entrances of the library; each only calls a verb."""

from __future__ import annotations

import logging

from celery import shared_task
from kombu.exceptions import OperationalError

from dam import duplicates, import_runs, trash, uploads

log = logging.getLogger(__name__)
SLICE_SECONDS = 300.0


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


def publish_import(key: int) -> None:
    """Tell the workers of an import. A lost message is no loss: the sweep finds the import."""
    try:
        run_import.delay(key)
    except (OperationalError, OSError) as error:
        log.warning("import %s waits for the sweep: the broker took no message (%s)", key, error)


@shared_task(name="dam.tasks.run_import")
def run_import(key: int) -> None:
    """One slice of an import, and the next one where there is more to do."""
    if import_runs.work(key, seconds=SLICE_SECONDS):
        publish_import(key)


@shared_task(name="dam.tasks.sweep_imports")
def sweep_imports() -> None:
    """Take up imports that a crash or a lost message left behind."""
    for key in import_runs.due():
        publish_import(key)
