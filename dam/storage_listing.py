"""What the file storage holds, in the order of its names: a folder on disk or a bucket of S3."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from django.core.files.storage import FileSystemStorage, Storage

from dam.errors import StorageUnavailable


@dataclass(frozen=True)
class StoredFile:
    """A file in the storage, with its size in bytes."""

    name: str
    size: int
    modified: datetime


def stored_files(storage: Storage, folder: str) -> Iterator[StoredFile]:
    """Every file below a folder, ascending by name; memory for one page of a listing, or one folder.

    Raises:
        StorageUnavailable: it cannot be listed (to the end).
    """
    files = (
        _on_disk(storage, folder) if isinstance(storage, FileSystemStorage) else _in_bucket(storage, folder)
    )
    last = ""
    try:
        for file in files:
            if file.name <= last:  # whoever compares in step would take what is skipped for lost
                raise StorageUnavailable(f"The storage lists {file.name} after {last}, in no order.")
            last = file.name
            yield file
    except StorageUnavailable:
        raise
    except (BotoCoreError, ClientError, OSError) as error:
        raise StorageUnavailable(f"The file storage cannot be listed: {error}") from error


def _on_disk(storage: FileSystemStorage, folder: str) -> Iterator[StoredFile]:
    root = Path(storage.path(folder))
    return _below(root, f"{folder}/") if root.is_dir() else iter(())


def _below(path: Path, prefix: str) -> Iterator[StoredFile]:
    with os.scandir(path) as entries:
        # With its slash, a folder comes where the names of its files do.
        ordered = sorted((f"{entry.name}/" if entry.is_dir() else entry.name, entry) for entry in entries)
    for name, entry in ordered:
        if name.endswith("/"):
            yield from _below(Path(entry.path), prefix + name)
            continue
        try:
            status = entry.stat()
        except FileNotFoundError:  # deleted since the folder was read
            continue
        yield StoredFile(prefix + name, status.st_size, datetime.fromtimestamp(status.st_mtime, UTC))


def _in_bucket(storage: Any, folder: str) -> Iterator[StoredFile]:
    """A bucket lists a thousand keys a request, ascending by their bytes."""
    root = f"{storage.location.strip('/')}/".lstrip("/")
    pages = storage.connection.meta.client.get_paginator("list_objects_v2").paginate(
        Bucket=storage.bucket_name, Prefix=f"{root}{folder}/"
    )
    for page in pages:
        for entry in page.get("Contents", ()):
            if not entry["Key"].endswith("/"):  # consoles write such keys to show a folder
                yield StoredFile(entry["Key"].removeprefix(root), entry["Size"], entry["LastModified"])
