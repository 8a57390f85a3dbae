"""What the database says of the candidates; it has the last word on which of them the caller may open."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from search.among import Among
from search.where import Where


@dataclass(frozen=True)
class Candidate:
    """One asset that may be shown, and its sort."""

    key: int
    kind: str
    state: str
    origin: str
    aspect: str
    colour: str


def admitted(keys: Sequence[int], where: Where) -> dict[int, Candidate]:
    """Those of these assets that the request and the caller's rights admit now; one query.

    The index may be a few seconds behind; what was trashed or changed meanwhile is not among them.
    """
    rows = where.assets().filter(Among("pk", keys)).order_by()
    fields = ("pk", "kind", "state", "origin", "aspect", "colour_family")
    return {key: Candidate(key, *sort) for key, *sort in rows.values_list(*fields)}
