"""IPTC-IIM blocks: numbered datasets of bytes, read as texts and written with some of them replaced."""

from __future__ import annotations

import struct
from collections.abc import Mapping

MARKER = b"\x1c"
APPLICATION = 2  # the record that holds what people write
UTF8_DECLARED = ((1, 90), b"\x1b%G")  # "coded character set": ISO 2022's escape for UTF-8
# IIM dataset numbers of record 2 (IPTC IIM 4.2) that libraries use.
NAMES = {
    5: "ObjectName", 15: "Category", 25: "Keywords", 40: "SpecialInstructions", 55: "DateCreated",
    80: "By-line", 85: "By-lineTitle", 90: "City", 95: "Province-State", 101: "Country", 105: "Headline",
    110: "Credit", 115: "Source", 116: "CopyrightNotice", 120: "Caption-Abstract",
}  # fmt: skip
NUMBERS = {name: number for number, name in NAMES.items()}
# The longest values that the standard allows, in bytes.
MAX_BYTES = {"ObjectName": 64, "Keywords": 64, "Credit": 32, "CopyrightNotice": 128, "Caption-Abstract": 2000}
REPEATED = {"Keywords", "By-line", "By-lineTitle"}

Dataset = tuple[tuple[int, int], bytes]


def parse(block: bytes) -> list[Dataset]:
    """The datasets up to the first that is damaged; an extended length ends them too, as nothing uses it."""
    found: list[Dataset] = []
    position = 0
    while position + 5 <= len(block) and block[position : position + 1] == MARKER:
        record, number, length = struct.unpack_from(">BBH", block, position + 1)
        position += 5
        if length > 0x7FFF or position + length > len(block):
            break
        found.append(((record, number), block[position : position + length]))
        position += length
    return found


def read(datasets: list[Dataset]) -> dict[str, str | list[str]]:
    """What people wrote, by the names that IPTC gives; the unnamed datasets are left out."""
    found: dict[str, str | list[str]] = {}
    is_utf8 = UTF8_DECLARED in datasets
    for (record, number), value in datasets:
        name = NAMES.get(number) if record == APPLICATION else None
        text = decoded(value, is_utf8)
        if not name or not text:
            continue
        if name in REPEATED:
            present = found.setdefault(name, [])
            assert isinstance(present, list)  # noqa: S101  as it was made the line before
            present.append(text)
        else:
            found.setdefault(name, text)
    return found


def written(block: bytes, values: Mapping[str, list[str]]) -> bytes:
    """The block with these datasets replaced (an empty list takes them out), all of it in UTF-8."""
    datasets = parse(block)
    is_utf8 = UTF8_DECLARED in datasets
    replaced = {(APPLICATION, NUMBERS[name]) for name in values}
    kept = [
        (key, decoded(value, is_utf8).encode() if key[0] == APPLICATION and key[1] in NAMES else value)
        for key, value in datasets
        if key not in replaced and key != UTF8_DECLARED[0]
    ]
    new = [
        ((APPLICATION, NUMBERS[name]), clipped(text, MAX_BYTES[name]))
        for name, texts in values.items()
        for text in texts
    ]
    ordered = sorted([UTF8_DECLARED, *kept, *new], key=lambda dataset: dataset[0])  # stable: repeats stay so
    return b"".join(
        MARKER + struct.pack(">BBH", *key, len(value)) + value
        for key, value in ordered
        if len(value) <= 0x7FFF
    )


def decoded(value: bytes, is_utf8: bool) -> str:
    """Text in the declared character set; undeclared UTF-8 is common, and nothing else looks like it."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode(errors="replace") if is_utf8 else value.decode("latin-1")


def clipped(text: str, limit: int) -> bytes:
    """At most this many bytes of UTF-8, never half a character."""
    return text.encode()[:limit].decode(errors="ignore").encode()
