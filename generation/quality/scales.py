"""From what is measured to scores from 0 to 1: every scale turns at ½, where a picture becomes doubtful.

The figures come from `tests/benchmarks/quality.py`, which chooses each turn on one half of its labelled
pictures (best balanced accuracy) and reports on the other half how well the scores tell good from bad.
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
LIKENESS = Scale(0.3, 0.9, 1.2)
COLOUR_WEIGHT = 0.3
# Below, the sentence names the colours.
COLOURS = 0.65
STYLE = Scale(-0.5, 0.1, 0.7)
GRADE_WEIGHT = 0.3
ACUTANCE = Scale(0.3, 0.64, 0.9)
BUSYNESS = Scale(0.0, 0.01, 0.1)
# Logarithm of the ratio to the one that was asked for: vendors round theirs by up to 3 %.
RATIO = Scale(0.25, 0.08, 0.0)
# The longer side by the one that was asked for.
SIDE = Scale(0.4, 0.75, 1.0)
# Shapes in rows as of letters that the sources lack; a hint that never speaks as loud as the others.
LETTERS = Scale(60, 10, 0)
LEAST_OF_LETTERS = 0.25
