"""How well the scores of results tell good from bad, on boards and photographs that were altered.

The turns of the scales were chosen on one set of labelled pictures (`python -m tests.benchmarks.quality`
tells them) and the figures are those of another, with other garments. Each score has a floor: the whole
picture's cosine to its sources, the variance of the Laplacian, the spread of grey. Photographs are put
together from cut-out garments, people are drawings: what vendors make and real faces were not measured.
"""

from __future__ import annotations

import os
import random
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tests.benchmarks.rows import Row, report
from tests.environment import ALWAYS, EMBEDDED

if TYPE_CHECKING:
    from generation.quality.judgement import Judgement
    from tests.generation.labelled import Labelled

CLOTHING = Path(__file__).resolve().parents[3] / "shared" / "data" / "clothing"
CHOSEN_ON, HELD_OUT = 20261126, 20261127  # seeds
OUTFITS, SCENES, PHOTOS, STYLES = 6, 6, 10, 10
BATCH = 8
COSINE = "whole-picture cosine"
LAPLACIAN = "variance of the Laplacian"
SPREAD = "spread of grey"


@dataclass(frozen=True)
class Judged:
    """What was done to a picture, its judgement, and what each floor says of it."""

    family: str
    alteration: str
    role: str
    judgement: Judgement
    floors: dict[str, float]

    def of(self, name: str) -> list[tuple[str, float, dict[str, float]]]:
        """The checks of a name: role, score, figures."""
        checks = [check for check in self.judgement.checks if check.name == name]
        return [(check.role, check.score, dict(check.figures)) for check in checks]


@dataclass(frozen=True)
class Told:
    """A score of good and of bad pictures: higher is better."""

    good: list[float]
    bad: list[float]

    @property
    def auc(self) -> float:
        """How often a good one has more than a bad one."""
        good, bad = np.array(self.good)[:, None], np.array(self.bad)[None]
        return float(((good > bad) + 0.5 * (good == bad)).mean())

    def found(self, turn: float) -> tuple[float, float]:
        """Precision and recall of “bad” below the turn, as if there were as many good as bad ones."""
        recall = float((np.array(self.bad) < turn).mean())
        alarms = float((np.array(self.good) < turn).mean())
        return recall / max(recall + alarms, 1e-9), recall

    def best_turn(self) -> float:
        """The turn of the best balanced accuracy, in the middle of its gap."""
        values = np.unique([*self.good, *self.bad])
        turns = (values[:-1] + values[1:]) / 2
        good, bad = np.array(self.good), np.array(self.bad)
        right = [(good >= turn).mean() + (bad < turn).mean() for turn in turns]
        return float(turns[int(np.argmax(right))])


@dataclass(frozen=True)
class Question:
    """A score, the alterations that it is to notice, and its floor. `role`: of the sources compared with."""

    name: str
    check: str
    alterations: frozenset[str]
    floor: str
    roles: frozenset[str] = frozenset()
    families: frozenset[str] = frozenset(("outfit", "scene", "photo"))


THINGS = frozenset(("garment", "product"))
PIXELS = frozenset(("outfit", "scene", "photo"))
QUESTIONS = (
    Question("likeness.swapped", "likeness", frozenset(("swapped",)), COSINE, THINGS),
    Question("likeness.recoloured", "likeness", frozenset(("recoloured",)), COSINE, THINGS),
    Question("likeness.cropped", "likeness", frozenset(("cropped",)), COSINE, THINGS),
    Question("likeness", "likeness", frozenset(("swapped", "recoloured", "cropped")), COSINE, THINGS),
    Question("person", "likeness", frozenset(("swapped",)), COSINE, frozenset(("model",))),
    Question("scene", "likeness", frozenset(("swapped",)), COSINE, frozenset(("scene",))),
    Question("style", "style", frozenset(("regraded",)), COSINE, families=frozenset(("style",))),
    Question("sharpness", "sharpness", frozenset(("blurred",)), LAPLACIAN, families=PIXELS),
    Question("content", "content", frozenset(("flat",)), SPREAD, families=PIXELS),
    Question("size", "size", frozenset(("stretched",)), COSINE, families=PIXELS),
    Question("lettering", "lettering", frozenset(("lettered",)), COSINE, families=frozenset(("photo",))),
)


def run() -> None:
    """Measure the pictures that chose nothing, and report."""
    with _django():
        judged = list(_judged(HELD_OUT))
        report("quality", _about(judged), _rows(judged))


def choose() -> None:
    """Tell where each scale would turn, by the pictures that choose."""
    with _django():
        _tell_turns(list(_judged(CHOSEN_ON)))


@contextmanager
def _django() -> Iterator[None]:
    with tempfile.TemporaryDirectory(prefix="atelier-bench-") as data:
        os.environ |= {**ALWAYS, **EMBEDDED, "ATELIER_DATA": data}
        import django

        django.setup()
        yield


def _judged(seed: int) -> Iterator[Judged]:
    from generation.quality.judging import judge
    from search.encoders.registry import get_encoder
    from tests.generation import labelled

    chance = random.Random(seed)
    stock = labelled.stock(CLOTHING, seed)
    encoder = get_encoder("starter")
    families: list[tuple[Callable[..., Iterator[Labelled]], int]] = [
        (labelled.outfits, OUTFITS),
        (labelled.scenes, SCENES),
        (labelled.photos, PHOTOS),
        (labelled.styles, STYLES),
    ]
    for family, count in families:
        pictures = list(family(stock, count, chance))
        for start in range(0, len(pictures), BATCH):
            batch = pictures[start : start + BATCH]
            judgements = judge([one.case for one in batch], encoder)
            for one, judgement in zip(batch, judgements, strict=True):
                yield Judged(one.family, one.alteration, one.role, judgement, _floors(one, encoder))


def _floors(one: Labelled, encoder: Any) -> dict[str, float]:
    from scipy import ndimage

    from dam.pictures import on_white
    from generation.quality.pixels import SIDE, grey

    light = grey(one.case.result, SIDE)
    sources = [source for source in one.case.sources if source.picture is not None]
    vectors = encoder.encode_images([one.case.result, *(on_white(s.picture) for s in sources)])
    cosines = vectors[1:] @ vectors[0]
    by_role = {
        f"{COSINE} {source.role}": float(value) for source, value in zip(sources, cosines, strict=True)
    }
    return {
        LAPLACIAN: float(ndimage.laplace(light).var()),
        SPREAD: float(light.std()),
        COSINE: float(cosines.mean()),
        **by_role,
    }


def _told(question: Question, judged: Sequence[Judged], measure: Callable[..., float]) -> Told:
    """The measure of every good picture and of those that were altered so."""
    good: list[float] = []
    bad: list[float] = []
    for one in judged:
        name, touched = one.alteration, one.role
        if one.family not in question.families:
            continue
        for role, score, figures in one.of(question.check):
            if question.roles and role not in question.roles:
                continue
            if name == "good":
                good.append(measure(one, role, score, figures))
            elif name in question.alterations and touched in ("", role):
                bad.append(measure(one, role, score, figures))
    return Told(good, bad)


def _score(_one: Judged, _role: str, score: float, _figures: dict[str, float]) -> float:
    return score


def _floor(question: Question) -> Callable[..., float]:
    def measure(one: Judged, role: str, _score: float, _figures: dict[str, float]) -> float:
        return one.floors.get(f"{question.floor} {role}", one.floors[question.floor])

    return measure


def _raw(question: Question) -> Callable[..., float]:
    """What the scale of this check takes; higher is better."""
    from generation.quality import scales

    def measure(_one: Judged, role: str, _score: float, figures: dict[str, float]) -> float:
        match question.check:
            case "likeness":
                weight = scales.SCENE_COLOUR_WEIGHT if role == "scene" else scales.COLOUR_WEIGHT
                return figures["nearness"] + weight * figures["colours"]
            case "style":
                return figures["nearness"] - scales.GRADE_WEIGHT * figures["grading"]
            case "lettering":
                return -figures["letters"]
            case _:
                return next(iter(figures.values()))

    return measure


def _tell_turns(judged: Sequence[Judged]) -> None:
    """Where each scale would turn, by the half that chooses; a person writes it into `scales`."""
    print("turn, 5th, 50th of good; 50th, 95th of bad")
    for question in QUESTIONS:
        if question.check == "size":
            continue
        told = _told(question, judged, _raw(question))
        figures: NDArray[np.floating] = np.array(
            [
                told.best_turn(),
                *np.percentile(told.good, (5, 50)),
                *np.percentile(told.bad, (50, 95)),
            ]
        )
        print(f"  {question.name:22}", *(f"{figure:8.3f}" for figure in figures))


def _rows(judged: Sequence[Judged]) -> list[Row]:
    rows: list[Row] = []
    for question in QUESTIONS:
        told, floor = (_told(question, judged, measure) for measure in (_score, _floor(question)))
        rows += _figures(question.name, told, question.floor, floor)
    known = [one for one in judged if one.family != "style"]
    good = [one for one in known if one.alteration == "good"]
    bad = [one for one in known if one.alteration != "good"]
    told = Told([one.judgement.score for one in good], [one.judgement.score for one in bad])
    floor = Told([one.floors[COSINE] for one in good], [one.floors[COSINE] for one in bad])
    return rows + _figures("all", told, COSINE, floor)


def _figures(name: str, told: Told, peer: str, floor: Told) -> list[Row]:
    from generation.quality.judgement import POOR

    precision, recall = told.found(POOR)
    best_precision, best_recall = floor.found(floor.best_turn())
    return [
        Row(f"quality.{name}.auc", round(told.auc, 3), "", peer, round(floor.auc, 3)),
        Row(f"quality.{name}.precision", round(precision, 3), "", peer, round(best_precision, 3)),
        Row(f"quality.{name}.recall", round(recall, 3), "", peer, round(best_recall, 3)),
    ]


def _about(judged: Sequence[Judged]) -> str:
    good = sum(one.alteration == "good" for one in judged)
    return (
        f"{len(judged)} pictures, {good} of them good: boards of photographed garments, drawn people and "
        "backdrops, and cut-out garments turned, tilted and relit on other grounds. The others were altered. "
        "The scales were set on other pictures. Precision and recall are those of bad pictures below ½, as "
        "if there were as many good ones; floors have their best threshold in hindsight. Encoder: starter."
    )


if __name__ == "__main__":
    choose()
