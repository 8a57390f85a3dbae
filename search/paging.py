"""Pages that neither repeat nor skip, however the library changes meanwhile.

The first page's ranking is kept for some minutes, and later pages are read from it. What was deleted
meanwhile is passed over, what is new waits for the next search. When it is no longer kept, the pages go on in
a new ranking behind the last of the shown hits that is still there.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from django.core import signing
from django.core.cache import cache
from django.utils.translation import gettext as _

from search.request import FacetCount, LegMatch, SearchError
from search.understanding import Understanding

CURSOR_SALT = "search.cursor"
KEPT_SECONDS = 600
# So many of the last shown hits may be deleted before a page that goes on in another ranking counts places.
REMEMBERED = 8


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
        """Put behind what is there what a deeper search found beside it; more of a group joins the group."""
        standing = {key: at for at, place in enumerate(self.places) for key in (place.key, *place.others)}
        for place in deeper.places:
            keys = (place.key, *place.others)
            new = tuple(key for key in keys if key not in standing)
            known = next((standing[key] for key in keys if key in standing), None)
            if known is None:
                self.places.append(place)
            elif new:
                group = self.places[known]
                self.places[known] = replace(group, others=(*group.others, *new))
        self.depth, self.complete, self.facets = deeper.depth, deeper.complete, None


@dataclass(frozen=True)
class Cursor:
    """Where the next page begins.

    Attributes:
        asked: fingerprint of the request and its caller.
        ranking: name of the ranking that it goes on in.
        position: in that ranking.
        shown: keys of the last hits before it, in their order.
    """

    asked: str
    ranking: str
    position: int
    shown: Sequence[int]

    def __str__(self) -> str:
        return signing.dumps((self.asked, self.ranking, self.position, list(self.shown)), salt=CURSOR_SALT)


def read_cursor(text: str) -> Cursor:
    """
    Raises:
        SearchError: no search made it.
    """
    try:
        return Cursor(*signing.loads(text, salt=CURSOR_SALT))
    except (signing.BadSignature, TypeError, UnicodeEncodeError) as error:
        raise SearchError(_("This cursor was not made by this search; start again without one.")) from error


def cursor_of(text: str, asked: str) -> Cursor:
    """
    Raises:
        SearchError: no search made it, or it belongs to another request or another caller.
    """
    cursor = read_cursor(text)
    if cursor.asked != asked:
        raise SearchError(_("This cursor was not made by this search; start again without one."))
    return cursor


def cursor_at(ranked: Ranked, position: int, asked: str) -> Cursor:
    """The cursor of the page that begins there."""
    shown = ranked.places[max(0, position - REMEMBERED) : position]
    return Cursor(asked, ranked.name, position, [place.key for place in shown])


def resume(cursor: Cursor) -> Ranked | None:
    """The ranking that the cursor goes on in, or else the last one of its request, if they are still kept."""
    ranked: Ranked | None = cache.get(_key(cursor.ranking))
    return ranked or latest(cursor.asked)


def latest(asked: str) -> Ranked | None:
    """The last ranking of this request, for pages that are named by a number."""
    name = cache.get(_key(asked))
    ranked: Ranked | None = cache.get(_key(name)) if name else None
    return ranked


def keep(asked: str, ranked: Ranked) -> None:
    """By its name, since the same may be asked again before its last page; and as the last of its request."""
    cache.set_many({_key(ranked.name): ranked, _key(asked): ranked.name}, KEPT_SECONDS)


def behind(places: Sequence[Place], cursor: Cursor) -> int:
    """Where another ranking goes on: behind the last of the shown hits that is in it.

    Scores tell nothing here: they come of places, which all move up where one hit is gone.
    """
    standing = {key: at for at, place in enumerate(places) for key in (place.key, *place.others)}
    found = (standing[key] + 1 for key in reversed(cursor.shown) if key in standing)
    return next(found, min(cursor.position, len(places)))


def _key(name: str) -> str:
    return f"search:ranked:{name}"
