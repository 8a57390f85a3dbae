"""Milvus Lite as one server process per data folder, shared by web, worker and commands.

Whoever needs it first starts a guardian, which starts the server. Every process that uses the server
holds a shared lock on `users.lock`, which the kernel drops even when the process is killed; the
guardian stops the server when it can take that lock exclusively for a few seconds on end.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from django.conf import settings

START_SECONDS = 60.0
POLL_SECONDS = 0.5
IDLE_POLLS = 6

_user_lock: IO[bytes] | None = None
_thread_lock = threading.Lock()


class LiteError(Exception):
    """The embedded server cannot run; the message says why and what to do."""


def ensure_server(folder: Path) -> str:
    """The address of the server over `folder`, started if nobody runs it yet.

    From here on this process counts as a user of the server until it ends.

    Raises:
        LiteError: the folder cannot be written, or the server does not start.
    """
    with _thread_lock:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _become_user(folder)
            with _locked(folder / "start.lock"):
                return _running_server(folder) or _start_guardian(folder)
        except OSError as error:
            raise LiteError(
                f"Milvus Lite cannot use its folder {folder} ({error.strerror}). Give this user write "
                "permission there, or set ATELIER_DATA to another folder."
            ) from error


def release() -> None:
    """Stop counting as a user (a process that ends does so by itself)."""
    global _user_lock
    with _thread_lock:
        if _user_lock is not None:
            _user_lock.close()
            _user_lock = None


def _become_user(folder: Path) -> None:
    """Take the shared lock. Waits while the guardian, holding it exclusively, stops the server."""
    global _user_lock
    path = folder / "users.lock"
    if _user_lock is not None and _user_lock.name == str(path):
        return
    handle = open(path, "ab")  # noqa: SIM115, PTH123  held until the process ends
    fcntl.flock(handle, fcntl.LOCK_SH)
    _user_lock = handle


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("ab") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _running_server(folder: Path) -> str | None:
    """The address in `endpoint.json` if something answers there; a stale file is taken away."""
    endpoint = folder / "endpoint.json"
    try:
        uri = str(json.loads(endpoint.read_text())["uri"])
    except (FileNotFoundError, ValueError, KeyError):
        return None
    port = int(uri.rsplit(":", 1)[1])
    if _answers(port):
        return uri
    endpoint.unlink(missing_ok=True)
    return None


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def _start_guardian(folder: Path) -> str:
    log = folder / "server.log"
    with log.open("ab") as output:
        guardian = subprocess.Popen(
            [sys.executable, "-m", "search.index.lite", str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,  # Ctrl-C is for the site; the server ends when its last user has
            cwd=settings.BASE_DIR,
        )
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if guardian.poll() is not None:
            raise LiteError(f"Milvus Lite did not start: {_last_line(log)} The whole log: {log}.")
        if uri := _running_server(folder):
            return uri
        time.sleep(0.1)
    guardian.terminate()
    raise LiteError(f"Milvus Lite did not answer within {START_SECONDS:.0f} s. Its log: {log}.")


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1].rstrip(".") + "." if lines else "it said nothing."


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _end_with_parent() -> None:
    """Linux: the server goes when the guardian is killed (prctl(2), PR_SET_PDEATHSIG)."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)


def _guard(folder: Path) -> int:
    """Run the server until nobody uses it; the guardian's main function."""
    port = _free_port()
    command = [str(Path(sys.executable).parent / "milvus-lite"), "server"]
    server = subprocess.Popen(
        [*command, "--data-dir", str(folder / "data"), "--host", "127.0.0.1", "--port", str(port)],
        preexec_fn=_end_with_parent,
    )
    endpoint = folder / "endpoint.json"
    try:
        while not _answers(port):
            if server.poll() is not None:
                return 1
            time.sleep(0.1)
        _write(endpoint, {"uri": f"http://127.0.0.1:{port}", "pid": server.pid})
        return _wait_until_unused(folder / "users.lock", server, endpoint)
    finally:
        server.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(timeout=20)
        server.kill()


def _write(endpoint: Path, content: dict[str, Any]) -> None:
    partial = endpoint.with_suffix(".partial")
    partial.write_text(json.dumps(content))
    partial.replace(endpoint)


def _wait_until_unused(lock: Path, server: subprocess.Popen[bytes], endpoint: Path) -> int:
    """Return once the lock was free for IDLE_POLLS polls on end, or the data folder is gone."""
    free = 0
    while server.poll() is None:
        time.sleep(POLL_SECONDS)
        if not lock.exists():
            return 0
        with lock.open("ab") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                free = 0
                continue
            free += 1
            if free >= IDLE_POLLS:
                # Still locked: a newcomer waits here until the server has closed its files.
                endpoint.unlink(missing_ok=True)
                server.terminate()
                server.wait(timeout=20)
                return 0
    endpoint.unlink(missing_ok=True)
    return 1


def main() -> int:
    parser = argparse.ArgumentParser(description="Guardian of the embedded Milvus Lite server.")
    parser.add_argument("folder", type=Path)
    os.umask(0o077)
    return _guard(parser.parse_args().folder)


if __name__ == "__main__":
    sys.exit(main())
