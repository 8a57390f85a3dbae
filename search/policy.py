"""Which assets enter which space: every one that of SEARCH_ENCODER, chosen ones a better and dearer one too.

What is chosen is decided whenever an asset is noted, and again by the sweep, since tags move, collections
change and the first so many assets become others when some are trashed. What is chosen no longer leaves
the space; its vector is kept, so that coming back costs nothing.
"""

from __future__ import annotations

from collections.abc import Iterable

from django.conf import settings
from django.db.models import Exists, OuterRef, Q
from django.utils.translation import gettext as _

from dam import tag_tree
from dam.models import Asset, AssetKind, CollectionItem
from dam.models.asset import AssetQuerySet
from dam.tagging import find_tags
from search.encoders.base import EncoderError
from search.encoders.registry import get_encoder, is_paid
from search.models import OPEN_REINDEX, IndexEntry, IndexState, Reindex, Space, SpaceCoverage

ONE, CHOSEN = "one", "chosen"


def quality_encoder() -> str:
    """The encoder of chosen assets; empty where the policy is “one”."""
    return settings.SEARCH_QUALITY_ENCODER.strip() if settings.SEARCH_POLICY == CHOSEN else ""


def problem() -> str:
    """What is wrong with the policy's settings, and what to do; empty if nothing is."""
    if settings.SEARCH_POLICY not in (ONE, CHOSEN):
        return _("SEARCH_POLICY is “%(given)s”; it is “one” or “chosen”.") % {"given": settings.SEARCH_POLICY}
    if settings.SEARCH_POLICY == ONE:
        return ""
    if not quality_encoder():
        return _("SEARCH_POLICY is “chosen”, but SEARCH_QUALITY_ENCODER names no encoder.")
    if unknown := set(settings.SEARCH_QUALITY_KINDS) - set(AssetKind.values):
        return _("SEARCH_QUALITY_KINDS names no kinds: %(words)s. Kinds are %(known)s.") % {
            "words": ", ".join(sorted(unknown)),
            "known": ", ".join(AssetKind.values),
        }
    tags = list(settings.SEARCH_QUALITY_TAGS)
    if missing := [word for word in tags if word not in find_tags(tags)]:
        return _("SEARCH_QUALITY_TAGS names no tags: %(words)s.") % {"words": ", ".join(missing)}
    if not _criteria():
        return _(
            "SEARCH_POLICY chooses nothing: set SEARCH_QUALITY_FIRST, SEARCH_QUALITY_TAGS, "
            "SEARCH_QUALITY_COLLECTIONS or SEARCH_QUALITY_KINDS."
        )
    try:
        if get_encoder(quality_encoder()).space == get_encoder(settings.SEARCH_ENCODER).space:
            return _("SEARCH_QUALITY_ENCODER is SEARCH_ENCODER; one of them has to be another.")
        if waits_for_reindex():
            return _(
                "A reindex to SEARCH_QUALITY_ENCODER, for every asset, is open. The policy takes no effect "
                "before it is cancelled."
            )
    except EncoderError as error:
        return str(error)
    return ""


def waits_for_reindex() -> bool:
    """Whether the space of the policy's encoder is being built to hold every asset.

    Raises:
        EncoderError: there is no such encoder.
    """
    wanted = get_encoder(quality_encoder()).space.slug
    runs = Reindex.objects.filter(state__in=OPEN_REINDEX).values_list("encoder", flat=True)
    return any(get_encoder(encoder_id).space.slug == wanted for encoder_id in runs)


def governs(space: Space) -> bool:
    """Whether it is for the policy to say what the space holds."""
    if space.coverage != SpaceCoverage.CHOSEN or not quality_encoder():
        return False
    try:
        return get_encoder(quality_encoder()).space.slug == space.slug
    except EncoderError:  # a setting that cannot be leaves everything as it is, until it is put right
        return True


def is_wanted(space: Space) -> bool:
    """Whether a space of chosen assets is searched and kept: what would cost money, only if the policy asks
    for it. Between a change of the policy and the next sweep nothing is paid for that nobody wants.
    """
    try:
        return governs(space) or not is_paid(space.encoder)
    except EncoderError:
        return False


def belonging(space: Space) -> AssetQuerySet:
    """The assets of the library that the space is to hold."""
    library = Asset.objects.in_library()
    if not governs(space):
        return library
    criteria = _criteria()
    if not criteria:
        return library.none()
    chosen = criteria[0]
    for criterion in criteria[1:]:
        chosen |= criterion
    return library.filter(chosen)


def _criteria() -> list[Q]:
    """Conditions of which one is enough; subqueries, so that no asset is found twice."""
    found: list[Q] = []
    if settings.SEARCH_QUALITY_FIRST > 0:
        found.append(_first(settings.SEARCH_QUALITY_FIRST))
    if settings.SEARCH_QUALITY_KINDS:
        found.append(Q(kind__in=settings.SEARCH_QUALITY_KINDS))
    if settings.SEARCH_QUALITY_TAGS:
        named = find_tags(settings.SEARCH_QUALITY_TAGS).values()
        keys = tag_tree.keys_below(tag.pk for tag in named)
        carried = Asset.tags.through.objects.filter(tag__in=keys)
        found.append(Q(pk__in=carried.values("asset_id")))
    if settings.SEARCH_QUALITY_COLLECTIONS:
        items = CollectionItem.objects.filter(collection__in=settings.SEARCH_QUALITY_COLLECTIONS)
        found.append(Q(pk__in=items.values("asset_id")))
    return found


def _first(count: int) -> Q:
    """The oldest so many of the library."""
    keys = Asset.objects.in_library().order_by("pk").values_list("pk", flat=True)
    last = next(iter(keys[count - 1 : count]), None)
    return Q(pk__gt=0) if last is None else Q(pk__lte=last)


def entering(space: Space, keys: Iterable[int]) -> list[int]:
    """Of these assets, those that the space is to hold; in the order given."""
    asked = list(keys)
    if not governs(space):
        return asked
    held = set(belonging(space).filter(pk__in=asked).values_list("pk", flat=True))
    return [key for key in asked if key in held]


def moved(space: Space, most: int) -> list[int]:
    """Assets that the policy chooses and that are not in the space, and those that are in it and are chosen
    no longer; at most so many of each."""
    if not governs(space):
        return []
    entries = IndexEntry.objects.filter(space=space).exclude(state=IndexState.REMOVED)
    held = entries.filter(asset_key=OuterRef("pk"))
    came = belonging(space).filter(~Exists(held), current__isnull=False).order_by("pk")
    stays = belonging(space).filter(pk=OuterRef("asset_key"))
    left = entries.filter(~Exists(stays)).exclude(state=IndexState.PENDING).order_by("pk")
    return [
        *came.values_list("pk", flat=True)[:most],
        *left.values_list("asset_key", flat=True)[:most],
    ]
