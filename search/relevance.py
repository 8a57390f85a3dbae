"""Where the relevant end: an empty answer is better than noise.

The nearest pictures must stand higher above the space's background than sentences do that describe nothing
(`search.calibration`), or nothing is relevant at all. What reaches REACHED of their height is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from search.calibration import NEAREST, Calibrated, kept_vectors
from search.index import IndexHit
from search.models import Space

# Mean F1 of 228 questions about photos of clothing, 88 of them absurd, by the starter's heads of then: .897
# with .55, .905 with .6, .908 with .65, .906 with .7; the best flat threshold in hindsight gives .889.
REACHED = 0.65


def least_score(
    calibrated: Calibrated, hits: Sequence[IndexHit], vectors: Mapping[int, NDArray[np.float32]]
) -> float:
    """The cosine from which a hit is relevant; infinite where none is.

    Args:
        hits: best first.
        vectors: of the nearest of them.
    """
    near = [hit for hit in hits[:NEAREST] if hit.id in vectors]
    if not near:
        return -np.inf
    means, spreads = calibrated.levels(np.stack([vectors[hit.id] for hit in near]))
    scores = np.asarray([hit.score for hit in near])
    if float(((scores - means) / spreads).mean()) < calibrated.bar:
        return np.inf
    ground = float(means.mean())
    return ground + REACHED * (float(scores.mean()) - ground)


def cut(space: Space, calibrated: Calibrated, hits: Sequence[IndexHit]) -> list[IndexHit]:
    """The hits of a text that are relevant, in their order; one query."""
    vectors = kept_vectors(space, [hit.id for hit in hits[:NEAREST]])
    least = least_score(calibrated, hits, vectors)
    return [hit for hit in hits if hit.score >= least]


def shows_unwanted(
    space: Space,
    calibrated: Calibrated,
    unwanted: NDArray[np.float32],
    nearest: Sequence[IndexHit],
    hits: Sequence[IndexHit],
) -> set[int]:
    """Those of the hits that the unwanted phrase itself would find; one query.

    Args:
        unwanted: the phrase's vector.
        nearest: what is nearest to it.
    """
    vectors = kept_vectors(space, list({hit.id for hit in (*nearest[:NEAREST], *hits)}))
    least = least_score(calibrated, nearest, vectors)
    return {hit.id for hit in hits if hit.id in vectors and float(unwanted @ vectors[hit.id]) >= least}
