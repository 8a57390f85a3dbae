"""Atelier's own processes, started as an operator starts them: web, worker, commands."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import requests
from django.conf import settings
from django.db import connection

from tests.services.children import free_ports, start_tied

Answer = TypeVar("Answer")
Variables = Mapping[str, str]

STOP_SECONDS = 20.0
NONE: Variables = {}


def environment() -> dict[str, str]:
    """The test's own database, files, broker and collections, for another process."""
    return {
        **os.environ,
        "DATABASE_URL": _database_url(),
        "MILVUS_COLLECTION_PREFIX": settings.MILVUS_COLLECTION_PREFIX,
        "PYTHONUNBUFFERED": "1",
    }


def _database_url() -> str:
    database = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{database['NAME']}"
    return f"postgres://{database['USER']}@{database['HOST']}:{database['PORT']}/{database['NAME']}"


class Process:
    """A program that runs until it is stopped or killed, with its output in a file.

    Args:
        module: of the program, as in `python -m`.
        arguments: its arguments.
        log: where its output goes.
        settings_of_its_own: environment variables beside the test's.
    """

    def __init__(
        self, module: str, *arguments: str, log: Path, settings_of_its_own: Variables = NONE
    ) -> None:
        self.log = log
        self._process = start_tied(
            [sys.executable, "-m", module, *arguments],
            folder=settings.BASE_DIR,
            environment={**environment(), **settings_of_its_own},
            log=log,
        )

    @property
    def output(self) -> str:
        return self.log.read_text(errors="replace")

    @property
    def runs(self) -> bool:
        return self._process.poll() is None

    def stop(self) -> int:
        """Ask it to end; the exit code."""
        if self.runs:
            self._process.terminate()
        try:
            return self._process.wait(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def kill(self) -> None:
        """SIGKILL to the process and to its children: a crash."""
        if self.runs:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


def start_worker(
    log: Path, *, threads: int = 4, queues: str = "", settings_of_its_own: Variables = NONE
) -> Process:
    """A Celery worker, started like `manage.py serve` starts it, or for these queues only (with commas)."""
    options = ["--pool", "threads", "--concurrency", str(threads), "--without-gossip", "--without-mingle"]
    options += ["--queues", queues] if queues else []
    command = ("--app", "atelier", "worker", "--loglevel", "info", *options)
    return Process("celery", *command, log=log, settings_of_its_own=settings_of_its_own)


class Web(Process):
    """The site under gunicorn, on this port or a free one, with so many threads."""

    def __init__(
        self, log: Path, *, threads: int = 4, port: int | None = None, settings_of_its_own: Variables = NONE
    ) -> None:
        self.port = port = port or free_ports(1)[0]
        self.url = f"http://127.0.0.1:{port}"
        options = ["--bind", f"127.0.0.1:{port}", "--threads", str(threads), "--no-control-socket"]
        super().__init__(
            "gunicorn", "atelier.wsgi", *options, log=log, settings_of_its_own=settings_of_its_own
        )
        eventually(self._answers, "the site answers")

    def _answers(self) -> bool:
        assert self.runs, self.output
        try:
            return requests.get(f"{self.url}/health/ready", timeout=10).ok
        except (requests.ConnectionError, requests.Timeout):
            return False


def database_is_busy() -> bool:
    """Whether somebody else is at work in the test's database: a process that was killed is, for a moment, as
    long as PostgreSQL has not noticed. SQLite's locks end with their process.
    """
    if connection.vendor != "postgresql":
        return False
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database()"
            " AND pid <> pg_backend_pid() AND state <> 'idle')"
        )
        return bool(cursor.fetchone()[0])


def manage(*arguments: str, seconds: float = 120) -> subprocess.CompletedProcess[str]:
    """`manage.py` with these arguments; its output is split into stdout and stderr."""
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=settings.BASE_DIR,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=seconds,
    )


def eventually(
    ask: Callable[[], Answer],
    what: str,
    *,
    seconds: float = 120.0,
    pause: float = 0.1,
    process: Process | None = None,
) -> Answer:
    """The first true answer of `ask`; fails, with the process's output, when there is none in time."""
    deadline = time.monotonic() + seconds
    while not (answer := ask()):
        if time.monotonic() > deadline:
            said = f" It said:\n{process.output[-4000:]}" if process else ""
            raise AssertionError(f"Not within {seconds:.0f} s: {what}.{said}")
        time.sleep(pause)
    return answer
