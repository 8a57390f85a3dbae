"""Child processes of the suite: their ports, and an end that comes with the suite's own."""

from __future__ import annotations

import contextlib
import ctypes
import random
import signal
import socket

HOST = "127.0.0.1"
# Below Linux's ephemeral range, so that no outgoing connection takes a port before its server does.
PORTS = range(20_000, 32_000)


def free_ports(count: int) -> list[int]:
    """Ports that nothing listens on, all different."""
    found: list[int] = []
    for port in random.sample(PORTS, len(PORTS)):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind((HOST, port))
            found.append(port)
        if len(found) == count:
            return found
    raise RuntimeError(f"No {count} free ports between {PORTS.start} and {PORTS.stop}.")


def end_with_parent() -> None:
    """Linux: the kernel kills the child when its parent dies (prctl(2), PR_SET_PDEATHSIG)."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)
