"""One backup of the library: its database and the files that it names. The index is made again from both.

First the database, then the files: what the database of that moment names is copied, whatever is deleted
meanwhile. Run again, it goes on where it was interrupted, and copies only what is new.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

from django.apps import apps
from django.core.files.storage import default_storage
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.db.models import CharField, F, Value
from django.utils.translation import gettext as _
from tqdm import tqdm

from atelier import dumps, parallel
from atelier.backup_folder import (
    CHUNK,
    BackupError,
    BackupFolder,
    FileLine,
    Generation,
    digest_of,
    private,
    write_line,
)
from atelier.version import VERSION
from dam import removal
from dam.errors import StorageUnavailable
from dam.file_names import FileColumn, file_columns
from dam.models import AssetVersion, Rendition
from dam.storage_listing import stored_files
from search.models import Space

KEEP = 7  # generations
BATCH = 1_000
FAILURES = 20  # in a row: the storage is away
NAMED = 1_000


@dataclass
class BackupReport:
    """What one backup did; sizes in bytes."""

    generation: str
    database: int = 0
    files: int = 0
    bytes: int = 0
    copied: int = 0
    copied_bytes: int = 0
    removed_generations: list[str] = field(default_factory=list)
    removed_files: int = 0
    problem_count: int = 0
    problems: list[str] = field(default_factory=list)
    """Of each file that is lost, damaged or unreadable, by name, at most NAMED of them."""

    def tell(self, problem: str) -> None:
        self.problem_count += 1
        if len(self.problems) < NAMED:
            self.problems.append(problem)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def back_up(
    folder: Path, *, files: bool = True, renditions: bool = False, keep: int = KEEP, progress: bool = False
) -> BackupReport:
    """Back the library up into the folder, beside what is there; of each kind the newest `keep` are kept.

    A lost or damaged file is told in the report, and everything else is backed up.

    Args:
        files: or the database alone.
        renditions: them too, though they are made again on demand.

    Raises:
        BackupError: something stands in the way; what has been copied serves the next run.
    """
    dumps.require_programs()
    place = BackupFolder(folder)
    with place.locked(), removal.held():
        catalogue = _Catalogue(place.path / "catalogue.sqlite3")
        with closing(catalogue):
            catalogue.learn(place)
            for left in place.unfinished():
                left.remove()
            place.sweep_incoming()
            generation = place.begin()
            report = BackupReport(generation.name)
            manifest = _database(generation, report, catalogue if files else None, renditions)
            if files:
                _files(place, generation, report, catalogue, progress)
                manifest["files"] = {
                    "count": report.files,
                    "bytes": report.bytes,
                    "renditions": renditions,
                    "sha256": digest_of(generation.list_of_files),
                }
            manifest |= {"finished": _now(), "problems": report.problems}
            os.sync()
            generation.complete(manifest)
        _prune(place, report, keep)
    return report


def _database(
    generation: Generation, report: BackupReport, catalogue: _Catalogue | None, renditions: bool
) -> dict[str, Any]:
    """Dump the database, and note which files it names and how much is in it, all of one moment."""
    with dumps.snapshot() as name:
        manifest: dict[str, Any] = {
            "id": uuid4().hex,
            "atelier": VERSION,
            "started": _now(),
            "migrations": _migrations(),
            "tables": count_tables(),
            "spaces": list(Space.objects.values("slug", "encoder", "weights", "dimension", "state")),
            "files": None,
        }
        if catalogue is not None:
            catalogue.want(_named(renditions))
        file = dumps.dump(generation.path, name)
    report.database = file.stat().st_size
    manifest["database"] = {
        "kind": connection.vendor,
        "version": dumps.server_version(),
        "file": file.name,
        "size": report.database,
        "sha256": digest_of(file),
    }
    return manifest


def count_tables() -> dict[str, int]:
    """Rows of every table that migrations make, as far as it is there."""
    there = set(connection.introspection.table_names())
    models = [model for model in apps.get_models(include_auto_created=True) if model._meta.managed]
    tables = {model._meta.db_table: model._base_manager for model in models if not model._meta.proxy}
    return {table: manager.count() for table, manager in sorted(tables.items()) if table in there}


def _migrations() -> dict[str, list[str]]:
    """What is applied, by application."""
    applied: dict[str, list[str]] = {}
    for app, name in sorted(MigrationRecorder(connection).applied_migrations()):
        applied.setdefault(app, []).append(name)
    return applied


def _named(renditions: bool) -> Iterator[tuple[str, str, bool]]:
    """Each file that a row names, with its SHA-256 where the row has it, and whether it has to be there."""
    for column in file_columns():
        if renditions or column.model is not Rendition:
            yield from _of(column)


def _of(column: FileColumn) -> Iterator[tuple[str, str, bool]]:
    known = F("sha256") if column.model is AssetVersion else Value("", output_field=CharField())
    needed = column.model is not Rendition
    for name, sha256 in column.rows().values_list(column.name, known).iterator(BATCH):
        yield name, sha256, needed


# ── Files ─────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class _Wanted:
    """A file that has to be in the backup; what the storage's listing and an earlier backup say of it."""

    name: str
    sha256: str
    needed: bool
    size: int | None
    modified: str
    known: str


class _Catalogue:
    """What is wanted, stored and backed up already, in a file: memory does not grow with the library."""

    def __init__(self, path: Path) -> None:
        path.unlink(missing_ok=True)
        private(path, "wb").close()
        self._path = path
        self._rows = sqlite3.connect(path, isolation_level=None)
        self._rows.executescript(
            """
            PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;
            CREATE TABLE known (name TEXT, size INT, modified TEXT, sha256 TEXT,
                PRIMARY KEY (name, size, modified)) WITHOUT ROWID;
            CREATE TABLE wanted (name TEXT PRIMARY KEY, sha256 TEXT, needed INT) WITHOUT ROWID;
            CREATE TABLE listed (name TEXT PRIMARY KEY, size INT, modified TEXT) WITHOUT ROWID;
            """
        )

    def learn(self, place: BackupFolder) -> None:
        """What generations say of files, interrupted ones too; damaged ones are looked at anew each time."""
        for generation in [*place.generations(), *place.unfinished()]:
            lines = (
                (line.name, line.size, line.modified, line.sha256)
                for line in generation.files()
                if not line.damaged
            )
            self._fill("INSERT OR REPLACE INTO known VALUES (?, ?, ?, ?)", lines)

    def want(self, names: Iterator[tuple[str, str, bool]]) -> None:
        self._fill("INSERT OR IGNORE INTO wanted VALUES (?, ?, ?)", names)

    def note_stored(self, folder: str) -> None:
        """
        Raises:
            StorageUnavailable: the storage cannot be listed.
        """
        stored = stored_files(default_storage, folder)
        lines = ((file.name, file.size, file.modified.isoformat()) for file in stored)
        self._fill("INSERT OR REPLACE INTO listed VALUES (?, ?, ?)", lines)

    def count(self) -> int:
        return int(self._rows.execute("SELECT count(*) FROM wanted").fetchone()[0])

    def wanted(self) -> Iterator[_Wanted]:
        """Ascending by name."""
        rows = self._rows.execute(
            """
            SELECT wanted.name, wanted.sha256, needed, listed.size, coalesce(listed.modified, ''),
                coalesce(known.sha256, '')
            FROM wanted LEFT JOIN listed ON listed.name = wanted.name
            LEFT JOIN known ON known.name = wanted.name AND known.size = listed.size
                AND known.modified = listed.modified
            ORDER BY wanted.name
            """
        )
        for name, sha256, needed, *rest in rows:
            yield _Wanted(name, sha256, bool(needed), *rest)

    def close(self) -> None:
        self._rows.close()
        self._path.unlink(missing_ok=True)

    def _fill(self, statement: str, rows: Iterator[tuple[Any, ...]]) -> None:
        self._rows.execute("BEGIN")
        self._rows.executemany(statement, rows)
        self._rows.execute("COMMIT")


@dataclass(frozen=True)
class _Copied:
    """What became of a file: its line in the list, how many bytes were copied, and what is wrong with it."""

    line: FileLine | None
    copied: int | None = None
    problem: str = ""
    unreadable: bool = False


def _files(
    place: BackupFolder, generation: Generation, report: BackupReport, catalogue: _Catalogue, progress: bool
) -> None:
    try:
        for folder in sorted({column.folder for column in file_columns()}):
            catalogue.note_stored(folder)
    except StorageUnavailable as error:
        raise BackupError(str(error)) from error
    in_a_row = 0
    bar = tqdm(total=catalogue.count(), desc=_("Files"), unit=" files", disable=None if progress else True)
    with private(generation.list_of_files, "w") as lines, bar:
        for _wanted, done in parallel.each(partial(_copy, place), catalogue.wanted()):
            bar.update()
            in_a_row = in_a_row + 1 if done.unreadable else 0
            if in_a_row == FAILURES:
                raise BackupError(_("The file storage is away: %(error)s") % {"error": done.problem})
            if done.problem:
                report.tell(done.problem)
            if done.line is None:
                continue
            write_line(lines, done.line)
            report.files += 1
            report.bytes += done.line.size
            if done.copied is not None:
                report.copied += 1
                report.copied_bytes += done.copied


def _copy(place: BackupFolder, wanted: _Wanted) -> _Copied:
    """In a thread without a database."""
    if place.holds(wanted.known) and wanted.sha256 in ("", wanted.known):
        return _Copied(FileLine(wanted.name, wanted.known, wanted.size or 0, wanted.modified))
    try:
        with default_storage.open(wanted.name) as file:
            sha256, size = place.take_in(iter(partial(file.read, CHUNK), b""))
    except FileNotFoundError:
        problem = _("%(name)s is not in the storage.") % {"name": wanted.name} if wanted.needed else ""
        return _instead(place, wanted, problem)
    except OSError as error:
        problem = _("%(name)s cannot be read: %(error)s") % {"name": wanted.name, "error": error}
        return _instead(place, wanted, problem, unreadable=True)
    if wanted.sha256 in ("", sha256):
        return _Copied(FileLine(wanted.name, sha256, size, wanted.modified), copied=size)
    problem = _("%(name)s is damaged: its SHA-256 is %(found)s, and was %(expected)s.") % {
        "name": wanted.name,
        "found": sha256,
        "expected": wanted.sha256,
    }
    sound = _instead(place, wanted, problem)
    if sound.line is not None:
        return sound
    return _Copied(FileLine(wanted.name, sha256, size, wanted.modified, damaged=True), size, problem)


def _instead(place: BackupFolder, wanted: _Wanted, problem: str, *, unreadable: bool = False) -> _Copied:
    """The sound copy of an earlier backup, where there is one."""
    if not place.holds(wanted.sha256):
        return _Copied(None, problem=problem, unreadable=unreadable)
    size = place.path_of(wanted.sha256).stat().st_size
    problem = _("%(problem)s This backup has its sound copy of before.") % {"problem": problem}
    return _Copied(FileLine(wanted.name, wanted.sha256, size, ""), problem=problem, unreadable=unreadable)


# ── What goes ─────────────────────────────────────────────────────────────────────────────────────


def _prune(place: BackupFolder, report: BackupReport, keep: int) -> None:
    """Backups with files and those without are counted apart: without, they would push the files out."""
    by_kind: dict[bool, list[Generation]] = {True: [], False: []}
    for generation in place.generations():
        by_kind[generation.manifest["files"] is not None].append(generation)
    for generations in by_kind.values():
        for generation in generations[:-keep]:
            generation.remove()
            report.removed_generations.append(generation.name)
    report.removed_files = _prune_files(place)


def _prune_files(place: BackupFolder) -> int:
    """Remove what no generation names; how many files."""
    path = place.path / "kept.sqlite3"
    path.unlink(missing_ok=True)
    private(path, "wb").close()
    removed = 0
    with closing(sqlite3.connect(path)) as rows:
        rows.execute("CREATE TABLE kept (sha256 TEXT PRIMARY KEY) WITHOUT ROWID")
        for generation in place.generations():
            lines = ((line.sha256,) for line in generation.files())
            rows.executemany("INSERT OR IGNORE INTO kept VALUES (?)", lines)
        for file in place.contents():
            if not rows.execute("SELECT 1 FROM kept WHERE sha256 = ?", (file.name,)).fetchone():
                file.unlink()
                removed += 1
    path.unlink()
    return removed


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
