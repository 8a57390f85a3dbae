"""What a file really is, read from its first bytes and its header; nothing is decoded here.

Of files with several frames only the first is ever decoded, so frames need no bound of their own.
"""

from __future__ import annotations

import re
import struct
from contextlib import suppress
from dataclasses import dataclass
from typing import IO

from django.conf import settings
from django.utils.translation import gettext_lazy as _
from PIL import Image, ImageFile

from dam.errors import IngestError

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


def open_header(file: IO[bytes]) -> tuple[Header, ImageFile.ImageFile]:
    """Identify a picture by its content and check its bounds; the picture is open but not decoded.

    Raises:
        IngestError: not a picture, a kind that is not accepted, broken, or too many pixels.
    """
    file.seek(0)
    head = file.read(HEAD_BYTES)
    file.seek(0)
    try:
        image = Image.open(file, formats=OPENED_AS)
    except Image.DecompressionBombError as error:
        raise too_many_pixels() from error
    except Exception as error:  # parsers of strangers' bytes raise whatever they meet
        raise _unidentified(head) from error
    mime, extension = FORMATS[image.format or ""]
    header = Header(mime, extension, image.width, image.height)
    if header.width * header.height > settings.DAM_MAX_PIXELS:
        raise too_many_pixels(header.width, header.height)
    return header, image


def too_many_pixels(width: int = 0, height: int = 0) -> IngestError:
    """The refusal of a picture whose header declares more pixels than may be decoded."""
    limit = settings.DAM_MAX_PIXELS // 1_000_000
    if not width:
        return IngestError(
            "too_many_pixels",
            _("The picture has more than %(limit)s million pixels. Make it smaller and upload it again."),
            limit=limit,
        )
    return IngestError(
        "too_many_pixels",
        _(
            "The picture is %(width)s × %(height)s pixels; at most %(limit)s million pixels are taken. "
            "Make it smaller and upload it again."
        ),
        width=f"{width:,}",
        height=f"{height:,}",
        limit=limit,
    )


def broken() -> IngestError:
    """The refusal of a picture whose content ends early or contradicts itself."""
    return IngestError(
        "broken",
        _(
            "The file is damaged or incomplete: it could not be decoded to its end. "
            "Get it again from its source."
        ),
    )


def _unidentified(head: bytes) -> IngestError:
    """Say whether it is a damaged picture, a picture of another kind, or no picture."""
    name = _claimed_format(head)
    if name in FORMATS:
        return IngestError(
            "broken",
            _(
                "The file begins like a %(name)s picture but cannot be read: it is damaged or incomplete, or "
                "of a rare variety. Get it again from its source, or save it as JPEG or PNG."
            ),
            name=name,
        )
    if name:
        return IngestError(
            "unsupported",
            _("Files of the type %(name)s are not taken. Save the picture as one of: %(accepted)s."),
            name=name,
            accepted=ACCEPTED_NAMES,
        )
    return IngestError(
        "not_a_picture",
        _("The file is not a picture, whatever its name says. These are taken: %(accepted)s."),
        accepted=ACCEPTED_NAMES,
    )


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
