"""Where in a result the subject of a source may be: its cut-out, its colours, windows that hold them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dam import matting
from dam.colours import to_lab
from dam.pictures import on_white
from generation.providers.board.cutout import cut_out

Floats = NDArray[np.float64]

COLOURS = 8
PALETTE_SIDE = 96  # pixels at which colours are counted
OPAQUE = 128
SUBJECT_SHARE = (0.02, 0.97)  # of the picture; a mask beyond that found nothing
MAP_SIDE = 160  # pixels of the longer side at which windows are looked through
SAME_COLOUR = 14.0  # distance in CIELAB, lightness by half: light changes from picture to picture
LIGHTNESS_WEIGHT = 0.5
WINDOW_SHARES = (1.0, 0.8, 0.64, 0.5, 0.4, 0.32, 0.25)  # of the result's height
WINDOW_SHAPES = (0.8, 1.25)  # times the subject's
STEP = 0.3  # of a window
SMALLEST = 10  # pixels of the map
LEAST_FILL = 0.3
WINDOWS = 8
OVERLAP = 0.55  # intersection by union, from which two windows show the same


class Box(NamedTuple):
    """In pixels of the result."""

    left: int
    top: int
    right: int
    bottom: int


@dataclass(frozen=True)
class Subject:
    """What a source shows: the subject on white, and its colours with their shares.

    Attributes:
        fill: the subject's share of its box.
    """

    picture: Image.Image
    colours: Floats
    shares: Floats
    fill: float

    @property
    def shape(self) -> float:
        """Width by height."""
        return self.picture.width / self.picture.height


@dataclass(frozen=True)
class Window:
    """A part of a result. `colours`: how much of the subject's colours it holds, from 0 to 1."""

    box: Box
    colours: float


def subject_of(picture: Image.Image) -> Subject:
    """The picture's subject, without its background where that can be told from it."""
    cut = _cut(picture)
    return _measured(cut if cut is not None else picture.convert("RGBA"))


def everything_of(picture: Image.Image) -> Subject:
    """The picture as its own subject: a scene has no other."""
    return _measured(on_white(picture).convert("RGBA"))


def _cut(picture: Image.Image) -> Image.Image | None:
    """The subject on transparency, trimmed; None where nothing stands out."""
    rgba = picture.convert("RGBA")
    if _opacity(rgba).mean() > SUBJECT_SHARE[1]:
        try:
            rgba = matting.without_background(picture)
        except matting.MattingUnavailable:
            return cut_out(rgba)
    opaque = _opacity(rgba)
    if not SUBJECT_SHARE[0] < opaque.mean() < SUBJECT_SHARE[1]:
        return None
    rows, columns = np.flatnonzero(opaque.any(axis=1)), np.flatnonzero(opaque.any(axis=0))
    return rgba.crop((int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1))


def _opacity(rgba: Image.Image) -> NDArray[np.bool_]:
    return np.asarray(rgba.getchannel("A")) >= OPAQUE


def _measured(cut: Image.Image) -> Subject:
    small = cut.copy()
    small.thumbnail((PALETTE_SIDE, PALETTE_SIDE))
    pixels = np.asarray(small)[_opacity(small)][:, :3]
    strip = Image.fromarray(np.ascontiguousarray(pixels).reshape(1, -1, 3))
    nearest = np.asarray(strip.quantize(COLOURS, method=Image.Quantize.MEDIANCUT)).ravel()
    counts = np.bincount(nearest, minlength=COLOURS)
    sums = np.stack([np.bincount(nearest, pixels[:, band], COLOURS) for band in range(3)], axis=1)
    used = counts > 0
    return Subject(
        picture=on_white(cut),
        colours=to_lab(sums[used] / counts[used, None]),
        shares=counts[used] / counts.sum(),
        fill=len(pixels) / (small.width * small.height),
    )


class ColourMap:
    """The colours of a result, small, to be looked through for many subjects."""

    def __init__(self, result: Image.Image) -> None:
        small = result.copy()
        small.thumbnail((MAP_SIDE, MAP_SIDE))
        self.width, self.height = small.size
        self._scale = result.width / small.width
        self._lab = to_lab(np.asarray(small.convert("RGB"), dtype=float))

    def windows(self, subject: Subject) -> list[Window]:
        """Where the result holds most of the subject's colours, best first; at least one."""
        boxes = self._boxes(subject.shape)
        colours = self._held(subject, boxes)
        chosen: list[int] = []
        for place in np.argsort(-colours, kind="stable"):
            if all(_overlap(boxes[place], boxes[other]) < OVERLAP for other in chosen):
                chosen.append(int(place))
            if len(chosen) == WINDOWS:
                break
        return [Window(self._in_result(boxes[place]), float(colours[place])) for place in chosen]

    def _boxes(self, shape: float) -> NDArray[np.intp]:
        """Windows of about the subject's shape in all sizes and places; the whole picture first."""
        found = [(0, 0, self.width, self.height)]
        for share in WINDOW_SHARES:
            for factor in WINDOW_SHAPES:
                height = share * self.height
                width = height * shape * factor
                if width > share * self.width:
                    width = share * self.width
                    height = width / (shape * factor)
                if min(width, height) >= SMALLEST:
                    found += self._placed(width, min(height, self.height))
        return np.array(found, dtype=np.intp)

    def _placed(self, width: float, height: float) -> list[tuple[int, int, int, int]]:
        across, down = _places(self.width, width), _places(self.height, height)
        return [(int(x), int(y), int(x + width), int(y + height)) for x in across for y in down]

    def _held(self, subject: Subject, boxes: NDArray[np.intp]) -> Floats:
        """For each window, how much of each of the subject's colours it holds as it should; the sum of it."""
        distance = self._lab[:, :, None] - subject.colours
        distance[..., 0] *= LIGHTNESS_WEIGHT
        distances = np.linalg.norm(distance, axis=-1)
        same = distances.min(axis=-1) < SAME_COLOUR
        planes = (distances.argmin(axis=-1)[..., None] == np.arange(len(subject.colours))) & same[..., None]
        sums = np.zeros((self.height + 1, self.width + 1, len(subject.colours)))
        sums[1:, 1:] = planes.cumsum(axis=0).cumsum(axis=1)
        left, top, right, bottom = boxes.T
        inside = sums[bottom, right] - sums[top, right] - sums[bottom, left] + sums[top, left]
        shares = inside / ((right - left) * (bottom - top))[:, None]
        return np.minimum(subject.shares, shares / max(subject.fill, LEAST_FILL)).sum(axis=1)

    def _in_result(self, box: NDArray[np.intp]) -> Box:
        return Box(*(int(side * self._scale) for side in box))


def _places(whole: float, part: float) -> Floats:
    """Where a part begins, a step apart."""
    return np.linspace(0, whole - part, int(np.ceil((whole - part) / (STEP * part))) + 1)


def _overlap(one: NDArray[np.intp], other: NDArray[np.intp]) -> float:
    """Intersection by union."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return float(width * height / (sum(areas) - width * height))
