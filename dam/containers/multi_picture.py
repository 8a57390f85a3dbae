"""The index of further pictures in one JPEG (CIPA DC-007, "MPF"): offsets that move with the metadata."""

from __future__ import annotations

import struct

from dam.containers.pieces import Unwritable

HEAD = b"MPF\0"
ENTRIES_TAG = 0xB002
ENTRY = 16  # bytes: attributes, size, offset, two dependent pictures


def shifted(payload: bytes, *, first_grows: int, others_move: int) -> bytes:
    """The index after the first picture grew and the others moved, relative to the index, by these bytes.

    Raises:
        Unwritable: the index is damaged.
    """
    block = bytearray(payload)
    try:
        start, size, order = _entries(payload)
        for at in range(start, start + size, ENTRY):
            length, offset = struct.unpack_from(f"{order}II", block, at + 4)
            if at == start:
                length += first_grows
            if offset:  # zero is the first picture, which begins the file
                offset += others_move
            struct.pack_into(f"{order}II", block, at + 4, length, offset)
    except struct.error as error:
        raise Unwritable("a damaged index of pictures") from error
    return bytes(block)


def _entries(payload: bytes) -> tuple[int, int, str]:
    """Where the entries lie in the payload, their bytes, and the byte order."""
    base = len(HEAD)
    order = "<" if payload[base : base + 2] == b"II" else ">"
    (directory,) = struct.unpack_from(f"{order}I", payload, base + 4)
    (count,) = struct.unpack_from(f"{order}H", payload, base + directory)
    for number in range(count):
        at = base + directory + 2 + 12 * number
        tag, _type, size, offset = struct.unpack_from(f"{order}HHII", payload, at)
        if tag == ENTRIES_TAG:
            return base + offset, size - size % ENTRY, order
    raise Unwritable("an index without pictures")
