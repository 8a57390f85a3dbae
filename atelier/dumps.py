"""The database as one file and back: SQLite's own copying, or pg_dump and pg_restore.

Passwords go to those programs in their environment: arguments are seen by everybody on the machine.
"""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.utils import OperationalError
from django.utils.translation import gettext as _

from atelier.backup_folder import BackupError, private

# What may stand in DATABASE_URL behind the “?”, as libpq calls it in the environment.
_OPTIONS = ("sslmode", "sslrootcert", "sslcert", "sslkey", "connect_timeout", "service", "passfile")
_LOCK_WAIT = "15s"
_OWN = """
    SELECT format('DROP TABLE IF EXISTS %I.%I CASCADE', n.nspname, c.relname)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = current_schema() AND c.relkind IN ('r', 'p')
        AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')
    UNION ALL
    SELECT format('DROP FUNCTION IF EXISTS %s CASCADE', p.oid::regprocedure)
    FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE n.nspname = current_schema() AND p.prokind = 'f'
        AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')
"""


@contextmanager
def snapshot() -> Iterator[str]:
    """What this thread reads inside, and what is dumped, is the database of one moment; work goes on beside.

    Yields its name for other connections, which SQLite has no use for.
    """
    if connection.vendor == "sqlite":
        # Not `atomic`: that would take the lock of writers.
        with connection.cursor() as cursor:
            cursor.execute("BEGIN")
            try:
                cursor.execute("SELECT count(*) FROM sqlite_master")
                cursor.fetchone()  # a transaction begins with the first thing that it reads
                yield ""
            finally:
                cursor.execute("ROLLBACK")
        return
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        cursor.execute("SELECT pg_export_snapshot()")
        yield str(cursor.fetchone()[0])


def dump(folder: Path, name: str) -> Path:
    """Write the database of the snapshot of this name into the folder; the file.

    Raises:
        BackupError: the database, or the program that dumps it, does not do it; or there is none.
    """
    if connection.vendor == "sqlite":
        target = folder / "database.sqlite3"
        private(target, "wb").close()
        with closing(sqlite3.connect(target)) as copy:
            connection.connection.backup(copy)
            copy.execute("PRAGMA journal_mode=DELETE")
        return target
    target = folder / "database.dump"
    program = _program("pg_dump")
    command = [program, "--format=custom", "--no-owner", "--no-privileges", f"--snapshot={name}"]
    with private(target, "wb") as file:
        _run(command, file)
    return target


def load(source: Path) -> None:
    """Put the file in the database's place, wholly or not at all; what was there is gone.

    On PostgreSQL a crash may leave it empty; the same again fills it.

    Raises:
        BackupError: others use the database, or it, or the program that loads it, does not do it.
    """
    if connection.vendor == "sqlite":
        _load_sqlite(source)
        return
    program = _program("pg_restore")
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL lock_timeout = '{_LOCK_WAIT}'")
            cursor.execute(_OWN)
            for (statement,) in cursor.fetchall():
                cursor.execute(statement)
    except OperationalError as error:
        raise BackupError(_in_use(error)) from error
    connection.close()
    database = connection.settings_dict["NAME"]
    options = ["--single-transaction", "--no-owner", "--no-privileges", "--no-comments"]
    _run([program, *options, f"--dbname={database}", str(source)])


def require_programs() -> None:
    """
    Raises:
        BackupError: this database needs a program that is not here, or is too old.
    """
    if connection.vendor == "postgresql":
        for name in ("pg_dump", "pg_restore"):
            _program(name)


def server_version() -> str:
    if connection.vendor == "sqlite":
        return sqlite3.sqlite_version
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version")
        return str(cursor.fetchone()[0])


def _load_sqlite(source: Path) -> None:
    """In one step, which SQLite does as one transaction."""
    connection.close()
    timeout = connection.settings_dict["OPTIONS"].get("timeout", 5)
    target = sqlite3.connect(connection.settings_dict["NAME"], timeout=timeout)
    with closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True)) as copy, closing(target):
        try:
            copy.backup(target)
        except sqlite3.OperationalError as error:
            raise BackupError(_in_use(error)) from error


def _in_use(error: Exception) -> str:
    return _(
        "Others use the database (%(error)s). Stop the site, its workers and beat, and run it again."
    ) % {"error": str(error).strip().splitlines()[0]}


def _program(name: str) -> str:
    """Where it is.

    Raises:
        BackupError: it is not there, or older than the server.
    """
    folder = settings.POSTGRES_PROGRAMS
    path = shutil.which(name, path=folder or None)
    server = connection.cursor().connection.info.server_version // 10000
    what = {"program": name, "version": server}
    if path is None:
        raise BackupError(
            _(
                "%(program)s is not here. Install PostgreSQL's client programs of version %(version)s or "
                "newer (Debian and Ubuntu: postgresql-client-%(version)s), or name their folder in "
                "POSTGRES_PROGRAMS."
            )
            % what
        )
    said = subprocess.run([path, "--version"], capture_output=True, text=True).stdout
    found = re.search(r"\s(\d+)", said)
    if found is None or int(found[1]) < server:
        raise BackupError(
            _(
                "%(path)s is of version %(found)s, older than the server's %(version)s. Install "
                "postgresql-client-%(version)s, or name the folder of newer programs in POSTGRES_PROGRAMS."
            )
            % {**what, "path": path, "found": found[1] if found else "?"}
        )
    return path


def _run(command: list[str], output: Any = subprocess.DEVNULL) -> None:
    done = subprocess.run(
        command,
        env={**os.environ, **_environment()},
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.PIPE,
        text=True,
    )
    if done.returncode:
        raise BackupError(
            _("%(program)s failed: %(error)s")
            % {"program": Path(command[0]).name, "error": done.stderr.strip()[-2000:]}
        )


def _environment() -> dict[str, str]:
    """How libpq reaches the database that Django uses."""
    database = connection.settings_dict
    options = database.get("OPTIONS", {})
    values = {
        "PGHOST": database["HOST"],
        "PGPORT": database["PORT"],
        "PGUSER": database["USER"],
        "PGPASSWORD": database["PASSWORD"],
        "PGDATABASE": database["NAME"],
        **{f"PG{name.upper()}": options.get(name) for name in _OPTIONS},
    }
    return {name: str(value) for name, value in values.items() if value}
