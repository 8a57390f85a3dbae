"""One Milvus client per process, and what the server at the other end can do."""

from __future__ import annotations

import logging
import os
import re
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import ParamSpec, TypeVar
from urllib.parse import urlsplit

import grpc

# pymilvus executes this package at its first call, past the import system's lock. Two threads that begin it
# at once, or one while another imports scipy, find half a module, which it reports as a failed call.
import scipy.sparse  # noqa: F401
from django.conf import settings
from pymilvus import MilvusClient
from pymilvus.exceptions import MilvusException

from search.index.lite import LiteError, ensure_server

P = ParamSpec("P")
R = TypeVar("R")

# Others wait while one connects; those that come soon after a vain try are told the same at once.
CONNECT_SECONDS, AGAIN_SECONDS = 3.0, 1.0
# Of a call, with what pymilvus tries again: without one it goes on for minutes. Whoever searches is told the
# rest by the database then; what is written waits for its next turn.
SEARCH_SECONDS, CALL_SECONDS = 5.0, 30.0
# pymilvus pings every ten seconds; Milvus Lite's server, with gRPC's own default of five minutes
# between pings, hangs up on that ("too_many_pings").
CALM_KEEPALIVE = {"grpc.keepalive_time_ms": 330_000, "grpc.keepalive_permit_without_calls": 0}
logging.getLogger("pymilvus").setLevel(logging.CRITICAL)  # its errors reach people as IndexUnavailable


# pymilvus passes on what gRPC raises when the time is over.
FAILURES = (MilvusException, grpc.RpcError, grpc.FutureTimeoutError, ConnectionError)


class IndexUnavailable(Exception):
    """Milvus does not answer; the message says where it was looked for and what to do."""


class IndexMismatch(Exception):
    """The collection was made for another space."""


@dataclass(frozen=True)
class Capabilities:
    """What the server offers."""

    version: str
    lite: bool
    full_text: bool


_lock = threading.Lock()
_client: tuple[int, MilvusClient, Capabilities] | None = None
_refusal: tuple[str, float, str] | None = None  # by which address, when, and how


def milvus_uri() -> str:
    """The address to use: MILVUS_URI, or that of the embedded server, which is started if need be.

    Raises:
        IndexUnavailable: the embedded server cannot run.
    """
    if settings.MILVUS_URI:
        return str(settings.MILVUS_URI)
    try:
        return ensure_server(settings.MILVUS_LITE_DIR)
    except LiteError as error:
        raise IndexUnavailable(str(error)) from error


def connect() -> tuple[MilvusClient, Capabilities]:
    """This process's client. Made at first use: gRPC does not survive a fork.

    Raises:
        IndexUnavailable: nothing answers at the address.
    """
    global _client, _refusal
    with _lock:
        if _client is None or _client[0] != os.getpid():
            uri = milvus_uri()
            if _refusal and _refusal[0] == uri and time.monotonic() - _refusal[1] < AGAIN_SECONDS:
                raise IndexUnavailable(_refusal[2])
            try:
                _client = (os.getpid(), *_connected(uri))
            except IndexUnavailable as error:
                _refusal = (uri, time.monotonic(), str(error))
                raise
        return _client[1], _client[2]


def _connected(uri: str) -> tuple[MilvusClient, Capabilities]:
    _require_listener(uri)
    try:
        client = MilvusClient(
            uri=uri,
            token=settings.MILVUS_TOKEN,
            timeout=CONNECT_SECONDS,
            grpc_options=CALM_KEEPALIVE,
        )
        version = str(client.get_server_version(timeout=CONNECT_SECONDS))
    except FAILURES as error:
        raise _unavailable(error) from error
    return client, _capabilities(version)


def disconnect() -> None:
    """Forget the client; the next call connects anew."""
    global _client
    with _lock:
        if _client is not None and _client[0] == os.getpid():
            _client[1].close()
        _client = None


def _require_listener(uri: str) -> None:
    """Fail in two seconds where nothing listens, instead of after pymilvus's own retries."""
    parts = urlsplit(uri)
    try:
        socket.create_connection((parts.hostname or "", parts.port or 19530), timeout=2).close()
    except OSError as error:
        raise IndexUnavailable(
            f"Milvus does not answer at {uri} ({error}). Start it, correct MILVUS_URI, or unset MILVUS_URI "
            "to use the embedded Milvus Lite."
        ) from error


def _capabilities(version: str) -> Capabilities:
    # "milvus_lite-3.2.2"; the wheel of the real server says "v2.3.5-lite" and is none.
    lite = version.lower().startswith("milvus_lite")
    numbers = re.findall(r"\d+", version)
    since_2_5 = [int(n) for n in numbers[:2]] >= [2, 5]
    return Capabilities(version=version, lite=lite, full_text=lite or since_2_5)


def _unavailable(error: Exception) -> IndexUnavailable:
    where = settings.MILVUS_URI or "the embedded Milvus Lite"
    reason = error.details() if isinstance(error, grpc.Call) else error
    return IndexUnavailable(f"Milvus ({where}) failed: {reason}. `manage.py doctor` says more.")


def reporting_outages(call: Callable[P, R]) -> Callable[P, R]:
    """Turn what pymilvus and gRPC raise into IndexUnavailable and drop the broken connection."""

    @wraps(call)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return call(*args, **kwargs)
        except (*FAILURES, ValueError) as error:
            # A closed gRPC channel is a ValueError ("Cannot invoke RPC on closed channel").
            if isinstance(error, ValueError) and "channel" not in str(error):
                raise
            disconnect()
            raise _unavailable(error) from error

    return wrapped
