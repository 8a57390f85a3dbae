"""Which vector spaces there are, and the encoder and collection that belong to each."""

from __future__ import annotations

import logging
from functools import lru_cache

from django.conf import settings
from django.db import transaction
from django.db.models import F, QuerySet

from dam import clock
from search import policy
from search.encoders.base import Encoder, EncoderError, SpaceSpec
from search.encoders.registry import get_encoder
from search.index import VectorIndex
from search.models import IndexEntry, IndexState, ReindexState, Space, SpaceCoverage, SpaceState

logger = logging.getLogger(__name__)

LIVE_ALIAS = "live"


def live_space() -> Space:
    """The space that holds every asset and is searched; at first use, that of settings.SEARCH_ENCODER.

    Raises:
        EncoderError: the configured encoder is unknown or has no weights.
    """
    live = Space.objects.filter(state=SpaceState.LIVE, coverage=SpaceCoverage.ALL).order_by("-id").first()
    return live or _first_space()


def _first_space() -> Space:
    return declare_space(settings.SEARCH_ENCODER, SpaceState.LIVE)


def live_spaces() -> list[Space]:
    """Every space that a query asks: the one that holds every asset, then those that hold chosen ones; one
    query where the policy is “one”.
    """
    _ensure_chosen()
    live = list(Space.objects.filter(state=SpaceState.LIVE).order_by("id"))
    whole = [space for space in live if space.coverage == SpaceCoverage.ALL]
    chosen = [space for space in live if space.coverage == SpaceCoverage.CHOSEN]
    return [whole[-1] if whole else _first_space(), *filter(policy.is_wanted, chosen)]


def active_spaces() -> list[Space]:
    """Every space that changes are written to: the live ones, and those that are built or kept beside."""
    return [*live_spaces(), *_beside()]


def worked_spaces() -> list[Space]:
    """Every space whose outbox is worked off; what is noted for a paused one waits."""
    return [*live_spaces(), *spaces_beside()]


def spaces_beside() -> list[Space]:
    """Those of them that are not searched yet, or not any more."""
    return list(_beside().exclude(reindexes__state__in=(ReindexState.PAUSED, ReindexState.FAILED)))


def _beside() -> QuerySet[Space]:
    return Space.objects.filter(state__in=(SpaceState.BUILDING, SpaceState.STANDBY)).order_by("id")


def _ensure_chosen() -> None:
    """The policy's space is there. An encoder that is set up wrongly stops neither search nor uploads; the
    sweep and `doctor` say so.
    """
    if not (encoder_id := policy.quality_encoder()):
        return
    try:
        space = Space.objects.filter(slug=get_encoder(encoder_id).space.slug).first()
        if space is not None and space.state in (SpaceState.LIVE, SpaceState.DROPPING):
            return
        if policy.waits_for_reindex():
            return
        space = space or declare_space(encoder_id, SpaceState.LIVE, SpaceCoverage.CHOSEN)
    except EncoderError as error:
        logger.error("The policy's space cannot be: %s", error)
        return
    if space.state != SpaceState.LIVE:
        _take_up_again(space)


@transaction.atomic
def _take_up_again(space: Space) -> None:
    """It was left and is wanted again: what changed meanwhile was not noted, so that all is looked at."""
    left = Space.objects.filter(pk=space.pk).exclude(state__in=(SpaceState.LIVE, SpaceState.DROPPING))
    if left.update(state=SpaceState.LIVE, coverage=SpaceCoverage.CHOSEN):
        IndexEntry.objects.filter(space=space).exclude(state=IndexState.REMOVED).update(
            state=IndexState.PENDING, revision=F("revision") + 1, not_before=clock.Now(),
            attempts=0,
        )  # fmt: skip


def retire_unchosen() -> int:
    """Spaces of chosen assets that no policy asks for any more are searched no longer; how many."""
    left = Space.objects.filter(state=SpaceState.LIVE, coverage=SpaceCoverage.CHOSEN)
    gone = [space.pk for space in left if not policy.governs(space)]
    return Space.objects.filter(pk__in=gone).update(state=SpaceState.RETIRED) if gone else 0


def declare_space(encoder_id: str, state: SpaceState, coverage: SpaceCoverage = SpaceCoverage.ALL) -> Space:
    """The row of an encoder's space, made if it is new."""
    spec = get_encoder(encoder_id).space
    space, _created = Space.objects.get_or_create(
        slug=spec.slug,
        defaults={
            "encoder": spec.encoder,
            "weights": spec.weights,
            "dimension": spec.dimension,
            "collection": f"{settings.MILVUS_COLLECTION_PREFIX}_{spec.slug}",
            "state": state,
            "coverage": coverage,
        },
    )
    return space


def encoder_of(space: Space) -> Encoder:
    """The encoder that made the vectors of `space`.

    Raises:
        EncoderError: its weights are no longer those that the space was built with.
    """
    encoder = get_encoder(space.encoder)
    found: SpaceSpec = encoder.space
    if found.slug != space.slug:
        raise EncoderError(
            f"The index was built with “{space.encoder}” (weights {space.weights}, "
            f"{space.dimension} dimensions), but that encoder now has weights {found.weights} and "
            f"{found.dimension} dimensions. "
            f"Run `manage.py index --reindex {space.encoder}`."
        )
    return encoder


def index_of(space: Space) -> VectorIndex:
    """The Milvus collection of `space`."""
    return _index(space.collection, space.dimension, space.slug)


@lru_cache(maxsize=16)
def _index(collection: str, dimension: int, slug: str) -> VectorIndex:
    return VectorIndex(collection, dimension, slug)


def live_alias() -> str:
    """The Milvus alias of the live collection."""
    return f"{settings.MILVUS_COLLECTION_PREFIX}_{LIVE_ALIAS}"
