"""Unpacking compressed bytes piece by piece, with an eye on how much comes out."""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from django.conf import settings

PIECE = 64 * 1024
UNMEASURED = 1024 * 1024  # a flat picture packs very well; so little harms nobody
XZ_MEMORY = 128 * 1024 * 1024  # `xz -9` needs 65 MiB to unpack


class Bomb(Exception):
    """More comes out than any picture is packed into so few bytes."""


class Damaged(Exception):
    """The packed bytes contradict themselves or end too early."""


class Codec(Protocol):
    """What the decompressors of `bz2` and `lzma` share."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


class _Zlib:
    """zlib's decompressor, as a `Codec`."""

    def __init__(self, wbits: int) -> None:
        self._object = zlib.decompressobj(wbits)
        self._waiting = False

    @property
    def eof(self) -> bool:
        return self._object.eof

    @property
    def unused_data(self) -> bytes:
        return self._object.unused_data

    @property
    def needs_input(self) -> bool:
        return not self._waiting

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        piece = self._object.decompress(self._object.unconsumed_tail + data, max_length)
        # A full piece may have left something in zlib's window although all input was taken.
        self._waiting = bool(self._object.unconsumed_tail) or len(piece) == max_length
        return piece


def deflate() -> Codec:
    """For the entries of a zip archive (RFC 1951)."""
    return _Zlib(-zlib.MAX_WBITS)


def gzip() -> Codec:
    """For .tar.gz (RFC 1952)."""
    return _Zlib(16 + zlib.MAX_WBITS)


def bzip2() -> Codec:
    """For .tar.bz2."""
    return bz2.BZ2Decompressor()


def xz() -> Codec:
    """For .tar.xz."""
    return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=XZ_MEMORY)


def unpacked(
    packed: Iterable[bytes], codec_of: Callable[[], Codec], *, several: bool = False
) -> Iterator[bytes]:
    """What the packed blocks hold, in pieces of at most `PIECE` bytes.

    Args:
        several: streams may follow each other, as parallel compressors write them.

    Raises:
        Bomb: more than DAM_MAX_ARCHIVE_RATIO bytes come out of one.
        Damaged: it cannot be unpacked to its end.
    """
    codec: Codec | None = None
    taken = given = 0
    for block in packed:
        taken += len(block)
        while block:
            codec = codec or codec_of()
            for piece in _pieces(codec, block):
                given += len(piece)
                if given > max(UNMEASURED, taken * settings.DAM_MAX_ARCHIVE_RATIO):
                    raise Bomb
                yield piece
            block = codec.unused_data.lstrip(b"\0") if codec.eof else b""  # zeros: padding
            if codec.eof and not several:
                return
            codec = None if codec.eof else codec
    if codec is not None:
        raise Damaged


def _pieces(codec: Codec, block: bytes) -> Iterator[bytes]:
    try:
        while True:
            piece = codec.decompress(block, PIECE)
            if piece:
                yield piece
            if codec.eof or codec.needs_input:
                return
            block = b""
    except (zlib.error, lzma.LZMAError, OSError, ValueError, EOFError) as error:
        raise Damaged from error
