"""The folder of backups: databases of several moments over one set of files, each kept by its content.

    FOLDER/generations/2026-11-26T165637Z/   database.sqlite3 or database.dump, files.jsonl, manifest.json
    FOLDER/files/ab/abcdef…                  a file, by its SHA-256

A manifest is written last: a generation without one is what an interrupted backup left.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any
from uuid import uuid4

from django.utils.translation import gettext as _

FORMAT = 1
CHUNK = 1024 * 1024
_NAME = "%Y-%m-%dT%H%M%SZ"


class BackupError(Exception):
    """What stands in the way of a backup or of a restore; the message says what to do."""


@dataclass(frozen=True)
class FileLine:
    """A file of the library in a generation; size in bytes, `modified` as the storage said it."""

    name: str
    sha256: str
    size: int
    modified: str
    damaged: bool = False
    """Its content is not what the database says; it was copied as it is."""


@dataclass(frozen=True)
class Generation:
    """The library at one moment."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def is_complete(self) -> bool:
        return self._manifest.is_file()

    @property
    def manifest(self) -> dict[str, Any]:
        """
        Raises:
            BackupError: it cannot be read, or another version of Atelier wrote it in another way.
        """
        try:
            found = dict(json.loads(self._manifest.read_text()))
        except (OSError, ValueError) as error:
            raise BackupError(
                _("%(file)s cannot be read: %(error)s") % {"file": self._manifest, "error": error}
            ) from error
        if found.get("format") != FORMAT:
            raise BackupError(
                _("%(file)s has format %(format)s, and this version of Atelier reads %(known)s.")
                % {"file": self._manifest, "format": found.get("format"), "known": FORMAT}
            )
        return found

    def complete(self, manifest: dict[str, Any]) -> None:
        """Write the manifest, whole or not at all: from now on this is a backup."""
        new = self.path / "manifest.json.new"
        with private(new, "w") as file:
            json.dump({"format": FORMAT, **manifest}, file, ensure_ascii=False, indent=2)
            file.flush()
            os.fsync(file.fileno())
        new.rename(self._manifest)
        _sync(self.path)

    @property
    def list_of_files(self) -> Path:
        return self.path / "files.jsonl"

    def files(self) -> Iterator[FileLine]:
        """Its files; of a list that was cut off, those before the cut."""
        if not self.list_of_files.is_file():
            return
        with self.list_of_files.open(encoding="utf-8") as lines:
            for line in lines:
                try:
                    yield FileLine(**json.loads(line))
                except (ValueError, TypeError):
                    return

    def remove(self) -> None:
        """The manifest first: what is half removed is no backup."""
        self._manifest.unlink(missing_ok=True)
        shutil.rmtree(self.path, ignore_errors=True)

    @property
    def _manifest(self) -> Path:
        return self.path / "manifest.json"


class BackupFolder:
    """A folder that only its owner can read: the database holds names, letters and secrets of webhooks."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._generations, self._files = path / "generations", path / "files"
        self._incoming = self._files / "incoming"

    def generations(self) -> list[Generation]:
        """The complete ones, oldest first."""
        return [generation for generation in self._all() if generation.is_complete]

    def unfinished(self) -> list[Generation]:
        """What interrupted backups left."""
        return [generation for generation in self._all() if not generation.is_complete]

    def at(self, moment: datetime | None) -> Generation:
        """The newest one, or the newest that is not after the moment.

        Raises:
            BackupError: there is none.
        """
        known = self.generations()
        if not known:
            hint = _("Its backup was interrupted; run it again.") if self.unfinished() else ""
            raise BackupError(
                " ".join(
                    [_("There is no complete backup in %(folder)s.") % {"folder": self.path}, hint]
                ).strip()
            )
        fitting = [each for each in known if moment is None or moment_of(each) <= moment]
        if not fitting:
            raise BackupError(
                _("The oldest backup in %(folder)s is %(name)s.")
                % {"folder": self.path, "name": known[0].name}
            )
        return fitting[-1]

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Nobody else writes backups here meanwhile.

        Raises:
            BackupError: somebody does, or the folder cannot be written.
        """
        try:
            for folder in (self.path, self._generations, self._files, self._incoming):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = private(self.path / "lock", "a")
        except OSError as error:
            raise BackupError(
                _("%(folder)s cannot be written: %(error)s") % {"folder": self.path, "error": error.strerror}
            ) from error
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise BackupError(
                    _("Another backup into %(folder)s is running.") % {"folder": self.path}
                ) from error
            yield

    def begin(self) -> Generation:
        """A new generation of this moment, which is later than all others."""
        now = datetime.now(UTC).strftime(_NAME)
        path = self._generations / now
        while path.exists():
            now = datetime.now(UTC).strftime(_NAME)
            path = self._generations / now
        path.mkdir(mode=0o700)
        return Generation(path)

    def path_of(self, sha256: str) -> Path:
        """Where a file of this content lies, or would."""
        return self._files / sha256[:2] / sha256

    def holds(self, sha256: str) -> bool:
        return bool(sha256) and self.path_of(sha256).is_file()

    def take_in(self, content: Iterable[bytes]) -> tuple[str, int]:
        """Keep a file, hashing it on the way; its SHA-256 and its size.

        Raises:
            BackupError: this folder does not take it. What the content raises goes on.
        """
        new = self._incoming / uuid4().hex
        try:
            sha256, size = self._write(new, content)
            place = self.path_of(sha256)
            place.parent.mkdir(mode=0o700, exist_ok=True)
            new.rename(place)
        finally:
            new.unlink(missing_ok=True)
        return sha256, size

    def _write(self, path: Path, content: Iterable[bytes]) -> tuple[str, int]:
        digest, size = hashlib.sha256(), 0
        with private(path, "wb") as file:
            for chunk in content:
                digest.update(chunk)
                size += len(chunk)
                try:
                    file.write(chunk)
                except OSError as error:
                    raise BackupError(
                        _("%(folder)s cannot be written: %(error)s")
                        % {"folder": self.path, "error": error.strerror}
                    ) from error
        return digest.hexdigest(), size

    def contents(self) -> Iterator[Path]:
        """Every file that is kept."""
        for folder in sorted(self._files.iterdir()):
            if folder != self._incoming:
                yield from sorted(folder.iterdir())

    def sweep_incoming(self) -> None:
        """What a killed process had not taken in."""
        for path in self._incoming.iterdir():
            path.unlink()

    def _all(self) -> list[Generation]:
        if not self._generations.is_dir():
            return []
        return [Generation(path) for path in sorted(self._generations.iterdir()) if path.is_dir()]


def moment_of(generation: Generation) -> datetime:
    """When it was begun."""
    return datetime.strptime(generation.name, _NAME).replace(tzinfo=UTC)


def private(path: Path, mode: str) -> IO[Any]:
    """Open a file that only its owner can read (mode 600)."""
    return open(
        path,
        mode,
        encoding=None if "b" in mode else "utf-8",
        opener=lambda name, flags: os.open(name, flags, 0o600),
    )


def write_line(file: IO[str], line: FileLine) -> None:
    file.write(json.dumps(asdict(line), ensure_ascii=False) + "\n")


def digest_of(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
