"""Removing stored files whose rows are deleted: noted in that transaction, done once it has committed."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import partial

from django.core.files.storage import default_storage
from django.db import transaction
from django.utils.translation import gettext as _

from dam import clock
from dam.file_names import names_in_use
from dam.leases import renewed
from dam.models import PendingRemoval, RemovalHold

log = logging.getLogger(__name__)
BATCH = 200
AT_ONCE_SECONDS = 10.0  # how long whoever deletes waits for the storage; the sweep does the rest
SWEEP_SECONDS = 300.0
FAILURES = 3  # in a row: the storage is away, and the others need not try now
LONGEST_WAIT_SECONDS = 3600
HOLD = timedelta(minutes=10)  # so long what a killed process held stays held


def note(names: Iterable[str]) -> None:
    """These files go once the transaction has committed, in which their rows are deleted. What a row names
    by then stays.

    Where the storage fails, or the process dies between the two, the sweep removes them.
    """
    rows = [PendingRemoval(name=name) for name in dict.fromkeys(names)]
    if not rows:
        return
    PendingRemoval.objects.bulk_create(rows, ignore_conflicts=True)
    transaction.on_commit(partial(remove_due, seconds=AT_ONCE_SECONDS), robust=True)


@contextmanager
def held() -> Iterator[None]:
    """No file is removed meanwhile. Deletions go on; their files go afterwards, by the sweep.

    Who begins to copy files inside finds all that any row named when it began, deleted since or not.
    """
    hold = RemovalHold.objects.create(until=clock.after(HOLD))
    try:
        with renewed(RemovalHold.objects.filter(pk=hold.pk), HOLD, "until"):
            yield
    finally:
        hold.delete()


def is_held() -> bool:
    """Whether somebody copies files at this moment."""
    return RemovalHold.objects.filter(until__gt=clock.Now()).exists()


def remove_due(seconds: float = SWEEP_SECONDS) -> int:
    """Remove what is due, for about so long. To remove a file twice does no harm, so nothing is claimed.

    Nothing is removed while removals are `held`.

    Returns:
        How many files were removed.
    """
    clock.mend(RemovalHold.objects.all(), "until", HOLD)
    clock.mend(PendingRemoval.objects.filter(attempts=0), "not_before", timedelta(0))
    deadline = time.monotonic() + seconds
    removed = 0
    while time.monotonic() < deadline:
        due = PendingRemoval.objects.filter(not_before__lte=clock.Now())
        batch = list(due.order_by("not_before", "pk")[:BATCH])
        if is_held():  # asked after the batch was read: whoever holds from now on has seen its rows deleted
            break
        gone, failed = _remove(batch, deadline)
        PendingRemoval.objects.filter(pk__in=gone).delete()
        PendingRemoval.objects.bulk_update(failed, ["attempts", "last_error", "not_before"])
        removed += len(gone)
        if not gone:
            break
    return removed


def remove_all() -> str:
    """Remove what is noted, due or not.

    Returns:
        Why the storage did not delete some of it, or nothing.
    """
    PendingRemoval.objects.update(not_before=clock.Now())
    while remove_due():
        pass
    left = PendingRemoval.objects.order_by("-attempts", "pk")
    if not (first := left.first()):
        return ""
    if is_held():
        return _("A backup is running: %(count)s files are deleted after it.") % {"count": left.count()}
    told = {"count": left.count(), "reason": first.last_error}
    return _("The storage did not delete %(count)s files (%(reason)s). It is asked again later.") % told


def _remove(batch: Sequence[PendingRemoval], deadline: float) -> tuple[list[int], list[PendingRemoval]]:
    """The keys of what is removed now, and what the storage did not delete."""
    used = names_in_use([row.name for row in batch])
    gone = [row.pk for row in batch if row.name in used]
    failed: list[PendingRemoval] = []
    in_a_row = 0
    for row in (row for row in batch if row.name not in used):
        try:
            default_storage.delete(row.name)
        except Exception as error:  # noqa: BLE001  storages raise whatever their SDK raises
            log.warning("The storage did not delete %s, which is tried again: %r", row.name, error)
            _put_off(row, error)
            failed.append(row)
            in_a_row += 1
        else:
            gone.append(row.pk)
            in_a_row = 0
        if in_a_row == FAILURES or time.monotonic() > deadline:
            break
    return gone, failed


def _put_off(row: PendingRemoval, error: Exception) -> None:
    row.attempts += 1
    row.last_error = f"{type(error).__name__}: {error}"
    wait = min(LONGEST_WAIT_SECONDS, 30 * 2 ** min(row.attempts, 10))
    row.not_before = clock.now() + timedelta(seconds=wait)
