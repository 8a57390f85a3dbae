"""The mark that people see on AI's pictures, as GB 45438-2025 asks of pictures (5.2, as it is quoted).

Words that name both AI and making (“AI生成”), at an edge or in a corner, legible, their height at least 5 %
of the picture's shortest side. Which height is meant is not said; here it is that of the capital letters,
the lowest of the readings, so that the mark is high enough by all of them.
"""

from __future__ import annotations

import math

from PIL import Image

from dam import watermarks
from dam.models import AIMark, MarkPosition
from dam.typeface import BOLD, font

MIN_HEIGHT = 0.05  # of the shortest side
WORDS = {AIMark.CHINESE: "AI生成", AIMark.ENGLISH: "AI generated", AIMark.BOTH: "AI生成 · AI generated"}
CAPITALS = "AI"
OPACITY = 100  # percent


def marked(image: Image.Image, words: str, taken: str = "") -> Image.Image:
    """The picture with the mark in its lower right corner, or in the lower left one.

    Args:
        words: one of AIMark.
        taken: where a watermark stands already, one of MarkPosition.

    Raises:
        OSError: the typeface is not there.
    """
    mark = watermarks.text_mark(WORDS[AIMark(words)])
    size = _percent_of_width(mark.width, min(image.size), image.width)
    corner = MarkPosition.BOTTOM_RIGHT
    if taken == corner:
        corner = MarkPosition.BOTTOM_LEFT
    return watermarks.marked(image, mark, corner, OPACITY, size)


def _percent_of_width(drawn: int, shortest: int, width: int) -> float:
    """How wide the mark must be so that its capitals are high enough, in percent of the picture."""
    top, bottom = font(watermarks.DRAWN_AT, BOLD).getbbox(CAPITALS)[1::2]
    wanted = math.ceil(shortest * MIN_HEIGHT) + 1  # a pixel more than is asked, for the edges are soft
    return 100 * drawn * wanted / (bottom - top) / width
