"""Text on a board: one family for both scripts, weights, wrapping and ellipsis."""

from __future__ import annotations

from dataclasses import dataclass

from PIL import ImageDraw, ImageFont

from dam.typeface import BOLD, MEDIUM, REGULAR, font

__all__ = ["BOLD", "MEDIUM", "REGULAR", "Style", "font", "font_problem", "wrap", "write"]

ELLIPSIS = "…"


@dataclass(frozen=True)
class Style:
    """How a line is set: size in pixels, weight, colour."""

    size: int
    weight: int
    colour: tuple[int, int, int]
    leading: float = 1.3


def font_problem() -> str | None:
    """What is wrong with the font, as a sentence, or None."""
    try:
        font(20, REGULAR)
    except OSError:
        return "The font of the boards is missing. Install it: pip install manimgx-fonts-cjk"
    return None


def wrap(text: str, style: Style, width: int, lines: int) -> list[str]:
    """Break `text` into at most `lines` lines of at most `width` pixels; the last may end in an ellipsis."""
    face = font(style.size, style.weight)
    broken: list[str] = []
    rest = text.strip()
    while rest and len(broken) < lines:
        line, rest = _first_line(rest, face, width)
        broken.append(line)
    if rest and broken:
        last = broken[-1]
        while last and face.getlength(last + ELLIPSIS) > width:
            last = last[:-1]
        broken[-1] = last.rstrip() + ELLIPSIS
    return broken


def _first_line(text: str, face: ImageFont.FreeTypeFont, width: int) -> tuple[str, str]:
    """What fits, broken at a space, or between any two characters where there is none (Chinese)."""
    if face.getlength(text) <= width:
        return text, ""
    end = len(text)
    while end > 1 and face.getlength(text[:end]) > width:
        end -= 1
    space = text.rfind(" ", 0, end + 1)
    if space > 0:
        end = space
    return text[:end].rstrip(), text[end:].lstrip()


def write(
    draw: ImageDraw.ImageDraw,
    at: tuple[int, int],
    text: str,
    style: Style,
    width: int,
    lines: int = 1,
    anchor: str = "la",
) -> int:
    """Set text and return the y below its last line. `at` is the anchor of the first line."""
    x, y = at
    for line in wrap(text, style, width, lines):
        draw.text((x, y), line, font=font(style.size, style.weight), fill=style.colour, anchor=anchor)
        y += round(style.size * style.leading)
    return y
