"""A measure over time as lines of an SVG chart, one for each encoder."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from search.models import EvaluationRun

WIDTH, HEIGHT = 720, 220
LEFT, RIGHT, TOP, BOTTOM = 40, 12, 10, 26
COLOURS = 6
LINES = (0.0, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True)
class Point:
    """A run in the chart."""

    x: float
    y: float
    value: float
    when: datetime


@dataclass(frozen=True)
class Line:
    """An encoder's runs; `colour` numbers a class of the stylesheet."""

    encoder: str
    colour: int
    points: list[Point]

    @property
    def path(self) -> str:
        """For a polyline."""
        return " ".join(f"{point.x},{point.y}" for point in self.points)


@dataclass(frozen=True)
class Chart:
    """Lines, the heights of the grid with their values, and the first and last day."""

    lines: list[Line]
    grid: list[tuple[float, float]]
    first: datetime
    last: datetime
    width: int = WIDTH
    height: int = HEIGHT


def chart(runs: Sequence[EvaluationRun], measure: str, language: str) -> Chart | None:
    """The chart of these runs, oldest first; none where no run has the measure."""
    known = [run for run in runs if language in run.metrics]
    if not known:
        return None
    first, last = known[0].created, known[-1].created
    seconds = (last - first).total_seconds() or 1.0
    by_encoder: dict[str, list[Point]] = defaultdict(list)
    for run in known:
        value = run.metrics[language][measure]
        share = (run.created - first).total_seconds() / seconds
        x = round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)
        by_encoder[run.encoder].append(Point(x, _height(value), value, run.created))
    lines = [
        Line(encoder, number % COLOURS, points)
        for number, (encoder, points) in enumerate(sorted(by_encoder.items()))
    ]
    return Chart(lines, [(_height(value), value) for value in LINES], first, last)


def _height(value: float) -> float:
    return round(TOP + (1 - value) * (HEIGHT - TOP - BOTTOM), 1)
