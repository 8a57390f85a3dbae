"""Pictures on their way into a provider, and what came out of one."""

from __future__ import annotations

from functools import cache
from io import BytesIO

from PIL import Image

from generation.providers.base import ProviderInput
from tests.pictures import picture


def given(role: str, colour: str, title: str = "", title_zh: str = "") -> ProviderInput:
    """A plain picture of 64 × 48 in this role."""
    content = picture(format="PNG", colour=colour)
    return ProviderInput(role, lambda: content, "image/png", "asset", title, title_zh)


def large(width: int = 2400) -> ProviderInput:
    """A PNG of noise with transparency, about 7.5 KB for each pixel of its width: 18 MB, or what is asked."""
    return ProviderInput("prop", lambda: _noise(width), "image/png", "asset", "Noise")


@cache
def _noise(width: int) -> bytes:
    channel = Image.effect_noise((width, 2000), 120)
    content = BytesIO()
    Image.merge("RGBA", [channel, channel.rotate(180), channel.rotate(180), channel]).save(
        content, "PNG", compress_level=1
    )
    return content.getvalue()


def mask(transparent: bool = True) -> ProviderInput:
    """Of 32 × 24: its left half may change, unless nothing may."""
    image = Image.new("RGBA", (32, 24), (0, 0, 0, 255))
    if transparent:
        image.paste((0, 0, 0, 0), (0, 0, 16, 24))
    content = BytesIO()
    image.save(content, "PNG")
    return ProviderInput("mask", content.getvalue, "image/png", "asset")


def colour_of(image: bytes) -> tuple[int, int, int]:
    """The colour near a picture's corner."""
    with Image.open(BytesIO(image)) as made:
        return made.convert("RGB").getpixel((5, 5))
