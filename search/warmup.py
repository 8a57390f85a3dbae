"""Loads what the first query needs before somebody waits for it."""

from __future__ import annotations

import gc
import logging
import threading

from celery import current_app
from django.core.cache import caches
from django.db import DatabaseError, connection

from search.query import SearchRequest, search

logger = logging.getLogger(__name__)

YOUNG = 50_000


def warm_up() -> threading.Thread:
    """Ask one question in the background: text tower, Milvus connection and collection are then at hand.

    Measured on two cores with the sample library: the first query of a new web process took 4.4 s.

    What is imported at first use and begins with modules that import each other is imported before: two
    threads that begin it from two ends block one another (`_DeadlockError`) or find half of it, and whoever
    asked first got an error page. Broker and cache need the redis package so.
    """
    current_app.connection_for_write().release()
    for cache in caches.all(initialized_only=False):
        cache.close()
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
    # What is loaded now stays. Going through all of it for garbage once in some hundred requests takes 300 to
    # 450 ms of whoever asks at that moment (measured; https://docs.python.org/3/library/gc.html#gc.freeze).
    # Young objects are looked at after so many, not after 700: a search makes some ten thousand, and 1.5 of
    # its 22 ms went there.
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, *gc.get_threshold()[1:])
