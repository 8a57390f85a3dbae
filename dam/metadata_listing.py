"""Embedded metadata as lines: a path of names and a text for each value."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

GROUPS = {"exif": "EXIF", "iptc": "IPTC", "xmp": "XMP"}


def flat(values: dict[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    """Name and text of each value; structures and languages by a path of names."""
    for name, value in values.items():
        if isinstance(value, dict):
            yield from flat(value, f"{before}{name} / ")
        elif isinstance(value, list) and any(isinstance(item, dict) for item in value):
            for item in value:
                yield from flat(item if isinstance(item, dict) else {name: item}, f"{before}{name} / ")
        else:
            shown = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            yield f"{before}{name}", shown
