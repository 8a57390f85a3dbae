"""The spooled bytes of uploads that are not complete; the file itself says how many there are."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, NamedTuple
from uuid import UUID

from django.conf import settings

BLOCK = 64 * 1024  # small, so that a broken connection loses little
IN_MEMORY = 1024 * 1024
ALGORITHMS = ("sha1", "sha256", "md5")
SUFFIX = ".part"
STEP_SECONDS, STILL_SECONDS = 0.1, 2.0


class Busy(Exception):
    """Somebody else is writing to this upload at the moment."""


class Missing(Exception):
    """There is no such spooled file (any more)."""


class Displaced(Exception):
    """A piece does not begin where the file ends.

    Attributes:
        end: where that is, in bytes.
    """

    def __init__(self, end: int) -> None:
        super().__init__(end)
        self.end = end


class ChecksumMismatch(Exception):
    """The bytes are not those that the checksum belongs to; none of them was kept."""


class Checksum(NamedTuple):
    """What a piece must hash to, and by which algorithm (one of ALGORITHMS)."""

    algorithm: str
    digest: bytes


def path_of(public_id: UUID) -> Path:
    """Where the bytes of an upload lie."""
    return Path(settings.DAM_UPLOAD_SPOOL) / f"{public_id.hex}{SUFFIX}"


def create(public_id: UUID) -> None:
    """Begin an empty file."""
    path = path_of(public_id)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600, exist_ok=False)


def room() -> int:
    """Free bytes where uploads are spooled."""
    folder = Path(settings.DAM_UPLOAD_SPOOL)
    folder.mkdir(parents=True, exist_ok=True)
    return shutil.disk_usage(folder).free


def size_of(public_id: UUID) -> int:
    """How many bytes are there.

    Raises:
        Missing: no file.
    """
    try:
        return path_of(public_id).stat().st_size
    except FileNotFoundError as error:
        raise Missing from error


def still_size_of(public_id: UUID) -> int:
    """How many bytes are there once the file has stopped growing, or after STILL_SECONDS.

    What a broken connection had in its buffers is still being written when the client asks where to go on.

    Raises:
        Missing: no file.
    """
    path, deadline = path_of(public_id), time.monotonic() + STILL_SECONDS
    try:
        while time.time() - path.stat().st_mtime < STEP_SECONDS and time.monotonic() < deadline:
            time.sleep(STEP_SECONDS)
        return path.stat().st_size
    except FileNotFoundError as error:
        raise Missing from error


def remove(public_id: UUID) -> None:
    """Free the disk; what is gone already stays gone."""
    path_of(public_id).unlink(missing_ok=True)


@contextmanager
def held(public_id: UUID, *, wait: bool = True) -> Iterator[IO[bytes]]:
    """The file, open at its end, held against everybody else; a crash lets go of it.

    Raises:
        Busy: somebody else holds it, and the caller does not wait.
        Missing: no file.
    """
    try:
        file = path_of(public_id).open("r+b")
    except FileNotFoundError as error:
        raise Missing from error
    with file, _locked(file, wait=wait):
        file.seek(0, os.SEEK_END)
        yield file


def append(
    public_id: UUID, offset: int, read: Callable[[int], bytes], at_most: int, checksum: Checksum | None
) -> int:
    """Write what `read(size)` gives, until it gives nothing; what came before a break stays.

    The file is held only while a block is written, never while the network is waited for: a connection
    that hangs keeps nobody from going on with another one. A piece with a checksum is kept only as a whole.

    Args:
        offset: where the piece begins.
        at_most: bytes; more are not read.

    Returns:
        Where it ended.

    Raises:
        Displaced: the file does not end at the offset, or another request wrote meanwhile.
        ChecksumMismatch, Missing: see there.
        OSError: the disk takes no more.
    """
    try:
        file = path_of(public_id).open("r+b")
    except FileNotFoundError as error:
        raise Missing from error
    with file:
        _require_end(file, offset)
        if checksum is None:
            return _copy(read, file, offset, at_most)
        # Beside the uploads: a piece may be as large as its file, and /tmp may lie in memory.
        with tempfile.SpooledTemporaryFile(IN_MEMORY, dir=str(settings.DAM_UPLOAD_SPOOL)) as piece:
            size = 0
            while size < at_most and (block := read(min(BLOCK, at_most - size))):
                size += piece.write(block)
            if _digest(piece, checksum.algorithm) != checksum.digest:
                raise ChecksumMismatch
            piece.seek(0)
            return _copy(piece.read, file, offset, size)


def files() -> Iterator[tuple[UUID, Path]]:
    """Every spooled file, whoever knows of it."""
    for path in Path(settings.DAM_UPLOAD_SPOOL).glob(f"*{SUFFIX}"):
        with suppress(ValueError):
            yield UUID(path.stem), path


@contextmanager
def _locked(file: IO[bytes], *, wait: bool = True) -> Iterator[None]:
    try:
        fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise Busy from error
    try:
        if not os.fstat(file.fileno()).st_nlink:  # removed while this one waited
            raise Missing
        yield
    finally:
        fcntl.flock(file, fcntl.LOCK_UN)


def _copy(read: Callable[[int], bytes], file: IO[bytes], offset: int, at_most: int) -> int:
    end = offset + at_most
    try:
        while offset < end and (block := read(min(BLOCK, end - offset))):
            with _locked(file):
                _require_end(file, offset)
                file.write(block)
                file.flush()
            offset += len(block)
    finally:
        os.fsync(file.fileno())
    return offset


def _require_end(file: IO[bytes], offset: int) -> None:
    end = file.seek(0, os.SEEK_END)
    if end != offset:
        raise Displaced(end)


def _digest(piece: IO[bytes], algorithm: str) -> bytes:
    piece.seek(0)
    found = hashlib.new(algorithm, usedforsecurity=False)  # against broken wires, not against forgers
    while block := piece.read(BLOCK):
        found.update(block)
    return found.digest()
