"""How well pictures and sentences meet: recall, average precision and accuracy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


def recall_at(queries: Floats, pictures: Floats, right: Sequence[int], k: int = 5) -> NDArray[np.bool_]:
    """For each query, whether the picture of index `right[i]` is among the first k."""
    scores = queries @ pictures.T
    own = scores[np.arange(len(queries)), np.asarray(right)]
    return (scores > own[:, None]).sum(axis=1) < k


def average_precision(scores: Floats, relevant: NDArray[np.bool_]) -> float:
    """Average precision of one ranking."""
    ranked = relevant[np.argsort(-scores, kind="stable")]
    precision = np.cumsum(ranked) / np.arange(1, len(ranked) + 1)
    return float(precision[ranked].mean())


def classify(
    queries: Floats, query_labels: Sequence[str], pictures: Floats, picture_labels: Sequence[str]
) -> dict[str, float]:
    """mAP and P@10 over the queries, and the share of pictures whose best query has their label."""
    scores = queries @ pictures.T
    labels, truth = np.asarray(query_labels), np.asarray(picture_labels)
    precisions = [average_precision(row, truth == label) for row, label in zip(scores, labels, strict=True)]
    first_ten = [
        (truth[np.argsort(-row, kind="stable")[:10]] == label).mean()
        for row, label in zip(scores, labels, strict=True)
    ]
    return {
        "map": round(float(np.mean(precisions)), 4),
        "p_at_10": round(float(np.mean(first_ten)), 4),
        "accuracy": round(float((labels[scores.argmax(axis=0)] == truth).mean()), 4),
    }
