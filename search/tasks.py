"""Celery entrances of search; each only calls a verb."""

from __future__ import annotations

import logging
import threading

from celery import shared_task

from search import outbox, spend
from search.encoders.base import EncoderError

logger = logging.getLogger(__name__)

SWEEP_NEWEST = 2_000

_lock = threading.Lock()
_running = False
_again = False


@shared_task(name="search.tasks.drain_outbox")
def drain_outbox() -> None:
    """Drain, one drain at a time in this process: a second call only makes the first go round again,
    so that a burst of uploads does not fill every thread of the worker.
    """
    global _running, _again
    with _lock:
        if _running:
            _again = True
            return
        _running = True
    try:
        while True:
            outbox.drain()
            with _lock:
                if not _again:
                    _running = False
                    return
                _again = False
    except BaseException:
        with _lock:
            _running = _again = False
        raise


@shared_task(name="search.tasks.sweep")
def sweep() -> None:
    """Find what a crash, a lost message or an outage left behind."""
    spend.expire()
    try:
        outbox.go_on_within_budget()
    except EncoderError as error:  # of one encoder; the other spaces go on
        logger.error("What waits for the budget waits on: %s", error)
    outbox.enqueue_missing(SWEEP_NEWEST)
    drain_outbox()
