"""From what is measured to scores from 0 to 1: every scale turns at ½, where a picture becomes doubtful.

`python -m tests.benchmarks.quality` says where each would turn best on one set of labelled pictures, by
balanced accuracy; `make bench ONLY=quality` says on another set how well the scores tell good from bad.
The turns hold for the space of `starter`; other encoders are brought to its scale by two points: pictures
that have nothing in common, and the same picture.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Scale:
    """Straight lines through three points: scores 0, ½ and 1. `worst` may lie above `best`."""

    worst: float
    turn: float
    best: float

    def score(self, measured: float) -> float:
        """The score of a measured value, from 0 to 1."""
        if self.worst > self.best:
            return Scale(-self.worst, -self.turn, -self.best).score(-measured)
        return float(np.interp(measured, (self.worst, self.turn, self.best), (0.0, 0.5, 1.0)))


# Nearness in the encoder's space and shared colours, weighed together, of the best window.
LIKENESS = Scale(0.6, 1.08, 1.4)
COLOUR_WEIGHT = 0.6
# A scene is covered in part by what stands in it.
SCENE = Scale(0.1, 0.35, 0.6)
SCENE_COLOUR_WEIGHT = 0.3
# Below, the sentence names the colours.
COLOURS = 0.65
# Nearness to the references less the distance of light and colours.
STYLE = Scale(-0.35, -0.05, 0.1)
GRADE_WEIGHT = 0.3
ACUTANCE = Scale(0.35, 0.65, 0.85)
BUSYNESS = Scale(0.0, 0.02, 0.1)
# Logarithm of the ratio to the one that was asked for: vendors round theirs by up to 3 %.
RATIO = Scale(0.25, 0.08, 0.0)
# The longer side by the one that was asked for.
SIDE = Scale(0.4, 0.75, 1.0)
# Shapes in rows as of letters that the sources lack; a hint that never speaks as loud as the others.
LETTERS = Scale(60, 10, 0)
LEAST_OF_LETTERS = 0.25
