"""How a picture is fitted into a preset's frame: sizes and crops, computed without touching pixels."""

from __future__ import annotations

from dataclasses import dataclass

from dam.models import Fit

Box = tuple[int, int, int, int]  # left, top, right, bottom


@dataclass(frozen=True)
class Frame:
    """What becomes of a picture.

    Attributes:
        scaled: size to which the whole picture is brought.
        crop: the part of it that is kept.
        canvas: size of the result; larger than the crop where it is padded.
    """

    scaled: tuple[int, int]
    crop: Box
    canvas: tuple[int, int]


def frame(
    size: tuple[int, int],
    fit: str,
    width: int | None,
    height: int | None,
    focal: tuple[float, float] = (0.5, 0.5),
) -> Frame:
    """Fit a picture of this size; nothing is enlarged.

    Args:
        width, height: of the preset; cover and pad have both, contain at least one.
        focal: point of the picture, from left and top, 0 to 1; a crop has it as near its middle as the
            picture's edges allow.
    """
    if fit == Fit.COVER and width and height:
        return _cover(size, width, height, focal)
    scale = min([1.0, *(bound / side for side, bound in zip(size, (width, height), strict=True) if bound)])
    scaled = _scaled(size, scale)
    canvas = (width, height) if fit == Fit.PAD and width and height else scaled
    return Frame(scaled, (0, 0, *scaled), canvas)


def _cover(size: tuple[int, int], width: int, height: int, focal: tuple[float, float]) -> Frame:
    """A small original gives a smaller picture of the same ratio."""
    shrink = min(1.0, size[0] / width, size[1] / height)
    canvas = _scaled((width, height), shrink)
    scaled = _scaled(size, max(canvas[0] / size[0], canvas[1] / size[1]))
    # Rounding may leave a side one pixel short of the canvas.
    scaled = (max(scaled[0], canvas[0]), max(scaled[1], canvas[1]))
    left, top = (
        min(max(round(point * whole - part / 2), 0), whole - part)
        for point, whole, part in zip(focal, scaled, canvas, strict=True)
    )
    return Frame(scaled, (left, top, left + canvas[0], top + canvas[1]), canvas)


def _scaled(size: tuple[int, int], scale: float) -> tuple[int, int]:
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
