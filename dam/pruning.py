"""Taking away renditions that no address leads to any more: their preset or focal point has changed."""

from __future__ import annotations

import logging
from collections.abc import Iterator

from django.db.models import Q, QuerySet

from dam import presets
from dam.models import Asset, Rendition
from dam.presets import Preset

log = logging.getLogger(__name__)
BATCH = 500


def prune_renditions() -> int:
    """Delete files and rows of renditions whose recipe is none of today's.

    None of them is a loss: a rendition is made again if somebody asks for it. Each batch stands for itself,
    so that an interrupted run can simply be run again.

    Returns:
        How many renditions were deleted.
    """
    known = presets.known()
    pruned = sum(_remove(batch) for batch in _stale(known))
    if pruned:
        log.info("Deleted %s renditions of changed presets and focal points", pruned)
    return pruned


def _stale(known: dict[str, Preset]) -> Iterator[list[Rendition]]:
    """Where one recipe holds the database finds what differs: for all assets, or for all whose focal point
    is the middle, as most are. Crops around other points are looked at."""
    cropping = [slug for slug, preset in known.items() if preset.depends_on_focal_point]
    middle = Asset()
    centred = Q(version__asset__focal_x=middle.focal_x, version__asset__focal_y=middle.focal_y)
    outdated = ~Q(preset__in=known)
    for slug, preset in known.items():
        if slug in cropping:
            outdated |= Q(preset=slug) & centred & ~Q(recipe=preset.recipe(middle))
        else:
            outdated |= Q(preset=slug) & ~Q(recipe=preset.recipe())
    yield from _batches(Rendition.objects.filter(outdated))
    crops = Rendition.objects.filter(preset__in=cropping).exclude(centred)
    for batch in _batches(crops.select_related("version__asset")):
        yield [row for row in batch if row.recipe != known[row.preset].recipe(row.version.asset)]


def _batches(rows: QuerySet[Rendition]) -> Iterator[list[Rendition]]:
    last = 0
    while batch := list(rows.filter(pk__gt=last).order_by("pk")[:BATCH]):
        last = batch[-1].pk
        yield batch


def _remove(batch: list[Rendition]) -> int:
    """Files first: a crash between the two leaves rows, which the next run finds again."""
    gone = []
    for rendition in batch:
        try:
            rendition.file.storage.delete(str(rendition.file.name))
        except Exception:  # storages raise whatever their SDK raises; the row stays for the next run
            log.exception("The storage did not delete %s", rendition.file.name)
        else:
            gone.append(rendition.pk)
    Rendition.objects.filter(pk__in=gone).delete()
    return len(gone)
