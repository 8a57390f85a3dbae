"""The metadata chunks of a PNG: eXIf, XMP in iTXt, and the "raw profiles" that ImageMagick writes as text."""

from __future__ import annotations

import re
import struct
import zlib
from dataclasses import dataclass
from typing import IO

from dam.containers.pieces import Piece, Stretch, Unwritable, length_of
from dam.metadata_edit import MetadataEdit
from dam.place import tells_place

SIGNATURE = b"\x89PNG\r\n\x1a\n"
XMP_KEYWORD = b"XML:com.adobe.xmp"
RAW_PROFILE = b"Raw profile type "
TEXTS = (b"tEXt", b"zTXt", b"iTXt")
FRAME = b"fdAT"
MAX_CHUNK = 16 * 1024 * 1024
MAX_INFLATED = 4 * 1024 * 1024
MAX_CHUNKS = 1_000_000
HEX_LINE = 72


@dataclass(frozen=True)
class Text:
    """A text chunk, whichever of the three kinds it is."""

    keyword: bytes
    content: bytes


def edited(file: IO[bytes], edit: MetadataEdit) -> list[Piece]:
    """The file with its metadata edited; every other chunk stays as it is.

    Raises:
        Unwritable: the chunks are damaged.
    """
    chunks, end = _chunks(file)
    length = length_of(file)
    texts = {at: _text(kind, _payload(file, at, size)) for kind, at, size in chunks if kind in TEXTS}
    holder = _holder(texts)
    present = _packet_in(texts[holder]) if holder is not None else None
    packet = edit.packet(present)
    pieces: list[Piece] = [Stretch(0, len(SIGNATURE))]
    for number, (kind, at, size) in enumerate(chunks):
        whole = Stretch(at, size + 12)
        if at in texts:
            if _is_packet(texts[at]) and (packet != present or at != holder):
                continue
            pieces += _text_pieces(texts[at], whole, edit)
        elif kind == b"eXIf":
            block = _payload(file, at, size)
            kept = edit.exif(block)
            if kept is not None:
                pieces.append(whole if kept == block else chunk(kind, kept))
        else:
            if edit.looks_aside and _is_aside(kind) and edit.drops(_payload(file, at, size)):
                continue
            pieces.append(whole)
        if number == 0 and packet is not None and packet != present:
            pieces.append(chunk(b"iTXt", XMP_KEYWORD + bytes(5) + packet))
    return pieces if edit.hides_place else [*pieces, Stretch(end, length - end)]


def packet_of(file: IO[bytes]) -> bytes | None:
    """The XMP packet; None: there is none.

    Raises:
        Unwritable: the chunks are damaged.
    """
    chunks, _end = _chunks(file)
    texts = {at: _text(kind, _payload(file, at, size)) for kind, at, size in chunks if kind in TEXTS}
    holder = _holder(texts)
    return _packet_in(texts[holder]) if holder is not None else None


def raw_profile(content: bytes) -> bytes:
    """The bytes of a "raw profile": a name, a length and hexadecimal digits in lines; empty if it is none."""
    found = re.match(rb"\s*\S+\s+\d+\s+([0-9a-fA-F\s]*)\Z", content)
    digits = b"".join(found[1].split()) if found else b""
    return bytes.fromhex(digits.decode()) if len(digits) % 2 == 0 else b""


def as_raw_profile(name: bytes, block: bytes) -> bytes:
    """The text that carries these bytes as a "raw profile" of that name."""
    digits = block.hex().encode()
    lines = [digits[start : start + HEX_LINE] for start in range(0, len(digits), HEX_LINE)]
    return b"\n%s\n%8d\n%s\n" % (name, len(block), b"\n".join(lines))


def chunk(kind: bytes, payload: bytes) -> bytes:
    """A chunk with its length and checksum."""
    return struct.pack(">I", len(payload)) + kind + payload + struct.pack(">I", zlib.crc32(kind + payload))


def _chunks(file: IO[bytes]) -> tuple[list[tuple[bytes, int, int]], int]:
    """Kind, place and payload length of each chunk, and where the last ends."""
    file.seek(0)
    if file.read(8) != SIGNATURE:
        raise Unwritable("no PNG")
    length = length_of(file)
    found: list[tuple[bytes, int, int]] = []
    at = len(SIGNATURE)
    while len(found) < MAX_CHUNKS:
        file.seek(at)
        head = file.read(8)
        size = int.from_bytes(head[:4], "big")
        if len(head) < 8 or at + size + 12 > length:
            raise Unwritable("a damaged chunk")
        found.append((head[4:], at, size))
        at += size + 12
        if head[4:] == b"IEND":
            return found, at
    raise Unwritable("too many chunks")


def _is_aside(kind: bytes) -> bool:
    """Whether a picture can be shown without this chunk, a manifest of its provenance for example."""
    return kind[:1].islower() and kind != FRAME


def _payload(file: IO[bytes], at: int, size: int) -> bytes:
    if size > MAX_CHUNK:
        raise Unwritable("too large a chunk")
    file.seek(at + 8)
    return file.read(size)


def _text(kind: bytes, payload: bytes) -> Text:
    keyword, _zero, rest = payload.partition(b"\0")
    if kind == b"zTXt":
        return Text(keyword, _inflated(rest[1:]))
    if kind == b"iTXt":
        is_packed, rest = rest[:1] == b"\1", rest[2:]
        content = rest.partition(b"\0")[2].partition(b"\0")[2]
        return Text(keyword, _inflated(content) if is_packed else content)
    return Text(keyword, rest)


def _inflated(packed: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(packed, MAX_INFLATED)
    except zlib.error:
        return b""


def _is_packet(text: Text) -> bool:
    return text.keyword in (XMP_KEYWORD, RAW_PROFILE + b"xmp")


def _holder(texts: dict[int, Text]) -> int | None:
    """Where the text lies that readers take for the XMP packet: the last of the usual kind, or a profile."""
    usual = [at for at, text in texts.items() if text.keyword == XMP_KEYWORD]
    profiles = [at for at, text in texts.items() if _is_packet(text)]
    return next(reversed(usual or profiles), None)


def _packet_in(text: Text) -> bytes:
    return text.content if text.keyword == XMP_KEYWORD else raw_profile(text.content)


def _text_pieces(text: Text, whole: Stretch, edit: MetadataEdit) -> list[Piece]:
    """A text as it is, or edited as the profile that it carries, or nothing."""
    if edit.hides_place and tells_place(text.keyword.decode("latin-1")):
        return []
    name = text.keyword.removeprefix(RAW_PROFILE) if text.keyword.startswith(RAW_PROFILE) else b""
    edit_of = {b"exif": edit.exif, b"APP1": edit.exif, b"iptc": edit.resources, b"8bim": edit.resources}
    if name not in edit_of:
        return [whole]
    block = raw_profile(text.content)
    kept = edit_of[name](block)
    if kept == block:
        return [whole]
    if kept is None:
        return []
    return [chunk(b"zTXt", text.keyword + b"\0\0" + zlib.compress(as_raw_profile(name, kept)))]
