"""A picture of where two versions differ, made from their web renditions.

Both are laid over each other on the canvas of the newer one; what is the same is shown pale and grey, what
differs in red, the stronger the more.
"""

from __future__ import annotations

import io
import time
from typing import IO, cast

import numpy as np
from PIL import Image, ImageChops

from dam import pictures
from dam.models import AssetVersion
from dam.presets import BUILT_IN
from dam.renditions import open_rendition
from dam.workload import pixel_budget, renditions_in_work, seconds_left

MAKING = 1  # counts up when the same two versions give another picture
WEB = BUILT_IN["web"]
SIDE = WEB.width or 0
NOISE = 12  # levels of 255 that compression changes by itself
FULL = 80  # levels from which a difference is shown in full red
RED = np.array((220, 20, 60), np.float32)
PALE = 0.35  # how strongly the picture itself shows
MIME = "image/webp"
WORKING_COPIES = 4  # pictures of this size that are in memory while one is drawn


def difference(before: AssetVersion, after: AssetVersion, patience: float | None = None) -> bytes:
    """The picture as a WebP file, no side longer than that of a web rendition.

    Args:
        patience: seconds to wait while other pictures are in work; None: as long as it takes.

    Raises:
        FileNotFoundError: the storage has lost an original.
        IngestError: an original can no longer be decoded.
        Busy: patience ran out.
    """
    deadline = None if patience is None else time.monotonic() + patience
    with renditions_in_work.making(("difference", before.pk, after.pk), patience):
        old, new = (_shown(version, deadline) for version in (before, after))
        pixels = WORKING_COPIES * new.width * new.height
        with pixel_budget.take(pixels, seconds_left(deadline)):
            return _encoded(_drawn(_laid_over(old, new.size), new))


def _shown(version: AssetVersion, deadline: float | None) -> Image.Image:
    """What people see of it: transparent pixels on white."""
    _rendition, file = open_rendition(version, WEB, seconds_left(deadline))
    with file:
        return pictures.on_white(pictures.pixels(cast(IO[bytes], file), SIDE, seconds_left(deadline)))


def _laid_over(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    """The whole picture in the middle of a canvas of this size, as large as it fits."""
    scale = min(size[0] / picture.width, size[1] / picture.height)
    fitted = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    if fitted != picture.size:
        picture = picture.resize(fitted, Image.Resampling.LANCZOS)
    if fitted == size:
        return picture
    canvas = Image.new("RGB", size, "white")
    canvas.paste(picture, ((size[0] - fitted[0]) // 2, (size[1] - fitted[1]) // 2))
    return canvas


def _drawn(old: Image.Image, new: Image.Image) -> Image.Image:
    strongest = np.asarray(ImageChops.difference(old, new)).max(axis=2)
    share = np.clip((strongest.astype(np.float32) - NOISE) / (FULL - NOISE), 0, 1)[..., None]
    pale = 255 - PALE * (255 - np.asarray(new.convert("L"), np.float32))[..., None]
    return Image.fromarray(np.uint8(pale * (1 - share) + RED * share + 0.5))


def _encoded(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "WEBP", quality=WEB.quality, method=2)
    return out.getvalue()
