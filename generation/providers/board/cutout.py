"""Taking a picture off its background, where that background is plain enough to be sure."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from scipy import ndimage

WORKING_EDGE = 900
BORDER_SHARE = 0.90  # of the border that must look like one background colour
NEAR, FAR = 14.0, 34.0  # distances in RGB: surely background, surely not


def cut_out(picture: Image.Image) -> Image.Image | None:
    """The subject on transparency, trimmed; None where the background is not plain.

    Args:
        picture: RGBA.
    """
    picture = _bounded(picture)
    alpha = np.asarray(picture.getchannel("A"))
    if (alpha < 128).mean() > 0.02:
        return _trimmed(picture)
    rgb = np.asarray(picture.convert("RGB"), dtype=np.float32)
    border = np.concatenate(
        [
            rgb[:4].reshape(-1, 3),
            rgb[-4:].reshape(-1, 3),
            rgb[:, :4].reshape(-1, 3),
            rgb[:, -4:].reshape(-1, 3),
        ]
    )
    background = np.median(border, axis=0).astype(np.float32)
    if (np.linalg.norm(border - background, axis=1) < FAR).mean() < BORDER_SHARE:
        return None
    distance = np.linalg.norm(rgb - background, axis=2)
    outside = _connected_to_border(distance < FAR)
    if not 0.08 < 1 - outside.mean() < 0.97:
        return None  # almost everything or almost nothing would go
    softness = np.clip((distance - NEAR) / (FAR - NEAR), 0, 1)
    mask = np.where(outside, softness, 1.0)
    soft = Image.fromarray((mask * 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(0.8))
    cut = _without_spill(rgb, background, np.asarray(soft).astype(np.float32) / 255)
    cut.putalpha(soft)
    return _trimmed(cut)


def _bounded(picture: Image.Image) -> Image.Image:
    if max(picture.size) <= WORKING_EDGE:
        return picture
    smaller = picture.copy()
    smaller.thumbnail((WORKING_EDGE, WORKING_EDGE), Image.Resampling.LANCZOS)
    return smaller


def _connected_to_border(near: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Background-coloured pixels that touch the edge; a white shirt's inside stays."""
    labels, _count = ndimage.label(near)
    touching = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
    return np.isin(labels, touching[touching > 0])


def _without_spill(
    rgb: NDArray[np.float32], background: NDArray[np.float32], mask: NDArray[np.floating[Any]]
) -> Image.Image:
    """Undo the mixing of subject and background at soft edges."""
    opacity = np.clip(mask, 0.25, 1)[..., None]
    pure = (rgb - background * (1 - opacity)) / opacity
    return Image.fromarray(np.clip(pure, 0, 255).astype(np.uint8)).convert("RGBA")


def _trimmed(picture: Image.Image) -> Image.Image:
    box = picture.getchannel("A").point(lambda value: 255 if value > 12 else 0).getbbox()
    return picture.crop(box) if box else picture
