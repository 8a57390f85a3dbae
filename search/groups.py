"""Diversity: pictures of the same thing are one hit, and none is lost.

The same thing are near duplicates (`dam.duplicates`, unless somebody told them apart) and pictures that show
the same single article, in whichever of its variants.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from django.db.models import F, Q, QuerySet, Value
from django.db.models.functions import Coalesce

from dam.models import AssetSKU, DuplicatePair, PairState
from search.among import Among
from search.prepared import Given, Prepared

MOST_MEMBERS = 500
_APART = (PairState.DIFFERENT, PairState.MERGED)
_NEAR, _ARTICLE = 0, 1


def grouped(ranked: Sequence[int]) -> list[list[int]]:
    """The keys in groups; the best of each stands first, and groups are in the order of their best.

    One query.
    """
    leader: dict[int, int] = {}

    def find(key: int) -> int:
        while (above := leader.get(key, key)) != key:
            leader[key] = leader.get(above, above)
            key = above
        return key

    place = {key: rank for rank, key in enumerate(ranked)}
    for first, second in _same(ranked):
        one, other = sorted((find(first), find(second)), key=lambda key: place[key])
        leader[other] = one
    groups: dict[int, list[int]] = defaultdict(list)
    for key in ranked:
        groups[find(key)].append(key)
    return list(groups.values())


def members(key: int) -> tuple[int, ...]:
    """The asset and everything that is the same thing, in the whole library; at most MOST_MEMBERS."""
    found = {key}
    edge: Iterable[int] = [key]
    while edge and len(found) < MOST_MEMBERS:
        near = _pairs().filter(Q(first__in=edge) | Q(second__in=edge)).values_list("first", "second")
        shown = list(_single(_articles(edge)).values())
        of_articles = AssetSKU.objects.filter(Q(sku__in=shown) | Q(sku__parent__in=shown))
        siblings = list(of_articles.values_list("asset", flat=True).distinct()[:MOST_MEMBERS])
        alone = _single(_articles(siblings))
        reached = {one for pair in near[:MOST_MEMBERS] for one in pair} | set(alone)
        edge = reached - found
        found |= edge
    return tuple(sorted(found)[:MOST_MEMBERS])


def _same(keys: Sequence[int]) -> Iterable[tuple[int, int]]:
    shown = []
    for what, key, other in _SAME.rows(keys=keys) if keys else ():
        if what == _NEAR:
            yield key, other
        else:
            shown.append((key, other))
    first_of: dict[int, int] = {}
    for key, article in _single(shown).items():
        if (other := first_of.setdefault(article, key)) != key:
            yield other, key


def _same_among() -> QuerySet[Any, tuple[int, int, int]]:
    """(which of the two, key, the other asset or the article)"""
    keys = Given("keys")
    near = _pairs().filter(Among("first", keys), Among("second", keys)).order_by()
    links = _articles(keys).order_by().annotate(what=Value(_ARTICLE)).values_list("what", "asset", "article")
    return near.annotate(what=Value(_NEAR)).values_list("what", "first", "second").union(links, all=True)


_SAME = Prepared(_same_among)


def _pairs() -> QuerySet[DuplicatePair]:
    return DuplicatePair.objects.exclude(state__in=_APART)


def _articles(keys: Iterable[int] | Given) -> QuerySet[AssetSKU, tuple[int, int]]:
    """(asset, article that it shows)"""
    links = AssetSKU.objects.filter(Among("asset", keys))
    return links.annotate(article=Coalesce(F("sku__parent"), F("sku"))).values_list("asset", "article")


def _single(links: Iterable[tuple[int, int]]) -> dict[int, int]:
    """Asset → the article that it shows, of those that show one only."""
    shown: dict[int, set[int]] = defaultdict(set)
    for key, article in links:
        shown[key].add(article)
    return {key: article for key, (article, *others) in shown.items() if not others}
