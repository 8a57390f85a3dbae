"""Watermarks: words or a picture, laid over a rendition."""

from __future__ import annotations

from collections.abc import Iterator

from PIL import Image, ImageDraw

from dam.models import MarkPosition
from dam.typeface import BOLD, font

DRAWN_AT = 96  # pixels; text is set this large and then brought to its width
EDGE = 0.02  # distance from the edge, of the picture's shorter side
TILE_GAP = 0.6  # free room between repeated marks, of the mark's own size


def text_mark(text: str) -> Image.Image:
    """The words in white with a dark outline, so that they are seen on light and on dark.

    Raises:
        OSError: the typeface is not there.
    """
    face = font(DRAWN_AT, BOLD)
    stroke = DRAWN_AT // 24
    left, top, right, bottom = face.getbbox(text, stroke_width=stroke)
    mark = Image.new("RGBA", (round(right - left) or 1, round(bottom - top) or 1), (0, 0, 0, 0))
    draw = ImageDraw.Draw(mark)
    draw.text((-left, -top), text, font=face, fill="white", stroke_width=stroke, stroke_fill=(0, 0, 0, 150))
    return mark


def marked(image: Image.Image, mark: Image.Image, position: str, opacity: int, size: float) -> Image.Image:
    """The picture with the mark on it.

    Args:
        position: one of MarkPosition.
        opacity: of the mark, percent.
        size: width of the mark, percent of the picture's; one that would be too high is smaller.
    """
    fitted = _fitted(mark, image.size, size)
    fitted.putalpha(fitted.getchannel("A").point(lambda value: value * opacity // 100))
    layer = Image.new("RGBA", image.size, (0, 0, 0, 0))
    for place in _places(image.size, fitted.size, position):
        layer.paste(fitted, place)
    result = Image.alpha_composite(image.convert("RGBA"), layer)
    return result if image.mode == "RGBA" else result.convert("RGB")


def _fitted(mark: Image.Image, picture: tuple[int, int], size: float) -> Image.Image:
    scale = min(picture[0] * size / 100 / mark.width, picture[1] / mark.height)
    wanted = max(1, round(mark.width * scale)), max(1, round(mark.height * scale))
    return mark.convert("RGBA").resize(wanted, Image.Resampling.LANCZOS)


def _places(picture: tuple[int, int], mark: tuple[int, int], position: str) -> Iterator[tuple[int, int]]:
    """Upper left corners of the mark."""
    if position == MarkPosition.TILED:
        across, down = (max(1, round(side * (1 + TILE_GAP))) for side in mark)
        for row, top in enumerate(range(0, picture[1], down)):
            # Every other row is shifted, so that no crop between the columns is free of marks.
            for left in range(-across // 2 * (row % 2), picture[0], across):
                yield left, top
        return
    edge = round(EDGE * min(picture))
    free_x, free_y = picture[0] - mark[0], picture[1] - mark[1]
    near_x, near_y = min(edge, max(free_x, 0)), min(edge, max(free_y, 0))
    yield {
        MarkPosition.CENTRE: (free_x // 2, free_y // 2),
        MarkPosition.TOP_LEFT: (near_x, near_y),
        MarkPosition.TOP_RIGHT: (free_x - near_x, near_y),
        MarkPosition.BOTTOM_LEFT: (near_x, free_y - near_y),
        MarkPosition.BOTTOM_RIGHT: (free_x - near_x, free_y - near_y),
    }[MarkPosition(position)]
