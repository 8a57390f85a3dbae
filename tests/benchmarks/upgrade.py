"""A migration written by the rules on a million assets, while one reads and one writes beside it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from tests.benchmarks.library import MILLION, fill, postgres
from tests.benchmarks.rows import Row, report

PAUSE = 0.005  # seconds between two of their statements
_READ = "SELECT id, title FROM dam_asset WHERE id = %s"
_WRITE = "UPDATE dam_asset SET title = title || '' WHERE id = %s"


def run() -> None:
    """By the rules of docs/upgrading.md, then one index as Django makes it by default."""
    with postgres() as server:
        fill()
        with _beside(server.url) as quiet:
            time.sleep(10)
        with _beside(server.url) as during:
            seconds = _timed(_by_the_rules)
        with _beside(server.url) as locked:
            index_seconds = _timed(_by_default)
    rows = [
        Row("upgrade.seconds_1m", seconds, "s", "", None),
        Row("upgrade.longest_read_ms_1m", during["read"], "ms", "no migration runs", quiet["read"]),
        Row("upgrade.longest_write_ms_1m", during["write"], "ms", "no migration runs", quiet["write"]),
        Row("upgrade.default_index_seconds_1m", index_seconds, "s", "", None),
        Row(
            "upgrade.default_index_longest_write_ms_1m",
            locked["write"],
            "ms",
            "by the rules",
            during["write"],
        ),
    ]
    about = (
        f"On {MILLION:,} assets in PostgreSQL: two columns, one of them with a default, an index made "
        "concurrently and a constraint validated afterwards, while one connection reads and one writes "
        f"assets every {PAUSE * 1000:.0f} ms: the longest time that a statement took. Then an "
        "index as Django makes it by default."
    )
    report("upgrade", about, rows)


@contextmanager
def _beside(url: str) -> Iterator[dict[str, float]]:
    """Somebody reads and somebody writes meanwhile; afterwards, the longest that each waited, in ms."""
    longest: dict[str, float] = {}
    done = threading.Event()

    def work(name: str, statement: str) -> None:
        with psycopg.connect(url, autocommit=True) as client:
            number = 0
            while not done.wait(PAUSE):
                number = number % MILLION + 1
                started = time.perf_counter()
                client.execute(statement, [number * 7919 % MILLION + 1])
                took = 1000 * (time.perf_counter() - started)
                longest[name] = max(longest.get(name, 0), round(took, 1))

    people = [threading.Thread(target=work, args=each) for each in (("read", _READ), ("write", _WRITE))]
    for person in people:
        person.start()
    try:
        yield longest
    finally:
        done.set()
        for person in people:
            person.join()


def _timed(work: Callable[[], Any]) -> float:
    started = time.perf_counter()
    work()
    return round(time.perf_counter() - started, 1)


def _by_the_rules() -> None:
    from django.contrib.postgres.operations import (
        AddConstraintNotValid,
        AddIndexConcurrently,
        ValidateConstraint,
    )
    from django.db import migrations, models

    _apply(
        migrations.AddField("asset", "season", models.CharField(max_length=8, null=True)),
        migrations.AddField("asset", "rank", models.IntegerField(db_default=0)),
        AddIndexConcurrently("asset", models.Index(fields=["season", "-id"], name="bench_season")),
        AddConstraintNotValid(
            "asset", models.CheckConstraint(condition=models.Q(rank__gte=0), name="bench_rank")
        ),
        ValidateConstraint("asset", "bench_rank"),
    )


def _by_default() -> None:
    from django.db import migrations, models

    _apply(migrations.AddIndex("asset", models.Index(fields=["title", "-id"], name="bench_title")))


def _apply(*operations: Any) -> None:
    """Each in a transaction of its own, as a migration with `atomic = False` does."""
    from django.db import connection, migrations
    from django.db.migrations.loader import MigrationLoader

    migration = migrations.Migration("of_a_benchmark", "dam")
    migration.operations, migration.atomic = list(operations), False
    with connection.schema_editor(atomic=False) as editor:
        migration.apply(MigrationLoader(connection).project_state(), editor)
