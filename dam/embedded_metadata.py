"""What a file says about itself (EXIF, IPTC, XMP, colour profile), made safe to keep as JSON."""

from __future__ import annotations

import io
import json
import math
from typing import Any
from xml.etree.ElementTree import ParseError

from defusedxml import DefusedXmlException
from PIL import ExifTags, Image, ImageCms, ImageFile, IptcImagePlugin
from PIL.TiffImagePlugin import IFDRational

MAX_TEXT = 500
MAX_ITEMS = 64
MAX_DEPTH = 8
MAX_XMP_BYTES = 256 * 1024
MAX_JSON = 32 * 1024
# Private blobs, offsets and previews: nothing that a person reads.
SKIPPED_EXIF = {
    "MakerNote", "PrintImageMatching", "ExifOffset", "GPSInfo", "ExifInteroperabilityOffset",
    "JpegIFOffset", "JpegIFByteCount", "XMLPacket", "IPTCNAA", "ImageResources", "InterColorProfile",
    "StripOffsets", "StripByteCounts", "TileOffsets", "TileByteCounts",
}  # fmt: skip
# IIM dataset numbers of record 2 (IPTC IIM 4.2) that libraries use.
IPTC_NAMES = {
    5: "ObjectName", 15: "Category", 25: "Keywords", 40: "SpecialInstructions", 55: "DateCreated",
    80: "By-line", 85: "By-lineTitle", 90: "City", 95: "Province-State", 101: "Country", 105: "Headline",
    110: "Credit", 115: "Source", 116: "CopyrightNotice", 120: "Caption-Abstract",
}  # fmt: skip


def read_metadata(image: ImageFile.ImageFile) -> dict[str, Any]:
    """The embedded metadata of an opened picture; a part that cannot be read is left out."""
    parts = {"exif": _exif(image), "iptc": _iptc(image), "xmp": _xmp(image), "profile": _profile(image)}
    kept: dict[str, Any] = {}
    for name, part in parts.items():
        if part and len(json.dumps({**kept, name: part})) <= MAX_JSON:
            kept[name] = part
    return kept


def _exif(image: Image.Image) -> dict[str, Any]:
    try:
        exif = image.getexif()
        named = {ExifTags.TAGS.get(tag, ""): value for tag, value in exif.items()}
        for tag, value in exif.get_ifd(ExifTags.IFD.Exif).items():
            named[ExifTags.TAGS.get(tag, "")] = value
        for tag, value in exif.get_ifd(ExifTags.IFD.GPSInfo).items():
            named[ExifTags.GPSTAGS.get(tag, "")] = value
    except (OSError, ValueError, SyntaxError, KeyError, TypeError, IndexError):
        return {}
    named = {name: value for name, value in named.items() if name and name not in SKIPPED_EXIF}
    return _plain(named) or {}


def _iptc(image: ImageFile.ImageFile) -> dict[str, Any]:
    try:
        info = IptcImagePlugin.getiptcinfo(image) or {}
    except (OSError, ValueError, SyntaxError, KeyError, TypeError, IndexError):
        return {}
    named = {IPTC_NAMES[key[1]]: value for key, value in info.items() if key[0] == 2 and key[1] in IPTC_NAMES}
    return _plain(named) or {}


def _xmp(image: Image.Image) -> dict[str, Any]:
    if len(image.info.get("xmp", b"") or b"") > MAX_XMP_BYTES:
        return {}
    try:
        return _plain(image.getxmp()) or {}
    except (ParseError, DefusedXmlException, ValueError, KeyError, OSError, RecursionError):
        return {}


def _profile(image: Image.Image) -> str:
    icc = image.info.get("icc_profile")
    if not icc:
        return ""
    try:
        return _text(ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(icc))))
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return ""


def _plain(value: Any, depth: int = 0) -> Any:
    """The value as JSON can hold it, or None for what it cannot."""
    if depth > MAX_DEPTH:
        return None
    if isinstance(value, dict):
        pairs = ((_text(str(key)), _plain(item, depth + 1)) for key, item in list(value.items())[:MAX_ITEMS])
        return {key: item for key, item in pairs if item not in (None, "", {}, [])}
    if isinstance(value, (tuple, list)):
        return [_plain(item, depth + 1) for item in value[:MAX_ITEMS]]
    if isinstance(value, bytes):
        return _decoded(value)
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, (bool, int)) or value is None:
        return value
    if isinstance(value, (float, IFDRational)):
        number = float(value) if not isinstance(value, IFDRational) or value.denominator else math.nan
        return round(number, 6) if math.isfinite(number) else None
    return None


def _decoded(value: bytes) -> str | None:
    """Bytes that hold text (UserComment begins with its character code), or None."""
    if value[:8] in (b"ASCII\0\0\0", b"UNICODE\0"):
        value = value[8:]
    try:
        text = _text(value[: 4 * MAX_TEXT].decode("utf-8", errors="strict"))
    except UnicodeDecodeError:
        return None
    return text if text.isprintable() else None


def _text(value: str) -> str:
    """Clipped, without the NULs and lone surrogates that databases refuse."""
    return value.replace("\0", "").encode("utf-8", "ignore").decode().strip()[:MAX_TEXT]
