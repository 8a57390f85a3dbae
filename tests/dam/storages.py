"""Storages, and a disk, that behave as real ones do at their worst."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import pytest
from django.core.files.base import File
from django.core.files.storage import FileSystemStorage, default_storage

from dam.errors import StorageUnavailable


class BusyStorage(FileSystemStorage):
    """While it takes its next file, something else happens: `meanwhile` is called once."""

    meanwhile: Callable[[], Any] | None = None

    def _save(self, name: str, content: File) -> str:
        happening, BusyStorage.meanwhile = BusyStorage.meanwhile, None
        if happening:
            happening()
        return super()._save(name, content)


class RestlessStorage(FileSystemStorage):
    """When somebody begins to list renditions, something else happens: `meanwhile` is called once."""

    meanwhile: Callable[[], Any] | None = None

    def path(self, name: str) -> str:
        happening = RestlessStorage.meanwhile
        if happening and name == "renditions":
            RestlessStorage.meanwhile = None
            happening()
        return super().path(name)


class StubbornStorage(FileSystemStorage):
    """While `stubborn`, it deletes nothing."""

    stubborn = False
    asked: ClassVar[list[str]] = []

    def delete(self, name: str) -> None:
        StubbornStorage.asked.append(name)
        if self.stubborn:
            raise OSError(5, "Input/output error")
        super().delete(name)


def stored_files() -> set[str]:
    """Every file that the default storage holds: a bucket in one listing, a folder by walking it."""
    bucket = getattr(default_storage, "bucket", None)
    if bucket is not None:
        below = f"{default_storage.location}/".lstrip("/")  # type: ignore[attr-defined]
        return {entry.key.removeprefix(below) for entry in bucket.objects.filter(Prefix=below)}
    root = Path(default_storage.path(""))
    return {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}


class AwayStorage(FileSystemStorage):
    """While `away`, it answers as a bucket does that nobody reaches."""

    away = False

    def _open(self, name: str, mode: str = "rb") -> File:
        self._require()
        return super()._open(name, mode)

    def _save(self, name: str, content: File) -> str:
        self._require()
        return super()._save(name, content)

    def _require(self) -> None:
        if AwayStorage.away:
            raise StorageUnavailable("The file storage does not answer.")


class _Full(io.FileIO):
    """Takes no byte, as the kernel says it, and has none."""

    def __init__(self, **_given: Any) -> None:
        super().__init__("/dev/full", "r+")

    def readinto(self, buffer: Any) -> int:
        return 0

    def readall(self) -> bytes:
        return b""


@contextmanager
def full_disk() -> Iterator[None]:
    """Temporary files find no room; what lies in memory stays there."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tempfile.TemporaryFile", lambda **given: io.BufferedRandom(_Full(**given)))
        yield
