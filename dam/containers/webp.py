"""The metadata chunks of a WebP: EXIF and XMP behind the pictures, announced in VP8X."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import IO

from dam.containers.pieces import Piece, Stretch, Unwritable, length_of, size_of
from dam.metadata_edit import MetadataEdit

XMP_FLAG, EXIF_FLAG, ALPHA_FLAG = 0x04, 0x08, 0x10
MAX_CHUNK = 16 * 1024 * 1024
MAX_CHUNKS = 100_000
PICTURE = {b"VP8X", b"VP8 ", b"VP8L", b"ALPH", b"ANIM", b"ANMF", b"ICCP"}
METADATA = {b"XMP ", b"EXIF"}
LOSSY_START = b"\x9d\x01\x2a"
LOSSLESS_SIGN = 0x2F


@dataclass(frozen=True)
class Chunk:
    kind: bytes
    at: int
    size: int

    @property
    def whole(self) -> Stretch:
        return Stretch(self.at, 8 + self.size + self.size % 2)


def edited(file: IO[bytes], edit: MetadataEdit) -> list[Piece]:
    """The file with its metadata edited; the chunks with pixels stay as they are.

    Raises:
        Unwritable: the chunks are damaged.
    """
    chunks, end = _chunks(file)
    kept = [chunk for chunk in chunks if not _goes(file, chunk, edit)]
    blocks = {kind: _payload(file, chunks, kind) for kind in METADATA}
    packet = edit.packet(blocks[b"XMP "])
    exif = edit.exif(blocks[b"EXIF"]) if blocks[b"EXIF"] is not None else None
    if (packet, exif, len(kept)) == (blocks[b"XMP "], blocks[b"EXIF"], len(chunks)):
        return [Stretch(0, end if edit.hides_place else length_of(file))]
    pieces: list[Piece] = [_head(file, chunks, has_exif=exif is not None, has_xmp=packet is not None)]
    pieces += [chunk.whole for chunk in kept if chunk.kind not in (b"VP8X", b"XMP ", b"EXIF")]
    pieces += [_packed(kind, block) for kind, block in ((b"EXIF", exif), (b"XMP ", packet)) if block]
    return [b"RIFF" + struct.pack("<I", size_of(pieces) + 4) + b"WEBP", *pieces]


def _chunks(file: IO[bytes]) -> tuple[list[Chunk], int]:
    """The chunks in order, and where the file declares its end; what lies behind is none of its own."""
    file.seek(0)
    head = file.read(12)
    if head[:4] != b"RIFF" or head[8:] != b"WEBP":
        raise Unwritable("no WebP")
    end = min(8 + int.from_bytes(head[4:8], "little"), length_of(file))
    found: list[Chunk] = []
    at = 12
    while at + 8 <= end:
        file.seek(at)
        kind, size = struct.unpack("<4sI", file.read(8))
        if at + 8 + size + size % 2 > end or len(found) >= MAX_CHUNKS:
            raise Unwritable("a damaged chunk")
        found.append(Chunk(kind, at, size))
        at += 8 + size + size % 2
    if not found:
        raise Unwritable("no chunks")
    return found, end


def _payload(file: IO[bytes], chunks: list[Chunk], kind: bytes) -> bytes | None:
    of_kind = [chunk for chunk in chunks if chunk.kind == kind]
    if len(of_kind) > 1:
        raise Unwritable("two chunks where one may be")
    return _content(file, of_kind[0]) if of_kind else None


def _goes(file: IO[bytes], chunk: Chunk, edit: MetadataEdit) -> bool:
    """Whether a chunk that no viewer needs goes, such as a manifest of its provenance."""
    if not edit.looks_aside or chunk.kind in PICTURE or chunk.kind in METADATA:
        return False
    return edit.drops(_content(file, chunk))


def _content(file: IO[bytes], chunk: Chunk) -> bytes:
    if chunk.size > MAX_CHUNK:
        raise Unwritable("too large a chunk")
    file.seek(chunk.at + 8)
    return file.read(chunk.size)


def _head(file: IO[bytes], chunks: list[Chunk], *, has_exif: bool, has_xmp: bool) -> bytes:
    """VP8X with its flags set; made from the picture itself in a file of the simple kind."""
    first = chunks[0]
    if first.kind == b"VP8X":
        payload = _payload(file, chunks, b"VP8X") or b""
        flags, rest = payload[0] & ~(XMP_FLAG | EXIF_FLAG), payload[1:]
    else:
        flags, width, height = _simple_size(file, first)
        rest = bytes(3) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    flags |= XMP_FLAG * has_xmp | EXIF_FLAG * has_exif
    if len(rest) != 9:
        raise Unwritable("a damaged chunk")
    return _packed(b"VP8X", bytes([flags]) + rest)


def _simple_size(file: IO[bytes], first: Chunk) -> tuple[int, int, int]:
    """Flags, width and height as the one picture of a simple file declares them."""
    file.seek(first.at + 8)
    head = file.read(10)
    if first.kind == b"VP8 " and head[3:6] == LOSSY_START:
        width, height = struct.unpack("<HH", head[6:10])
        return 0, width & 0x3FFF, height & 0x3FFF
    if first.kind == b"VP8L" and head[:1] == bytes([LOSSLESS_SIGN]):
        bits = int.from_bytes(head[1:5], "little")
        return ALPHA_FLAG * (bits >> 28 & 1), (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    raise Unwritable("no picture in the first chunk")


def _packed(kind: bytes, payload: bytes) -> bytes:
    return kind + struct.pack("<I", len(payload)) + payload + bytes(len(payload) % 2)
