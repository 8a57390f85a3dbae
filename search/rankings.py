"""What a space answers to a query, as people would get it if that space were live."""

from __future__ import annotations

from django.contrib.auth.models import AnonymousUser, User

from dam.models import Asset
from search.models import EvaluationQuery, Space, SpaceCoverage, SpaceState
from search.query import Hit, SearchError, SearchRequest, search

COMPARED = (SpaceState.LIVE, SpaceState.BUILDING, SpaceState.STANDBY)


class NoRanking(Exception):
    """The space does not answer at the moment; the message says why."""


def comparable_spaces() -> list[Space]:
    """Those that hold the whole library or are on the way to it; the live one first."""
    spaces = Space.objects.filter(state__in=COMPARED, coverage=SpaceCoverage.ALL).order_by("-id")
    return sorted(spaces, key=lambda space: COMPARED.index(SpaceState(space.state)))


def ranked(
    query: EvaluationQuery, space: Space, *, limit: int, user: User | AnonymousUser | None = None
) -> list[Hit]:
    """The first hits.

    Raises:
        NoRanking: Milvus or the encoder fails, or the query's picture is gone.
    """
    picture = None
    if query.picture_key is not None:
        picture = Asset.objects.in_library().select_related("current").filter(pk=query.picture_key).first()
        if picture is None and not query.text:
            return []
    request = SearchRequest(text=query.text, like=picture, space=space.slug, limit=limit)
    try:
        results = search(request, user=user)
    except SearchError as error:
        raise NoRanking(str(error)) from error
    if results.degraded:
        raise NoRanking(results.degraded)
    return results.hits
