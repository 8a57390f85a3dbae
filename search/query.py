"""Search: a sentence, a picture or an asset in, ranked assets that the caller may see out."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING
from uuid import UUID

from django.utils import translation
from django.utils.translation import gettext as _

from dam.models import Asset
from dam.models.asset import AssetQuerySet
from dam.roles import role_of
from search import groups, legs, paging, query_log, telemetry, word_index
from search.afterwards import afterwards
from search.candidates import admitted
from search.colour_words import colour_families
from search.encoders.base import EncoderError
from search.facets import facets
from search.fusion import Ranking
from search.index import IndexMismatch, IndexUnavailable
from search.paging import Place, Ranked
from search.request import (
    CANDIDATES,
    MAX_DEPTH,
    MAX_WORDS,
    FacetCount,
    Filters,
    Hit,
    Part,
    SearchError,
    SearchRequest,
    SearchResults,
)
from search.understanding import Understanding, understand
from search.where import Where, visible
from search.why import Reasons

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

__all__ = [
    "CANDIDATES", "MAX_DEPTH", "MAX_WORDS", "Filters", "Hit", "Part", "SearchError", "SearchRequest",
    "SearchResults", "search", "visible",
]  # fmt: skip

logger = logging.getLogger(__name__)

DEEPER = 5


def search(
    request: SearchRequest,
    *,
    user: User | AnonymousUser | None,
    source: query_log.Source | None = None,
    meanwhile: Callable[[], object] | None = None,
) -> SearchResults:
    """Answer a request.

    Args:
        request: what is asked.
        user: who asks; None is the command line, which sees the whole library.
        source: where a person typed it; such questions are logged.
        meanwhile: what there is to do while the index looks, such as to load what the results are shown with;
            it may be that nobody does it, or twice.

    Raises:
        SearchError: the request is too long or too deep, or its asset or picture cannot be used.
    """
    started = time.perf_counter()
    request.check()
    where = Where(request, user, _members(request, user))
    ranked, position, is_new = _open(request, where, meanwhile)
    hits, reached = _page(ranked, position, request, visible(None) if is_new else where.assets())
    results = SearchResults(
        hits=hits,
        total=ranked.total,
        groups=len(ranked.places),
        complete=ranked.complete,
        took_ms=(time.perf_counter() - started) * 1000,
        encoder=ranked.encoder,
        degraded=ranked.degraded,
        understood=ranked.understood,
        facets=_facets(ranked, request, where),
        empty_because=ranked.empty_because,
        next=_next(ranked, reached, _asked(request, user)),
    )
    telemetry.SEARCH_SECONDS.observe(results.took_ms / 1000)
    if results.degraded:
        telemetry.DEGRADED.inc()
    if source is None or position or request.group:  # later pages belong to the same question
        return results
    return replace(results, query_id=query_log.record(request, results, source=source, user=user))


def _asked(request: SearchRequest, user: User | AnonymousUser | None) -> str:
    """Names a request with its caller: rankings are theirs alone, in the role that they have now or a key of
    theirs has, and facets speak their language.
    """
    caller = "" if user is None else f"{user.pk or 0}.{role_of(user).value}"
    return f"{request.fingerprint()}:{caller}:{translation.get_language()}"


def _facets(ranked: Ranked, request: SearchRequest, where: Where) -> dict[str, list[FacetCount]]:
    """Those of the ranking; counted now where it was made for a request that did not ask for them."""
    if not request.facets:
        return {}
    if ranked.facets is None:
        keys = [key for place in ranked.places for key in (place.key, *place.others)]
        ranked.facets = facets(list(admitted(keys, where).values()), where.user)
    return ranked.facets


def _members(request: SearchRequest, user: User | AnonymousUser | None) -> tuple[int, ...] | None:
    if not request.group:
        return None
    try:
        named = visible(user).filter(public_id=UUID(request.group)).values_list("pk", flat=True).first()
    except ValueError:
        named = None
    if named is None:
        raise SearchError(_("This group is not there any more; search again."))
    return groups.members(named)


def _open(
    request: SearchRequest, where: Where, meanwhile: Callable[[], object] | None
) -> tuple[Ranked, int, bool]:
    """The ranking that this page belongs to, where in it the page begins, and whether all that is in it was
    admitted just now.
    """
    asked = _asked(request, where.user)
    cursor = paging.cursor_of(request.after, asked) if request.after else None
    if cursor is not None:
        ranked, position = paging.resume(cursor), cursor.position
    else:
        ranked, position = paging.latest(asked) if request.offset else None, request.offset
    kept = (ranked.name, ranked.depth) if ranked else None
    if ranked is None:
        ranked = _rank(request, where, depth=CANDIDATES, meanwhile=meanwhile)
    _deepen(ranked, position + request.limit, request, where)
    if cursor is not None and cursor.ranking != ranked.name:
        ranked, position = paging.go_on(ranked, cursor)
        _deepen(ranked, position + request.limit, request, where)
    if (ranked.name, ranked.depth) != kept:
        afterwards(partial(paging.keep, asked, ranked))
    return ranked, position, kept is None


def _deepen(ranked: Ranked, most: int, request: SearchRequest, where: Where) -> None:
    """Until it has so many places, or there are no more."""
    while not ranked.complete and len(ranked.places) < most and ranked.depth < MAX_DEPTH:
        ranked.extend(_rank(request, where, depth=min(DEEPER * ranked.depth, MAX_DEPTH)))


def _rank(
    request: SearchRequest, where: Where, *, depth: int, meanwhile: Callable[[], object] | None = None
) -> Ranked:
    understood = _understood(request, where)
    found = _ask(request, understood, where, depth, meanwhile)
    candidates = admitted(found.keys(), where)
    ranking = Ranking()
    for leg in found.complete(candidates):
        ranking.add(leg)
    candidates = {key: one for key, one in candidates.items() if key in ranking.fused}
    refused = found.unwanted | word_index.naming(understood.unwanted, candidates.values())
    candidates = {key: one for key, one in candidates.items() if key not in refused}
    if request.colours and request.asks_by_meaning:
        near = legs.colour_leg(request, list(candidates))
        candidates = {hit.id: candidates[hit.id] for hit in near.hits}
        ranking.add(near)
    ranking.keep(candidates)
    if families := colour_families(understood.wanted):
        ranking.favour(key for key, candidate in candidates.items() if candidate.colour in families)
    order = ranking.ordered()
    parts = groups.grouped(order) if request.collapse and not request.group else [[key] for key in order]
    return Ranked(
        places=[
            Place(best, ranking.fused[best], tuple(ranking.legs[best]), tuple(others))
            for best, *others in parts
        ],
        depth=depth,
        complete=not ranking.full,
        encoder=found.encoder,
        degraded=found.degraded,
        understood=understood,
        facets=facets(list(candidates.values()), where.user) if request.facets else None,
        empty_because="" if order else _why_empty(request, understood, found),
    )


def _understood(request: SearchRequest, where: Where) -> Understanding:
    """The sentence taken apart; as it is where nothing would be left of it."""
    text = request.text.strip()
    if not text:
        return Understanding("")
    understood = understand(text, user=where.user, correct=not request.literal)
    return understood if understood.wanted or understood.unwanted else Understanding(text)


def _ask(
    request: SearchRequest,
    understood: Understanding,
    where: Where,
    depth: int,
    meanwhile: Callable[[], object] | None,
) -> legs.Found:
    if not request.asks_by_meaning:
        return (
            legs.by_colour(request, where, depth=depth)
            if request.colours
            else legs.newest(where, depth=depth)
        )
    try:
        return legs.by_meaning_and_words(request, understood, where, depth=depth, meanwhile=meanwhile)
    except (IndexUnavailable, IndexMismatch, EncoderError) as error:
        if not understood.wanted:
            raise SearchError(str(error)) from error
        logger.warning("Search falls back to the database: %s", error)
        return legs.by_words_alone(request, understood, where, depth=depth)


def _why_empty(request: SearchRequest, understood: Understanding, found: legs.Found) -> str:
    """What to try instead, for people."""
    if request.filters or request.colours:
        return _("Nothing matches together with these filters; take some of them away.")
    if found.cut:
        return _(
            "Nothing in the library is near enough to “%(asked)s”. Name what can be seen in the picture, in "
            "other or fewer words, or search with a picture."
        ) % {"asked": understood.wanted}
    return _("Nothing here yet: the library is empty, or its assets are still being indexed.")


def _page(
    ranked: Ranked, position: int, request: SearchRequest, shown_to_caller: AssetQuerySet
) -> tuple[list[Hit], int]:
    """The page's hits in order, and where the next page begins. What has gone meanwhile is passed over.

    Args:
        shown_to_caller: among these are those of the ranking that the caller may see now.
    """
    hits: list[Hit] = []
    while len(hits) < request.limit and position < len(ranked.places):
        places = ranked.places[position : position + request.limit - len(hits)]
        hits += _load(places, ranked, request, shown_to_caller)
        position += len(places)
    return hits, position


def _load(
    places: Sequence[Place], ranked: Ranked, request: SearchRequest, shown_to_caller: AssetQuerySet
) -> list[Hit]:
    """The database has the last word on who may see what. Of a group whose best has gone, the next stands."""
    assets = _shown([place.key for place in places], shown_to_caller)
    behind = [key for place in places if place.key not in assets for key in place.others]
    assets |= _shown(behind, shown_to_caller) if behind else {}
    reasons = Reasons(request, ranked.understood)
    hits = []
    for place in places:
        here = [key for key in (place.key, *place.others) if key in assets or key in place.others]
        first = next((key for key in here if key in assets), None)
        if first is not None:
            hits.append(_hit(assets[first], place, len(here) - 1, reasons))
    return hits


def _shown(keys: Sequence[int], assets: AssetQuerySet) -> dict[int, Asset]:
    return {asset.pk: asset for asset in assets.filter(pk__in=keys).with_listing()}


def _hit(asset: Asset, place: Place, similar: int, reasons: Reasons) -> Hit:
    scores: dict[str, float] = {}
    for match in place.legs:
        scores[match.leg] = max(match.score, scores.get(match.leg, match.score))
    return Hit(
        asset=asset,
        score=round(place.score, 6),
        legs=scores,
        why=reasons.of(asset, place.legs),
        similar=similar,
        group=str(asset.public_id) if similar else "",
    )


def _next(ranked: Ranked, reached: int, asked: str) -> str:
    """The cursor of the page that begins there; empty where there is none."""
    ended = reached >= len(ranked.places) and (ranked.complete or ranked.depth >= MAX_DEPTH)
    if not reached or ended:
        return ""
    return str(paging.cursor_at(ranked, reached, asked))
