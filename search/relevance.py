"""Where the relevant end: an empty answer is better than noise."""

from __future__ import annotations

from search.index import IndexHit
from search.models import Space
from search.vectors import QueryVectors


def cut(space: Space, vectors: QueryVectors, hits: list[IndexHit]) -> list[IndexHit]:
    """The hits of a leg by meaning that are relevant, in their order."""
    return hits
