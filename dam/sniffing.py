"""What a file really is, read from its first bytes and its header; nothing is decoded here.

Of files with several frames only the first is ever decoded, so frames need no bound of their own.
"""

from __future__ import annotations

import re
import struct
from contextlib import suppress
from dataclasses import dataclass
from typing import IO

from PIL import Image, ImageFile

from dam.errors import Undecodable

# Pillow's name of a format → MIME type and the extension under which it is stored.
FORMATS = {
    "JPEG": ("image/jpeg", ".jpg"),
    "MPO": ("image/jpeg", ".jpg"),  # what cameras write: a JPEG with more pictures behind it
    "PNG": ("image/png", ".png"),
    "WEBP": ("image/webp", ".webp"),
    "GIF": ("image/gif", ".gif"),
    "TIFF": ("image/tiff", ".tif"),
    "BMP": ("image/bmp", ".bmp"),
    "AVIF": ("image/avif", ".avif"),
    "HEIF": ("image/heic", ".heic"),
}
OPENED_AS = tuple(name for name in FORMATS if name != "MPO")  # Pillow finds that out from the JPEG
ACCEPTED_NAMES = "JPEG, PNG, WebP, GIF, TIFF, BMP, AVIF, HEIC, SVG"
PICTURE_SUFFIXES = {
    ".jpg", ".jpeg", ".jpe", ".png", ".webp", ".gif", ".tif", ".tiff", ".bmp",
    ".avif", ".heic", ".heif", ".svg",
}  # fmt: skip
HEAD_BYTES = 4096
# A root element `svg`, after nothing but an XML declaration, comments and a document type.
# Possessive, so that no head can make the expression try twice.
SVG_HEAD = re.compile(
    rb"\A(?:\xef\xbb\xbf)?"
    rb"(?>\s+|<\?(?>.*?\?>)|<!--(?>.*?-->)|<!DOCTYPE(?>[^>\[]*)(?>\[.*?\]\s*)?>)*+"
    rb"<(?:\w+:)?svg[\s>]",
    re.DOTALL,
)


@dataclass(frozen=True)
class Header:
    """What the header declares; `width` and `height` are those of the pixels as stored."""

    mime: str
    extension: str
    width: int
    height: int


def is_svg(head: bytes) -> bool:
    """Whether these first bytes begin an SVG drawing."""
    return SVG_HEAD.match(head) is not None


def is_accepted(head: bytes) -> bool:
    """Whether these first bytes begin a file of a kind that is taken."""
    return is_svg(head) or _claimed_format(head) in FORMATS


def open_header(file: IO[bytes], max_pixels: int) -> tuple[Header, ImageFile.ImageFile]:
    """Identify a picture by its content and check its bounds; the picture is open but not decoded.

    Raises:
        Undecodable: not a picture, a kind that is not accepted, broken, or too many pixels.
    """
    file.seek(0)
    head = file.read(HEAD_BYTES)
    file.seek(0)
    try:
        image = Image.open(file, formats=OPENED_AS)
    except Image.DecompressionBombError as error:
        raise Undecodable("far_too_many_pixels", pixels=max_pixels) from error
    except MemoryError:
        raise
    except Exception as error:  # parsers of strangers' bytes raise whatever they meet
        raise _unidentified(head) from error
    mime, extension = FORMATS[image.format or ""]
    header = Header(mime, extension, image.width, image.height)
    if header.width * header.height > max_pixels:
        raise Undecodable("too_many_pixels", width=header.width, height=header.height, pixels=max_pixels)
    return header, image


def _unidentified(head: bytes) -> Undecodable:
    """Say whether it is a damaged picture, a picture of another kind, or no picture."""
    name = _claimed_format(head)
    if name in FORMATS:
        return Undecodable("rare", name=name)
    return Undecodable("unsupported", name=name) if name else Undecodable("not_a_picture")


def _claimed_format(head: bytes) -> str:
    """The format whose magic bytes these are; plugins only look at the bytes for this."""
    if head.startswith(b"%PDF"):
        return "PDF"
    if head.startswith(b"BM") and any(head[6:10]):
        return ""  # two letters begin many a text; a bitmap has four zeros in this place
    Image.init()
    for name, (_factory, accepts) in Image.OPEN.items():
        with suppress(struct.error, IndexError):  # some ask for bytes that a file of three does not have
            if accepts is not None and accepts(head[:16]) is True:
                return name
    return ""
