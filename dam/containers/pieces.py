"""A file made of stretches of another one and of new bytes between them, read without being assembled."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import IO


class Unwritable(Exception):
    """The metadata of this file cannot be changed: it is damaged, or of a variety that is not known."""


@dataclass(frozen=True)
class Stretch:
    """Bytes of the source that stay as they are."""

    start: int
    length: int


Piece = bytes | Stretch


def size_of(pieces: Iterable[Piece]) -> int:
    """How many bytes the pieces make."""
    return sum(len(piece) if isinstance(piece, bytes) else piece.length for piece in pieces)


def length_of(file: IO[bytes]) -> int:
    """How many bytes a file has."""
    return file.seek(0, io.SEEK_END)


def with_patches(length: int, patches: Iterable[tuple[int, bytes]]) -> list[Piece]:
    """A file of this length with bytes written over it.

    Raises:
        Unwritable: two patches overlap, or one lies outside.
    """
    pieces: list[Piece] = []
    position = 0
    for start, content in sorted(patches):
        if start < position or start + len(content) > length:
            raise Unwritable("changes that overlap")
        pieces += [Stretch(position, start - position), content]
        position = start + len(content)
    return [*pieces, Stretch(position, length - position)]


class PiecedFile(io.RawIOBase):
    """The pieces as one file to read; closing it closes the source."""

    def __init__(self, source: IO[bytes], pieces: Sequence[Piece]) -> None:
        self.source = source
        self.size = size_of(pieces)
        self._waiting = list(reversed(pieces))

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # any writable buffer
        while self._waiting:
            piece = self._waiting.pop()
            wanted = len(buffer)
            if isinstance(piece, bytes):
                found, rest = piece[:wanted], piece[wanted:]
                if rest:
                    self._waiting.append(rest)
            else:
                self.source.seek(piece.start)
                found = self.source.read(min(wanted, piece.length))
                if piece.length and not found:
                    raise OSError("The file ended before its last stretch.")
                if len(found) < piece.length:
                    self._waiting.append(Stretch(piece.start + len(found), piece.length - len(found)))
            if found:
                buffer[: len(found)] = found
                return len(found)
        return 0

    def close(self) -> None:
        self.source.close()
        super().close()
