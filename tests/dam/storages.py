"""Storages that behave as real ones do at their worst."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.core.files.base import File
from django.core.files.storage import FileSystemStorage, default_storage


class BusyStorage(FileSystemStorage):
    """While it takes its next file, something else happens: `meanwhile` is called once."""

    meanwhile: Callable[[], Any] | None = None

    def _save(self, name: str, content: File) -> str:
        happening, BusyStorage.meanwhile = BusyStorage.meanwhile, None
        if happening:
            happening()
        return super()._save(name, content)


def stored_files(folder: str = "") -> set[str]:
    """Every file that the default storage holds."""
    try:
        folders, names = default_storage.listdir(folder)
    except FileNotFoundError:
        return set()
    files = {f"{folder}/{name}" for name in names if name}
    return files.union(*(stored_files(f"{folder}/{below}".lstrip("/")) for below in folders if below))
