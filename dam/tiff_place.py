"""Taking the place out of a TIFF structure, in place: a TIFF file, or the EXIF block of any other.

Nothing moves, so that offsets that only the camera's maker understands stay right: the entry that leads
to the GPS directory is taken out of its directory, and what it led to is overwritten with zeros.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO
from typing import IO, Literal

from dam import photoshop_resources, xmp
from dam.containers.pieces import Unwritable

EXIF_DIRECTORY, GPS_DIRECTORY, SUB_DIRECTORIES = 0x8769, 0x8825, 0x014A
XMP_PACKET, PHOTOSHOP_RESOURCES = 0x02BC, 0x8649
TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
ENTRY = 12
MAX_DIRECTORIES = 64
MAX_ENTRIES = 4096
MAX_GPS_BYTES = 64 * 1024
MAX_RESOURCES = 16 * 1024 * 1024

Patch = tuple[int, bytes]


@dataclass(frozen=True)
class _Entry:
    tag: int
    raw: bytes
    size: int  # of the value, in bytes
    value: int  # the four bytes of the entry as a number: the value, or where it lies


def without_place(block: bytes) -> bytes:
    """An EXIF block (with or without its `Exif` header) without the place.

    Raises:
        Unwritable: the block is damaged.
    """
    head = 6 if block.startswith(b"Exif\0") else 0
    return block[:head] + patched(block[head:], place_patches(BytesIO(block[head:])))


def place_patches(file: IO[bytes]) -> list[Patch]:
    """What must be written over a TIFF file, as positions and bytes; nothing if it tells no place.

    Raises:
        Unwritable: the structure is damaged, or is BigTIFF.
    """
    return list(_Walk(file).patches())


def patched(block: bytes, patches: list[Patch]) -> bytes:
    """The block with the patches written over it."""
    changed = bytearray(block)
    for position, content in patches:
        changed[position : position + len(content)] = content
    return bytes(changed)


@dataclass
class _Walk:
    """One walk through the directories of a file."""

    file: IO[bytes]
    seen: set[int] = field(default_factory=set)
    order: Literal["little", "big"] = "little"

    def patches(self) -> Iterator[Patch]:
        head = self.read(0, 8)
        if head[:4] not in (b"II*\0", b"MM\0*"):
            raise Unwritable("no TIFF structure")
        self.order = "little" if head[:2] == b"II" else "big"
        waiting = [self.number(head[4:8])]
        while waiting:
            at = waiting.pop()
            if not at or at in self.seen:
                continue
            self.seen.add(at)
            if len(self.seen) > MAX_DIRECTORIES:
                raise Unwritable("too many directories")
            entries, following = self.directory(at)
            waiting.append(following)
            for entry in entries:
                if entry.tag == EXIF_DIRECTORY:
                    waiting.append(entry.value)
                elif entry.tag == SUB_DIRECTORIES:
                    waiting.extend(self.pointers(entry))
                elif entry.tag == XMP_PACKET:
                    yield from self.packet(entry)
                elif entry.tag == PHOTOSHOP_RESOURCES:
                    yield from self.resources(entry)
            yield from self.unlinked(at, entries, following)

    def directory(self, at: int) -> tuple[list[_Entry], int]:
        """The entries at this place, and where the next directory lies."""
        count = self.number(self.read(at, 2))
        if count > MAX_ENTRIES:
            raise Unwritable("too many entries")
        block = self.read(at + 2, count * ENTRY)
        entries = []
        for start in range(0, len(block), ENTRY):
            raw = block[start : start + ENTRY]
            size = TYPE_BYTES.get(self.number(raw[2:4]), 1) * self.number(raw[4:8])
            entries.append(_Entry(self.number(raw[:2]), raw, size, self.number(raw[8:])))
        following = self.read(at + 2 + count * ENTRY, 4, short=True)
        return entries, self.number(following) if len(following) == 4 else 0

    def unlinked(self, at: int, entries: list[_Entry], following: int) -> Iterator[Patch]:
        """Take the GPS entries out of a directory and wipe what they led to."""
        gone = [entry for entry in entries if entry.tag == GPS_DIRECTORY]
        if not gone:
            return
        kept = [entry.raw for entry in entries if entry.tag != GPS_DIRECTORY]
        directory = self.packed(len(kept), 2) + b"".join(kept) + self.packed(following, 4)
        yield at, directory + bytes(len(gone) * ENTRY)
        for entry in gone:
            if entry.value in self.seen:
                raise Unwritable("the place lies where something else does")
            yield from self.wiped(entry.value)

    def wiped(self, at: int) -> Iterator[Patch]:
        entries, _following = self.directory(at)
        for entry in entries:
            if entry.size > MAX_GPS_BYTES:
                raise Unwritable("a place of this size")
            if entry.size > 4:
                yield entry.value, bytes(len(self.read(entry.value, entry.size)))
        yield at, bytes(2 + len(entries) * ENTRY)

    def packet(self, entry: _Entry) -> Iterator[Patch]:
        """An XMP packet keeps its length; spaces fill it up."""
        if entry.size <= 4:
            return
        if entry.size > xmp.MAX_PACKET_BYTES:
            raise Unwritable("too large an XMP packet")
        packet = self.read(entry.value, entry.size)
        try:
            kept = xmp.without_place(packet)
        except xmp.XMPError:
            kept = b""
        if kept != packet:
            fits = len(kept) <= entry.size
            yield entry.value, (kept if fits else b"").ljust(entry.size)

    def resources(self, entry: _Entry) -> Iterator[Patch]:
        """Photoshop keeps copies of the EXIF block and the XMP packet."""
        if entry.size > MAX_RESOURCES:
            raise Unwritable("too many resources")
        data = self.read(entry.value, entry.size) if entry.size > 4 else b""
        kept = photoshop_resources.without_copies(data)
        if kept != data:
            yield entry.value, kept[: entry.size]

    def pointers(self, entry: _Entry) -> list[int]:
        if entry.size <= 4:
            return [entry.value]
        if entry.size > 4 * MAX_DIRECTORIES:
            raise Unwritable("too many directories")
        block = self.read(entry.value, entry.size)
        return [self.number(block[start : start + 4]) for start in range(0, len(block), 4)]

    def read(self, at: int, size: int, *, short: bool = False) -> bytes:
        self.file.seek(at)
        found = self.file.read(size)
        if len(found) < size and not short:
            raise Unwritable("the structure ends early")
        return found

    def number(self, raw: bytes) -> int:
        return int.from_bytes(raw, self.order)

    def packed(self, number: int, size: int) -> bytes:
        return number.to_bytes(size, self.order)
