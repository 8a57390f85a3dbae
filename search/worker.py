"""What a worker does in one round: first the space that has every asset, then a piece of each beside it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from search import reindex
from search.encoders.base import EncoderError
from search.index import IndexMismatch, IndexUnavailable
from search.models import IndexEntry, Reindex, ReindexState
from search.outbox import DrainReport, drain
from search.spaces import live_spaces, spaces_beside

logger = logging.getLogger(__name__)


def work_off() -> bool:
    """One round; whether there is more to do at once.

    The space by which every asset is found is drained to the end, those of chosen assets and those that are
    built only by a piece of a few seconds, so that a new upload never waits for a slow vendor or a reindex.
    """
    main, *chosen = live_spaces()
    drain(main)
    run = reindex.open_reindex()
    if run is not None and run.state == ReindexState.CHECKING:
        run = _checked(run)
    more = False
    for space in [*chosen, *spaces_beside()]:
        if run is not None and run.space == space and run.state == ReindexState.RUNNING:
            more |= _advanced(run)
        else:
            report = drain(space, seconds=reindex.PIECE_SECONDS)
            more |= not report.away and IndexEntry.objects.claimable().filter(space=space).exists()
    return more


def _checked(run: Reindex) -> Reindex | None:
    try:
        reindex.check(run)
    except (EncoderError, reindex.ReindexError) as error:
        logger.warning("The reindex to %s waits: %s", run.encoder, error)
    return reindex.open_reindex()


def switch_what_is_complete() -> None:
    """What a killed worker, or one that was refused, has left to be switched to. Not in each round: a switch
    that has to wait for others keeps every search waiting.
    """
    run = reindex.open_reindex()
    if run is not None:
        with _noted(run):
            reindex.switch_if_due(run)


def _advanced(run: Reindex) -> bool:
    report = DrainReport()
    with _noted(run):
        return reindex.work_on(run, report) and not report.postponed
    return False


@contextmanager
def _noted(run: Reindex) -> Iterator[None]:
    """Why it does not go on stands in the log and on its page."""
    try:
        yield
    except (EncoderError, IndexUnavailable, IndexMismatch, reindex.ReindexError) as error:
        logger.warning("The reindex to %s waits: %s", run.encoder, error)
        Reindex.objects.filter(pk=run.pk).update(last_error=str(error))
