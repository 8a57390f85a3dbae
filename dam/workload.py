"""How much picture work one process does at once: pixels in memory, and nothing twice."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from threading import Condition, get_ident

from django.conf import settings
from django.utils.translation import gettext as _

RETRY_AFTER = 5  # seconds after which somebody who was sent away may ask again


class Busy(Exception):
    """The process has as many pictures in work as it may; `str()` says when to ask again."""

    def __str__(self) -> str:
        return _("Too many pictures are being made at this moment. Ask again in %(seconds)d seconds.") % {
            "seconds": RETRY_AFTER
        }


class PixelBudget:
    """Lets decoded pictures into memory up to a number of pixels, first come, first served.

    A picture that is larger than the whole budget is let in alone.
    """

    def __init__(self) -> None:
        self._changed = Condition()
        self._queue: deque[object] = deque()
        self._taken = 0

    @contextmanager
    def take(self, pixels: int, patience: float | None = None) -> Iterator[None]:
        """Hold so many pixels of the budget (setting `DAM_PIXELS_AT_ONCE`).

        Args:
            patience: seconds to wait for them; None: as long as it takes.

        Raises:
            Busy: patience ran out.
        """
        ticket = object()
        with self._changed:
            self._queue.append(ticket)
            try:
                if not self._changed.wait_for(lambda: self._may_enter(ticket, pixels), patience):
                    raise Busy
                self._taken += pixels
            finally:
                self._queue.remove(ticket)
                self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._taken -= pixels
                self._changed.notify_all()

    def _may_enter(self, ticket: object, pixels: int) -> bool:
        if self._queue[0] is not ticket:
            return False
        return not self._taken or self._taken + pixels <= settings.DAM_PIXELS_AT_ONCE


class OneAtATime:
    """Whoever wants the same thing made waits for the first one, and finds it made."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._makers: dict[Hashable, int] = {}

    @contextmanager
    def making(self, thing: Hashable, patience: float | None = None) -> Iterator[None]:
        """A thread that makes the thing already does not wait for itself.

        Raises:
            Busy: the others were not done within so many seconds.
        """
        me = get_ident()
        with self._changed:
            if not self._changed.wait_for(lambda: self._makers.get(thing, me) == me, patience):
                raise Busy
            self._makers[thing] = me
        try:
            yield
        finally:
            with self._changed:
                self._makers.pop(thing, None)
                self._changed.notify_all()


def seconds_left(deadline: float | None) -> float | None:
    """What remains until a moment of `time.monotonic`; None where there is no hurry."""
    return None if deadline is None else max(0.0, deadline - time.monotonic())


pixel_budget = PixelBudget()
renditions_in_work = OneAtATime()
