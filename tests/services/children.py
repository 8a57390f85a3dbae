"""Child processes of the suite: their ports, and an end that comes with the suite's own."""

from __future__ import annotations

import contextlib
import ctypes
import random
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from subprocess import DEVNULL, Popen

HOST = "127.0.0.1"
TIED = str(Path(__file__).with_name("tied.py"))
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


def start_tied(
    command: Sequence[str], *, folder: Path, environment: Mapping[str, str], log: Path
) -> Popen[bytes]:
    """A program in a process group of its own that ends with this one; its output is added to the log."""
    with log.open("ab") as output:
        return Popen(
            [sys.executable, TIED, *command],
            cwd=folder,
            env=dict(environment),
            stdin=DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


def end_with_parent() -> None:
    """Linux: the kernel kills the child when its parent dies (prctl(2), PR_SET_PDEATHSIG)."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)
