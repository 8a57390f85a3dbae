"""Celery's entrances to running: each only calls a verb."""

from __future__ import annotations

import logging
import threading

from celery import shared_task
from kombu.exceptions import OperationalError

from generation import batches, claiming, courier, jobs, notices, pace, retention, running, tryon
from generation.models import GenerationJob, JobState
from generation.quality import scoring

logger = logging.getLogger(__name__)

SLICE_SECONDS = 20.0
_SWEEP_SECONDS = 30.0
_JUST_AFTER = 0.1
_scoring = threading.Lock()


def publish(job_id: int) -> None:
    """Tell the workers of a job. A lost message is no loss: the sweep finds the job."""
    try:
        run_job.delay(job_id)
    except (OperationalError, OSError) as error:
        logger.warning("job %s waits for the sweep: the broker took no message (%s)", job_id, error)


@shared_task
def run_job(job_id: int) -> None:
    """Start what works on the items of the job's provider."""
    job = GenerationJob.objects.filter(pk=job_id).first()
    if job is None or job.state in (JobState.CANCELLED, JobState.FINISHED):
        return
    if claiming.in_batches(job.provider):
        run_batches.delay(job_id)
        return
    _start(job.provider, min(job.items.unfinished().count(), pace.parallel_calls(job.provider)))


def _start(provider: str, calls: int) -> None:
    """So many slices, and some that call while others take in what was answered."""
    for _number in range(calls + calls // 4):
        run_items.apply_async((provider,), expires=_SWEEP_SECONDS)


@shared_task
def run_items(provider: str) -> None:
    """One slice of a provider's items, and the next one when there is more to do soon."""
    if claiming.in_batches(provider) or courier.attends(provider):  # as long as there is something to do
        return
    wait = running.work(provider, seconds=SLICE_SECONDS)
    if wait is not None and wait < _SWEEP_SECONDS:
        run_items.apply_async((provider,), countdown=wait + _JUST_AFTER)


@shared_task
def run_batches(job_id: int) -> None:
    """Hand in what waits and fetch what is done; the sweep comes back to what is under way."""
    job = GenerationJob.objects.filter(pk=job_id).first()
    if job is None:
        logger.info("job %s is gone", job_id)
        return
    batches.advance(job)


@shared_task
def sweep() -> None:
    """Start what a crash or a lost message left behind."""
    running.mend_waits()
    running.mend_cancelled()
    jobs.finish_all_that_are_done()
    for provider, free in claiming.providers_with_work().items():
        _start(provider, free)
    batches.mend_waits()
    for job_id in batches.jobs_due():
        run_batches.delay(job_id)


@shared_task
def score_results() -> None:
    """Score what was delivered since. One at a time in a process, which holds one encoder."""
    if not _scoring.acquire(blocking=False):
        return
    try:
        scoring.score_due()
    finally:
        _scoring.release()


@shared_task
def sweep_people() -> None:
    """Delete people's pictures that have had their time."""
    tryon.sweep()


@shared_task
def tell_ends() -> None:
    """Tell of jobs that are done."""
    notices.tell()


@shared_task
def remove_rejected() -> None:
    """Throw away rejected results whose time has passed."""
    retention.remove_rejected()
