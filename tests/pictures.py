"""Picture files for tests: real ones of every format, and hostile ones, made in memory."""

from __future__ import annotations

import struct
import zlib
from functools import lru_cache
from io import BytesIO
from typing import Any

from PIL import Image, ImageDraw

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def picture(
    *,
    format: str = "JPEG",
    size: tuple[int, int] = (64, 48),
    colour: str | tuple[int, ...] = "red",
    seed: int = 0,
    exif_orientation: int | None = None,
    alpha: bool = False,
    **save_options: Any,
) -> bytes:
    """One picture file.

    Args:
        format: any that Pillow writes; "HEIF" needs no more than that.
        colour: of the whole picture, but for a small mark in the upper left corner.
        seed: another number gives another file (and another SHA-256) of the same colour.
        exif_orientation: 1 to 8, written as EXIF; the mark tells which corner is which.
        alpha: a transparent border around the colour.
        save_options: given to Pillow's `save`.
    """
    image = Image.new("RGBA" if alpha else "RGB", size, (0, 0, 0, 0) if alpha else colour)
    draw = ImageDraw.Draw(image)
    if alpha:
        draw.ellipse([size[0] // 6, size[1] // 6, size[0] * 5 // 6, size[1] * 5 // 6], fill=colour)
    _mark(image, seed)
    if format == "HEIF":
        from pillow_heif import register_heif_opener

        register_heif_opener()
    if exif_orientation is not None:
        exif = Image.Exif()
        exif[0x0112] = exif_orientation
        save_options["exif"] = exif.tobytes()
    if format == "JPEG":
        image = image.convert("RGB")
        save_options.setdefault("quality", 95)
    out = BytesIO()
    image.save(out, format=format, **save_options)
    return out.getvalue()


def _mark(image: Image.Image, seed: int) -> None:
    """Sixteen black and white squares that spell the seed, in the upper left corner."""
    side = max(1, min(image.size) // 16)
    draw = ImageDraw.Draw(image)
    for bit in range(16):
        fill = (255, 255, 255, 255) if seed >> bit & 1 else (0, 0, 0, 255)
        left, top = bit % 4 * side, bit // 4 * side
        draw.rectangle([left, top, left + side - 1, top + side - 1], fill=fill[: len(image.getbands())])


def truncated_jpeg() -> bytes:
    """The first half of a JPEG: its header is fine, its data ends too early."""
    whole = picture(size=(400, 300), colour="green")
    return whole[: len(whole) // 2]


@lru_cache(maxsize=1)
def pixel_bomb_png(width: int = 30_000, height: int = 30_000) -> bytes:
    """A valid black PNG of about 100 kB that would take gigabytes when decoded to RGB."""
    packed = zlib.compressobj(9)
    row = b"\x00" + bytes((width + 7) // 8)
    data = b"".join(packed.compress(row) for _ in range(height)) + packed.flush()
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def text_as_jpg() -> bytes:
    """What a text file renamed to .jpg holds."""
    return "This is a shopping list: milk, bread, 苹果.\n".encode() * 20


def empty() -> bytes:
    return b""
