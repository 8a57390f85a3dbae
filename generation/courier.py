"""Paid calls in a process of their own, which outlives the worker: what is paid for is taken in.

A worker is large and may be killed: by the kernel for its memory, by an impatient restart. Its courier is
small: it claims what is to be called for, sets the money aside, calls the provider and keeps the answer. The
worker hears which answers there are and takes them into the library, so that no call waits for a thread of
the worker, and none for the delivery of another picture. Where the worker dies, the courier begins nothing
more; its calls under way end as they would have, it frees their items, and ends. A worker that is asked to
end dismisses its courier and ends after it: in a container nothing outlives the first process. What takes
both at once is a container that is killed or a machine that dies; a call that was under way then is assumed
to be paid (`generation.budget`).
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import IO, Any

from django.conf import settings
from django.db import Error, close_old_connections, connection

from dam import clock
from dam.leases import renewed
from generation import running
from generation.claiming import LEASE, Wait, claim_some, lease_kept, seconds_until_provider_due
from generation.jobs import finish_job_if_done
from generation.models import GenerationItem, GenerationItemQuerySet, ItemState
from generation.providers.registry import get_provider

logger = logging.getLogger(__name__)

_CALLS = 64  # at the same time in one process
_AT_ONCE = 8  # what one claim takes: the rest is for the couriers of other workers
_DELIVERIES = 2  # they work where calls wait
_SHORTEST_WAIT_SECONDS, _LONGEST_WAIT_SECONDS = 0.05, 60.0
_TROUBLE_SECONDS = 2.0
_REMEMBERED = 1000
_DISMISSED = None  # in place of a provider: the worker ends, and takes in what is answered until then
_employed = False
_lock = threading.Lock()
_courier: Courier | None = None


# --- The worker's end ------------------------------------------------------------------------------


def employ() -> None:
    """This process is a worker: its paid calls go by courier, who is there already when the first comes."""
    global _employed
    _employed = True
    names = settings.GENERATION_PROVIDERS
    if any(_is_carried(name) and get_provider(name).check() is None for name in names):
        _current()


def attends(provider: str) -> bool:
    """True where this process's courier makes the provider's calls, from now until none is left to make."""
    if not _employed or not _is_carried(provider):
        return False
    with suppress(OSError):  # it ended just now: the sweep asks again
        _current().attend(provider)
    return True


def dismiss() -> None:
    """This worker ends: its courier begins nothing more, and its calls under way are waited for."""
    with _lock:
        courier = _courier
    if courier is not None and courier.employer == os.getpid():
        courier.dismiss()


def _is_carried(provider: str) -> bool:
    """What costs nothing is made by the worker: nothing is lost by making it again. Vendors keep batches."""
    capability = get_provider(provider).capability
    return bool(capability.price_per_picture) and not capability.batch_size


def _current() -> Courier:
    """The courier, started anew where it has ended or this process was forked."""
    global _courier
    with _lock:
        if _courier is None or not _courier.works or _courier.employer != os.getpid():
            _courier = Courier()
        return _courier


class Courier:
    """The worker's end: names providers, a line each, and hears `[item, attempt]` of each answer."""

    def __init__(self) -> None:
        self.employer = os.getpid()
        self._lock = threading.Lock()
        self._arrived = _Arrived()
        self._process = subprocess.Popen(
            [sys.executable, str(settings.BASE_DIR / "manage.py"), "courier"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
            start_new_session=True,  # what is sent to the worker's group does not reach it
        )
        self._listener = threading.Thread(target=self._listen, name="generation-courier", daemon=True)
        self._listener.start()

    @property
    def works(self) -> bool:
        return self._process.poll() is None

    def attend(self, provider: str) -> None:
        """
        Raises:
            OSError: it has ended.
        """
        with self._lock:
            _write(self._process.stdin, provider)

    def dismiss(self) -> None:
        """Returns when its last call has ended and what was answered is taken in."""
        with self._lock, suppress(OSError):  # it ended just now
            _write(self._process.stdin, _DISMISSED)
        self._listener.join()

    def _listen(self) -> None:
        with (
            renewed(self._arrived, LEASE),  # a slow storage lets them wait for longer than one
            ThreadPoolExecutor(_DELIVERIES, thread_name_prefix="generation-delivery") as pool,
        ):
            for line in self._process.stdout or ():
                item, attempt = json.loads(line)
                self._arrived.add(int(item), int(attempt))
                pool.submit(self._take_in, int(item), int(attempt))
        self._process.wait()

    def _take_in(self, item: int, attempt: int) -> None:
        try:
            _deliver(item, attempt)
        finally:
            self._arrived.discard(item, attempt)


class _Arrived:
    """Answers that wait to be taken in: what `renewed` asks of rows."""

    def __init__(self) -> None:
        self._waiting: set[tuple[int, int]] = set()

    def add(self, item: int, attempt: int) -> None:
        self._waiting.add((item, attempt))

    def discard(self, item: int, attempt: int) -> None:
        self._waiting.discard((item, attempt))

    def update(self, **changes: Any) -> int:
        """How many of them are held still."""
        return sum(_held(*one).update(**changes) for one in self._waiting.copy())


def _deliver(item_id: int, attempt: int) -> None:
    """Take an answer into the library, unless its lease ran out meanwhile and another worker has it."""
    close_old_connections()
    try:
        held = _held(item_id, attempt)
        item = held.select_related("job__owner").first()
        if item and held.update(leased_until=clock.after(LEASE)):
            running.deliver(item)
    except Exception:
        logger.exception("item %s is left to the next worker", item_id)
    close_old_connections()


def _held(item_id: int, attempt: int) -> GenerationItemQuerySet:
    return GenerationItem.objects.filter(pk=item_id, attempts=attempt, state=ItemState.RUNNING)


def _write(line: IO[str] | None, said: object) -> None:
    if line is None:
        raise OSError("no line")
    line.write(json.dumps(said) + "\n")
    line.flush()


# --- The courier's end -----------------------------------------------------------------------------


def serve(orders: IO[str], answers: IO[str]) -> None:
    """Until the worker closes the line or dismisses the courier, then what is under way."""
    handed = _Handed(answers)
    rounds: dict[str, _Round] = {}
    logger.info("the courier is ready")
    is_alone = True
    for line in orders:
        provider = json.loads(line)
        if provider is _DISMISSED:
            is_alone = False
            break
        if provider not in rounds:
            rounds[provider] = _Round(provider, handed)
            rounds[provider].start()
        rounds[provider].news.set()
    handed.is_closing.set()
    if is_alone:
        handed.free()
    for one in rounds.values():
        one.news.set()
    for one in rounds.values():
        one.join()
    if is_alone:
        handed.free()


class _Handed:
    """The line to the worker, and which answers went along it lately.

    `is_closing` says that no call is begun any more.
    """

    def __init__(self, answers: IO[str]) -> None:
        self.is_closing = threading.Event()
        self._answers = answers
        self._lately: deque[tuple[int, int]] = deque(maxlen=_REMEMBERED)
        self._lock = threading.Lock()

    def over(self, item: GenerationItem) -> None:
        """The worker goes on with this item; what it does not hear is freed at the end."""
        asked = (item.pk, item.attempts)
        with self._lock, suppress(OSError, ValueError):
            self._lately.append(asked)
            _write(self._answers, asked)

    def free(self) -> None:
        """The worker is dead: what it had not taken in goes to the next worker at once."""
        left = GenerationItem.objects.filter(pk__in=[pk for pk, _attempt in self._lately])
        held = set(left.filter(state=ItemState.RUNNING).values_list("pk", "attempts"))
        for pk, attempt in held.intersection(self._lately):
            _held(pk, attempt).update(leased_until=clock.Now())


class _Round(threading.Thread):
    """One provider's calls in this process: the next is begun as soon as one has ended.

    `news` says that there may be something to do.
    """

    def __init__(self, provider: str, handed: _Handed) -> None:
        super().__init__(name=f"courier-{provider}", daemon=True)
        self.news = threading.Event()
        self._provider = provider
        self._handed = handed
        self._under_way: set[int] = set()

    def run(self) -> None:
        with ThreadPoolExecutor(_CALLS, thread_name_prefix="courier") as calls:
            while True:
                self.news.clear()
                if self._handed.is_closing.is_set():  # asked after that: the news of it is not missed
                    break
                try:
                    wait = self._begin_what_is_due(calls)
                except Error:
                    logger.exception("provider %s waits for the database", self._provider)
                    close_old_connections()
                    wait = _TROUBLE_SECONDS
                self.news.wait(wait)
            connection.close()

    def _begin_what_is_due(self, calls: ThreadPoolExecutor) -> float | None:
        """Seconds until there may be more; None where only news can say so."""
        while not self._handed.is_closing.is_set():
            free = _CALLS - len(self._under_way)
            if not free:
                return None
            found = claim_some(self._provider, min(free, _AT_ONCE))
            if isinstance(found, list):
                self._under_way.update(item.pk for item in found)
                for item in found:
                    calls.submit(self._carry, item)
                continue
            wait = found.seconds if isinstance(found, Wait) else seconds_until_provider_due(self._provider)
            return None if wait is None else min(max(wait, _SHORTEST_WAIT_SECONDS), _LONGEST_WAIT_SECONDS)
        return None

    def _carry(self, item: GenerationItem) -> None:
        try:
            if self._call(item):
                self._handed.over(item)
            else:
                finish_job_if_done(item.job_id)
        except Exception:
            logger.exception("item %s", item.pk)
        finally:
            close_old_connections()

    def _call(self, item: GenerationItem) -> bool:
        """True where the answer is kept; the next call may begin however it ended."""
        try:
            with lease_kept(item):
                return running.answered(item)
        finally:
            self._under_way.discard(item.pk)
            self.news.set()
