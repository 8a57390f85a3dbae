"""The bucket of S3 behind Django's files: what its client raises is an OSError, as of any other storage.

Whoever opens, keeps or deletes a file is then prepared for both by `except OSError`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from django.core.files import File
from storages.backends.s3 import S3Storage

from dam.errors import StorageUnavailable


class Bucket(S3Storage):
    """Each method raises `StorageUnavailable` where the storage does not answer, or refuses to."""

    def _open(self, name: str, mode: str = "rb") -> File:
        with _answering(name):
            file: File = super()._open(name, mode)
            if "r" in mode:  # it would be fetched, whole, at the first read
                file.open()
            return file

    def _save(self, name: str, content: Any) -> str:
        with _answering(name):
            return str(super()._save(name, content))

    def delete(self, name: str) -> None:
        with _answering(name):
            super().delete(name)

    def exists(self, name: str) -> bool:
        with _answering(name):
            return bool(super().exists(name))

    def listdir(self, name: str) -> tuple[list[str], list[str]]:
        with _answering(name):
            folders, files = super().listdir(name)
            return folders, files

    def size(self, name: str) -> int:
        with _answering(name):
            return int(super().size(name))

    def get_modified_time(self, name: str) -> datetime:
        with _answering(name):
            time: datetime = super().get_modified_time(name)
            return time


@contextmanager
def _answering(name: str) -> Iterator[None]:
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise StorageUnavailable(f"The file storage does not answer for {name}: {error}") from error
