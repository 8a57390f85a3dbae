"""The XMP block of a GIF: the whole extension can be left out, since nothing counts bytes across it."""

from __future__ import annotations

from typing import IO

from dam.containers.pieces import Piece, Stretch, Unwritable, length_of

EXTENSION = b"\x21\xff\x0bXMP DataXMP"
BLOCK = 256 * 1024


def without_xmp(file: IO[bytes]) -> list[Piece]:
    """The file without its XMP.

    Raises:
        Unwritable: the block is damaged.
    """
    pieces: list[Piece] = []
    position, length = 0, length_of(file)
    while (start := _find(file, position)) is not None:
        pieces.append(Stretch(position, start - position))
        position = _behind(file, start + len(EXTENSION))
    return [*pieces, Stretch(position, length - position)]


def _find(file: IO[bytes], position: int) -> int | None:
    while True:
        file.seek(position)
        block = file.read(BLOCK)
        found = block.find(EXTENSION)
        if found >= 0:
            return position + found
        if len(block) < BLOCK:
            return None
        position += BLOCK - len(EXTENSION)


def _behind(file: IO[bytes], position: int) -> int:
    """Where a row of blocks, each with its length before it, has ended with an empty one."""
    while True:
        file.seek(position)
        size = file.read(1)
        if not size:
            raise Unwritable("a damaged block")
        position += 1 + size[0]
        if size == b"\0":
            return position
