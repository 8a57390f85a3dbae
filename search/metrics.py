"""Measures of a ranking against graded judgements.

Sources: average precision, precision and recall at k: Manning, Raghavan and Schütze, Introduction to
Information Retrieval (2008), chapter 8. Discounted cumulated gain: Järvelin and Kekäläinen, Cumulated
gain-based evaluation of IR techniques, ACM TOIS 20(4), 2002, with the gain of a grade being the grade and the
discount log2(rank + 1), which later work and trec_eval use and which discounts the second rank too.

What nobody has judged counts as not relevant, as at TREC; the share of it among the first k is reported
beside the measures, so that a figure which rests on few judgements is seen as such.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RELEVANT = 1
"""The lowest grade that counts as relevant where a measure knows only yes and no."""


@dataclass(frozen=True)
class Scores:
    """One query's measures, each from 0 to 1, and how many documents were judged at all."""

    map: float
    recall: float
    ndcg: float
    p_at_10: float
    unjudged: float
    judged: int


def average_precision(relevant: NDArray[np.bool_], total: int) -> float:
    """The mean of the precision at each relevant document, over all `total` that there are; 0 for none."""
    ranks = np.flatnonzero(relevant) + 1
    return float(np.sum(np.arange(1, len(ranks) + 1) / ranks) / total) if total else 0.0


def precision_at(relevant: NDArray[np.bool_], k: int) -> float:
    """The relevant share of the first k places, the empty ones of a short ranking included."""
    return float(relevant[:k].sum() / k)


def recall_at(relevant: NDArray[np.bool_], k: int, total: int) -> float:
    """The share of all `total` relevant documents that is among the first k; 0 where there are none."""
    return float(relevant[:k].sum() / total) if total else 0.0


def ndcg_at(gains: NDArray[np.float64], k: int, all_gains: NDArray[np.float64]) -> float:
    """Discounted gain of the first k, over that of the best possible order of `all_gains`; 0 without any."""
    best = _dcg(np.sort(all_gains)[::-1][:k])
    return _dcg(gains[:k]) / best if best else 0.0


def _dcg(gains: NDArray[np.float64]) -> float:
    return float(np.sum(gains / np.log2(np.arange(2, len(gains) + 2))))


def scores(ranking: Sequence[int], grades: Mapping[int, int], k: int) -> Scores:
    """Measure one ranking.

    Args:
        ranking: documents, best first.
        grades: document → grade (0 wrong), of those that were judged.
        k: depth of recall, nDCG and of the unjudged share.
    """
    gains = np.array([grades.get(key, 0) for key in ranking], dtype=float)
    relevant = gains >= RELEVANT
    total = sum(grade >= RELEVANT for grade in grades.values())
    shown = ranking[:k]
    return Scores(
        map=average_precision(relevant, total),
        recall=recall_at(relevant, k, total),
        ndcg=ndcg_at(gains, k, np.array(list(grades.values()), dtype=float)),
        p_at_10=precision_at(relevant, 10),
        unjudged=sum(key not in grades for key in shown) / len(shown) if shown else 0.0,
        judged=len(grades),
    )


def overlap_at(one: Sequence[int], other: Sequence[int], k: int) -> float:
    """The share of the first k that two rankings have in common."""
    longest = max(len(one[:k]), len(other[:k]))
    return len(set(one[:k]) & set(other[:k])) / longest if longest else 0.0
