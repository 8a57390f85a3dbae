"""`manage.py`: what stands in the way is a sentence and a non-zero exit, never a traceback."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
import requests

ROOT = Path(__file__).resolve().parents[1]
OLD_SPACE = (
    "from search.models import Space; "
    "Space.objects.create(slug='starter-before', encoder='starter', weights='heads-of-before', "
    "dimension=512, collection='before', state='live')"
)
NOWHERE = "http://127.0.0.1:9"  # the discard port: nothing listens there


def embedded(**environment: str) -> dict[str, str]:
    """This process's environment without the servers that a test run may have set."""
    unset = ("DATABASE_URL", "REDIS_URL", "MILVUS_URI", "S3_BUCKET", "DJANGO_SETTINGS_MODULE")
    return {name: value for name, value in os.environ.items() if name not in unset} | environment


def manage(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=embedded(**environment),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def told(done: subprocess.CompletedProcess[str]) -> str:
    """The sentence of a command that failed as it should."""
    assert done.returncode != 0, done.stdout
    assert "Traceback" not in done.stderr, done.stderr
    return done.stderr


def answers(url: str, seconds: float = 120) -> bool:
    """Whether a site on this machine answers within some seconds, with whatever status."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            requests.get(url, timeout=5)
            return True
        except requests.RequestException:
            time.sleep(0.2)
    return False


@pytest.fixture
def data(tmp_path: Path) -> str:
    return str(tmp_path / "data")


@pytest.mark.parametrize("command", [("search", "dress"), ("index",), ("reconcile",), ("generate",)])
def test_a_database_that_was_never_set_up(command: tuple[str, ...], data: str) -> None:
    arguments = ("outfits", "--models", "person", "--garments", "dress") if command[0] == "generate" else ()
    assert "manage.py migrate" in told(manage(*command, *arguments, ATELIER_DATA=data))


def test_a_database_that_does_not_answer(data: str) -> None:
    url = "postgres://atelier:secret@127.0.0.1:9/atelier"
    sentence = told(manage("search", "dress", ATELIER_DATA=data, DATABASE_URL=url))
    (line,) = sentence.strip().splitlines()
    assert line.startswith("The database does not answer")
    assert line.endswith("? Check DATABASE_URL, or unset it for SQLite.")  # the driver's question stays one
    assert "secret" not in line


@pytest.mark.parametrize("command", ["demo", "serve", "search"])
def test_a_data_folder_that_cannot_be_written(command: str, tmp_path: Path) -> None:
    file = tmp_path / "a file"
    file.touch()
    sentence = told(manage(command, ATELIER_DATA=str(file / "data")))
    assert f"cannot write to its data folder {file / 'data'}" in sentence


def test_a_milvus_that_is_not_running(data: str) -> None:
    assert manage("migrate", ATELIER_DATA=data).returncode == 0
    sentence = told(manage("reconcile", ATELIER_DATA=data, MILVUS_URI=NOWHERE))
    assert f"Milvus does not answer at {NOWHERE}" in sentence


def test_a_port_that_is_taken(data: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        sentence = told(manage("serve", "--port", port, ATELIER_DATA=data))
    assert f"Port {port} on 127.0.0.1 cannot be used" in sentence
    assert f"make run PORT={int(port) + 1}" in sentence


def test_an_index_of_other_weights_names_the_command_that_renews_it(data: str) -> None:
    assert manage("migrate", ATELIER_DATA=data).returncode == 0
    made = manage("shell", "--no-imports", "--command", OLD_SPACE, ATELIER_DATA=data)
    assert made.returncode == 0, made.stderr
    advice = "Run `manage.py index --reindex starter`."
    sentence = told(manage("demo", ATELIER_DATA=data))
    assert "weights heads-of-before" in sentence
    assert advice in sentence
    with closing(sqlite3.connect(f"{data}/atelier.sqlite3")) as database:
        assert database.execute("select count(*) from dam_asset").fetchone() == (0,)  # it loaded nothing

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with subprocess.Popen(
        [sys.executable, "manage.py", "serve", "--no-demo", "--port", str(port)],
        cwd=ROOT,
        env=embedded(ATELIER_DATA=data),
        stderr=subprocess.PIPE,
        text=True,
    ) as site:
        came_up = answers(f"http://127.0.0.1:{port}/health/live")
        site.send_signal(signal.SIGINT)
        _, said = site.communicate(timeout=60)
    assert came_up
    assert f"Search by meaning does not work: {sentence.removeprefix('CommandError: ').strip()}" in said


def test_a_traceback_for_those_who_ask_for_one(data: str) -> None:
    done = manage("search", "dress", "--traceback", ATELIER_DATA=data)
    assert "Traceback" in done.stderr
