"""Garments and accessories in more colours: a wardrobe has the same cut in several."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image

from dam.sample.openmoji import Drawing
from dam.svg import rasterise

GROUPS = ("clothing", "swimwear", "shoes", "bags", "hats", "accessories")
# OpenMoji shades every surface with a light and a dark tone of its palette.
TONES = {
    "blue": ("#92D3F5", "#61B2E4"),
    "red": ("#EA5A47", "#D22F27"),
    "purple": ("#B399C8", "#8967AA"),
    "yellow": ("#FCEA2B", "#F1B31C"),
    "green": ("#B1CC33", "#5C9E31"),
    "brown": ("#A57939", "#6A462F"),
    "pink": ("#FFA7C0", "#E67A94"),
    "orange": ("#F1B31C", "#E27022"),
    "grey": ("#D0CFCE", "#9B9B9A"),
    "black": ("#454545", "#303030"),
}
OFFERED = {"red": "红色", "green": "绿色", "black": "黑色", "pink": "粉色", "blue": "蓝色"}
EACH = 4  # beside its own colour
MIN_SHARE = 0.4  # of the drawn pixels; below it the surface is not what gives the article its colour
PROBE_SIDE = 144


@dataclass(frozen=True)
class Colourway:
    """A drawing in another colour."""

    drawing: Drawing
    colour: str
    svg: bytes

    @property
    def code(self) -> str:
        return f"{self.drawing.code}-{self.colour.upper()}"

    @property
    def title(self) -> str:
        name = self.drawing.title
        return f"{self.colour.capitalize()} {name if name[1:2] == '-' else name[:1].lower() + name[1:]}"

    @property
    def title_zh(self) -> str:
        return f"{OFFERED[self.colour]}{self.drawing.title_zh}"


def colourways(drawings: list[Drawing]) -> Iterator[Colourway]:
    """Each article of the wardrobe whose main surface can be dyed, in up to four other colours."""
    for drawing in drawings:
        if drawing.group.tag not in GROUPS:
            continue
        svg = drawing.svg
        if own := _main_colour(svg):
            others = [colour for colour in OFFERED if colour != own][:EACH]
            for colour in others:
                yield Colourway(drawing, colour, _dyed(svg, own, colour))


def _main_colour(svg: bytes) -> str:
    """The palette colour that covers most of the drawing; empty when none covers enough."""
    with Image.open(io.BytesIO(rasterise(svg, PROBE_SIDE))) as image:
        pixels = np.asarray(image.convert("RGBA")).reshape(-1, 4)
    drawn = pixels[pixels[:, 3] == 255, :3]
    shares = {
        colour: sum(float((drawn == _rgb(tone)).all(axis=1).mean()) for tone in tones)
        for colour, tones in TONES.items()
        if colour != "black"  # outlines
    }
    best = max(shares, key=lambda colour: shares[colour])
    return best if shares[best] >= MIN_SHARE else ""


def _dyed(svg: bytes, own: str, other: str) -> bytes:
    text = svg.decode()
    for old, new in zip(TONES[own], TONES[other], strict=True):
        # Fills only: the outline of a drawing stays black.
        text = re.sub(rf'(fill=["\']){old}', rf"\g<1>{new}", text, flags=re.IGNORECASE)
    return text.encode()


def _rgb(tone: str) -> tuple[int, int, int]:
    return int(tone[1:3], 16), int(tone[3:5], 16), int(tone[5:7], 16)
