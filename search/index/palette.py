"""An asset's colours inside the index: cells of CIELAB, so that a picked one is a filter like any other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from itertools import product
from typing import Any

import numpy as np

from dam.colours import to_lab

STEP = 16.0  # CIE76; a cell is a cube with this edge
REACH = 24.0  # beyond this distance nobody calls two colours the same
CLOSE = 10.0
LEAST_SHARE = 0.05
_LOWEST = np.array([0.0, -112.0, -112.0])
_SIZES = (7, 14, 14)


def cells_of(colours: Iterable[Mapping[str, Any]]) -> list[int]:
    """The cells of an asset's dominant colours (`dam.colours.dominant_colours`), without slight ones."""
    labs = [colour["lab"] for colour in colours if colour["share"] >= LEAST_SHARE]
    return sorted({_number(_place(np.asarray(lab))) for lab in labs})


@lru_cache(maxsize=512)
def cells_near(hex_code: str, reach: float = REACH) -> list[int]:
    """The cells that a ball of this radius around the colour touches."""
    lab = lab_of(hex_code)
    ranges = [
        range(max(0, low), min(size - 1, high) + 1)
        for low, high, size in zip(_place(lab - reach), _place(lab + reach), _SIZES, strict=True)
    ]
    return sorted(_number(cell) for cell in product(*ranges) if _gap(cell, lab) <= reach)


def lab_of(hex_code: str) -> np.ndarray:
    """“#rrggbb” as CIELAB."""
    return np.asarray(to_lab(np.array([int(hex_code[at : at + 2], 16) for at in (1, 3, 5)])))


def likeness(hex_code: str, colours: Iterable[Mapping[str, Any]]) -> float:
    """How much an asset has a colour, 0 to 1: near and on a large part of it counts most."""
    lab = lab_of(hex_code)
    best = 0.0
    for colour in colours:
        distance = float(np.linalg.norm(np.asarray(colour["lab"]) - lab))
        best = max(best, (1 - distance / REACH) * (0.5 + 0.5 * min(1.0, 2 * colour["share"])))
    return best


def _place(lab: np.ndarray) -> tuple[int, ...]:
    places = np.floor((lab - _LOWEST) / STEP).astype(int)
    return tuple(int(place) for place in places)


def _number(cell: tuple[int, ...]) -> int:
    lightness, red, yellow = (min(max(place, 0), size - 1) for place, size in zip(cell, _SIZES, strict=True))
    return (lightness * _SIZES[1] + red) * _SIZES[2] + yellow


def _gap(cell: tuple[int, ...], lab: np.ndarray) -> float:
    """The distance from a colour to the nearest corner, edge or face of a cell."""
    low = _LOWEST + STEP * np.asarray(cell)
    return float(np.linalg.norm(np.maximum(0, np.maximum(low - lab, lab - low - STEP))))
