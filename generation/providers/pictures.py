"""Pictures on their way to a vendor and back: made smaller, made PNG, looked at before they are kept."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO

from PIL import Image

from dam.errors import IngestError
from dam.pictures import read

SMALLER_EDGES = (1600, 1280, 1024, 768)


def mime_of(data: bytes) -> str | None:
    """The type by content; None where the bytes are no whole picture.

    A vendor may answer with anything: it is read as a stranger's file is.
    """
    try:
        return read(BytesIO(data), at_most=1).header.mime
    except IngestError:
        return None


def within(pictures: Sequence[tuple[bytes, str]], limit: int) -> list[tuple[bytes, str]]:
    """The pictures with their types, made smaller together until they take at most `limit` bytes."""
    sent = list(pictures)
    for edge in SMALLER_EDGES:
        if sum(len(data) for data, _mime in sent) <= limit:
            break
        sent = [(smaller(data, edge), "image/webp") for data, _mime in pictures]
    return sent


def smaller(data: bytes, edge: int) -> bytes:
    """A WebP of at most so many pixels a side, alpha kept."""
    with Image.open(BytesIO(data)) as image:
        image.thumbnail((edge, edge), Image.Resampling.LANCZOS)
        return encoded(image, "WEBP", quality=90)


def encoded(image: Image.Image, kind: str, **options: int) -> bytes:
    """The picture as a file of this kind."""
    content = BytesIO()
    image.save(content, kind, **options)
    return content.getvalue()
