"""Telling a worker that the outbox has something: after commit, once a transaction, and best effort."""

from __future__ import annotations

import logging

from django.db import transaction
from kombu.exceptions import KombuError

logger = logging.getLogger(__name__)


def request_drain() -> None:
    """Ask for a drain when this transaction commits. The row is the work; the message only wakes."""
    waiting = transaction.get_connection().run_on_commit
    if not any(entry[1] is _send for entry in waiting):
        transaction.on_commit(_send, robust=True)


def request_evaluation() -> None:
    """Ask for the evaluations that are due when this transaction commits; the sweep finds what was missed."""
    transaction.on_commit(_send_evaluation, robust=True)


def _send_evaluation() -> None:
    from search.tasks import evaluate  # tasks import search's verbs

    try:
        evaluate.delay()
    except (KombuError, OSError) as error:
        logger.warning("The broker does not answer (%s); the sweep will find the evaluations.", error)


def _send() -> None:
    from search.tasks import drain_outbox  # tasks import the outbox, which the receivers import

    try:
        drain_outbox.delay()
    except (KombuError, OSError) as error:
        logger.warning("The broker does not answer (%s); the sweep will find the outbox.", error)
