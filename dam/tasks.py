"""Celery entrances of the library; each only calls a verb."""

from __future__ import annotations

import logging
import threading
from datetime import datetime

from celery import shared_task
from django.contrib.auth.models import User
from kombu.exceptions import OperationalError

from dam import (
    bulk_edits,
    custom_fields,
    duplicates,
    facets,
    idempotency,
    import_runs,
    notices,
    pruning,
    removal,
    trash,
    trashed,
    uploads,
    webhook_sending,
    webhooks,
    words,
)

log = logging.getLogger(__name__)
SLICE_SECONDS = 300.0
_looking = threading.Lock()


@shared_task(name="dam.tasks.look_for_duplicates")
def look_for_duplicates() -> None:
    """Look for what resembles the files that came in since the last time; one look at a time in this
    process, so that a large import does not fill every thread of the worker with the same search."""
    if not _looking.acquire(blocking=False):
        return
    try:
        duplicates.look()
    finally:
        _looking.release()


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


@shared_task(name="dam.tasks.remove_files")
def remove_files() -> None:
    """Remove the files of deleted assets that a crash or a failing storage left behind."""
    removal.remove_due()


@shared_task(name="dam.tasks.forget_answers")
def forget_answers() -> None:
    """Forget the answers that were kept for requests that are sent again."""
    idempotency.sweep()


@shared_task(name="dam.tasks.sweep_uploads")
def sweep_uploads() -> None:
    """Finish uploads that were cut off at their end, and remove those that nobody continues."""
    uploads.sweep()


def publish_emptying(actor_id: int, before: str) -> bool:
    """Tell the workers to empty the trash. Returns whether the broker took the message."""
    try:
        empty_trash_now.delay(actor_id, before)
    except (OperationalError, OSError) as error:
        log.warning("The trash was not emptied: the broker took no message (%s)", error)
        return False
    return True


@shared_task(name="dam.tasks.empty_trash_now")
def empty_trash_now(actor_id: int, before: str) -> None:
    """Delete for good what an administrator threw out of the trash."""
    actor = User.objects.filter(pk=actor_id).first()
    if actor is None:
        log.info("The account that emptied the trash is gone; nothing was deleted")
        return
    trashed.empty(actor=actor, before=datetime.fromisoformat(before))


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


@shared_task(name="dam.tasks.send_webhooks")
def send_webhooks() -> None:
    """Send the messages that are due."""
    webhook_sending.send_due()


@shared_task(name="dam.tasks.sweep_webhooks")
def sweep_webhooks() -> None:
    """Tell systems outside of rights that have ended, and forget what arrived long ago."""
    webhooks.note_expired()
    webhook_sending.prune()


def publish_bulk_edit(key: int) -> None:
    """Tell the workers of a bulk edit. A lost message is no loss: the sweep finds it."""
    try:
        run_bulk_edit.delay(key)
    except (OperationalError, OSError) as error:
        log.warning("bulk edit %s waits for the sweep: the broker took no message (%s)", key, error)


@shared_task(name="dam.tasks.run_bulk_edit")
def run_bulk_edit(key: int) -> None:
    """Slices of a bulk edit, and the next task where there is more to do."""
    if bulk_edits.work(key, seconds=60.0):
        publish_bulk_edit(key)


@shared_task(name="dam.tasks.sweep_bulk_edits")
def sweep_bulk_edits() -> None:
    """Take up bulk edits that a crash or a lost message left behind."""
    for key in bulk_edits.due():
        publish_bulk_edit(key)


def publish_telling(key: int) -> None:
    """Tell the workers of a field with new labels. A lost message is no loss: the sweep finds it."""
    try:
        tell_of_field.delay(key)
    except (OperationalError, OSError) as error:
        log.warning("field %s waits for the sweep: the broker took no message (%s)", key, error)


@shared_task(name="dam.tasks.tell_of_field")
def tell_of_field(key: int) -> None:
    """Slices of the assets that a field's new labels concern, and the next task where there are more."""
    if custom_fields.tell(key, seconds=60.0):
        publish_telling(key)


@shared_task(name="dam.tasks.sweep_fields")
def sweep_fields() -> None:
    """Take up fields of whose new labels a crash or a lost message left assets untold."""
    for key in custom_fields.telling():
        publish_telling(key)
