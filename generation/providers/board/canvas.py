"""Paper, panels, shadows and pictures: what every layout draws with."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

Colour = tuple[int, int, int]
Box = tuple[int, int, int, int]  # left, top, right, bottom


@dataclass(frozen=True)
class Palette:
    """Paper and panel tones of one hue, and ink that reads on both (contrast above 7:1)."""

    paper: Colour
    panel: Colour
    accent: Colour
    ink: Colour
    muted: Colour


def palette_of(pictures: list[Image.Image]) -> Palette:
    """Tones from the most colourful hue among the pictures; warm grey where there is none."""
    hue, strength = _dominant_hue(pictures)
    if strength < 0.08:
        hue, strength = 0.09, 0.10

    def tone(lightness: float, saturation: float) -> Colour:
        r, g, b = colorsys.hls_to_rgb(hue, lightness, saturation * min(1.0, 0.4 + strength))
        return round(r * 255), round(g * 255), round(b * 255)

    return Palette(tone(0.965, 0.45), tone(0.885, 0.50), tone(0.42, 0.55), tone(0.13, 0.30), tone(0.36, 0.14))


def _dominant_hue(pictures: list[Image.Image]) -> tuple[float, float]:
    """Hue (0–1) by saturation-weighted votes, and the share of colourful pixels."""
    votes = np.zeros(24)
    seen = 0
    for picture in pictures:
        small = picture.convert("RGBA").resize((48, 48), Image.Resampling.BOX)
        pixels = np.asarray(small, dtype=np.float32).reshape(-1, 4)
        pixels = pixels[pixels[:, 3] > 128][:, :3]
        hsv = np.asarray(
            Image.fromarray(pixels.astype(np.uint8).reshape(-1, 1, 3)).convert("HSV"), dtype=np.float32
        ).reshape(-1, 3)
        weight = (hsv[:, 1] / 255) * (hsv[:, 2] / 255)
        votes += np.bincount((hsv[:, 0] / 256 * 24).astype(int), weights=weight, minlength=24)[:24]
        seen += len(pixels)
    best = int(votes.argmax())
    return (best + 0.5) / 24, float(votes[best]) / max(seen, 1)


def paper(size: tuple[int, int], palette: Palette) -> Image.Image:
    return Image.new("RGBA", size, (*palette.paper, 255))


def panel(sheet: Image.Image, box: Box, colour: Colour, radius: int, opacity: int = 255) -> None:
    """A rounded rectangle with smooth corners."""
    scale = 4
    width, height = box[2] - box[0], box[3] - box[1]
    mask = Image.new("L", (width * scale, height * scale), 0)
    ImageDraw.Draw(mask).rounded_rectangle(
        (0, 0, width * scale - 1, height * scale - 1), radius * scale, fill=opacity
    )
    mask = mask.resize((width, height), Image.Resampling.BOX)
    fill = Image.new("RGBA", (width, height), (*colour, 255))
    fill.putalpha(mask)
    sheet.alpha_composite(fill, box[:2])


def fit(picture: Image.Image, width: int, height: int) -> Image.Image:
    """Scaled to fit inside, up as well as down."""
    scale = min(width / picture.width, height / picture.height)
    size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
    return picture.resize(size, Image.Resampling.LANCZOS)


def cover(picture: Image.Image, width: int, height: int) -> Image.Image:
    """Scaled to cover and cropped at the middle."""
    scale = max(width / picture.width, height / picture.height)
    grown = picture.resize(
        (max(width, round(picture.width * scale)), max(height, round(picture.height * scale))),
        Image.Resampling.LANCZOS,
    )
    left, top = (grown.width - width) // 2, (grown.height - height) // 2
    return grown.crop((left, top, left + width, top + height))


def rounded(picture: Image.Image, radius: int) -> Image.Image:
    """The picture with round corners."""
    mask = Image.new("RGBA", picture.size, (0, 0, 0, 0))
    panel(mask, (0, 0, *picture.size), (0, 0, 0), radius)
    cut = picture.convert("RGBA")
    cut.putalpha(mask.getchannel("A"))
    return cut


def place(sheet: Image.Image, picture: Image.Image, at: tuple[int, int]) -> None:
    """Composite at a position that may lie partly outside the sheet."""
    left, top = at
    crop = (
        max(0, -left),
        max(0, -top),
        min(picture.width, sheet.width - left),
        min(picture.height, sheet.height - top),
    )
    if crop[2] > crop[0] and crop[3] > crop[1]:
        sheet.alpha_composite(picture.crop(crop), (max(0, left), max(0, top)))


def drop_shadow(
    sheet: Image.Image, picture: Image.Image, at: tuple[int, int], blur: int, opacity: float
) -> None:
    """A soft shadow of the picture's shape, below and a little lower than it."""
    spread = blur * 3
    shade = Image.new("L", (picture.width + 2 * spread, picture.height + 2 * spread), 0)
    shade.paste(picture.getchannel("A"), (spread, spread))
    # Blurring a quarter-size copy looks the same and costs a sixteenth.
    small = shade.resize((max(1, shade.width // 4), max(1, shade.height // 4)), Image.Resampling.BOX)
    shade = small.filter(ImageFilter.GaussianBlur(blur / 4)).resize(shade.size, Image.Resampling.BILINEAR)
    dark = Image.new("RGBA", shade.size, (20, 16, 12, 255))
    dark.putalpha(shade.point(lambda value: round(value * opacity)))
    place(sheet, dark, (at[0] - spread, at[1] - spread + blur // 2))


def ground_shadow(sheet: Image.Image, centre: int, base: int, width: int, opacity: float = 0.34) -> None:
    """The flat shadow on which something stands."""
    height = max(8, width // 9)
    blur = max(4, height // 3)
    size = width + 6 * blur, height + 6 * blur
    shade = Image.new("L", size, 0)
    ImageDraw.Draw(shade).ellipse(
        (3 * blur, 3 * blur, 3 * blur + width, 3 * blur + height), fill=round(255 * opacity)
    )
    dark = Image.new("RGBA", size, (20, 16, 12, 255))
    dark.putalpha(shade.filter(ImageFilter.GaussianBlur(blur)))
    place(sheet, dark, (centre - size[0] // 2, base - size[1] // 2))
