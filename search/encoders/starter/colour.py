"""Colours of a picture as numbers: how much of it, and of its subject, is near each named colour."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

# One or more sRGB anchors a family: light and dark shades carry the same name.
ANCHORS: dict[str, tuple[str, ...]] = {
    "red": ("ea5a47", "c81e1e", "d22f27"),
    "orange": ("f58220", "e27022"),
    "gold": ("f1b31c", "d4a017", "c9a227"),
    "yellow": ("fcea2b", "f7e463"),
    "green": ("5c9e31", "b1cc33", "1f7a3a", "2fae4e"),
    "turquoise": ("2bb5b0", "61d8d0"),
    "blue": ("1e50a0", "2f7fd6", "1c2f6b", "61b2e4"),
    "light blue": ("92d3f5", "b9dcf2"),
    "purple": ("61308d", "b399c8", "8e44ad"),
    "pink": ("ffa7c0", "e67a94", "f5a3c7", "e8438f"),
    "brown": ("6a462f", "a57939", "8b5a2b", "4e342e"),
    "beige": ("e8d5b5", "d9c3a0", "fadcbc"),
    "grey": ("9b9b9a", "d0cfce", "6f6f6f"),
    "black": ("000000", "222222", "3f3f3f"),
    "white": ("ffffff", "f2f2f2"),
}
FAMILIES = tuple(ANCHORS)
COLOUR_FEATURES = 3 * len(FAMILIES)
_STEP = 4  # every fourth pixel of the tower's input is enough for a histogram


def to_lab(rgb: NDArray[np.uint8]) -> Floats:
    """sRGB (0-255, last axis) to CIELAB under D65."""
    linear = rgb.astype(np.float32) / 255.0
    linear = np.where(linear <= 0.04045, linear / 12.92, ((linear + 0.055) / 1.055) ** 2.4)
    matrix = np.array(
        [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]], dtype=np.float32
    )
    xyz = linear @ matrix.T / np.array([0.9505, 1.0, 1.089], dtype=np.float32)
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    lightness = 116 * f[..., 1] - 16
    return np.stack(
        [lightness, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], axis=-1
    ).astype(np.float32)


def _rgb(code: str) -> tuple[int, int, int]:
    return int(code[:2], 16), int(code[2:4], 16), int(code[4:], 16)


_ANCHOR_LAB = to_lab(np.array([_rgb(code) for codes in ANCHORS.values() for code in codes], dtype=np.uint8))
_ANCHOR_FAMILY = np.array([index for index, codes in enumerate(ANCHORS.values()) for _ in codes])
_STARTS = np.flatnonzero(np.r_[True, np.diff(_ANCHOR_FAMILY) > 0])
# Lightness separates shades of one name, hue separates names: it weighs less.
_WEIGHTS = np.array([0.6, 1.0, 1.0], dtype=np.float32)


def _memberships(lab: Floats) -> Floats:
    """How much each pixel [n, 3] belongs to each family: [n, families], rows sum to 1."""
    a, b = lab * _WEIGHTS, _ANCHOR_LAB * _WEIGHTS
    distance = (a * a).sum(1)[:, None] - 2 * a @ b.T + (b * b).sum(1)[None]
    nearest = np.minimum.reduceat(distance, _STARTS, axis=1)
    nearest -= nearest.min(axis=1, keepdims=True)
    weight = np.exp(-nearest / 150.0)
    return weight / weight.sum(axis=1, keepdims=True)


@cache
def _tables() -> tuple[Floats, Floats]:
    """CIELAB and memberships of every colour at five bits a channel: looking up beats computing."""
    levels = (np.arange(32, dtype=np.uint8) << 3) | 4
    grid = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), axis=-1).reshape(-1, 3)
    # The ends must stay pure black and pure white.
    grid = np.where(grid == 4, 0, np.where(grid == 252, 255, grid)).astype(np.uint8)
    lab = to_lab(grid)
    return lab, _memberships(lab)


def colour_features(pixels: NDArray[np.uint8]) -> Floats:
    """Square roots of three histograms: the whole picture, its middle, what differs from its border."""
    small = (pixels[::_STEP, ::_STEP] >> 3).astype(np.int32)
    height, width = small.shape[:2]
    codes = (small[..., 0] << 10) | (small[..., 1] << 5) | small[..., 2]
    lab_table, member_table = _tables()
    lab = lab_table[codes]
    border = np.concatenate([lab[:2].reshape(-1, 3), lab[-2:].reshape(-1, 3), lab[:, 0], lab[:, -1]])
    away = ((lab - np.median(border, axis=0)) ** 2).sum(axis=-1)
    subject = 1.0 - np.exp(-away / 324.0) + 1e-4
    middle = _middle(height, width)
    weights = np.stack([np.ones_like(middle), middle, subject * (0.3 + middle)]).reshape(3, -1)
    shares = (weights / weights.sum(axis=1, keepdims=True)) @ member_table[codes.ravel()]
    return np.sqrt(shares).astype(np.float32).ravel()


@cache
def _middle(height: int, width: int) -> Floats:
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    return np.exp(-(x * x + y * y) / 0.35).astype(np.float32)


def subject_shares(features: Floats) -> Floats:
    """The subject's share of each family, from `colour_features` [n, COLOUR_FEATURES]."""
    return features[:, 2 * len(FAMILIES) :] ** 2
