"""Whether a result has the style of its references: in the encoder's space, and by light and colours."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dam.colours import to_lab
from dam.pictures import on_white
from generation.quality import scales
from generation.quality.judgement import Check, CheckName

SIDE = 96  # pixels at which colours are counted
# Mean and spread of L*, a*, b* and mean chroma, by what people see as a change of each.
UNITS = np.array((16.0, 8.0, 8.0, 10.0, 8.0, 8.0, 10.0))


def check(result: Image.Image, references: Sequence[Image.Image], nearness: float) -> Check:
    """The check of a result beside its references; `nearness` is the mean one in the encoder's space."""
    away = distance(result, references)
    measured = nearness - scales.GRADE_WEIGHT * away
    return Check(
        CheckName.STYLE,
        scales.STYLE.score(measured),
        figures={"nearness": nearness, "grading": away},
    )


def distance(result: Image.Image, references: Sequence[Image.Image]) -> float:
    """How far its light and colours are from the middle of the references', in steps that people see."""
    middle = np.mean([grading(picture) for picture in references], axis=0)
    return float(np.sqrt((((grading(result) - middle) / UNITS) ** 2).mean()))


def grading(picture: Image.Image) -> NDArray[np.float64]:
    """Mean and spread of its light and colours, in CIELAB."""
    small = on_white(picture).resize((SIDE, SIDE), Image.Resampling.BOX).convert("RGB")
    lab = to_lab(np.asarray(small, dtype=float)).reshape(-1, 3)
    return np.array([*lab.mean(axis=0), *lab.std(axis=0), np.hypot(lab[:, 1], lab[:, 2]).mean()])
