"""Colours: whatever a file's colours mean, renditions show them in sRGB and carry pixels only."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
import pytest
import pyvips
from PIL import Image, ImageCms

from dam.presets import BUILT_IN, Preset
from dam.renditions import rendition_for
from tests.factories import AssetFactory

pytestmark = pytest.mark.django_db
SIZE = (64, 64)
LOSSLESS = Preset("lossless", width=64, format="png")


def profile(name: str) -> bytes:
    """One of the profiles that libvips carries: "srgb", "p3", "cmyk"."""
    return bytes(pyvips.Operation.call("profile_load", name))


def encoded(image: Image.Image, format: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, format, **options)
    return out.getvalue()


def shown(content: bytes, preset: Preset = LOSSLESS) -> Image.Image:
    """What a browser shows of the rendition."""
    rendition = rendition_for(AssetFactory(file=content).current, preset)
    with rendition.file.open() as file:
        image = Image.open(io.BytesIO(file.read()))
    image.load()
    return image


def near(image: Image.Image, expected: Sequence[int], tolerance: int = 3) -> bool:
    middle = image.getpixel((image.width // 2, image.height // 2))
    return all(abs(a - b) <= tolerance for a, b in zip(middle, expected, strict=True))


def test_display_p3_is_converted() -> None:
    # The red of sRGB has these values in Display P3.
    wide = Image.new("RGB", SIZE, (234, 51, 35))
    assert near(shown(encoded(wide, "PNG", icc_profile=profile("p3"))), (255, 0, 0), 4)
    assert near(shown(encoded(wide, "PNG")), (234, 51, 35))


def inked(rgb: tuple[int, int, int]) -> tuple[int, ...]:
    """The CMYK values that give this colour in the press profile."""
    press = ImageCms.ImageCmsProfile(io.BytesIO(profile("cmyk")))
    sheet = ImageCms.profileToProfile(
        Image.new("RGB", SIZE, rgb),
        ImageCms.createProfile("sRGB"),
        press,
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        outputMode="CMYK",
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
    return sheet.getpixel((5, 5))


@pytest.mark.parametrize("colour", [(180, 60, 60), (90, 140, 90), (60, 110, 170), (240, 235, 225)])
@pytest.mark.parametrize("embedded", [True, False])
def test_cmyk_is_what_ink_looks_like(colour: tuple[int, int, int], embedded: bool) -> None:
    sheet = Image.new("CMYK", SIZE, inked(colour))
    options = {"icc_profile": profile("cmyk")} if embedded else {}
    assert near(shown(encoded(sheet, "JPEG", quality=100, subsampling=0, **options)), colour, 6)
    assert near(shown(encoded(sheet, "TIFF", **options)), colour, 6)


def test_a_cmyk_jpeg_without_adobes_mark_is_not_inverted() -> None:
    colour = (180, 60, 60)
    inverted = Image.new("CMYK", SIZE, tuple(255 - ink for ink in inked(colour)))
    marked = encoded(inverted, "JPEG", quality=100, subsampling=0)
    start = marked.index(b"\xff\xee")
    length = int.from_bytes(marked[start + 2 : start + 4], "big")
    assert near(shown(marked[:start] + marked[start + 2 + length :]), colour, 6)


def deep_png(values: np.ndarray) -> bytes:
    """A PNG of 16 bits a channel; Pillow writes none in colour."""
    bands = values.shape[2]
    image = pyvips.Image.new_from_memory(
        values.astype(np.uint16).tobytes(), values.shape[1], values.shape[0], bands, "ushort"
    )
    meaning = {1: "grey16", 3: "rgb16", 4: "rgb16"}[bands]
    return bytes(image.copy(interpretation=meaning).write_to_buffer(".png"))


def deep_tiff(values: np.ndarray, compression: str) -> bytes:
    bands = values.shape[2]
    image = pyvips.Image.new_from_memory(
        values.astype(np.uint16).tobytes(), values.shape[1], values.shape[0], bands, "ushort"
    )
    meaning = "grey16" if bands == 1 else "rgb16"
    options = {"compression": compression}
    return bytes(image.copy(interpretation=meaning).write_to_buffer(".tif", **options))


def flat(*levels: int) -> np.ndarray:
    return np.full((64, 64, len(levels)), levels, dtype=np.uint16)


def test_sixteen_bits_keep_their_tone() -> None:
    assert near(shown(deep_png(flat(40_000, 20_000, 10_000))), (156, 78, 39), 1)
    assert near(shown(deep_png(flat(30_000))), (117, 117, 117), 1)
    assert near(shown(deep_png(flat(40_000, 20_000, 10_000, 32_768))), (156, 78, 39, 128), 1)
    for compression in ("none", "lzw", "deflate"):
        assert near(shown(deep_tiff(flat(40_000, 20_000, 10_000), compression)), (156, 78, 39), 1)
        assert near(shown(deep_tiff(flat(30_000), compression)), (117, 117, 117), 1)


def test_dark_deep_grey_is_not_stretched() -> None:
    assert near(shown(deep_tiff(flat(3000), "none")), (12, 12, 12), 1)


def test_grey_goes_through_its_own_profile() -> None:
    grey = ImageCms.ImageCmsProfile(io.BytesIO(linear_grey_profile()))
    assert grey.profile.xcolor_space.strip() == "GRAY"
    # Linear light of 21 % is sRGB's middle grey.
    content = encoded(Image.new("L", SIZE, 55), "PNG", icc_profile=linear_grey_profile())
    assert near(shown(content), (127, 127, 127), 4)


def linear_grey_profile() -> bytes:
    """The smallest ICC profile of grey with gamma 1."""

    def tag(kind: bytes, body: bytes) -> bytes:
        data = kind + bytes(4) + body
        return data + bytes(-len(data) % 4)

    def fixed(*numbers: float) -> bytes:
        return b"".join(round(number * 65536).to_bytes(4, "big", signed=True) for number in numbers)

    white = (0.9642, 1.0, 0.8249)
    words = b"\x00\x00\x00\x05grey\x00" + bytes(4 + 4 + 2 + 1 + 67)
    parts = {
        b"desc": tag(b"desc", words),
        b"cprt": tag(b"text", b"none\x00"),
        b"wtpt": tag(b"XYZ ", fixed(*white)),
        b"kTRC": tag(b"curv", bytes(4)),
    }
    table, data, offset = b"", b"", 128 + 4 + 12 * len(parts)
    for name, body in parts.items():
        table += name + offset.to_bytes(4, "big") + len(body).to_bytes(4, "big")
        data, offset = data + body, offset + len(body)
    head = bytearray(128)
    head[0:4] = offset.to_bytes(4, "big")
    head[8:12] = b"\x02\x10\x00\x00"
    head[12:24] = b"mntrGRAYXYZ "
    head[36:40] = b"acsp"
    head[68:80] = fixed(*white)
    return bytes(head) + len(parts).to_bytes(4, "big") + table + data


def test_transparent_palettes_keep_their_colours() -> None:
    palette = Image.new("P", SIZE, 1)
    palette.putpalette([0, 0, 0, 200, 30, 40, 0, 90, 200])
    palette.paste(2, (0, 0, 64, 20))
    image = shown(encoded(palette, "PNG", transparency=2))
    assert image.mode == "RGBA"
    assert near(image, (200, 30, 40, 255), 1)
    assert image.getpixel((30, 4))[3] == 0
    assert near(shown(encoded(palette, "GIF", transparency=2)), (200, 30, 40, 255), 1)


def test_grey_with_transparency_and_transparent_colours() -> None:
    grey = Image.new("LA", SIZE, (90, 128))
    assert near(shown(encoded(grey, "PNG")), (90, 90, 90, 128), 1)
    # One colour that means “transparent” must not be mixed with its neighbours when the picture shrinks.
    keyed = Image.new("RGB", (256, 256), (10, 200, 10))
    keyed.paste((250, 250, 250), (128, 0, 256, 256))
    image = shown(encoded(keyed, "PNG", transparency=(10, 200, 10)))
    assert image.getpixel((5, 5))[3] == 0
    half = [image.getpixel((x, 30)) for x in range(64) if 0 < image.getpixel((x, 30))[3] < 255]
    assert all(pixel[1] - pixel[0] < 40 for pixel in half)


def test_a_broken_profile_is_ignored() -> None:
    content = encoded(Image.new("RGB", SIZE, (200, 100, 50)), "JPEG", quality=98, icc_profile=b"nonsense")
    assert near(shown(content), (200, 100, 50), 4)


@pytest.mark.parametrize("format", ["webp", "avif", "jpeg", "png"])
def test_renditions_carry_pixels_only(format: str) -> None:
    exif = Image.Exif()
    exif[0x010E] = "a private note"
    content = encoded(
        Image.new("RGB", SIZE, (234, 51, 35)),
        "JPEG",
        quality=98,
        exif=exif.tobytes(),
        icc_profile=profile("p3"),
        comment=b"another note",
    )
    preset = Preset("plain", width=64, format=format, background="#ffffff", quality=90)
    image = shown(content, preset)
    assert image.format == format.upper()
    assert not {"exif", "icc_profile", "xmp", "comment"} & image.info.keys()
    assert near(image.convert("RGB"), (255, 0, 0), 8)


def test_the_thumbnail_made_at_ingest_is_managed_too() -> None:
    wide = Image.new("RGB", SIZE, (234, 51, 35))
    image = shown(encoded(wide, "PNG", icc_profile=profile("p3")), BUILT_IN["thumbnail"])
    assert near(image.convert("RGB"), (255, 0, 0), 8)
