"""Pages that neither repeat nor skip, however the library changes meanwhile.

The first page's ranking is kept for some minutes, and later pages are read from it. What was deleted
meanwhile is passed over, what is new waits for the next search. When it is no longer kept, the search is done
anew and goes on behind the last hit's score and key.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field

from django.core import signing
from django.core.cache import cache
from django.utils.translation import gettext as _

from search.request import FacetCount, LegMatch, SearchError
from search.understanding import Understanding

CURSOR_SALT = "search.cursor"
KEPT_SECONDS = 600


@dataclass(frozen=True)
class Place:
    """One hit of a ranking: the group's best, and the keys behind it."""

    key: int
    score: float
    legs: tuple[LegMatch, ...]
    others: tuple[int, ...] = ()


@dataclass
class Ranked:
    """The whole answer to a request, of which people are shown pages.

    Attributes:
        depth: how many candidates each leg was asked for.
        complete: asking for more would find no more.
        facets: None where nobody has asked for them yet.
    """

    places: list[Place]
    depth: int
    complete: bool
    encoder: str = ""
    degraded: str = ""
    empty_because: str = ""
    understood: Understanding = field(default_factory=lambda: Understanding(""))
    facets: dict[str, list[FacetCount]] | None = None
    name: str = field(default_factory=lambda: secrets.token_urlsafe(9))

    @property
    def total(self) -> int:
        return sum(1 + len(place.others) for place in self.places)

    def extend(self, deeper: Ranked) -> None:
        """Put behind what is there what a deeper search found beside it."""
        known = {key for place in self.places for key in (place.key, *place.others)}
        for place in deeper.places:
            keys = [key for key in (place.key, *place.others) if key not in known]
            if keys:
                self.places.append(Place(keys[0], place.score, place.legs, tuple(keys[1:])))
        self.depth, self.complete = deeper.depth, deeper.complete


@dataclass(frozen=True)
class Cursor:
    """Where the next page begins.

    Attributes:
        asked: fingerprint of the request and its caller.
        ranking: name of the ranking that it goes on in.
        position: in that ranking.
        score, key: of the last hit that was shown.
    """

    asked: str
    ranking: str
    position: int
    score: float
    key: int

    def __str__(self) -> str:
        parts = (self.asked, self.ranking, self.position, self.score, self.key)
        return signing.dumps(parts, salt=CURSOR_SALT)


def read_cursor(text: str) -> Cursor:
    """
    Raises:
        SearchError: no search made it.
    """
    try:
        return Cursor(*signing.loads(text, salt=CURSOR_SALT))
    except (signing.BadSignature, TypeError, UnicodeEncodeError) as error:
        raise SearchError(_("This cursor was not made by this search; start again without one.")) from error


def resume(cursor: Cursor, asked: str) -> Ranked | None:
    """The ranking that the cursor goes on in, if it is still kept.

    Raises:
        SearchError: the cursor belongs to another request or another caller.
    """
    if cursor.asked != asked:
        raise SearchError(_("This cursor was not made by this search; start again without one."))
    ranked: Ranked | None = cache.get(_key(asked))
    return ranked if ranked is not None and ranked.name == cursor.ranking else None


def latest(asked: str) -> Ranked | None:
    """The last ranking of this request, for pages that are named by a number."""
    ranked: Ranked | None = cache.get(_key(asked))
    return ranked


def keep(asked: str, ranked: Ranked) -> None:
    cache.set(_key(asked), ranked, KEPT_SECONDS)


def behind(places: Sequence[Place], cursor: Cursor) -> int:
    """Where a new ranking goes on behind the last hit that was shown."""
    last = (-cursor.score, -cursor.key)
    return next((place for place, one in enumerate(places) if (-one.score, -one.key) > last), len(places))


def _key(asked: str) -> str:
    return f"search:ranked:{asked}"
