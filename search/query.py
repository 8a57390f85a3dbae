"""Search: a sentence, a picture or an asset in, ranked assets that the caller may see out."""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import reduce
from operator import or_
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np
from django.db.models import Case, IntegerField, Q, Value, When
from django.utils import timezone
from django.utils.translation import gettext as _
from numpy.typing import NDArray
from PIL import Image

from dam import tag_tree
from dam.models import Asset, AssetSKU, Tag
from dam.models.asset import AssetQuerySet
from dam.roles import Role, has_role, sees_library
from dam.tagging import find_tags
from search.colour_words import colour_families
from search.documents import days
from search.encoders.base import EncoderError
from search.index import IndexHit, IndexMismatch, IndexUnavailable
from search.index.filters import (
    all_of,
    any_of,
    contains,
    differs,
    equals,
    lacks,
    not_id,
    storefront,
    storefront_or_own,
)
from search.index.lexemes import lexemes
from search.models import Embedding, Space
from search.pictures import PictureError, open_for_encoding
from search.spaces import encoder_of, index_of, live_space

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

logger = logging.getLogger(__name__)

CANDIDATES = 200
MAX_DEPTH = 5_000
MAX_WORDS = 1_000
# Reciprocal rank fusion (Cormack, Clarke, Büttcher, SIGIR 2009) with its paper's constant.
RRF_K = 60
EXACT_WEIGHT = 4.0
COLOUR_WEIGHT = 0.25


class SearchError(Exception):
    """The request cannot be answered; the message says why and what to do."""


@dataclass(frozen=True)
class SearchRequest:
    """What somebody asks for. Text, picture and asset may be combined; filters narrow.

    Attributes:
        likes: pictures of one thing; their mean counts as one picture.
        not_sku, not_states: of what they name nothing is found.
    """

    text: str = ""
    image: Image.Image | None = None
    like: Asset | None = None
    likes: tuple[Asset, ...] = ()
    kind: str = ""
    state: str = ""
    tag: str = ""
    sku: str = ""
    colour: str = ""
    collection: int | None = None
    not_sku: str = ""
    not_states: tuple[str, ...] = ()
    limit: int = 48
    offset: int = 0


@dataclass(frozen=True)
class Hit:
    """An asset, its fused score, and each leg's own: cosine, bm25, exact."""

    asset: Asset
    score: float
    legs: dict[str, float]


@dataclass(frozen=True)
class SearchResults:
    """A page of hits; `total` counts all candidates, at most CANDIDATES a leg."""

    hits: list[Hit]
    total: int
    took_ms: float
    encoder: str
    degraded: str = ""


@dataclass
class _Ranking:
    """Candidates of all legs, fused by rank."""

    fused: dict[int, float] = field(default_factory=dict)
    legs: dict[int, dict[str, float]] = field(default_factory=dict)
    families: dict[int, str] = field(default_factory=dict)

    def add(self, leg: str, hits: Sequence[IndexHit], weights: Sequence[float]) -> None:
        for rank, (hit, weight) in enumerate(zip(hits, weights, strict=True), start=1):
            self.fused[hit.id] = self.fused.get(hit.id, 0.0) + weight / (RRF_K + rank)
            self.legs.setdefault(hit.id, {})[leg] = round(hit.score, 4)
            self.families[hit.id] = hit.colour_family

    def favour(self, families: set[str]) -> None:
        """Words of colour weigh the named colours."""
        for key, family in self.families.items():
            if family in families:
                self.fused[key] += COLOUR_WEIGHT / RRF_K

    def ordered(self) -> list[int]:
        return sorted(self.fused, key=lambda key: (-self.fused[key], -key))


def search(
    request: SearchRequest, *, user: User | AnonymousUser | None, space: Space | None = None
) -> SearchResults:
    """Answer a request.

    Args:
        request: what is asked.
        user: who asks; None is the command line, which sees the whole library.
        space: asked instead of the live one, to compare the two.

    Raises:
        SearchError: the request is too long or too deep, or its asset or picture cannot be used.
    """
    started = time.perf_counter()
    _check(request)
    degraded = encoder = ""
    if request.text.strip() or request.image is not None or request.like is not None or request.likes:
        try:
            space = space or live_space()
            encoder = space.encoder
            ranking = _rank(request, space, user)
        except (IndexUnavailable, IndexMismatch, EncoderError) as error:
            if not request.text.strip():
                raise SearchError(str(error)) from error
            logger.warning("Search falls back to the database: %s", error)
            degraded = _("Search by meaning is not available at the moment; these results match words only.")
            ranking = _rank_by_database(request, user)
    else:
        ranking = _newest(request, user)
    order = ranking.ordered()
    return SearchResults(
        hits=_load(order[request.offset : request.offset + request.limit], ranking, request, user),
        total=len(order),
        took_ms=(time.perf_counter() - started) * 1000,
        encoder=encoder,
        degraded=degraded,
    )


def _check(request: SearchRequest) -> None:
    if len(request.text) > MAX_WORDS:
        raise SearchError(_("The text is longer than %(most)d characters; shorten it.") % {"most": MAX_WORDS})
    if not 1 <= request.limit <= CANDIDATES:
        raise SearchError(_("“limit” must lie between 1 and %(most)d.") % {"most": CANDIDATES})
    if not 0 <= request.offset <= MAX_DEPTH:
        raise SearchError(
            _("Nobody pages deeper than %(most)d results; refine the search.") % {"most": MAX_DEPTH}
        )


def visible(user: User | AnonymousUser | None) -> AssetQuerySet:
    """What the caller may see, as the database knows it."""
    return Asset.objects.in_library() if user is None else Asset.objects.visible_to(user)


def _rank(request: SearchRequest, space: Space, user: User | AnonymousUser | None) -> _Ranking:
    """All legs against the index, the filters and the caller's rights inside each."""
    index = index_of(space)
    where = _where(request, user)
    depth = min(max(CANDIDATES, request.offset + request.limit), MAX_DEPTH + CANDIDATES)
    ranking = _Ranking()
    vector = _query_vector(request, space)
    hits = index.search_vector(vector, limit=depth, where=where)
    ranking.add("cosine", hits, [1.0] * len(hits))
    if request.text.strip():
        words = index.search_words(request.text, limit=depth, where=where)
        if not index.full_text:
            words = _database_words(request, user)
        best = max((hit.score for hit in words), default=0.0) or 1.0
        ranking.add("bm25", words, [max(hit.score, 0.0) / best for hit in words])
        exact = _exact(request, user)
        ranking.add("exact", exact, [EXACT_WEIGHT] * len(exact))
        ranking.favour(colour_families(request.text))
    return ranking


def _where(request: SearchRequest, user: User | AnonymousUser | None) -> str:
    conditions = [
        equals("kind", request.kind),
        equals("state", request.state),
        equals("colour_family", request.colour),
        any_of(contains("tags", slug) for slug in _tag_slugs(request.tag)) if request.tag else "",
        contains("skus", request.sku) if request.sku else "",
        contains("collections", request.collection) if request.collection is not None else "",
        lacks("skus", request.not_sku) if request.not_sku else "",
        *(differs("state", state) for state in request.not_states),
        not_id(request.like.pk) if request.like is not None else "",
    ]
    today = days(timezone.localdate())
    if not has_role(user, Role.CONTRIBUTOR):
        conditions.append(storefront(today))
    elif user is not None and not sees_library(user):
        conditions.append(storefront_or_own(today, user.pk or 0))
    return all_of(conditions)


def _tag_slugs(word: str) -> list[str]:
    """The slugs of the tag that this word names and of those below it; of an unknown one the word."""
    keys = tag_tree.keys_below(tag.pk for tag in find_tags([word]).values())
    return list(Tag.objects.filter(pk__in=keys).values_list("slug", flat=True)) or [word]


def _query_vector(request: SearchRequest, space: Space) -> NDArray[np.float32]:
    """The unit vector of all that was given: text, picture and asset count alike."""
    parts = []
    if request.text.strip():
        parts.append(_text_vectors.get(space, request.text.strip()))
    if request.image is not None:
        parts.append(encoder_of(space).encode_images([request.image])[0])
    if request.like is not None:
        parts.append(_asset_vector(request.like, space))
    if request.likes:
        parts.append(_mean_vector(request.likes, space))
    mean = np.mean(parts, axis=0)
    return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-12), dtype=np.float32)


class _TextVectors:
    """Vectors of recent queries: people page, filter and repeat, and a text tower is slow."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._lock = Lock()
        self._kept: OrderedDict[tuple[str, str], NDArray[np.float32]] = OrderedDict()

    def get(self, space: Space, text: str) -> NDArray[np.float32]:
        key = (space.slug, text)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        vector = encoder_of(space).encode_texts([text])[0]
        with self._lock:
            self._kept[key] = vector
            if len(self._kept) > self._size:
                self._kept.popitem(last=False)
        return vector


_text_vectors = _TextVectors(4096)


def _asset_vector(asset: Asset, space: Space) -> NDArray[np.float32]:
    """The asset's kept vector, or a fresh one where it has not been indexed yet."""
    if asset.current is None:
        raise SearchError(_("This asset has no file to compare with."))
    kept = Embedding.objects.filter(space=space, sha256=asset.current.sha256).first()
    if kept is not None:
        return np.frombuffer(kept.vector, dtype="<f4").astype(np.float32)
    try:
        picture = open_for_encoding(asset.current)
    except PictureError as error:
        raise SearchError(str(error)) from error
    return encoder_of(space).encode_images([picture])[0]


def _mean_vector(assets: Sequence[Asset], space: Space) -> NDArray[np.float32]:
    """The unit vector amid the kept ones, in one query; a fresh one of the first where none is kept."""
    files = [asset.current.sha256 for asset in assets if asset.current is not None]
    kept = Embedding.objects.filter(space=space, sha256__in=files).values_list("vector", flat=True)
    vectors = [np.frombuffer(vector, dtype="<f4") for vector in kept]
    if not vectors:
        return _asset_vector(assets[0], space)
    mean = np.mean(vectors, axis=0)
    return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-12), dtype=np.float32)


def _filtered(request: SearchRequest, user: User | AnonymousUser | None) -> AssetQuerySet:
    """The request's filters on the database."""
    assets = visible(user)
    if request.kind:
        assets = assets.filter(kind=request.kind)
    if request.state:
        assets = assets.filter(state=request.state)
    if request.colour:
        assets = assets.filter(colour_family=request.colour)
    if request.tag:
        carried = Asset.tags.through.objects.filter(tag__slug__in=_tag_slugs(request.tag))
        assets = assets.filter(pk__in=carried.values("asset_id"))
    if request.sku:
        assets = assets.for_sku(request.sku)
    if request.collection is not None:
        assets = assets.filter(collection_links__collection_id=request.collection)
    if request.like is not None:
        assets = assets.exclude(pk=request.like.pk)
    return _without(request, assets)


def _without(request: SearchRequest, assets: AssetQuerySet) -> AssetQuerySet:
    """Leave out what the request does not want; the index may be a few seconds behind in this."""
    if request.not_states:
        assets = assets.exclude(state__in=request.not_states)
    if request.not_sku:
        showing = AssetSKU.objects.filter(sku__code=request.not_sku)
        assets = assets.exclude(pk__in=showing.values("asset_id"))
    return assets


def _exact(request: SearchRequest, user: User | AnonymousUser | None) -> list[IndexHit]:
    """Assets whose SKU code or whole title is what was typed."""
    text = request.text.strip()
    named = Q(title__iexact=text) | Q(title_zh=text) | Q(skus__code__iexact=text)
    found = _filtered(request, user).filter(named).values_list("pk", "colour_family").distinct()
    return [IndexHit(pk, 1.0, family) for pk, family in found.order_by("pk")[:CANDIDATES]]


WORD_FIELDS = (
    "title",
    "title_zh",
    "alt_text",
    "alt_text_zh",
    "description",
    "description_zh",
    "tags__label",
    "tags__label_zh",
    "skus__code",
    "skus__name",
    "skus__name_zh",
)


def _database_words(request: SearchRequest, user: User | AnonymousUser | None) -> list[IndexHit]:
    """Keyword search without the index: how many of the words appear in an asset's texts."""
    words = lexemes(request.text, query=True)[:12]
    if not words:
        return []
    matches = [reduce(or_, (Q(**{f"{name}__icontains": word}) for name in WORD_FIELDS)) for word in words]
    keys = _filtered(request, user).filter(reduce(or_, matches)).values("pk").distinct().order_by("-pk")
    assets = Asset.objects.filter(pk__in=[row["pk"] for row in keys[:1000]])
    score = sum(
        (
            Case(When(pk__in=assets.filter(match).values("pk"), then=Value(1)), default=Value(0))
            for match in matches
        ),
        start=Value(0, output_field=IntegerField()),
    )
    found = assets.annotate(words_matched=score).order_by("-words_matched", "-pk")[:CANDIDATES]
    return [IndexHit(asset.pk, float(asset.words_matched), asset.colour_family) for asset in found]


def _rank_by_database(request: SearchRequest, user: User | AnonymousUser | None) -> _Ranking:
    ranking = _Ranking()
    words = _database_words(request, user)
    ranking.add("words", words, [hit.score for hit in words])
    exact = _exact(request, user)
    ranking.add("exact", exact, [EXACT_WEIGHT] * len(exact))
    return ranking


def _newest(request: SearchRequest, user: User | AnonymousUser | None) -> _Ranking:
    """Nothing was asked: the newest first."""
    ranking = _Ranking()
    last = min(request.offset + max(request.limit, CANDIDATES), MAX_DEPTH)
    rows = _filtered(request, user).order_by("-pk").values_list("pk", "colour_family").distinct()[:last]
    ranking.add("newest", [IndexHit(pk, 0.0, family) for pk, family in rows], [1.0] * len(rows))
    return ranking


def _load(
    keys: Sequence[int], ranking: _Ranking, request: SearchRequest, user: User | AnonymousUser | None
) -> list[Hit]:
    """The page's assets in order. The database has the last word on who may see what."""
    shown = _without(request, visible(user).filter(pk__in=keys))
    assets = {asset.pk: asset for asset in shown.with_listing()}
    return [
        Hit(assets[key], round(ranking.fused[key], 6), ranking.legs[key]) for key in keys if key in assets
    ]
