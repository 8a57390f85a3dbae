"""Decoding: a file to upright sRGB pixels, at most as large as they are needed."""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import cache
from typing import IO, Any, cast

import numpy as np
from PIL import ExifTags, Image, ImageCms, ImageOps

from dam.embedded_metadata import read_metadata
from dam.sniffing import Header, broken, open_header

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


def read(file: IO[bytes], at_most: int) -> Picture:
    """Decode the first frame to its end, turned upright, converted to sRGB, no side above `at_most`.

    Raises:
        IngestError: not a picture, out of bounds, damaged or incomplete.
    """
    header, image = open_header(file)
    with image:
        try:
            # Lets JPEG decode at 1/2, 1/4 or 1/8 scale; it still reads the whole stream, so that a
            # truncated one is noticed.
            image.draft(None, (2 * at_most, 2 * at_most))
            image.load()
            metadata = read_metadata(image)
            width, height = _upright_size(header, image)
            ImageOps.exif_transpose(image, in_place=True)
            picture = _in_srgb(_as_rgb(_shrunk(image, at_most)), image.info.get("icc_profile"))
        except Exception as error:  # decoders of strangers' bytes raise whatever they meet
            raise broken() from error
    return Picture(picture, width, height, header, metadata)


def on_white(image: Image.Image) -> Image.Image:
    """Transparent pixels hold arbitrary colours; two copies of a drawing must hash alike."""
    if image.mode != "RGBA":
        return image
    paper = Image.new("RGB", image.size, "white")
    paper.paste(image, mask=image.getchannel("A"))
    return paper


def _upright_size(header: Header, image: Image.Image) -> tuple[int, int]:
    """The original's size as people see it; a JPEG may have been decoded smaller than its header says."""
    width, height = (header.width, header.height) if header.mime == "image/jpeg" else image.size
    turned = image.getexif().get(ExifTags.Base.Orientation) in TURNED
    return (height, width) if turned else (width, height)


def _shrunk(image: Image.Image, at_most: int) -> Image.Image:
    if max(image.size) <= at_most:
        return image
    if image.mode not in ("RGB", "RGBA", "L", "CMYK", "I;16"):
        image = _as_rgb(image)  # palettes and bits cannot be averaged
    image.thumbnail((at_most, at_most), Image.Resampling.LANCZOS)
    return image


def _as_rgb(image: Image.Image) -> Image.Image:
    """RGB, or RGBA if at least one pixel is transparent; CMYK stays, since its profile comes next."""
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        image = _eight_bits(image)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        lowest, _highest = cast(tuple[int, int], image.getchannel("A").getextrema())
        return image if lowest < 255 else image.convert("RGB")
    return image if image.mode in ("RGB", "CMYK") else image.convert("RGB")


def _eight_bits(image: Image.Image) -> Image.Image:
    """Deep grey as grey: 16-bit by its range, floating point and 32-bit by what they hold."""
    values = np.asarray(image, dtype=np.float32)
    low, high = float(values.min()), float(values.max())
    if image.mode.startswith("I;16"):
        low, high = 0.0, 65535.0
    return Image.fromarray(np.uint8(np.clip((values - low) / max(high - low, 1e-9), 0, 1) * 255))


def _in_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Through the embedded profile; a profile that is broken or of another mode is ignored."""
    mode = "RGBA" if image.mode == "RGBA" else "RGB"
    if profile:
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            return ImageCms.profileToProfile(image, source, _srgb(), outputMode=mode) or image
        except (ImageCms.PyCMSError, OSError, ValueError):
            return image.convert(mode)
    return image if image.mode == mode else image.convert(mode)


@cache
def _srgb() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
