"""A file to upright sRGB pixels, at most as large as they are needed."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cache
from typing import IO, Any, cast

import numpy as np
import pyvips
from PIL import ExifTags, Image, ImageChops, ImageCms, ImageFile, ImageOps

from dam.embedded_metadata import read_metadata
from dam.errors import Undecodable
from dam.sniffing import Header, open_header

TURNED = {5, 6, 7, 8}  # EXIF orientations that exchange width and height


@dataclass(frozen=True)
class Picture:
    """A decoded picture (RGB, or RGBA where it is transparent) and what its file declares.

    `width` and `height` are those of the original with its orientation applied; `image` may be smaller.
    """

    image: Image.Image
    width: int
    height: int
    header: Header
    metadata: dict[str, Any]

    @property
    def has_alpha(self) -> bool:
        return self.image.mode == "RGBA"


@contextmanager
def decoded(
    file: IO[bytes], enough: int, max_pixels: int, room: Callable[[int], AbstractContextManager[None]]
) -> Iterator[tuple[Header, ImageFile.ImageFile]]:
    """The first frame, decoded to its end and in memory; a JPEG may have been decoded smaller than it is.

    Args:
        enough: no side is needed longer than this.
        room: is entered with the number of pixels before they come into memory, and held as long as they are.

    Raises:
        Undecodable: not a picture, out of bounds, damaged or incomplete.
        MemoryError: there is not as much as it needs.
    """
    header, image = open_header(file, max_pixels)
    with image:
        # Lets JPEG decode at 1/2, 1/4 or 1/8 scale; it still reads the whole stream, so that a
        # truncated one is noticed.
        image.draft(None, (2 * enough, 2 * enough))
        with room(image.width * image.height):
            try:
                image.load()
                yield header, image
            except MemoryError:
                raise
            except Exception as error:  # decoders of strangers' bytes raise whatever they meet
                raise Undecodable("broken") from error


def described(header: Header, image: ImageFile.ImageFile, at_most: int) -> Picture:
    """What `decoded` gave, with its metadata, no side of its pixels above `at_most`."""
    metadata = read_metadata(image)
    width, height = _upright_size(header, image)
    return Picture(upright(header, image, at_most), width, height, header, metadata)


def upright(header: Header, image: ImageFile.ImageFile, at_most: int) -> Image.Image:
    """Turned as people see it, in sRGB, no side above `at_most`."""
    profile = image.info.get("icc_profile")
    # The decoder takes every CMYK JPEG for an inverted one, which only those with Adobe's mark are.
    inverted = header.mime == "image/jpeg" and image.mode == "CMYK" and "adobe" not in image.info
    ImageOps.exif_transpose(image, in_place=True)
    small = _with_averageable_pixels(image)
    if max(small.size) > at_most:
        # Pillow takes averages of whole pixels first, which it cannot of 16 bits.
        gap = None if small.mode == "I;16" else 2.0
        small.thumbnail((at_most, at_most), Image.Resampling.LANCZOS, reducing_gap=gap)
    small = _in_eight_bits(small)
    if inverted:
        small = ImageChops.invert(small)
    return _in_srgb(small, profile)


def _upright_size(header: Header, image: Image.Image) -> tuple[int, int]:
    """The original's size as people see it; a JPEG may have been decoded smaller than its header says."""
    width, height = (header.width, header.height) if header.mime == "image/jpeg" else image.size
    turned = image.getexif().get(ExifTags.Base.Orientation) in TURNED
    return (height, width) if turned else (width, height)


def _with_averageable_pixels(image: Image.Image) -> Image.Image:
    """In a mode that can be resized: palettes, bits and colours that mean “transparent” cannot."""
    if image.mode == "PA" or (image.has_transparency_data and image.mode not in ("LA", "RGBA")):
        return image.convert("RGBA")
    if image.mode in ("L", "LA", "RGB", "RGBA", "CMYK", "LAB", "I;16"):
        return image
    if image.mode.startswith("I") or image.mode == "F":
        return _in_eight_bits(image)
    return image.convert("L" if image.mode == "1" else "RGB")


def _in_eight_bits(image: Image.Image) -> Image.Image:
    """Deep grey as grey: 16-bit by its range, floating point and 32-bit by what they hold."""
    if not (image.mode.startswith("I") or image.mode == "F"):
        return image
    values = np.asarray(image, dtype=np.float32)
    low, high = float(values.min()), float(values.max())
    if image.mode.startswith("I;16"):
        low, high = 0.0, 65535.0
    return Image.fromarray(np.uint8(np.clip((values - low) / max(high - low, 1e-9), 0, 1) * 255 + 0.5))


def _in_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """RGB, or RGBA if at least one pixel is transparent; nothing that the file said is left on it."""
    alpha = image.getchannel("A") if image.mode in ("LA", "RGBA") else None
    colour = image if alpha is None else image.convert("L" if image.mode == "LA" else "RGB")
    colour = _converted(colour, profile)
    colour.info = {}
    if alpha is not None and cast(tuple[int, int], alpha.getextrema())[0] < 255:
        colour.putalpha(alpha)
    return colour


def _converted(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Through the embedded profile; one that is broken or of other colours is ignored."""
    source = _opened_profile(profile) or _usual_profile(image.mode)
    if source is not None and image.mode == "L" and _mode_of(source) == "RGB":
        image = image.convert("RGB")  # grey pixels in a file that describes a screen
    if source is not None and _mode_of(source) != image.mode:
        source = _usual_profile(image.mode)
    if source is None:
        return image.convert("RGB")
    try:
        converted = ImageCms.profileToProfile(
            image,
            source,
            _srgb(),
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            outputMode="RGB",
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    except (ImageCms.PyCMSError, OSError, ValueError):
        return image.convert("RGB")
    return converted or image.convert("RGB")


def _opened_profile(profile: bytes | None) -> ImageCms.ImageCmsProfile | None:
    if not profile:
        return None
    try:
        return ImageCms.ImageCmsProfile(io.BytesIO(profile))
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None


def _mode_of(profile: ImageCms.ImageCmsProfile) -> str:
    """The mode of the pixels that a profile describes."""
    space = profile.profile.xcolor_space.strip()
    return {"GRAY": "L", "Lab": "LAB"}.get(space, space)


@cache
def _usual_profile(mode: str) -> ImageCms.ImageCmsProfile | None:
    """What pixels mean whose file does not say it: ink on coated paper; grey and RGB are sRGB already."""
    if mode == "CMYK":
        press = pyvips.Operation.call("profile_load", "cmyk")
        return ImageCms.ImageCmsProfile(io.BytesIO(bytes(press)))
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")) if mode == "LAB" else None


@cache
def _srgb() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
