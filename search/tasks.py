"""Celery entrances of search; each only calls a verb."""

from __future__ import annotations

import logging
import threading

from celery import shared_task

from search import (
    calibration,
    dropping,
    evaluation_runs,
    outbox,
    query_log,
    reindex,
    spend,
    terms,
    upgrade,
    worker,
)
from search.dispatch import request_evaluation
from search.encoders.base import EncoderError
from search.index import IndexMismatch, IndexUnavailable

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
            more = worker.work_off()
            with _lock:
                if not _again and not more:
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
    outbox.mend_waits()
    try:
        outbox.go_on_within_budget()
    except EncoderError as error:  # of one encoder; the other spaces go on
        logger.error("What waits for the budget waits on: %s", error)
    outbox.enqueue_missing(SWEEP_NEWEST)
    try:
        reindex.repair_alias()
        dropping.finish()
    except (IndexUnavailable, IndexMismatch) as error:
        logger.warning("Alias and dropped spaces wait: %s", error)
    if evaluation_runs.due():
        request_evaluation()
    drain_outbox()
    worker.switch_what_is_complete()
    try:
        upgrade.upgrade_outdated()
        calibration.calibrate_due()
    except (EncoderError, IndexMismatch, IndexUnavailable) as error:
        logger.warning("The spaces are looked after by the next sweep: %s", error)


@shared_task(name="search.tasks.refresh_vocabulary")
def refresh_vocabulary() -> None:
    """Count the words of changed assets."""
    terms.refresh()


@shared_task(name="search.tasks.sweep_vocabulary")
def sweep_vocabulary() -> None:
    """Count what came past the library's signals, and what left the storefront at midnight."""
    terms.note_missing()
    terms.refresh()


@shared_task(name="search.tasks.sum_up_searches")
def sum_up_searches() -> None:
    """Bring the report of searches up to date."""
    query_log.sum_up()


@shared_task(name="search.tasks.sweep_log")
def sweep_log() -> None:
    """Forget who searched, and old searches."""
    query_log.sweep()


@shared_task(name="search.tasks.evaluate")
def evaluate() -> None:
    """Do the evaluations that are due; a run is one worker's."""
    for key in evaluation_runs.due():
        evaluation_runs.work(key)


@shared_task(name="search.tasks.evaluate_changed")
def evaluate_changed() -> None:
    """Measure again where judgements, or the spaces, have changed since the last time."""
    if evaluation_runs.start_if_changed():
        evaluate()
