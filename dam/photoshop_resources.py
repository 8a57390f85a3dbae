"""Photoshop's image resource blocks (8BIM), in which JPEG files carry their IPTC block."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable

SIGNATURE = b"8BIM"
IPTC = 0x0404
COPIES = {0x0422, 0x0423, 0x0424}  # of the EXIF block and the XMP packet
IPTC_DIGEST = 0x0425  # the MD5 by which readers notice that only one of IPTC and XMP was changed

Resource = tuple[int, bytes, bytes]  # id, name as stored (a padded Pascal string), data


def parse(data: bytes) -> tuple[list[Resource], bytes]:
    """The resources, and what follows the last that could be read."""
    found: list[Resource] = []
    position = 0
    while data[position : position + 4] == SIGNATURE and position + 7 <= len(data):
        number = int.from_bytes(data[position + 4 : position + 6], "big")
        name_end = position + 6 + _even(1 + data[position + 6])
        size = int.from_bytes(data[name_end : name_end + 4], "big")
        end = name_end + 4 + size
        if name_end + 4 > len(data) or end > len(data):
            break
        found.append((number, data[position + 6 : name_end], data[name_end + 4 : end]))
        position = min(name_end + 4 + _even(size), len(data))
    return found, data[position:]


def iptc_of(data: bytes) -> bytes:
    """The IPTC block among the resources; empty where there is none."""
    return next((content for number, _name, content in parse(data)[0] if number == IPTC), b"")


def with_iptc(data: bytes, edit: Callable[[bytes], bytes]) -> bytes:
    """The resources with their IPTC block edited; the same bytes if they have none."""
    resources, rest = parse(data)
    if not any(number == IPTC for number, _name, _content in resources):
        return data
    edited = [
        (number, name, edit(content) if number == IPTC else content) for number, name, content in resources
    ]
    block = next(content for number, _name, content in edited if number == IPTC)
    digest = hashlib.md5(block, usedforsecurity=False).digest()
    return b"".join(
        _packed(number, name, digest if number == IPTC_DIGEST else content)
        for number, name, content in edited
    ) + bytes(rest)


def without_copies(data: bytes) -> bytes:
    """The resources with zeros in place of EXIF and XMP; nothing moves."""
    resources, rest = parse(data)
    return (
        b"".join(
            _packed(number, name, bytes(len(content)) if number in COPIES else content)
            for number, name, content in resources
        )
        + rest
        if any(number in COPIES for number, _name, _content in resources)
        else data
    )


def _packed(number: int, name: bytes, content: bytes) -> bytes:
    head = SIGNATURE + struct.pack(">H", number) + name + struct.pack(">I", len(content))
    return head + content + bytes(len(content) % 2)


def _even(size: int) -> int:
    return size + size % 2
