"""Pages that neither repeat nor skip, however the library changes meanwhile.

The first page's ranking is kept for some minutes, and later pages are read from it. What was deleted
meanwhile is passed over, what is new waits for the next search. When it is no longer kept, the pages go on in
a new ranking with what has not been shown: where that has become too much to remember, behind the last of the
shown hits that is still there.
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
# So many shown hits are all remembered; a cursor with them has 1.5 KB, and an address may have 4 (gunicorn).
REMEMBERED = 250
# Of more, so many of the last may be deleted before a page that goes on in another ranking counts places.
LAST = 8


def _new_name() -> str:
    return secrets.token_urlsafe(9)


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
        goes_on: it begins with what other rankings have shown, in their order.
    """

    places: list[Place]
    depth: int
    complete: bool
    encoder: str = ""
    degraded: str = ""
    empty_because: str = ""
    understood: Understanding = field(default_factory=lambda: Understanding(""))
    facets: dict[str, list[FacetCount]] | None = None
    name: str = field(default_factory=_new_name)
    goes_on: bool = False

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
        shown: keys of all hits before it, in their order, or of the last of them.
    """

    asked: str
    ranking: str
    position: int
    shown: Sequence[int]

    def __str__(self) -> str:
        told = (self.asked, self.ranking, self.position, list(self.shown))
        return signing.dumps(told, salt=CURSOR_SALT, compress=True)


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
    first = 0 if position <= REMEMBERED else position - LAST
    shown = ranked.places[first:position]
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
    """By its name, since the same may be asked again before its last page; and as the last of its request, if
    it is in the order of its own.
    """
    names = {} if ranked.goes_on else {_key(asked): ranked.name}
    cache.set_many({_key(ranked.name): ranked, **names}, KEPT_SECONDS)


def go_on(ranked: Ranked, cursor: Cursor) -> tuple[Ranked, int]:
    """What another ranking than the cursor's goes on with, and where in it.

    Scores tell nothing here: they come of places, which all move up where one hit is gone, so that what was
    to come may stand before what was shown. Where all that was shown is known, that is put in front, in a
    ranking of its own: others may be reading pages of the first.
    """
    standing = {key: at for at, place in enumerate(ranked.places) for key in (place.key, *place.others)}
    if len(cursor.shown) < cursor.position:
        found = (standing[key] + 1 for key in reversed(cursor.shown) if key in standing)
        return ranked, next(found, min(cursor.position, len(ranked.places)))
    seen = dict.fromkeys(standing[key] for key in cursor.shown if key in standing)
    # A deeper look may find them yet.
    missing = [Place(key, 0.0, ()) for key in cursor.shown if key not in standing]
    shown = [*missing, *(ranked.places[at] for at in seen)]
    rest = [place for at, place in enumerate(ranked.places) if at not in seen]
    return replace(ranked, places=[*shown, *rest], name=_new_name(), goes_on=True), len(shown)


def _key(name: str) -> str:
    return f"search:ranked:{name}"
