"""Real processes around one test: a clean broker before it, nothing left running after it."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.services.processes import Process, Web, database_is_busy, manage, start_worker

GIVEN_UP_SECONDS = 15.0


@pytest.fixture
def clean_broker() -> None:
    """No message of an earlier test is waiting."""
    from atelier.celery import app

    app.control.purge()


@pytest.fixture
def worker(transactional_db: None, clean_broker: None, tmp_path: Path) -> Iterator[Callable[[], Process]]:
    """Start a worker: `worker()`; all that were started are killed at the end."""
    started: list[Process] = []

    def start(queues: str = "") -> Process:
        started.append(start_worker(tmp_path / f"worker-{len(started)}.log", queues=queues))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        sys.stdout.write(process.output)  # shown where the test failed
    _wait_for_the_database()


def _wait_for_the_database() -> None:
    """Until it has given killed processes up: their locks would be in the way of emptying the tables."""
    until = time.monotonic() + GIVEN_UP_SECONDS
    while (database_is_busy() or _couriers()) and time.monotonic() < until:
        time.sleep(0.1)


def _couriers() -> bool:
    """Whether a courier of this test's database outlives its worker, as it is meant to, and still writes."""
    here = os.environ.get("DATABASE_URL")
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.cmdline()[-1:] == ["courier"] and process.environ().get("DATABASE_URL") == here:
                return True
    return False


@pytest.fixture(scope="session")
def static_files() -> None:
    """Hashed and compressed static files, as the site serves them; a missing one is an error."""
    done = manage("collectstatic", "--no-input", "--verbosity", "0")
    assert done.returncode == 0, done.stderr


@pytest.fixture
def web(transactional_db: None, clean_broker: None, static_files: None, tmp_path: Path) -> Iterator[Web]:
    """The site under gunicorn."""
    site = Web(tmp_path / "web.log")
    yield site
    site.kill()
    sys.stdout.write(site.output)
