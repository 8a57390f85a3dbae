"""What the pixels alone tell: whether a picture is sharp, and whether it shows anything."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

Grey = NDArray[np.float32]

SIDE = 768  # pixels of the longer side at which sharpness is looked at
SMALL = 256  # and whether there is anything
NEIGHBOURHOOD = 9  # pixels
STRONG = 0.5  # of the strongest edge, as the difference of light on both sides of it
FAINTEST = 0.04
EDGE = 0.02  # of the light, from one pixel to the next


def grey(image: Image.Image, side: int) -> Grey:
    """The light of an RGB picture from 0 to 1, its longer side reduced to `side`."""
    small = image.convert("L")
    small.thumbnail((side, side), Image.Resampling.LANCZOS)
    return np.asarray(small, dtype=np.float32) / np.float32(255)


def acutance(image: Image.Image) -> float:
    """How steep its clearest edges are: the share of an edge's height that lies within one pixel.

    It says the same of a drawing, a plain product and a busy street, where the variance of the Laplacian
    mostly says how much there is to see.
    """
    light = grey(image, SIDE)
    height = ndimage.maximum_filter(light, NEIGHBOURHOOD) - ndimage.minimum_filter(light, NEIGHBOURHOOD)
    least = max(FAINTEST, STRONG * float(np.percentile(height, 99)))
    there = height > least
    if not there.any():
        return 0.0
    steepest = ndimage.maximum_filter(_gradient(light), NEIGHBOURHOOD)
    return float(np.percentile(steepest[there] / height[there], 60))


def busyness(image: Image.Image) -> float:
    """The share of the picture that has edges: 0 for one colour or a smooth gradient."""
    return float((_gradient(grey(image, SMALL)) > EDGE).mean())


def _gradient(light: Grey) -> Grey:
    return np.hypot(ndimage.sobel(light, 0), ndimage.sobel(light, 1)) / 4
