"""A server that is killed in the middle of a POST with an Idempotency-Key: the repeat does it once."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
import requests
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.utils import timezone
from rest_framework.authtoken.models import Token

from dam import idempotency
from dam.models import AuditEntry, Collection, KeptAnswer
from tests.services.processes import Web, database_is_busy, eventually

COLLECTIONS = "/api/v1/collections/"
BODY = '{"name": "Spring"}'


@pytest.fixture
def another(web: Web, tmp_path: Path) -> Iterator[Callable[[], Web]]:
    """The site again, after its death, at the same address."""
    started: list[Web] = []

    def start() -> Web:
        started.append(Web(tmp_path / "another.log", port=web.port))
        return started[-1]

    yield start
    for site in started:
        site.kill()


@contextmanager
def deeds_stuck() -> Iterator[Callable[[], bool]]:
    """On PostgreSQL no collection is written in the block: a deed waits in its middle. Asks whether one does.

    SQLite has one lock for all, which the claim before the deed would wait for as well: there it is asked
    whether a deed has been claimed and not done, which is so for a moment.
    """
    if connection.vendor != "postgresql":
        yield lambda: KeptAnswer.objects.filter(status=None).exists()
        return
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("LOCK TABLE dam_collection IN SHARE ROW EXCLUSIVE MODE")

        def waits() -> bool:
            cursor.execute(
                "SELECT EXISTS (SELECT FROM pg_locks"
                " WHERE relation = 'dam_collection'::regclass AND NOT granted)"
            )
            return bool(cursor.fetchone()[0])

        yield waits


def in_background(site: Web, headers: dict[str, str]) -> Callable[[], Exception | int]:
    """Send the request; the function waits for its status, or for what became of it instead."""
    came: list[Exception | int] = []

    def send() -> None:
        try:
            came.append(post(site, headers).status_code)
        except requests.ConnectionError as error:
            came.append(error)

    sender = threading.Thread(target=send)
    sender.start()

    def wait() -> Exception | int:
        sender.join(60)
        return came[0]

    return wait


def post(site: Web, headers: dict[str, str]) -> requests.Response:
    return requests.post(f"{site.url}{COLLECTIONS}", BODY, headers=headers, timeout=60)


def done() -> tuple[int, int]:
    """How often it was done: collections, and entries of the audit log."""
    return Collection.objects.count(), AuditEntry.objects.filter(action__startswith="collection").count()


def headers_of(user: User) -> dict[str, str]:
    key = Token.objects.create(user=user).key
    return {
        "Authorization": f"Token {key}",
        "Idempotency-Key": "spring",
        "Content-Type": "application/json",
    }


def test_a_server_killed_in_the_middle_leaves_a_request_that_can_be_sent_again(
    web: Web, another: Callable[[], Web], editor: User
) -> None:
    headers = headers_of(editor)
    with deeds_stuck() as in_the_middle:
        answer = in_background(web, headers)
        eventually(in_the_middle, "the deed is under way", pause=0.001, process=web)
        web.kill()
    cut_off = answer()
    killed_early = isinstance(cut_off, requests.ConnectionError)
    assert killed_early or connection.vendor == "sqlite"  # which may have been faster than the signal
    if connection.vendor == "postgresql":
        eventually(lambda: not database_is_busy(), "the database has given the dead process up")
    left = done()
    assert left == (0, 0) or (connection.vendor == "sqlite" and left == (1, 1))

    site = another()
    if left == (0, 0):
        # Nobody knows yet that the first one is dead: a clear answer that says when to ask again. (The next
        # one may have taken longer to start than a claim lasts.)
        KeptAnswer.objects.update(claimed_until=timezone.now() + idempotency.LEASE)
        early = post(site, headers)
        assert (early.status_code, early.json()["code"], early.headers["Retry-After"]) == (
            409,
            "under_way",
            "1",
        )
        assert done() == (0, 0)
        claimed_until = KeptAnswer.objects.get().claimed_until
        assert claimed_until <= timezone.now() + idempotency.LEASE < timezone.now() + timedelta(minutes=1)
        KeptAnswer.objects.update(claimed_until=timezone.now())  # the time passes
    first, again = post(site, headers), post(site, headers)
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json() and again.headers["Idempotent-Replayed"] == "true"
    assert done() == (1, 1) and KeptAnswer.objects.get().status == 201


def test_an_answer_that_a_killed_server_never_gave_is_given_by_the_next_one(
    web: Web, another: Callable[[], Web], editor: User
) -> None:
    headers = headers_of(editor)
    head = {"Host": "127.0.0.1", "Content-Length": str(len(BODY)), **headers}
    lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
    with socket.create_connection(("127.0.0.1", web.port)) as line:
        line.sendall(f"POST {COLLECTIONS} HTTP/1.1\r\n{lines}\r\n{BODY}".encode())
        eventually(lambda: done() == (1, 1), "it is done", pause=0.001, process=web)
        web.kill()
    answer = post(another(), headers)
    assert (answer.status_code, answer.headers["Idempotent-Replayed"]) == (201, "true")
    assert answer.json()["id"] == Collection.objects.get().pk and done() == (1, 1)
