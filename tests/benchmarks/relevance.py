"""Relevance: where the calibrated cut ends, against every flat threshold, in two spaces of different scales.

The same constants serve both spaces; the flat threshold is the best of all for each space, chosen with
hindsight. The first space is the starter encoder's over photos of clothing. In the second one descriptions
stand for the photos and are embedded as text, as encoders do that let a vision model describe.
"""

from __future__ import annotations

import csv
import os
import random
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.benchmarks.rows import Row, report
from tests.environment import ALWAYS, EMBEDDED

HERE = Path(__file__).resolve().parents[1] / "relevance"
CLOTHING = Path(__file__).resolve().parents[3] / "shared" / "data" / "clothing"
SHOWN = 200
FLAT = 200
SEED = 20261125
BATCH = 32
PEER = "best flat threshold in hindsight"

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Question:
    """A query and the label that it means; an absurd one means none."""

    label: str
    language: str
    text: str


@dataclass(frozen=True)
class Quality:
    """Of all answers to all questions. An empty answer to an absurd question is right (F1 of 1)."""

    f1: float
    precision: float
    recall: float
    absurd_empty: float


@dataclass(frozen=True)
class SpaceOf:
    """Vectors of pictures, questions and background in one space."""

    name: str
    pictures: Floats
    questions: Floats
    background: Floats


def run() -> None:
    """Measure both spaces and report."""
    with tempfile.TemporaryDirectory(prefix="atelier-bench-") as data:
        os.environ |= {**ALWAYS, **EMBEDDED, "ATELIER_DATA": data}
        import django

        django.setup()
        _report()


def _report() -> None:
    labels = np.array([row["label"] for row in _rows(CLOTHING / "labels.csv")])
    chosen_on, held_out = _questions(), _held_out()
    rows: list[Row] = []
    for make in (_starter, partial(_described, labels)):
        space = make([*chosen_on, *held_out])
        for which, questions, place in (("", chosen_on, 0), (".held_out", held_out, len(chosen_on))):
            of_these = replace(space, questions=space.questions[place : place + len(questions)])
            rows += _measure(of_these, labels, questions, which)
    about = (
        f"{len(labels)} pictures. The rule was chosen on {len(chosen_on)} questions; {len(held_out)} others "
        "(`held_out`) were written afterwards and chose nothing, while the best flat threshold is chosen on "
        "each set itself."
    )
    report("relevance", about, rows)


def _measure(space: SpaceOf, labels: NDArray[np.str_], questions: list[Question], which: str) -> list[Row]:
    scores = space.questions @ space.pictures.T
    shown = np.zeros(scores.shape, dtype=bool)
    np.put_along_axis(shown, np.argsort(-scores, axis=1)[:, :SHOWN], True, axis=1)
    calibrated = shown & _calibrated(space, scores)
    flat = [shown & (scores >= least) for least in np.quantile(scores[shown], np.linspace(0, 1, FLAT))]
    rows = []
    for language in ("en", "zh", ""):
        asked = [place for place, one in enumerate(questions) if not language or one.language == language]
        chosen = [questions[place] for place in asked]
        ours = _quality(calibrated[asked], labels, chosen)
        each = [_quality(kept[asked], labels, chosen) for kept in flat]
        best = max(each, key=lambda quality: quality.f1)
        name = f"relevance.{space.name}{which}.{language or 'both'}"
        rows += [
            Row(f"{name}.{figure}", round(value, 3), "", PEER, round(getattr(best, figure), 3))
            for figure, value in asdict(ours).items()
        ]
    return rows


def _calibrated(space: SpaceOf, scores: Floats) -> NDArray[np.bool_]:
    """The cut as the search makes it, on exact neighbours."""
    from search.calibration import NEAREST, Calibrated, bar_above, sentences
    from search.index import IndexHit
    from search.relevance import least_score

    vectors = dict(enumerate(space.pictures))

    def nearest(row: Floats) -> list[IndexHit]:
        return [IndexHit(int(key), float(row[key])) for key in np.argsort(-row)[:NEAREST]]

    unseen = space.background[np.asarray(sentences()[1])] @ space.pictures.T
    bar = bar_above(space.background, [nearest(row) for row in unseen], vectors)
    calibrated = Calibrated(space.background, bar)
    least = [least_score(calibrated, nearest(row), vectors) for row in scores]
    return scores >= np.array(least)[:, None]


def _quality(kept: NDArray[np.bool_], labels: NDArray[np.str_], questions: list[Question]) -> Quality:
    wanted = np.array([question.label for question in questions])[:, None] == labels[None]
    right, given = (kept & wanted).sum(axis=1), kept.sum(axis=1)
    possible = np.minimum(wanted.sum(axis=1), SHOWN)
    f1 = np.where(given + possible > 0, 2 * right / np.maximum(given + possible, 1), 1.0)
    absurd = possible == 0
    return Quality(
        f1=float(f1.mean()),
        precision=float(right.sum() / max(given.sum(), 1)),
        recall=float(right.sum() / possible.sum()),
        absurd_empty=float((given[absurd] == 0).mean()),
    )


def _questions() -> list[Question]:
    """Those that come with the photos, paraphrases, and absurd ones."""
    from search.encoders.starter.judged_with import PARAPHRASES, SHOPPERS

    found = [
        Question(row["label"], row["language"], row["query"])
        for path in (CLOTHING / "queries.csv", HERE / "clothing.csv")
        for row in _rows(path)
    ]
    for wordings in (SHOPPERS, PARAPHRASES):
        for label, by_language in wordings.items():
            found += [Question(label, language, t) for language, ts in by_language.items() for t in ts]
    return found + [Question("", row["language"], row["query"]) for row in _rows(HERE / "absurd.csv")]


def _held_out() -> list[Question]:
    """Written after the rule was there, and never used to choose anything."""
    return [Question(row["label"], row["language"], row["query"]) for row in _rows(HERE / "held_out.csv")]


def _starter(questions: list[Question]) -> SpaceOf:
    from search.calibration import sentences
    from search.encoders.registry import get_encoder
    from search.evaluation import _open

    encoder = get_encoder("starter")
    files = [CLOTHING / row["file"] for row in _rows(CLOTHING / "labels.csv")]
    pictures = [
        encoder.encode_images([_open(path) for path in files[start : start + BATCH]])
        for start in range(0, len(files), BATCH)
    ]
    return _space("starter", np.concatenate(pictures), questions, encoder.encode_texts, sentences()[0])


def _described(labels: NDArray[np.str_], questions: list[Question]) -> SpaceOf:
    from search.calibration import sentences
    from search.encoders.starter.towers import TextTower

    tower = TextTower()

    def encode(texts: list[str]) -> Floats:
        vectors = tower.features(texts)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    told: dict[str, list[str]] = {}
    for row in _rows(HERE / "descriptions.csv"):
        told.setdefault(row["label"], []).append(row["description"])
    chance = random.Random(SEED)
    colours = ("white", "black", "blue", "red", "grey", "green")
    texts = [f"{chance.choice(told[label])} The main colour is {chance.choice(colours)}." for label in labels]
    return _space("described", encode(texts), questions, encode, sentences()[0])


def _space(
    name: str,
    pictures: Floats,
    questions: list[Question],
    encode: Callable[[list[str]], Floats],
    background: list[str],
) -> SpaceOf:
    return SpaceOf(name, pictures, encode([one.text for one in questions]), encode(background))


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8-sig") as handle:
        return list(csv.DictReader(handle))
