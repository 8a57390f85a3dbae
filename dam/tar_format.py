"""Reading tar archives, plain or compressed, as a stream that only goes forward.

`tarfile` knows the dialects; what it reads from is bounded here, since it believes every header.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Iterator
from functools import partial
from typing import IO

from django.conf import settings
from django.utils.translation import gettext as _

from dam import archive_bounds as bounds
from dam.archive_entries import Entry, decoded, farewell, stream_of
from dam.errors import ArchiveError, EntryError
from dam.unpacking import PIECE, Bomb, Codec, Damaged, bzip2, gzip, unpacked, xz

COMPRESSIONS: dict[bytes, Callable[[], Codec]] = {b"\x1f\x8b": gzip, b"BZh": bzip2, b"\xfd7zXZ\0": xz}
MAX_HEADERS = 1024 * 1024  # bytes that may describe one entry: names, times, extended attributes
BLOCK = tarfile.BLOCKSIZE


def compression_of(head: bytes) -> Callable[[], Codec] | None:
    """What unpacks a file that begins so; None where it is not compressed in a way that is read."""
    return next((codec for magic, codec in COMPRESSIONS.items() if head.startswith(magic)), None)


def is_tar(head: bytes) -> bool:
    """Whether a file that begins so is a tar archive: its first header has the right checksum."""
    try:
        tarfile.TarInfo.frombuf(head[:BLOCK], "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return head[:BLOCK] == bytes(BLOCK)  # an archive without entries
    return True


def tar_reader(file: IO[bytes], codec_of: Callable[[], Codec] | None) -> Callable[[], Iterator[Entry]]:
    """What iterates over the entries; each iteration reads the archive once more from its beginning.

    Raises:
        ArchiveError: it is compressed, but no tar archive.
    """
    stream = _Forward(_plain(file, codec_of))
    try:
        head = stream.content(BLOCK)
    except (Bomb, Damaged) as error:
        raise ArchiveError(_("The archive cannot be unpacked. Send it again.")) from error
    if not is_tar(head):
        raise ArchiveError(
            _("The file is compressed, but it is no tar archive. Pack the pictures as zip or tar.")
        )
    return lambda: _entries(_Forward(_plain(file, codec_of)))


def _plain(file: IO[bytes], codec_of: Callable[[], Codec] | None) -> IO[bytes]:
    file.seek(0)
    if codec_of is None:
        return file
    blocks = iter(partial(file.read, PIECE), b"")
    return io.BufferedReader(stream_of(unpacked(blocks, codec_of, several=True)), PIECE)


class _Forward:
    """The unpacked archive: what `tarfile` may read of it, and what is left of that to read.

    It refuses to go back, which a negative size would ask for, and to read headers without end.
    """

    def __init__(self, source: IO[bytes]) -> None:
        self._source = source
        self._position = 0
        self._headers = 0
        self.last = b""

    def begin_header(self) -> None:
        """What is read from now on describes another entry."""
        self._headers = 0

    def tell(self) -> int:
        return self._position

    def seek(self, position: int) -> None:
        distance = position - self._position
        if distance < 0:
            raise Damaged
        if self._source.seekable():
            self._source.seek(distance, io.SEEK_CUR)
            self._advance(distance)
            return
        while distance and (skipped := len(self.content(min(PIECE, distance)))):
            distance -= skipped

    def read(self, length: int) -> bytes:
        """A part of a header."""
        self._headers += length
        if length < 0 or self._headers > MAX_HEADERS:
            raise Damaged
        self.last = self.content(length)
        return self.last

    def content(self, length: int) -> bytes:
        """A part of a file; shorter only at the end of the archive."""
        data = self._source.read(length)
        self._advance(len(data))
        return data

    def _advance(self, length: int) -> None:
        self._position += length
        if self._position > settings.DAM_MAX_ARCHIVE_BYTES:
            raise bounds.too_much_unpacked()


def _entries(stream: _Forward) -> Iterator[Entry]:
    try:
        for member in _members(stream):
            if not member.isdir():
                yield _entry(member, stream)
    except Bomb as error:
        raise ArchiveError(bounds.packed_too_well()) from error
    except Damaged:
        yield farewell(_("The archive is damaged or incomplete; what comes after is missing."))


def _members(stream: _Forward) -> Iterator[tarfile.TarInfo]:
    """The headers one by one; none of them is kept.

    Raises:
        Damaged: the archive does not end as it should (two blocks of zeros; POSIX.1, pax).
    """
    try:
        archive = tarfile.TarFile(fileobj=stream, encoding="utf-8", errors="surrogateescape")  # type: ignore[arg-type]
        while (member := archive.next()) is not None:
            yield member
            archive.members.clear()  # type: ignore[attr-defined]
            archive.pax_headers = {}  # those for all entries, which would pile up; pictures need none
            stream.begin_header()
    except (ArchiveError, Bomb, GeneratorExit):
        raise
    except Exception as error:  # a parser of strangers' bytes raises whatever it meets
        raise Damaged from error
    if stream.last != bytes(BLOCK):
        raise Damaged


def _entry(member: tarfile.TarInfo, stream: _Forward) -> Entry:
    name = decoded(member.name.encode("utf-8", "surrogateescape"), is_utf8=False)
    problem = "" if member.isreg() and not member.issparse() else _("It is a link or a device, not a file.")
    return Entry(name, member.size, problem, partial(_content, stream, member.offset_data, member.size))


def _content(stream: _Forward, start: int, size: int) -> Iterator[bytes]:
    if stream.tell() > start:
        raise EntryError(_("The archive was read past this file already; read it once more."))
    try:
        stream.seek(start)
        while size and (piece := stream.content(min(PIECE, size))):
            size -= len(piece)
            yield piece
    except Bomb as error:
        raise ArchiveError(bounds.packed_too_well()) from error
    except Damaged as error:
        raise bounds.damaged() from error
    if size:
        raise bounds.damaged()
