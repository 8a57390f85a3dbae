"""Lettering on a picture, found by its strokes: rows of small shapes of one stroke width and one tone.

A heuristic without a model, after the stroke-width methods (Epshtein, Ofek and Wexler, “Detecting Text in
Natural Scenes with Stroke Width Transform”, CVPR 2010). `tests/benchmarks/quality.py` says how much it misses
and how often it takes a pattern for letters; it is a hint, and scored as one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from generation.quality.pixels import Grey, grey

SIDE = 1024  # pixels of the longer side at which letters are looked for
NEIGHBOURHOOD = 41  # pixels that a letter stands out from
LEAST_CONTRAST, LEAST_DEVIATIONS = 0.09, 0.55
HEIGHT = (9, 110)  # pixels
WIDEST = 2.6  # times the height
FILL = (0.14, 0.92)  # of its box
STROKE = (1.6, 0.42)  # pixels at least, times the height at most
EVEN_STROKE = 0.5  # standard deviation by mean
EVEN_TONE, EVEN_GROUND, OFF_GROUND = 0.13, 0.22, 0.14
FEWEST = 4  # letters of a line
GROUND = 3  # pixels around it
VARIED = 0.2  # of the letters' widths: the dots, checks and windows of a pattern are all alike

Shape = NDArray[np.bool_]


@dataclass(frozen=True)
class Glyph:
    """A shape that may be a letter: its box, stroke width and tone; `light` on a darker ground."""

    top: int
    left: int
    height: int
    width: int
    stroke: float
    tone: float
    fill: float
    light: bool


def letters(image: Image.Image) -> int:
    """How many shapes of an RGB picture stand in rows as letters do."""
    return sum(len(line) for line in _lines(list(_glyphs(grey(image, SIDE)))))


def _glyphs(light: Grey) -> Iterator[Glyph]:
    mean = ndimage.uniform_filter(light, NEIGHBOURHOOD)
    square = ndimage.uniform_filter(light * light, NEIGHBOURHOOD)
    least = np.maximum(LEAST_CONTRAST, LEAST_DEVIATIONS * np.sqrt(np.maximum(square - mean**2, 0)))
    for lighter in (True, False):
        standing_out = (light - mean > least) if lighter else (mean - light > least)
        labels, _count = ndimage.label(standing_out, np.ones((3, 3)))
        depth = ndimage.distance_transform_edt(standing_out)
        for number, (rows, columns) in enumerate(ndimage.find_objects(labels), 1):
            height, width = rows.stop - rows.start, columns.stop - columns.start
            if not (HEIGHT[0] <= height <= HEIGHT[1] and 2 <= width <= WIDEST * height):
                continue
            around = _grown(rows, light.shape[0]), _grown(columns, light.shape[1])
            shape = labels[around] == number
            fill = float(shape.sum()) / (height * width)
            stroke = _stroke(shape, depth[around], height)
            tone = _tone(shape, light[around])
            if stroke is not None and tone is not None and FILL[0] < fill < FILL[1]:
                yield Glyph(rows.start, columns.start, height, width, stroke, tone, fill, lighter)


def _grown(side: slice, length: int) -> slice:
    return slice(max(0, side.start - GROUND), min(length, side.stop + GROUND))


def _stroke(shape: Shape, depth: NDArray[np.floating], height: int) -> float | None:
    """The width of its strokes in pixels; None where it is not made of strokes."""
    inside = np.where(shape, depth, 0)
    ridge = inside[shape & (inside == ndimage.maximum_filter(inside, 3))]
    width = 2 * float(ridge.mean())
    even = float(ridge.std()) <= EVEN_STROKE * float(ridge.mean())
    return width if even and STROKE[0] <= width <= STROKE[1] * height else None


def _tone(shape: Shape, light: Grey) -> float | None:
    """Its light; None where it or its ground has many, or the two hardly differ."""
    ground = light[ndimage.binary_dilation(shape, iterations=GROUND) & ~shape]
    inside = light[shape]
    tone = float(inside.mean())
    if not ground.size or inside.std() > EVEN_TONE or ground.std() > EVEN_GROUND:
        return None
    return tone if abs(tone - float(np.median(ground))) >= OFF_GROUND else None


def _lines(glyphs: list[Glyph]) -> list[list[Glyph]]:
    """Those that stand in rows: neighbours of about the same height, stroke and tone."""
    if len(glyphs) < FEWEST:
        return []
    _count, line_of = connected_components(coo_matrix(_neighbours(glyphs)), directed=False)
    rows = [[glyphs[place] for place in np.flatnonzero(line_of == line)] for line in np.unique(line_of)]
    return [row for row in rows if len(row) >= FEWEST and _is_line(row)]


def _neighbours(glyphs: list[Glyph]) -> NDArray[np.bool_]:
    def each(name: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        values = np.array([getattr(glyph, name) for glyph in glyphs], dtype=float)
        return values[:, None], values[None]

    (top, top_), (left, left_), (height, height_), (width, width_) = map(
        each, ("top", "left", "height", "width")
    )
    (stroke, stroke_), (tone, tone_), (light, light_) = map(each, ("stroke", "tone", "light"))
    lower, higher = np.minimum(height, height_), np.maximum(height, height_)
    overlap = np.minimum(top + height, top_ + height_) - np.maximum(top, top_)
    gap = np.maximum(left, left_) - np.minimum(left + width, left_ + width_)
    return (
        (overlap > 0.45 * lower)
        & (gap < 0.9 * higher)
        & (gap > -0.3 * higher)
        & (higher < 2.2 * lower)
        & (np.abs(np.log(stroke / stroke_)) < 0.5)
        & (np.abs(tone - tone_) < 0.14)
        & (light == light_)
    )


def _is_line(row: list[Glyph]) -> bool:
    """Longer than high, and of shapes that differ."""
    widths, fills = np.array([g.width for g in row]), np.array([g.fill for g in row])
    height = float(np.median([glyph.height for glyph in row]))
    length = max(g.left + g.width for g in row) - min(g.left for g in row)
    tall = max(g.top + g.height for g in row) - min(g.top for g in row)
    varied = max(widths.std() / widths.mean(), 1.5 * fills.std() / fills.mean())
    return bool(length >= 2.5 * height and tall <= 2.2 * height and varied >= VARIED)
