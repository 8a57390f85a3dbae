"""The ways of looking: by meaning in every live space, by words, by exact name, by colour, by age.

What asks Milvus runs side by side in threads; what asks the database stays in the caller's.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache

import numpy as np
from django.utils.translation import gettext as _

from dam.models import AssetVersion
from dam.roles import Role, has_role
from search import calibration, relevance, word_index
from search.calibration import NEAREST
from search.candidates import Candidate
from search.encoders.base import EncoderError
from search.fusion import EXACT_WEIGHT, Leg
from search.index import IndexHit, IndexMismatch, IndexUnavailable, VectorIndex
from search.index.palette import CLOSE, REACH, likeness
from search.models import Space
from search.request import SearchError, SearchRequest
from search.spaces import index_of, live_spaces
from search.understanding import Understanding
from search.vectors import NoVector, QueryVectors, query_vectors
from search.where import Where
from search.word_index import ByWords

logger = logging.getLogger(__name__)

THREADS = 8
RECENT = 5  # so many times the depth are looked through for colours where no index knows them
Hits = list[IndexHit]


@dataclass(frozen=True)
class _Named:
    """What is found by what was typed: codes and titles that are just that, and assets with its words.

    Attributes:
        exact: keys of assets, of which the caller may not see all.
        words: as the database knows them.
        ranked: what the index has ranked by words; None: the database's are.
        selective: only those hits stay that another leg knows too, or that have enough of the words: one
            common word of a long sentence is no reason to show a picture.
    """

    depth: int = 0
    exact: Sequence[int] = ()
    words: ByWords = field(default_factory=ByWords)
    ranked: Hits | None = None
    selective: bool = False

    @cached_property
    def _hits(self) -> Hits:
        """By words, as far as they are known yet."""
        return (self.words.ranked() if self.ranked is None else self.ranked)[: self.depth]

    def keys(self, known: Collection[int]) -> set[int]:
        """Of all that may become a hit beside those that other legs know."""
        if self.selective and self.ranked is None:
            found = {key for key in self.words.written if key in known or self.words.covers(key)}
        else:
            found = {hit.id for hit in self._hits}
        return found.union(self.exact)

    def legs(self, known: set[int], candidates: Mapping[int, Candidate]) -> Iterator[Leg]:
        """
        Args:
            candidates: what may be shown of `keys` and of what is known.
        """
        exact = [IndexHit(key, 1.0) for key in self.exact if key in candidates][: self.depth]
        yield Leg("exact", exact, [EXACT_WEIGHT] * len(exact))
        name = "words" if self.ranked is None else "bm25"
        if not self.selective:
            yield _by_words(name, self._hits, self.depth)
            return
        known = known | {hit.id for hit in exact}
        beside = known if self.ranked is None else {hit.id for hit in self.ranked} - known
        words = self.words.beside({key: candidates[key].words for key in beside if key in candidates})
        hits = words.ranked() if self.ranked is None else self.ranked
        kept = [hit for hit in hits if hit.id in known or words.covers(hit.id)][: self.depth]
        leg = _by_words(name, kept, self.depth)
        # Behind as many as were asked for there are more, and worth asking for if some of the last stayed.
        more = len(hits) >= self.depth and bool(kept) and kept[-1] in hits[-max(1, self.depth // 10) :]
        yield replace(leg, full=leg.full or more)


@dataclass
class Found:
    """What was found.

    Attributes:
        legs: those that are complete.
        named: what becomes legs once it is known what may be shown (`complete`).
        cut: how many pictures were near and yet not relevant.
        unwanted: keys of pictures that show what must not be shown.
    """

    legs: list[Leg] = field(default_factory=list)
    encoder: str = ""
    degraded: str = ""
    cut: int = 0
    unwanted: set[int] = field(default_factory=set)
    named: _Named | None = None

    def keys(self) -> set[int]:
        """Of all that may become a hit."""
        known = self._known()
        return known if self.named is None else known | self.named.keys(known.union(self.named.exact))

    def complete(self, candidates: Mapping[int, Candidate]) -> Iterator[Leg]:
        """All legs.

        Args:
            candidates: what may be shown of `keys`.
        """
        yield from self.legs
        if self.named is not None:
            yield from self.named.legs(self._known(), candidates)

    def _known(self) -> set[int]:
        return {hit.id for leg in self.legs for hit in leg.hits}


def by_meaning_and_words(
    request: SearchRequest,
    understood: Understanding,
    where: Where,
    *,
    depth: int,
    meanwhile: Callable[[], object] | None = None,
) -> Found:
    """Every leg that the request calls for.

    Args:
        meanwhile: what else there is to do while Milvus looks.

    Raises:
        EncoderError, IndexMismatch, IndexUnavailable: of the space that holds every asset.
        SearchError: it cannot be asked with this.
    """
    main, *chosen = _spaces(request)
    found = Found(encoder=main.encoder)
    typed = " ".join((understood.wanted, *understood.also)) if understood.wanted else ""
    ranked_by_words = _ask_words(main, typed, where, depth)
    try:
        dense = [_ask(main, request, understood, where, depth)]
    except NoVector as error:
        raise SearchError(str(error)) from error
    for space in chosen:
        try:
            dense.append(_ask(space, request, understood, where, depth))
        except NoVector:
            continue
        except (EncoderError, IndexMismatch, IndexUnavailable) as error:
            found.degraded = _degraded(space, error)
    # What is only not wanted has no bar to reach.
    sentence = request.is_selective and bool(understood.wanted)
    selective = sentence and main.calibrated is not None
    named = None
    if typed:  # while Milvus looks
        named = _ask_database(
            request, understood, where, depth, words=ranked_by_words is None, selective=selective
        )
    if meanwhile is not None:
        meanwhile()
    for asked in dense:
        try:
            _collect(asked, found, depth, cutting=sentence)
        except (IndexMismatch, IndexUnavailable) as error:
            if asked.space == main:
                raise
            found.degraded = _degraded(asked.space, error)
    if named is not None:
        found.named = replace(named, ranked=ranked_by_words.result()) if ranked_by_words else named
    return found


def _spaces(request: SearchRequest) -> list[Space]:
    return [Space.objects.get(slug=request.space)] if request.space else live_spaces()


def _ask_database(
    request: SearchRequest,
    understood: Understanding,
    where: Where,
    depth: int,
    *,
    words: bool = True,
    selective: bool = False,
) -> _Named:
    """
    Args:
        words: whether it is asked for them too.
    """
    exact = word_index.exact(request.text, where, limit=depth)
    typed, also = understood.wanted, understood.also
    if words:
        written = word_index.by_words(typed, also, where, limit=depth, telling=selective)
    else:
        written = word_index.looked_for(typed, also)
    return _Named(depth, exact, written, selective=selective)


@dataclass(frozen=True)
class _Asked:
    """A space that is being asked, also for what is nearest to each unwanted phrase."""

    space: Space
    vectors: QueryVectors
    hits: Future[Hits]
    unwanted: Future[list[Hits]] | None


def _ask_words(space: Space, typed: str, where: Where, depth: int) -> Future[Hits] | None:
    """None where the server ranks no words."""
    index = index_of(space)
    if not typed or not index.full_text:
        return None
    return _pool().submit(index.search_words, typed, limit=depth, where=_inside(index, where))


def _ask(space: Space, request: SearchRequest, understood: Understanding, where: Where, depth: int) -> _Asked:
    paying = has_role(where.user, Role.CONTRIBUTOR)
    vectors = query_vectors(request, understood, space, paying=paying)
    index = index_of(space)
    inside = _inside(index, where)
    hits = _pool().submit(index.search_vector, vectors.wanted, limit=depth, where=inside)
    unwanted = None
    if vectors.unwanted:
        phrases = np.stack(vectors.unwanted)
        unwanted = _pool().submit(index.search_vectors, phrases, limit=NEAREST, where=inside)
    return _Asked(space, vectors, hits, unwanted)


def _inside(index: VectorIndex, where: Where) -> str:
    return where.expression(reach=REACH if index.has_palette else 0.0)


def _collect(asked: _Asked, found: Found, depth: int, *, cutting: bool) -> None:
    hits = relevant = asked.hits.result()
    calibrated = calibration.of(asked.space)
    if calibrated is not None:
        if cutting:
            relevant = relevance.cut(asked.space, calibrated, hits)
        for vector, nearest in zip(
            asked.vectors.unwanted, asked.unwanted.result() if asked.unwanted else (), strict=True
        ):
            found.unwanted |= relevance.shows_unwanted(asked.space, calibrated, vector, nearest, relevant)
    found.cut += len(hits) - len(relevant)
    full = len(relevant) == len(hits) == depth
    found.legs.append(Leg("cosine", relevant, [1.0] * len(relevant), asked.space.encoder, full))


def _by_words(name: str, hits: Hits, depth: int) -> Leg:
    best = max((hit.score for hit in hits), default=0.0) or 1.0
    return Leg(name, hits, [max(hit.score, 0.0) / best for hit in hits], full=len(hits) == depth)


def _degraded(space: Space, error: Exception) -> str:
    logger.warning("The space %s is left out of a search: %s", space, error)
    return _("“%(encoder)s” does not answer at the moment; these results come without it.") % {
        "encoder": space.encoder
    }


def by_words_alone(request: SearchRequest, understood: Understanding, where: Where, *, depth: int) -> Found:
    """On the database, where Milvus or the encoder does not answer."""
    named = _ask_database(request, understood, where, depth) if understood.wanted else None
    degraded = _("Search by meaning is not available at the moment; these results match words only.")
    return Found(degraded=degraded, named=named)


def by_colour(request: SearchRequest, where: Where, *, depth: int) -> Found:
    """Nothing but colours was asked for: those nearest in the index, or among the newest of the database."""
    try:
        (main, *_others) = live_spaces()
        index = index_of(main)
        if index.has_palette:
            keys = _nearest_cells(index, request, where, depth)
            return Found([replace(colour_leg(request, keys), full=len(keys) >= depth)])
    except (EncoderError, IndexMismatch, IndexUnavailable) as error:
        logger.warning("Colours are looked for in the database: %s", error)
    recent = _recent(where, depth)
    return Found([replace(colour_leg(request, recent), full=len(recent) >= RECENT * depth)])


def _nearest_cells(index: VectorIndex, request: SearchRequest, where: Where, depth: int) -> list[int]:
    """Keys of assets with all the colours: very near ones first, wider where those are too few."""
    for reach in (CLOSE, REACH):
        keys = index.matching(where.expression(reach=reach), limit=depth)
        if len(keys) >= depth:
            break
    return keys


def _recent(where: Where, depth: int) -> list[int]:
    return list(where.assets().order_by("-pk").values_list("pk", flat=True)[: RECENT * depth])


def colour_leg(request: SearchRequest, keys: Sequence[int]) -> Leg:
    """Those of the keys that have all the picked colours, by how near and how much; one query."""
    rows = AssetVersion.objects.filter(current_of__in=keys).values_list("current_of", "colours")
    scores = {key: min(likeness(colour, colours) for colour in request.colours) for key, colours in rows}
    hits = sorted(
        (IndexHit(key, score) for key, score in scores.items() if score > 0),
        key=lambda hit: (-hit.score, -hit.id),
    )
    return Leg("colour", hits, [1.0] * len(hits))


def newest(where: Where, *, depth: int) -> Found:
    """Nothing was asked: the newest first."""
    keys = list(where.assets().order_by("-pk").values_list("pk", flat=True)[:depth])
    hits = [IndexHit(key, 0.0) for key in keys]
    return Found([Leg("newest", hits, [1.0] * len(hits), full=len(hits) == depth)])


def _pool() -> ThreadPoolExecutor:
    return _pool_of(os.getpid())


@lru_cache(maxsize=1)
def _pool_of(process: int) -> ThreadPoolExecutor:
    """Threads do not survive a fork: each process has its own."""
    return ThreadPoolExecutor(max_workers=THREADS, thread_name_prefix="search-leg")
