"""What a file says about itself (EXIF, IPTC, XMP, colour profile), made safe to keep as JSON."""

from __future__ import annotations

import io
import json
import math
import re
from typing import Any

from PIL import ExifTags, Image, ImageCms, ImageFile, IptcImagePlugin
from PIL.TiffImagePlugin import IFDRational

from dam import iptc, photoshop_resources, xmp
from dam.containers import jpeg, png

MAX_TEXT = 500
MAX_WRITTEN_TEXT = 10_000  # what people write into IPTC and XMP may be a whole description
MAX_AIGC = 4_000
MAX_ITEMS = 64
MAX_PROPERTIES = 256
MAX_DEPTH = 8
MAX_JSON = 64 * 1024
# Private blobs, offsets and previews: nothing that a person reads.
SKIPPED_EXIF = {
    "MakerNote", "PrintImageMatching", "ExifOffset", "GPSInfo", "ExifInteroperabilityOffset",
    "JpegIFOffset", "JpegIFByteCount", "XMLPacket", "IPTCNAA", "ImageResources", "InterColorProfile",
    "StripOffsets", "StripByteCounts", "TileOffsets", "TileByteCounts",
}  # fmt: skip
WINDOWS_TEXTS = {"XPTitle", "XPComment", "XPAuthor", "XPKeywords", "XPSubject"}
UNREAD = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
READ_ERRORS = (OSError, ValueError, SyntaxError, KeyError, TypeError, IndexError, RecursionError)


def read_metadata(image: ImageFile.ImageFile) -> dict[str, Any]:
    """The embedded metadata of an opened picture, in the groups exif, iptc, xmp, profile and aigc.

    What cannot be read is left out, and so is what would make it too much to keep.
    """
    parts = {
        "xmp": _xmp(image),
        "iptc": _iptc(image),
        "exif": _exif(image),
        "profile": _profile(image),
        "aigc": _aigc(image),
    }
    kept: dict[str, Any] = {}
    room = MAX_JSON
    for name, part in parts.items():
        fitting = _fitting(part, room) if isinstance(part, dict) else part
        if fitting:
            kept[name] = fitting
            room -= _weight(fitting)
    return kept


def _fitting(part: dict[str, Any], room: int) -> dict[str, Any]:
    """As many of the values, in their order, as there is room for."""
    kept: dict[str, Any] = {}
    for name, value in part.items():
        weight = _weight({name: value})
        if weight <= room:
            kept[name] = value
            room -= weight
    return kept


def _weight(value: Any) -> int:
    return len(json.dumps(value, ensure_ascii=False))


def _exif(image: Image.Image) -> dict[str, Any]:
    try:
        exif = image.getexif()
        named = {ExifTags.TAGS.get(tag, ""): value for tag, value in exif.items()}
        for tag, value in exif.get_ifd(ExifTags.IFD.Exif).items():
            named[ExifTags.TAGS.get(tag, "")] = value
        for tag, value in exif.get_ifd(ExifTags.IFD.GPSInfo).items():
            named[ExifTags.GPSTAGS.get(tag, "")] = value
    except READ_ERRORS:
        return {}
    named = {
        name: _wide(value) if name in WINDOWS_TEXTS else value
        for name, value in named.items()
        if name and name not in SKIPPED_EXIF
    }
    return _plain(named) or {}


def _wide(value: Any) -> str:
    """What Windows writes into EXIF: UTF-16 as bytes."""
    return bytes(value).decode("utf-16-le", errors="ignore") if isinstance(value, (bytes, tuple)) else ""


def _iptc(image: ImageFile.ImageFile) -> dict[str, Any]:
    try:
        block = _resources_iptc(image)
        datasets = iptc.parse(block) if block else _tiff_iptc(image)
    except READ_ERRORS:
        return {}
    return _plain(iptc.read(datasets), max_text=MAX_WRITTEN_TEXT) or {}


def _resources_iptc(image: ImageFile.ImageFile) -> bytes:
    """The IPTC block that Photoshop's resources hold, in a JPEG or in a text of a PNG."""
    segments = [payload for name, payload in getattr(image, "applist", []) if name == "APP13"]
    resources = b"".join(
        payload.removeprefix(jpeg.PHOTOSHOP) for payload in segments if payload.startswith(jpeg.PHOTOSHOP)
    )
    resources = resources or _profile_text(image, "iptc") or _profile_text(image, "8bim")
    return photoshop_resources.iptc_of(resources) or (resources if resources[:1] == iptc.MARKER else b"")


def _tiff_iptc(image: ImageFile.ImageFile) -> list[iptc.Dataset]:
    return [
        (key, value)
        for key, values in (IptcImagePlugin.getiptcinfo(image) or {}).items()
        for value in (values if isinstance(values, list) else [values])
    ]


def packet_of(image: Image.Image) -> bytes:
    """The XMP packet of an opened picture; empty where there is none."""
    packet = image.info.get("xmp") or _profile_text(image, "xmp")
    return packet.encode() if isinstance(packet, str) else bytes(packet)


def _xmp(image: Image.Image) -> dict[str, Any]:
    try:
        found = xmp.read(packet_of(image))
    except READ_ERRORS:
        return {}
    return _plain(found, max_items=MAX_PROPERTIES, max_text=MAX_WRITTEN_TEXT) or {}


def _profile_text(image: Image.Image, name: str) -> bytes:
    """What ImageMagick has written into a PNG as text."""
    text = image.info.get(f"Raw profile type {name}", "")
    return png.raw_profile(text.encode("latin-1", "ignore")) if isinstance(text, str) else b""


def _profile(image: Image.Image) -> str:
    icc = image.info.get("icc_profile")
    if not icc:
        return ""
    try:
        return _text(ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(icc))))
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return ""


def _aigc(image: Image.Image) -> str:
    """China's label where it stands in a text of a PNG, as some write it beside XMP or in its place."""
    text = image.info.get("AIGC")
    return _text(text, MAX_AIGC) if isinstance(text, str) else ""


def _plain(value: Any, depth: int = 0, *, max_items: int = MAX_ITEMS, max_text: int = MAX_TEXT) -> Any:
    """The value as JSON can hold it, or None for what it cannot."""
    if depth > MAX_DEPTH:
        return None
    if isinstance(value, dict):
        pairs = (
            (_text(str(key)), _plain(item, depth + 1, max_text=max_text))
            for key, item in list(value.items())[:max_items]
        )
        return {key: item for key, item in pairs if item not in (None, "", {}, [])}
    if isinstance(value, (tuple, list)):
        return [_plain(item, depth + 1, max_text=max_text) for item in value[:MAX_ITEMS]]
    if isinstance(value, bytes):
        return _decoded(value)
    if isinstance(value, str):
        return _text(value, max_text)
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


def _text(value: str, max_text: int = MAX_TEXT) -> str:
    """Clipped, without what nobody reads: the NULs and lone surrogates that databases refuse, what commands a
    terminal, and what makes the text around it run backwards."""
    return UNREAD.sub("", value).encode("utf-8", "ignore").decode().strip()[:max_text]
