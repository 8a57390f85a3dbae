"""Which names in a file's metadata tell where a picture was taken."""

from __future__ import annotations

import re
from typing import Any

# EXIF's and XMP's own names, and those of drones and editors ("GpsLongtitude" is how one maker spells it).
PLACE_NAME = re.compile(r"gps|latitude|longt?itude|altitude|^(?:lat|lon|long|geotag.*)$", re.IGNORECASE)


def tells_place(name: str) -> bool:
    """Whether a property of this name (without its prefix) holds coordinates."""
    return PLACE_NAME.search(name.rpartition(":")[2]) is not None


def without_place(metadata: Any) -> Any:
    """The same metadata, at every depth without what tells the place."""
    if isinstance(metadata, dict):
        return {name: without_place(value) for name, value in metadata.items() if not tells_place(name)}
    if isinstance(metadata, list):
        return [without_place(value) for value in metadata]
    return metadata
