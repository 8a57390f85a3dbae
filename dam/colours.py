"""The colours of a picture as people name them: clusters in CIELAB, each with its family."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from PIL import Image
from scipy import ndimage

FAMILIES = (
    "red", "orange", "yellow", "green", "cyan", "blue", "purple", "pink", "brown", "black", "grey", "white",
)  # fmt: skip

# Typical shades of each family; a colour belongs to the family of the nearest one in CIELAB.
SHADES = {
    "red": ("#ff0000", "#c00000", "#dc143c", "#ea5a47", "#800000", "#b22222"),
    "orange": ("#ff8c00", "#ffa500", "#e27022", "#f1963f", "#ff7f50", "#f0946a"),
    "yellow": ("#ffff00", "#ffd700", "#f1b31c", "#fcea2b", "#fff59b", "#d4af37"),
    "green": (
        "#00ff00", "#008000", "#5c9e31", "#b1cc33", "#2e8b57", "#006400", "#98fb98", "#808000",
        "#c5e1b5", "#8fbc8f", "#4a5d45",
    ),
    "cyan": ("#00ffff", "#008080", "#40e0d0", "#20b2aa", "#afeeee"),
    "blue": ("#0000ff", "#000080", "#1e50a0", "#4169e1", "#61b2e4", "#92d3f5", "#add8e6", "#36454f"),
    "purple": ("#800080", "#8a2be2", "#9370db", "#b399c8", "#4b0082", "#8967aa", "#d8bfd8"),
    "pink": ("#ffc0cb", "#ff69b4", "#ff1493", "#ffa7c0", "#ff00ff", "#e67a94"),
    "brown": ("#8b4513", "#a57939", "#6a462f", "#a0522d", "#5c4033", "#d2b48c", "#c68642"),
    "black": ("#000000", "#1c1c1c", "#363636"),
    "grey": ("#808080", "#a9a9a9", "#555555", "#d0cfce", "#9b9b9a"),
    "white": ("#ffffff", "#f5f5f0", "#fffaf0"),
}  # fmt: skip

SAMPLE_SIDE = 64
PALETTE = 16
MERGE_DISTANCE = 14.0  # CIE76; below it people call two patches the same colour
MIN_SHARE = 0.03
MOST = 6
OPAQUE = 128
NEAR_WHITE = 92.0  # L*


def dominant_colours(image: Image.Image) -> list[dict[str, Any]]:
    """The main colours, largest share first: `{"hex", "lab", "share", "family"}`.

    Transparent pixels do not count, nor does a white background that reaches the picture's border.

    Args:
        image: RGB or RGBA; `dam.pictures.read` gives it so.
    """
    pixels = _subject(image)
    if not len(pixels):
        return []
    strip = Image.fromarray(pixels.reshape(1, -1, 3))
    indices = np.asarray(strip.quantize(PALETTE, method=Image.Quantize.MEDIANCUT)).ravel()
    counts = np.bincount(indices, minlength=PALETTE)
    sums = np.stack([np.bincount(indices, pixels[:, band], PALETTE) for band in range(3)], axis=1)
    used = counts > 0
    clusters = _merge(to_lab(sums[used] / counts[used, None]), counts[used] / len(pixels))
    return [_described(lab, share) for lab, share in clusters[:MOST] if share >= MIN_SHARE]


def main_family(colours: list[dict[str, Any]]) -> str:
    """The family that names the picture: share counts, and vivid colours more than outlines and paper."""
    weights: dict[str, float] = {}
    for colour in colours:
        chroma = float(np.hypot(*colour["lab"][1:]))
        vivid = 0.4 + min(chroma, 60.0) / 60.0
        weights[colour["family"]] = weights.get(colour["family"], 0.0) + colour["share"] * vivid
    return max(weights, key=lambda family: weights[family]) if weights else ""


def family_of(lab: np.ndarray) -> str:
    """The family of one colour."""
    shades, families = _shades()
    return families[int(np.argmin(np.linalg.norm(shades - lab, axis=1)))]


def to_lab(rgb: np.ndarray) -> np.ndarray:
    """sRGB (0 to 255, last axis) as CIELAB under D65 (IEC 61966-2-1, CIE 15)."""
    encoded = np.asarray(rgb, dtype=np.float64) / 255
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    ratio = linear @ to_xyz.T / np.array([0.95047, 1.0, 1.08883])
    root = np.where(ratio > 216 / 24389, np.cbrt(ratio), (24389 / 27 * ratio + 16) / 116)
    x, y, z = root[..., 0], root[..., 1], root[..., 2]
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def to_hex(lab: np.ndarray) -> str:
    """CIELAB as an sRGB hex code."""
    y = (lab[0] + 16) / 116
    root = np.array([y + lab[1] / 500, y, y - lab[2] / 200])
    xyz = np.where(root > 6 / 29, root**3, (116 * root - 16) * 27 / 24389) * [0.95047, 1.0, 1.08883]
    to_rgb = np.array([[3.2406, -1.5372, -0.4986], [-0.9689, 1.8758, 0.0415], [0.0557, -0.2040, 1.0570]])
    linear = np.clip(to_rgb @ xyz, 0, 1)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return "#" + "".join(f"{round(float(band) * 255):02x}" for band in encoded)


def _subject(image: Image.Image) -> np.ndarray:
    """The pixels that show something, n × 3."""
    small = image.copy()
    # Sampled, not averaged: a yellow surface inside a black outline holds no olive.
    small.thumbnail((SAMPLE_SIDE, SAMPLE_SIDE), Image.Resampling.NEAREST, reducing_gap=None)
    pixels = np.asarray(small.convert("RGBA"))
    shown = pixels[..., 3] >= OPAQUE
    rgb = np.ascontiguousarray(pixels[..., :3])
    if shown.all():
        subject = ~_white_background(rgb)
        if subject.mean() >= MIN_SHARE:
            shown = subject
    return rgb[shown]


def _white_background(rgb: np.ndarray) -> np.ndarray:
    """Near-white pixels that hang together with the border, where most of the border is white."""
    lab = to_lab(rgb)
    white = (lab[..., 0] >= NEAR_WHITE) & (np.hypot(lab[..., 1], lab[..., 2]) < 6)
    labels, _count = ndimage.label(white)
    border = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    if (border > 0).mean() < 0.6:
        return np.zeros_like(white)
    return np.isin(labels, border[border > 0])


def _merge(labs: np.ndarray, shares: np.ndarray) -> list[tuple[np.ndarray, float]]:
    """Join each patch to the nearest larger cluster that looks the same, largest patches first."""
    clusters: list[tuple[np.ndarray, float]] = []
    for index in np.argsort(-shares, kind="stable"):
        lab, share = labs[index], float(shares[index])
        distances = [float(np.linalg.norm(other - lab)) for other, _share in clusters]
        if distances and min(distances) < MERGE_DISTANCE:
            nearest = distances.index(min(distances))
            other, weight = clusters[nearest]
            clusters[nearest] = ((other * weight + lab * share) / (weight + share), weight + share)
        else:
            clusters.append((lab, share))
    return sorted(clusters, key=lambda cluster: -cluster[1])


def _described(lab: np.ndarray, share: float) -> dict[str, Any]:
    return {
        "hex": to_hex(lab),
        "lab": [round(float(value), 1) for value in lab],
        "share": round(share, 3),
        "family": family_of(lab),
    }


@cache
def _shades() -> tuple[np.ndarray, list[str]]:
    families = [family for family, shades in SHADES.items() for _shade in shades]
    rgb = [
        [int(shade[at : at + 2], 16) for at in (1, 3, 5)] for shades in SHADES.values() for shade in shades
    ]
    return to_lab(np.array(rgb)), families
