"""What the database says of the candidates; it has the last word on which of them the caller may open."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import TextField, Value
from django.db.models.functions import Coalesce

from search.among import Among
from search.where import Where


@dataclass(frozen=True)
class Candidate:
    """One asset that may be shown, its words (`dam.words`) and its sort."""

    key: int
    words: str
    kind: str
    state: str
    origin: str
    aspect: str
    colour: str


def admitted(keys: Iterable[int], where: Where) -> dict[int, Candidate]:
    """Those of these assets that the request and the caller's rights admit now; one query.

    The index may be a few seconds behind; what was trashed or changed meanwhile is not among them.
    """
    rows = where.assets().filter(Among("pk", keys)).order_by()
    sort = ("kind", "state", "origin", "aspect", "colour_family")
    told = rows.values_list("pk", Coalesce("words__words", Value("", TextField())), *sort)
    return {key: Candidate(key, words, *row) for key, words, *row in told}
