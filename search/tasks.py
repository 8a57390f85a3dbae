"""Celery entrances of search; each only calls a verb."""

from __future__ import annotations

import logging
import threading

from celery import shared_task

from search import dropping, evaluation_runs, outbox, reindex, worker
from search.dispatch import request_evaluation
from search.index import IndexMismatch, IndexUnavailable

SWEEP_NEWEST = 2_000

logger = logging.getLogger(__name__)
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
    outbox.enqueue_missing(SWEEP_NEWEST)
    try:
        reindex.repair_alias()
        dropping.finish()
    except (IndexUnavailable, IndexMismatch) as error:
        logger.warning("Alias and dropped spaces wait: %s", error)
    if evaluation_runs.due():
        request_evaluation()
    drain_outbox()


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
