"""Leases, short and renewed: what a dead process held is free soon, what a slow one holds stays its own."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Protocol

from django.db import Error, connection

from dam import clock

log = logging.getLogger(__name__)


class Rows(Protocol):
    """A queryset, or what finds out anew which rows there are."""

    def update(self, **changes: Any) -> int: ...


@contextmanager
def renewed(rows: Rows, lease: timedelta, field: str = "leased_until") -> Iterator[None]:
    """Renew the lease of these rows as long as the caller is at work on them.

    Args:
        rows: those that the caller still holds, with the field set: it is asked anew each time, and what was
            let go meanwhile stays free.
        lease: from each renewal on. Three are tried before one runs out.
        field: that holds the end of the lease.
    """
    done = threading.Event()

    def renew() -> None:
        try:
            while not done.wait(lease.total_seconds() / 3):
                try:
                    rows.update(**{field: clock.after(lease)})
                except Error as error:  # it may be back before the lease is over
                    log.warning("A lease could not be renewed: %s", error)
                    connection.close()
        finally:
            connection.close()

    keeper = threading.Thread(target=renew, name="lease", daemon=True)
    keeper.start()
    try:
        yield
    finally:
        done.set()
        keeper.join()
