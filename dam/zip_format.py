"""Reading the zip format: its directory, what an entry holds, and what is left of a cut one.

`zipfile` is not used: it holds a directory of any length, believes it, and reads nothing without one.
Source: PKWARE's APPNOTE.TXT 6.3.10; section numbers below are its.
"""

from __future__ import annotations

import bisect
import stat
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import IO

from django.conf import settings
from django.utils.translation import gettext as _

from dam import archive_bounds as bounds
from dam.archive_entries import MAX_NAME, Entry, decoded, farewell
from dam.errors import ArchiveError, EntryError
from dam.unpacking import PIECE, Bomb, Damaged, deflate, unpacked

FILE, CENTRAL, END, END64, LOCATOR64, DESCRIPTOR = (
    b"PK" + tail for tail in (b"\3\4", b"\1\2", b"\5\6", b"\6\6", b"\6\7", b"\7\x08")
)
FILE_HEADER = struct.Struct("<4s5H3L2H")  # 4.3.7
CENTRAL_HEADER = struct.Struct("<4s6H3L5H2L")  # 4.3.12
END_RECORD = struct.Struct("<4s4H2LH")  # 4.3.16
END64_RECORD = struct.Struct("<4sQ2H2L4Q")  # 4.3.14
LOCATOR64_RECORD = struct.Struct("<4sLQL")  # 4.3.15
ENCRYPTED, SIZES_FOLLOW, UTF8 = 1 << 0, 1 << 3, 1 << 11  # 4.4.4
STORED, DEFLATED = 0, 8  # 4.4.5
UNIX, MACOS = 3, 19  # 4.4.2: systems whose attributes hold a file type
ZIP64_FIELD, UNICODE_PATH_FIELD = 0x0001, 0x7075
IN_ZIP64 = 0xFFFFFFFF
MAX_COMMENT = 0xFFFF


@dataclass(frozen=True, slots=True)
class Record:
    """What a header says about an entry; `mode` is its Unix file type and permissions, or 0."""

    name: str
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    offset: int
    mode: int = 0

    @property
    def problem(self) -> str:
        """Why the entry cannot be read; empty if it can."""
        if self.flags & ENCRYPTED:
            return _("The file is encrypted. Pack it again without a password.")
        if stat.S_IFMT(self.mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
            return _("It is a link or a device, not a file.")
        if self.method not in (STORED, DEFLATED):
            return _("It is packed by method %(method)s. Pack it again by the usual one (Deflate).") % {
                "method": self.method
            }
        return ""


def zip_reader(file: IO[bytes]) -> Callable[[], Iterator[Entry]]:
    """Read the directory, and give what iterates over its entries.

    Without a directory, as when an upload broke off, the entries are found by going through the file; the
    last one then has no name and says so.

    Raises:
        ArchiveError: too many entries, too much unpacked, entries that overlap, a part of a split archive.
    """
    length = file.seek(0, 2)
    end = _end_of_directory(file, length)
    if end is None:
        return lambda: _salvaged(file, length)
    directory = _Directory(file, end)
    return directory.entries


def has_directory(file: IO[bytes]) -> bool:
    """Whether the file ends as a zip archive does, whatever it begins with."""
    return _end_of_directory(file, file.seek(0, 2)) is not None


@dataclass(frozen=True)
class _End:
    """Where the directory lies, and how many bytes precede the archive in its file."""

    start: int
    length: int
    count: int
    shift: int


def _end_of_directory(file: IO[bytes], length: int) -> _End | None:
    """The end record nearest to the end whose directory is in its place."""
    tail_at = max(0, length - END_RECORD.size - MAX_COMMENT)
    file.seek(tail_at)
    tail = file.read(END_RECORD.size + MAX_COMMENT)
    at = tail.rfind(END)
    while at >= 0:
        if len(tail) - at >= END_RECORD.size and (found := _checked_end(file, tail_at + at, tail[at:])):
            return found
        at = tail.rfind(END, 0, at)
    return None


def _checked_end(file: IO[bytes], at: int, record: bytes) -> _End | None:
    _sig, disk, first_disk, _here, count, size, offset, _comment = END_RECORD.unpack_from(record)
    if larger := _zip64_end(file, at):
        at, disk, first_disk, count, size, offset = larger
    start = at - size
    shift = start - offset
    if start < 0 or shift < 0 or _read(file, start, 4) not in ((CENTRAL,) if size else (END, END64)):
        return None
    if shift and _read(file, 0, 4) == FILE:
        return None  # an archive inside one whose own end is missing
    if disk or first_disk:
        raise ArchiveError(_("This is one part of a split archive. Pack the files into one archive."))
    return _End(start, size, count, shift)


def _zip64_end(file: IO[bytes], at: int) -> tuple[int, int, int, int, int, int] | None:
    """The end record of a large archive: its place, disks, count, size and offset of the directory."""
    raw = _read(file, at - LOCATOR64_RECORD.size, LOCATOR64_RECORD.size)
    if len(raw) < LOCATOR64_RECORD.size or not raw.startswith(LOCATOR64):
        return None
    place = LOCATOR64_RECORD.unpack(raw)[2]
    for candidate in (place, at - LOCATOR64_RECORD.size - END64_RECORD.size):
        record = _read(file, candidate, END64_RECORD.size)
        if len(record) == END64_RECORD.size and record.startswith(END64):
            _sig, _size, _by, _needs, disk, first, _here, count, size, offset = END64_RECORD.unpack(record)
            return candidate, disk, first, count, size, offset
    return None


class _Directory:
    """The entries of a whole archive, and where each of them has to end."""

    def __init__(self, file: IO[bytes], end: _End) -> None:
        self._file = file
        self._damage = ""
        if end.count > settings.DAM_MAX_ARCHIVE_ENTRIES:
            raise bounds.too_many_entries()
        self._records = list(self._read_records(end))
        if sum(record.size for record in self._records) > settings.DAM_MAX_ARCHIVE_BYTES:
            raise bounds.too_much_unpacked()
        self._offsets = [*sorted(record.offset for record in self._records), end.start]
        self._refuse_overlaps()

    def entries(self) -> Iterator[Entry]:
        for record in self._records:
            if not record.name.endswith("/"):
                yield _entry(record, partial(self._content, record))
        if self._damage:
            yield farewell(self._damage)

    def _read_records(self, end: _End) -> Iterator[Record]:
        """One by one, so that the count is known before they are held; the end record's may lie."""
        self._file.seek(end.start)
        read = number = 0
        while read < end.length:
            number += 1
            if number > settings.DAM_MAX_ARCHIVE_ENTRIES:
                raise bounds.too_many_entries()
            raw = self._file.read(CENTRAL_HEADER.size)
            if len(raw) < CENTRAL_HEADER.size or not raw.startswith(CENTRAL):
                self._damage = _("The archive's directory is damaged; what comes after is missing.")
                return
            fields = CENTRAL_HEADER.unpack(raw)
            variable = self._file.read(sum(fields[10:13]))
            read += len(raw) + len(variable)
            yield _record(fields, variable, end.shift)

    def _refuse_overlaps(self) -> None:
        """No honest archive lets two entries share bytes; one that does unpacks the same bytes many times.

        Source: David Fifield, A better zip bomb (WOOT 2019). Here by the least that an entry can take up;
        `_content` looks again when it knows where the content begins.
        """
        spans = sorted((record.offset, FILE_HEADER.size + record.packed) for record in self._records)
        for (offset, least), (following, _least) in pairwise([*spans, (self._offsets[-1], 0)]):
            if offset + least > following:
                raise ArchiveError(_("Entries of the archive overlap: it is damaged, or a zip bomb."))

    def _content(self, record: Record) -> Iterator[bytes]:
        header = _read(self._file, record.offset, FILE_HEADER.size)
        if len(header) < FILE_HEADER.size or not header.startswith(FILE):
            raise bounds.damaged()
        start = record.offset + FILE_HEADER.size + sum(FILE_HEADER.unpack(header)[9:11])
        following = self._offsets[bisect.bisect_right(self._offsets, record.offset)]
        if start + record.packed > following:
            raise EntryError(_("The file overlaps the next one: the archive is damaged, or a zip bomb."))
        return _unpacked(self._file, start, record)


def _record(fields: tuple[int, ...], variable: bytes, shift: int) -> Record:
    """A record of the directory from its fixed fields and its name, extra fields and comment."""
    _sig, made_by, _needs, flags, method, _time, _date, crc, packed, size, name_length = fields[:11]
    extra_length, attributes, offset = fields[11], fields[15], fields[16]
    extras = _extra_fields(variable[name_length : name_length + extra_length])
    size, packed, offset = _from_zip64(extras.get(ZIP64_FIELD, b""), size, packed, offset)
    mode = attributes >> 16 if made_by >> 8 in (UNIX, MACOS) else 0
    name = _name(variable[:name_length], flags, extras)
    return Record(name, flags, method, crc, packed, size, offset + shift, mode)


def _name(raw: bytes, flags: int, extras: dict[int, bytes]) -> str:
    # One byte more than is taken is enough to be refused; it may cut a character.
    held = raw[: MAX_NAME + 1]
    path = extras.get(UNICODE_PATH_FIELD, b"") if len(held) == len(raw) else b""
    return decoded(held, is_utf8=bool(flags & UTF8), unicode_path=path)


def _extra_fields(raw: bytes) -> dict[int, bytes]:
    """4.5: id, length and data, one after the other."""
    fields = {}
    while len(raw) >= 4:
        number, length = struct.unpack_from("<HH", raw)
        fields[number] = raw[4 : 4 + length]
        raw = raw[4 + length :]
    return fields


def _from_zip64(field: bytes, *values: int) -> list[int]:
    """4.5.3: the values that did not fit into 32 bits, in their order."""
    real = []
    for value in values:
        if value == IN_ZIP64 and len(field) >= 8:
            value, field = int.from_bytes(field[:8], "little"), field[8:]
        real.append(value)
    return real


def _entry(record: Record, unpack: Callable[[], Iterator[bytes]]) -> Entry:
    return Entry(record.name, record.size, record.problem, unpack)


def _unpacked(file: IO[bytes], start: int, record: Record) -> Iterator[bytes]:
    packed = _blocks(file, start, record.packed)
    return _verified(packed if record.method == STORED else unpacked(packed, deflate), record)


def _verified(pieces: Iterator[bytes], record: Record) -> Iterator[bytes]:
    """The content, as long as it is what the header promised."""
    size = crc = 0
    try:
        for piece in pieces:
            size += len(piece)
            crc = zlib.crc32(piece, crc)
            if size > record.size:
                raise EntryError(
                    _("The file is longer than the archive says: a damaged archive, or a zip bomb.")
                )
            yield piece
    except Bomb as error:
        raise bounds.bomb() from error
    except Damaged as error:
        raise bounds.damaged() from error
    if size != record.size or crc != record.crc:
        raise bounds.damaged()


def _blocks(file: IO[bytes], start: int, length: int) -> Iterator[bytes]:
    """So many bytes of the file; it may be read elsewhere in between."""
    while length:
        block = _read(file, start, min(PIECE, length))
        if not block:
            raise Damaged
        yield block
        start += len(block)
        length -= len(block)


def _read(file: IO[bytes], at: int, length: int) -> bytes:
    """Bytes at a place that a stranger named; fewer where the file ends, none before it begins."""
    if not 0 <= at < 1 << 62:
        return b""
    file.seek(at)
    return file.read(length)


def _salvaged(file: IO[bytes], length: int) -> Iterator[Entry]:
    """Without a directory: the entries that lie in the file one after the other, until one is not whole."""
    at = total = 0
    while (found := _local_record(file, at)) is not None:
        record, start = found
        if record.flags & SIZES_FOLLOW and not record.packed:
            record = _measured(file, record, start, length) or replace(record, packed=length)
        at = start + record.packed
        if at > length:
            break
        total += record.size
        if total > settings.DAM_MAX_ARCHIVE_BYTES:
            raise bounds.too_much_unpacked()
        at += _descriptor_length(file, at, record)
        if not record.name.endswith("/"):
            yield _entry(record, partial(_unpacked, file, start, record))
    yield farewell(_("The archive is incomplete: it ends before its directory. What is whole was read."))


def _local_record(file: IO[bytes], at: int) -> tuple[Record, int] | None:
    """The entry whose header lies here, and where its content begins."""
    raw = _read(file, at, FILE_HEADER.size)
    if len(raw) < FILE_HEADER.size or not raw.startswith(FILE):
        return None
    _sig, _needs, flags, method, _time, _date, crc, packed, size, name_length, extra_length = (
        FILE_HEADER.unpack(raw)
    )
    variable = file.read(name_length + extra_length)
    extras = _extra_fields(variable[name_length:])
    size, packed = _from_zip64(extras.get(ZIP64_FIELD, b""), size, packed)
    name = _name(variable[:name_length], flags, extras)
    return Record(name, flags, method, crc, packed, size, at), at + len(raw) + len(variable)


def _measured(file: IO[bytes], record: Record, start: int, length: int) -> Record | None:
    """The record of an entry whose sizes follow its content: it ends where the packed stream says so.

    None: it has no end, or none that could be told.
    """
    if record.method != DEFLATED or record.flags & ENCRYPTED:
        return None
    codec = deflate()
    taken = size = crc = 0

    def blocks() -> Iterator[bytes]:
        nonlocal taken
        for block in _blocks(file, start, length - start):
            taken += len(block)
            yield block

    try:
        for piece in unpacked(blocks(), lambda: codec):
            size += len(piece)
            crc = zlib.crc32(piece, crc)
    except (Bomb, Damaged):
        return None
    return replace(record, packed=taken - len(codec.unused_data), size=size, crc=crc)


def _descriptor_length(file: IO[bytes], at: int, record: Record) -> int:
    """4.3.9: checksum and sizes after the content, with or without a signature, in 32 or 64 bits."""
    if not record.flags & SIZES_FOLLOW:
        return 0
    following = _read(file, at, 24 + len(FILE))
    for length in (16, 12, 24, 20):
        if following[length : length + 4] in (FILE, CENTRAL):
            return length
    return len(DESCRIPTOR) + 12
