"""Paid calls in a process of their own, which outlives the worker: what is paid for is taken in.

A worker is large and may be killed: by the kernel for its memory, by an impatient restart. Its courier is
small and makes its calls: it sets the money aside, calls the provider and keeps the answer. Where the worker
dies, the courier's calls under way end as they would have, it frees their items, and ends. What takes both is
a machine that dies; a call that was under way then is assumed to be paid (`generation.budget`).
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import IO

from django.conf import settings
from django.db import close_old_connections
from django.utils import timezone
from django.utils.translation import gettext as _

from generation.claiming import lease_kept
from generation.models import GenerationItem, ItemState
from generation.providers.base import Cause, Transient
from generation.providers.registry import get_provider
from generation.running import Call, obtain, take_outcome

logger = logging.getLogger(__name__)

_THREADS = 64  # more than any worker has
_employed = False
_lock = threading.Lock()
_courier: Courier | None = None


def employ() -> None:
    """This process is a worker: its paid calls go by courier."""
    global _employed
    _employed = True


def of_this_process() -> Call | None:
    """What obtains answers here; None where this process calls for itself."""
    return _by_courier if _employed and settings.GENERATION_COURIER else None


def _by_courier(item: GenerationItem) -> bool:
    if not get_provider(item.job.provider).capability.price_per_picture:
        return obtain(item)  # nothing is lost by making it again
    return _current().obtain(item)


def _current() -> Courier:
    """The courier, started at the first call, and anew where it has ended or this process was forked."""
    global _courier
    with _lock:
        if _courier is None or not _courier.works or _courier.employer != os.getpid():
            _courier = Courier()
        return _courier


class Courier:
    """The worker's end: asks for answers by line, `[item, attempt]`, and hears when they are there."""

    def __init__(self) -> None:
        self.employer = os.getpid()
        self._asked: dict[tuple[int, int], Future[None]] = {}
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, str(settings.BASE_DIR / "manage.py"), "courier"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
            start_new_session=True,  # what is sent to the worker's group does not reach it
        )
        threading.Thread(target=self._listen, name="generation-courier", daemon=True).start()

    @property
    def works(self) -> bool:
        return self._process.poll() is None

    def obtain(self, item: GenerationItem) -> bool:
        """True when the answer is kept; else the item has ended or is queued again."""
        asked = (item.pk, item.attempts)
        future: Future[None] = Future()
        try:
            with self._lock:
                self._asked[asked] = future
                _write(self._process.stdin, asked)
            future.result()
        except OSError:
            said = _("The process that made the call was killed.")
            take_outcome(item, Transient(said, maybe_charged=True, cause=Cause.CUT_OFF))
            return False
        item.refresh_from_db()
        return item.state == ItemState.RUNNING and item.attempts == asked[1] and bool(item.answer)

    def _listen(self) -> None:
        for asked in _lines(self._process.stdout):
            with self._lock:
                future = self._asked.pop(asked, None)
            if future:
                future.set_result(None)
        self._process.wait()
        with self._lock:
            left, self._asked = list(self._asked.values()), {}
        for future in left:
            future.set_exception(OSError("the courier has ended"))


def serve(orders: IO[str], answers: IO[str]) -> None:
    """The courier's end: until the worker closes the line, then what is under way."""
    lock = threading.Lock()
    alone = threading.Event()

    def deliver(asked: tuple[int, int]) -> None:
        close_old_connections()
        try:
            _obtain(asked, alone)
        except Exception:
            logger.exception("item %s", asked[0])
        close_old_connections()
        with lock, suppress(OSError, ValueError):
            _write(answers, asked)

    with ThreadPoolExecutor(_THREADS, thread_name_prefix="courier") as pool:
        for asked in _lines(orders):
            pool.submit(deliver, asked)
        alone.set()


def _obtain(asked: tuple[int, int], alone: threading.Event) -> None:
    held = GenerationItem.objects.filter(pk=asked[0], attempts=asked[1], state=ItemState.RUNNING)
    item = held.select_related("job__owner").first()
    if item is None:
        return
    with lease_kept(item):
        obtain(item)
    if alone.is_set():  # nobody waits for it: the next worker takes it at once
        held.update(leased_until=timezone.now())


def _write(line: IO[str] | None, asked: tuple[int, int]) -> None:
    if line is None:
        raise OSError("no line")
    line.write(json.dumps(asked) + "\n")
    line.flush()


def _lines(line: IO[str] | None) -> Iterator[tuple[int, int]]:
    for said in line or ():
        item, attempt = json.loads(said)
        yield int(item), int(attempt)
