"""The metadata items of AVIF and HEIC (ISO/IEC 23008-12): found, and written over without moving a byte."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO

from dam import xmp
from dam.containers.pieces import Piece, Unwritable, length_of, with_patches
from dam.metadata_edit import MetadataEdit

MAX_META = 4 * 1024 * 1024
MAX_ITEM = 8 * 1024 * 1024
XMP_TYPE = b"application/rdf+xml"
KNOWN = {b"ftyp", b"meta", b"mdat", b"free", b"skip", b"pdin"}


def without_place(file: IO[bytes], edit: MetadataEdit) -> list[Piece]:
    """The file with the place wiped out of its EXIF and XMP items.

    Raises:
        Unwritable: the boxes are damaged, or there are some (films, extensions) that are not searched.
    """
    length = length_of(file)
    boxes = list(_boxes(_Reader(file, 0, length)))
    if any(kind not in KNOWN for kind, _at, _size in boxes):
        raise Unwritable("boxes that are not searched")
    patches = []
    for kind, at, size in boxes:
        if kind == b"meta":
            for is_exif, start, extent in _items(file, at, size):
                file.seek(start)
                block = file.read(extent)
                kept = _exif(block, edit) if is_exif else _packet(block)
                if kept != block:
                    patches.append((start, kept))
    return with_patches(length, patches)


def _exif(block: bytes, edit: MetadataEdit) -> bytes:
    """An EXIF item begins with the distance to its TIFF header."""
    start = 4 + int.from_bytes(block[:4], "big")
    kept = edit.exif(block[start:])
    if kept is None or len(kept) != len(block) - start:
        raise Unwritable("a damaged EXIF item")
    return block[:start] + kept


def _packet(block: bytes) -> bytes:
    try:
        kept = xmp.without_place(block)
    except xmp.XMPError:
        kept = b""
    return (kept if len(kept) <= len(block) else b"").ljust(len(block))


class _Reader:
    """Numbers out of a stretch of the file; reading beyond it is damage."""

    def __init__(self, file: IO[bytes], at: int, end: int) -> None:
        self.file, self.at, self.end = file, at, end

    def take(self, size: int) -> bytes:
        if size < 0 or self.at + size > self.end:
            raise Unwritable("a damaged box")
        self.file.seek(self.at)
        found = self.file.read(size)
        self.at += size
        return found

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def text(self) -> bytes:
        """Up to the next zero."""
        found = bytearray()
        while byte := self.number(1):
            found.append(byte)
        return bytes(found)


def _boxes(reader: _Reader) -> Iterator[tuple[bytes, int, int]]:
    """Kind, and place and size of the content, of each box in a row."""
    while reader.at + 8 <= reader.end:
        start = reader.at
        size, kind = reader.number(4), reader.take(4)
        if size == 1:
            size = reader.number(8)
        stop = start + size if size else reader.end
        if stop > reader.end or stop < reader.at:
            raise Unwritable("a damaged box")
        yield kind, reader.at, stop - reader.at
        reader.at = stop


def _items(file: IO[bytes], at: int, size: int) -> Iterator[tuple[bool, int, int]]:
    """Whether it is EXIF (or else XMP), place and length of each metadata item."""
    if size > MAX_META:
        raise Unwritable("too large a box")
    parts = {
        kind: (start, start + length) for kind, start, length in _boxes(_Reader(file, at + 4, at + size))
    }
    if b"iinf" not in parts or b"iloc" not in parts:
        return
    wanted = dict(_metadata_items(_Reader(file, *parts[b"iinf"])))
    idat = parts.get(b"idat", (0, 0))[0]
    for item, method, extents in _locations(_Reader(file, *parts[b"iloc"])):
        if item not in wanted:
            continue
        if len(extents) != 1 or method > 1 or extents[0][1] > MAX_ITEM:
            raise Unwritable("an item in parts")
        start, length = extents[0]
        if start + (idat if method else 0) + length > length_of(file):
            raise Unwritable("an item outside")
        yield wanted[item], start + (idat if method else 0), length


def _metadata_items(reader: _Reader) -> Iterator[tuple[int, bool]]:
    version = reader.number(4) >> 24
    reader.number(4 if version else 2)
    for kind, at, size in _boxes(reader):
        if kind != b"infe":
            continue
        entry = _Reader(reader.file, at, at + size)
        version = entry.number(4) >> 24
        if version < 2:
            continue
        item = entry.number(2 if version == 2 else 4)
        entry.number(2)
        item_type = entry.take(4)
        if item_type == b"Exif":
            yield item, True
        elif item_type == b"mime":
            entry.text()
            if entry.text() == XMP_TYPE:
                yield item, False


def _locations(reader: _Reader) -> Iterator[tuple[int, int, list[tuple[int, int]]]]:
    """Id, construction method and extents of each item."""
    version = reader.number(4) >> 24
    sizes = reader.number(2)
    offset_size, length_size, base_size = sizes >> 12, sizes >> 8 & 15, sizes >> 4 & 15
    index_size = sizes & 15 if version else 0
    for _number in range(reader.number(4 if version == 2 else 2)):
        item = reader.number(4 if version == 2 else 2)
        method = reader.number(2) & 15 if version else 0
        reader.number(2)
        base = reader.number(base_size)
        extents = []
        for _extent in range(reader.number(2)):
            reader.number(index_size)
            offset = reader.number(offset_size)
            extents.append((base + offset, reader.number(length_size)))
        yield item, method, extents
