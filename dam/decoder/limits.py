"""What a process that decodes files of strangers may take: for good, and for each file."""

from __future__ import annotations

import ctypes
import faulthandler
import math
import resource
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

DESCRIPTORS = 64
CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000  # unshare(2)


def confine() -> None:
    """No core file, no written file, few open ones, no network where the kernel lets go of it.

    It is the first to die where the machine runs out of memory. It ends with its socket, not with the signals
    that stop the whole group of processes: somebody may still wait for its file.
    """
    faulthandler.enable()
    for stop in (signal.SIGINT, signal.SIGTERM):
        signal.signal(stop, signal.SIG_IGN)
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")
    for what, most in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, DESCRIPTORS),
    ):
        resource.setrlimit(what, (most, most))
    if sys.platform == "linux":
        ctypes.CDLL(None).unshare(CLONE_NEWUSER | CLONE_NEWNET)  # refused in many a container: no harm


@contextmanager
def bounded(seconds: int, megabytes: int) -> Iterator[None]:
    """Within it the process may compute for so long, and hold so much memory of its own.

    The kernel ends a process that computes longer (SIGXCPU), or is not done after twice that time (SIGALRM);
    more memory is not given, so that a decoder fails in its own way or raises `MemoryError`. Linux counts all
    that is written to (RLIMIT_DATA), not what is only reserved.
    """
    computed = math.ceil(time.process_time())
    _at_most(resource.RLIMIT_CPU, computed + seconds)
    _at_most(resource.RLIMIT_DATA, megabytes * 1024**2)
    restart_clock(seconds)
    try:
        yield
    finally:
        stop_clock()
        _at_most(resource.RLIMIT_DATA, resource.RLIM_INFINITY)
        _at_most(resource.RLIMIT_CPU, resource.RLIM_INFINITY)


def restart_clock(seconds: int) -> None:
    """Twice so many seconds by the clock, from now."""
    signal.setitimer(signal.ITIMER_REAL, 2 * seconds)


def stop_clock() -> None:
    """Time that passes now does not count."""
    signal.setitimer(signal.ITIMER_REAL, 0)


def _at_most(what: int, limit: int) -> None:
    """The soft limit, as far as the hard one lets."""
    hard = resource.getrlimit(what)[1]
    bounded_by_hard = limit if hard == resource.RLIM_INFINITY else hard if limit < 0 else min(limit, hard)
    resource.setrlimit(what, (bounded_by_hard, hard))
