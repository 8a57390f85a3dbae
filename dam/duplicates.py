"""Assets that look alike: looking for them, and people's word on each pair."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_

from django.db import transaction
from django.db.models import Q, QuerySet
from PIL import Image

from dam import audit, workflow
from dam.audit import Actor
from dam.fingerprints import Fingerprint, Nearness, fingerprint, nearness, probes, within_reach
from dam.models import Asset, AssetState, AssetVersion, DuplicatePair, PairState, Rendition
from dam.pictures import on_white
from dam.roles import Role

log = logging.getLogger(__name__)
BATCH = 50


@dataclass(frozen=True)
class Alike:
    """An asset that looks like the one asked about."""

    asset_id: int
    nearness: Nearness


def alike(version: AssetVersion) -> list[Alike]:
    """The assets whose current version looks like this one, nearest first; found by index, not by a scan."""
    mine = version.fingerprint
    if not (mine.hash and mine.layout):
        return []
    found = []
    for asset_id, digits, layout in _shown_ones(version, _within_reach(mine)):
        near = nearness(mine, Fingerprint(digits, layout))
        if near is not None:
            found.append(Alike(asset_id, near))
    return sorted(found, key=lambda one: (one.nearness.distance, one.asset_id))


def look(at_most: int = 1000, seconds: float = 60.0) -> int:
    """Look for what resembles the versions that nobody has looked for yet, for about so long; a crash repeats
    at most a batch.

    Returns:
        How many versions were looked for.
    """
    done = 0
    deadline = time.monotonic() + seconds
    while done < at_most and time.monotonic() < deadline:
        waiting = AssetVersion.objects.filter(near_looked_for=False).order_by("id")
        batch = list(waiting.select_related("asset")[:BATCH])
        if not batch:
            break
        _give_fingerprints([version for version in batch if not version.colour_layout])
        pairs = [pair for version in batch for pair in _pairs_of(version)]
        with transaction.atomic():
            DuplicatePair.objects.bulk_create(pairs, ignore_conflicts=True)
            keys = [version.pk for version in batch]
            AssetVersion.objects.filter(pk__in=keys).update(near_looked_for=True)
        done += len(batch)
    return done


def known_alike(asset: Asset, most: int) -> dict[int, int]:
    """Key → distance of the assets that were found to look like it, the nearest of them."""
    pairs = DuplicatePair.objects.filter(Q(first=asset) | Q(second=asset)).exclude(state=PairState.MERGED)
    rows = pairs.order_by("distance", "-pk").values_list("first", "second", "distance")[:most]
    return {second if first == asset.pk else first: distance for first, second, distance in rows}


def open_pairs() -> QuerySet[DuplicatePair]:
    """Pairs that wait for a person's word, both of them in the library, the most alike first."""
    live = ~Q(first__state=AssetState.TRASHED) & ~Q(second__state=AssetState.TRASHED)
    return DuplicatePair.objects.filter(live, state=PairState.OPEN).order_by("distance", "-id")


@transaction.atomic
def say_different(pairs: Sequence[DuplicatePair], *, actor: Actor) -> int:
    """These look alike and are two pictures all the same; they are not shown again.

    Raises:
        NotPermitted: the account is no editor.
    """
    workflow.check_role(actor, Role.EDITOR)
    locked = DuplicatePair.objects.select_for_update(no_key=True).filter(
        pk__in=[pair.pk for pair in pairs], state=PairState.OPEN
    )
    changed = list(locked.select_related("first", "second"))
    DuplicatePair.objects.filter(pk__in=[pair.pk for pair in changed]).update(state=PairState.DIFFERENT)
    deeds = [(pair.first, {"from": str(pair.second.public_id)}) for pair in changed]
    audit.record_many(actor, "asset.told_apart", deeds)
    return len(changed)


def _within_reach(mine: Fingerprint) -> list[int]:
    """Keys of the versions whose hash is near; of a million, the index names some ten thousand to compare."""
    near_in_a_band = reduce(
        or_, (Q(**{f"hash_band_{band}__in": values}) for band, values in enumerate(probes(mine)))
    )
    named = list(AssetVersion.objects.filter(near_in_a_band).values_list("pk", "perceptual_hash"))
    near = within_reach(mine, [digits for _key, digits in named])
    return [named[index][0] for index in near]


def _shown_ones(version: AssetVersion, keys: Sequence[int]) -> QuerySet[AssetVersion, tuple[int, str, str]]:
    """Of these versions the current ones of other assets in the library."""
    return (
        AssetVersion.objects.filter(pk__in=keys, current_of__isnull=False)
        .exclude(asset=version.asset_id)
        .exclude(asset__state=AssetState.TRASHED)
        .exclude(colour_layout="")
        .values_list("asset_id", "perceptual_hash", "colour_layout")
    )


def _pairs_of(version: AssetVersion) -> Iterator[DuplicatePair]:
    if version.asset.current_id != version.pk:
        return
    for other in alike(version):
        first, second = sorted((version.asset_id, other.asset_id))
        yield DuplicatePair(
            first_id=first,
            second_id=second,
            distance=other.nearness.distance,
            turned=other.nearness.turned,
        )


def _give_fingerprints(versions: Sequence[AssetVersion]) -> None:
    """Versions from before there were fingerprints get theirs from their thumbnail."""
    thumbnails = Rendition.objects.filter(version__in=versions, preset="thumbnail")
    files = {rendition.version_id: rendition.file for rendition in thumbnails}
    for version in versions:
        try:
            with files[version.pk].open("rb") as file, Image.open(file) as image:
                version.fingerprint = fingerprint(on_white(image))
        except (KeyError, OSError) as error:
            log.warning("No fingerprint for version %s: its thumbnail cannot be read (%r)", version.pk, error)
    fields = ["perceptual_hash", "colour_layout", *(f"hash_band_{band}" for band in range(4))]
    AssetVersion.objects.bulk_update([version for version in versions if version.colour_layout], fields)
