"""Loads what the first query needs before somebody waits for it."""

from __future__ import annotations

import logging
import threading

from django.db import DatabaseError, connection

from search.query import SearchRequest, search

logger = logging.getLogger(__name__)


def warm_up() -> threading.Thread:
    """Ask one question in the background: text tower, Milvus connection and collection are then at hand.

    Measured on two cores with the sample library: the first query of a new web process took 4.4 s.
    """
    thread = threading.Thread(target=_ask, name="search-warm-up", daemon=True)
    thread.start()
    return thread


def _ask() -> None:
    try:
        search(SearchRequest(text="warm-up", limit=1), user=None)
    except DatabaseError as error:
        logger.warning("Search is not warmed up: the database does not answer (%s).", error)
    finally:
        connection.close()
