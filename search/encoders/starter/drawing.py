"""OpenMoji drawings in other colours, styles and surroundings: the picture side of the training corpus."""

from __future__ import annotations

import colorsys
import random
import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyvips
from defusedxml import ElementTree
from PIL import Image, ImageFilter

from search.encoders.starter.corpus import Drawing

Recolour = Callable[[str], str]

SIZE = 260
_UNITS = 72.0
_COLOUR = re.compile(r"#(?:[0-9a-fA-F]{6}|[0-9a-fA-F]{3})\b")
_FILL_GROUPS = ("color", "hair", "skin")
_SVG = "{http://www.w3.org/2000/svg}"
_SKIN = re.compile(r"#(?:fadcbc|debb90|c19a65|a57939|6a462f)", re.IGNORECASE)

# Light and dark shade of each colour that a drawing can be dyed in.
DYES: dict[str, tuple[str, str]] = {
    "red": ("#ea5a47", "#b91f1f"),
    "orange": ("#f79646", "#d8661a"),
    "gold": ("#f1b31c", "#c08a10"),
    "yellow": ("#fcea2b", "#e8c91c"),
    "green": ("#7cc04b", "#3b7d2a"),
    "turquoise": ("#5fd3cc", "#1f938f"),
    "blue": ("#5a9be6", "#1e50a0"),
    "purple": ("#a77fd0", "#61308d"),
    "pink": ("#ffa7c0", "#e0608f"),
    "brown": ("#a57939", "#5f3d22"),
    "grey": ("#c4c4c4", "#7f7f7f"),
    "black": ("#4a4a4a", "#161616"),
    "white": ("#ffffff", "#ececec"),
}


@dataclass(frozen=True)
class Style:
    """How a drawing is rendered."""

    fills: bool = True
    lines: bool = True
    recolour: Recolour | None = None


def _rgb(code: str) -> tuple[int, int, int]:
    digits = code[1:] if len(code) == 7 else "".join(c * 2 for c in code[1:])
    return int(digits[:2], 16), int(digits[2:4], 16), int(digits[4:], 16)


def dye(name: str) -> Recolour:
    """Every fill becomes the light or dark shade of one colour; outlines stay."""
    light, dark = DYES[name]

    def change(code: str) -> str:
        red, green, blue = _rgb(code)
        luminance = 0.3 * red + 0.59 * green + 0.11 * blue
        if luminance < 30:
            return code
        return light if luminance > 130 else dark

    return change


def shift(degrees: float, saturation: float) -> Recolour:
    """Turn the hues and scale the saturation."""

    def change(code: str) -> str:
        hue, lightness, chroma = colorsys.rgb_to_hls(*(v / 255 for v in _rgb(code)))
        rgb = colorsys.hls_to_rgb((hue + degrees / 360) % 1.0, lightness, min(1.0, chroma * saturation))
        return "#" + "".join(f"{round(255 * v):02x}" for v in rgb)

    return change


def can_be_dyed(drawing: Drawing) -> bool:
    """Objects can: a person dyed red is not called a red person, and a flag's colours are its name."""
    if drawing.is_flag:
        return False
    text = drawing.svg.decode()
    return not _SKIN.search(text) and bool(set(_COLOUR.findall(text.lower())) - {"#000", "#000000"})


def render(drawing: Drawing, style: Style = Style(), size: int = SIZE) -> Image.Image:
    """The drawing, transparent around itself."""
    svg = drawing.svg
    if not (style.fills and style.lines):
        svg = _without(svg, fills=not style.fills, lines=not style.lines)
    if style.recolour:
        change = style.recolour
        svg = _COLOUR.sub(lambda found: change(found.group()), svg.decode()).encode()
    image = pyvips.Image.svgload_buffer(svg, scale=size / _UNITS)
    pixels = np.ndarray(
        buffer=image.write_to_memory(), dtype=np.uint8, shape=(image.height, image.width, image.bands)
    )
    return Image.fromarray(pixels).convert("RGBA")


def _without(svg: bytes, *, fills: bool, lines: bool) -> bytes:
    """Drop the fill groups or the outline groups; a drawing that has nothing else stays whole."""
    root = ElementTree.fromstring(svg)
    kept = False
    for group in list(root):
        name = group.get("id", "")
        is_line, is_fill = name.startswith("line"), name.startswith(_FILL_GROUPS)
        if (is_line and lines) or (is_fill and fills):
            root.remove(group)
        elif len(group):
            kept = True
    if not kept:
        return svg
    from xml.etree.ElementTree import tostring

    return tostring(root)


def place(drawing: Image.Image, ground: Image.Image, draw: random.Random, *, mirror: bool) -> Image.Image:
    """Put a drawing on a ground: turned, scaled and moved a little, mirrored where that changes nothing."""
    if mirror and draw.random() < 0.5:
        drawing = drawing.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if draw.random() < 0.6:
        drawing = drawing.rotate(draw.uniform(-14, 14), resample=Image.Resampling.BICUBIC)
    side = round(ground.width * draw.uniform(0.6, 1.05))
    drawing = drawing.resize((side, side), Image.Resampling.BICUBIC)
    room = ground.width - side
    x, y = (round(room * draw.uniform(0.2, 0.8)) for _ in range(2))
    canvas = ground.convert("RGBA")
    layer = Image.new("RGBA", canvas.size)
    layer.paste(drawing, (x, y))
    return Image.alpha_composite(canvas, layer).convert("RGB")


def on_white(drawing: Image.Image) -> Image.Image:
    """As the library stores it."""
    ground = Image.new("RGBA", drawing.size, (255, 255, 255, 255))
    return Image.alpha_composite(ground, drawing).convert("RGB")


def ground(draw: random.Random) -> Image.Image:
    """Paper white, a plain colour, a gradient or soft noise."""
    kind = draw.random()
    if kind < 0.5:
        shade = draw.choice((255, 255, 255, 248, 240))
        return Image.new("RGB", (SIZE, SIZE), (shade,) * 3)
    colour = _random_colour(draw)
    if kind < 0.75:
        return Image.new("RGB", (SIZE, SIZE), colour)
    other = _random_colour(draw)
    if kind < 0.9:
        return (
            Image.linear_gradient("L")
            .resize((SIZE, SIZE))
            .convert("RGB")
            .point(
                [
                    round(a + (b - a) * level / 255)
                    for a, b in zip(colour, other, strict=True)
                    for level in range(256)
                ]
            )
        )
    noise = np.random.default_rng(draw.getrandbits(32)).integers(0, 256, (9, 9, 3), dtype=np.uint8)
    soft = Image.fromarray(noise).resize((SIZE, SIZE), Image.Resampling.BICUBIC)
    return Image.blend(soft.filter(ImageFilter.GaussianBlur(6)), Image.new("RGB", soft.size, colour), 0.6)


def _random_colour(draw: random.Random) -> tuple[int, int, int]:
    lightness = draw.choice((0.92, 0.88, 0.8, 0.6, 0.35, 0.15))
    rgb = colorsys.hls_to_rgb(draw.random(), lightness, draw.uniform(0.05, 0.7))
    return round(255 * rgb[0]), round(255 * rgb[1]), round(255 * rgb[2])


def side_by_side(
    first: Image.Image, second: Image.Image, ground: Image.Image, draw: random.Random
) -> Image.Image:
    """Two drawings on one ground, next to each other or one before the other's corner."""
    canvas = ground.convert("RGBA")
    overlap = draw.random() < 0.4
    sides = (0.8, 0.45) if overlap else (draw.uniform(0.46, 0.56),) * 2
    spots = (
        ((0.02, 0.02), (0.54, 0.54))
        if overlap
        else ((-0.02, draw.uniform(0.1, 0.4)), (0.48, draw.uniform(0.1, 0.4)))
    )
    for picture, share, (x, y) in zip((first, second), sides, spots, strict=True):
        side = round(SIZE * share)
        layer = Image.new("RGBA", canvas.size)
        layer.paste(
            picture.resize((side, side), Image.Resampling.BICUBIC), (round(x * SIZE), round(y * SIZE))
        )
        canvas = Image.alpha_composite(canvas, layer)
    return canvas.convert("RGB")
