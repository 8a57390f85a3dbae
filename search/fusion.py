"""Candidates of several legs, fused by rank."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from search.index import IndexHit
from search.request import LegMatch

# Reciprocal rank fusion (Cormack, Clarke, Büttcher, SIGIR 2009) with its paper's constant.
RRF_K = 60
EXACT_WEIGHT = 4.0
COLOUR_WEIGHT = 0.25


@dataclass(frozen=True)
class Leg:
    """What one way of looking found, best first.

    Attributes:
        weights: how much each place counts beside the same place in another leg.
        full: there may be more than were asked for.
    """

    name: str
    hits: Sequence[IndexHit]
    weights: Sequence[float]
    space: str = ""
    full: bool = False


@dataclass
class Ranking:
    """Candidates by key: their fused score and what each leg said of them."""

    fused: dict[int, float] = field(default_factory=dict)
    legs: dict[int, list[LegMatch]] = field(default_factory=dict)
    full: bool = False

    def add(self, leg: Leg) -> None:
        self.full = self.full or leg.full
        for rank, (hit, weight) in enumerate(zip(leg.hits, leg.weights, strict=True), start=1):
            self.fused[hit.id] = self.fused.get(hit.id, 0.0) + weight / (RRF_K + rank)
            match = LegMatch(leg.name, round(hit.score, 4), rank, leg.space)
            self.legs.setdefault(hit.id, []).append(match)

    def favour(self, keys: Iterable[int]) -> None:
        """Words of colour weigh the named colours."""
        for key in keys:
            if key in self.fused:
                self.fused[key] += COLOUR_WEIGHT / RRF_K

    def keep(self, keys: Iterable[int]) -> None:
        """Drop all others."""
        kept = set(keys)
        self.fused = {key: score for key, score in self.fused.items() if key in kept}

    def ordered(self) -> list[int]:
        """Best first; ties are broken here, never inside the index, which would have to scan for it."""
        return sorted(self.fused, key=lambda key: (-self.fused[key], -key))
