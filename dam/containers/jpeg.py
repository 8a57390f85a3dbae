"""The metadata segments of a JPEG: XMP and EXIF in APP1, Photoshop's resources (IPTC) in APP13."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import IO

from dam.containers import multi_picture
from dam.containers.pieces import Piece, Stretch, Unwritable, length_of
from dam.metadata_edit import MetadataEdit

APP0, APP1, APP2, APP11, APP13, SOS, EOI = 0xE0, 0xE1, 0xE2, 0xEB, 0xED, 0xDA, 0xD9
EXIF = b"Exif\0"
XMP = b"http://ns.adobe.com/xap/1.0/\0"
EXTENDED_XMP = b"http://ns.adobe.com/xmp/extension/\0"
PHOTOSHOP = b"Photoshop 3.0\0"
MAX_PAYLOAD = 0xFFFF - 2
MAX_SEGMENTS = 4096
STANDALONE = {0x01, *range(0xD0, 0xD8)}
# A marker among the coded pixels; zeros and restarts belong to them.
MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
BLOCK = 256 * 1024


@dataclass(frozen=True)
class Segment:
    marker: int
    payload: bytes

    def holds(self, marker: int, head: bytes) -> bool:
        return self.marker == marker and self.payload.startswith(head)

    @property
    def packed(self) -> bytes:
        return struct.pack(">BBH", 0xFF, self.marker, len(self.payload) + 2) + self.payload


def edited(file: IO[bytes], edit: MetadataEdit) -> list[Piece]:
    """The file with its metadata edited; from the first scan on every byte stays.

    Whoever may not know the place gets the first picture only: what cameras append (more pictures, a
    film) has metadata of its own.

    Raises:
        Unwritable: the segments are damaged, or the XMP packet would be too long for one.
    """
    before, scan = _segments(file)
    after = _with_packet(before, edit)
    for change in (_with_exif, _with_resources, _with_others):
        after = change(after, edit)
    length = length_of(file)
    end = min(_end_of_picture(file, scan), length) if edit.hides_place else length
    if end < length:
        after = [segment for segment in after if not segment.holds(APP2, multi_picture.HEAD)]
    after = _shifted(before, after)
    if after == before and end == length:
        return [Stretch(0, length)]
    return [b"\xff\xd8" + b"".join(segment.packed for segment in after), Stretch(scan, end - scan)]


def _segments(file: IO[bytes]) -> tuple[list[Segment], int]:
    """All segments before the first scan, and where that begins."""
    file.seek(0)
    if file.read(2) != b"\xff\xd8":
        raise Unwritable("no JPEG")
    found: list[Segment] = []
    while len(found) < MAX_SEGMENTS:
        at = file.tell()
        marker = _next_marker(file)
        if marker == SOS:
            return found, at
        size = int.from_bytes(file.read(2), "big")
        payload = file.read(size - 2) if size >= 2 else b""
        if size < 2 or len(payload) < size - 2:
            raise Unwritable("a damaged segment")
        found.append(Segment(marker, payload))
    raise Unwritable("too many segments")


def _next_marker(file: IO[bytes]) -> int:
    """The marker that begins here; any number of 0xFF may fill up before it."""
    byte = file.read(1)
    if byte != b"\xff":
        raise Unwritable("no marker where one must be")
    while byte == b"\xff":
        byte = file.read(1)
    if not byte or byte[0] in (0, EOI, *STANDALONE):
        raise Unwritable("no segment before the end")
    return byte[0]


def _with_packet(segments: list[Segment], edit: MetadataEdit) -> list[Segment]:
    """The XMP packet replaced where it stands; a new one stands behind JFIF and EXIF."""
    packets = [segment for segment in segments if segment.holds(APP1, XMP)]
    present = packets[-1].payload[len(XMP) :] if packets else None  # readers take the last
    packet = edit.packet(present)
    if edit.hides_place:
        segments = [segment for segment in segments if not segment.holds(APP1, EXTENDED_XMP)]
    if packet == present and len(packets) < 2:
        return segments
    place = segments.index(packets[0]) if packets else _behind_the_head(segments)
    kept = [segment for segment in segments if not segment.holds(APP1, XMP)]
    if packet is None:
        return kept
    if len(XMP) + len(packet) > MAX_PAYLOAD:
        if not edit.hides_place:
            raise Unwritable("too long an XMP packet")
        return kept
    return [*kept[:place], Segment(APP1, XMP + packet), *kept[place:]]


def _behind_the_head(segments: list[Segment]) -> int:
    for place, segment in enumerate(segments):
        if segment.marker != APP0 and not segment.holds(APP1, EXIF):
            return place
    return len(segments)


def _with_exif(segments: list[Segment], edit: MetadataEdit) -> list[Segment]:
    kept: list[Segment] = []
    for segment in segments:
        if segment.holds(APP1, EXIF):
            block = edit.exif(segment.payload)
            if block is None:
                continue
            segment = replace(segment, payload=block)
        kept.append(segment)
    return kept


def _with_resources(segments: list[Segment], edit: MetadataEdit) -> list[Segment]:
    """Photoshop's resources may go on in a second segment; they are one stream."""
    parts = [segment for segment in segments if segment.holds(APP13, PHOTOSHOP)]
    data = b"".join(segment.payload[len(PHOTOSHOP) :] for segment in parts)
    resources = edit.resources(data)
    if resources == data:
        return segments
    place = segments.index(parts[0])
    kept = [segment for segment in segments if not segment.holds(APP13, PHOTOSHOP)]
    step = MAX_PAYLOAD - len(PHOTOSHOP)
    new = [
        Segment(APP13, PHOTOSHOP + resources[start : start + step])
        for start in range(0, len(resources), step)
    ]
    return [*kept[:place], *new, *kept[place:]]


def _with_others(segments: list[Segment], edit: MetadataEdit) -> list[Segment]:
    """A manifest of provenance (C2PA, in APP11) goes on over several segments, and goes as a whole."""
    manifest = b"".join(segment.payload for segment in segments if segment.marker == APP11)
    if edit.drops(manifest):
        segments = [segment for segment in segments if segment.marker != APP11]
    edited_before = ((APP1, XMP), (APP1, EXIF), (APP13, PHOTOSHOP))
    return [
        segment
        for segment in segments
        if any(segment.holds(*kind) for kind in edited_before) or not edit.drops(segment.payload)
    ]


def _shifted(before: list[Segment], after: list[Segment]) -> list[Segment]:
    """The index of further pictures counts from its own place; it is told what moved."""
    index = next((segment for segment in after if segment.holds(APP2, multi_picture.HEAD)), None)
    if index is None or after == before:
        return after
    behind_now = after[after.index(index) :]
    behind_then = before[before.index(index) :]
    payload = multi_picture.shifted(
        index.payload,
        first_grows=_length(after) - _length(before),
        others_move=_length(behind_now) - _length(behind_then),
    )
    return [replace(segment, payload=payload) if segment is index else segment for segment in after]


def _length(segments: Iterable[Segment]) -> int:
    return sum(len(segment.packed) for segment in segments)


def _end_of_picture(file: IO[bytes], scan: int) -> int:
    """Where the first picture ends: behind its end marker, or where the file does without one."""
    position = scan
    while True:
        file.seek(position)
        block = file.read(BLOCK)
        if len(block) < 2:
            return position + len(block)
        found = MARKER.search(block)
        if found is None:
            position += len(block) - 1  # a marker may lie across two blocks
        elif block[found.end() - 1] == EOI:
            return position + found.end()
        else:
            position = _behind_segment(file, position + found.end())


def _behind_segment(file: IO[bytes], at: int) -> int:
    file.seek(at)
    size = int.from_bytes(file.read(2), "big")
    if size < 2:
        raise Unwritable("a damaged segment")
    return at + size
