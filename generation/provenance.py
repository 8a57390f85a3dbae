"""How generated pictures were made, for the library to tell."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from dam.models import Making
from dam.provenance.labels import declared
from dam.provenance.makers import Made
from generation.labelling import making_of
from generation.models import GenerationItem
from generation.providers.registry import UnknownProvider


def made(asset_ids: Sequence[int]) -> dict[int, Made]:
    """By asset, of the item that made it: the one that its file names, or the first."""
    items = GenerationItem.objects.filter(output__in=asset_ids).order_by("pk")
    items = items.select_related("job", "output__current").prefetch_related("inputs__asset")
    by_asset: dict[int, list[GenerationItem]] = {}
    for item in items:
        by_asset.setdefault(item.output_id or 0, []).append(item)
    return {asset: _made(_named(those)) for asset, those in by_asset.items()}


def _named(items: Sequence[GenerationItem]) -> GenerationItem:
    output = items[0].output
    named = declared(output.current.metadata).own.get("Item") if output and output.current else None
    return next((item for item in items if str(item.public_id) == named), items[0])


def _made(item: GenerationItem) -> Made:
    making: Making | None = None
    with suppress(UnknownProvider):  # it was taken out of the settings since
        making = making_of(item, list(item.inputs.all()))
    return Made(
        making=making,
        provider=item.job.provider,
        model=item.model,
        item=str(item.public_id),
        made_at=item.answered_at or item.finished,
        prompt=item.prompt if making in (Making.AI, None) else "",  # a board reads none
        parameters={**item.job.parameters, **item.parameters},
        job=item.job,
    )
