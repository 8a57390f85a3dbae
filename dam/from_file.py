"""Fields of an asset that come from its file's own metadata: filled where they are empty, and remembered."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import IO, Any, cast

from django.db import transaction

from dam import editing, pictures, workflow
from dam.audit import Actor
from dam.metadata_mapping import FIELD_NAMES, TAGS, Found, found_in
from dam.models import Asset, AssetVersion
from dam.provenance.keeping import making_of
from dam.tagging import slug_of


def missing(asset: Asset, tags: Sequence[Any], found: Mapping[str, Found]) -> dict[str, Found]:
    """What the file says for fields that are empty."""
    return {name: one for name, one in found.items() if not (tags if name == TAGS else getattr(asset, name))}


def fill(asset: Asset, taken: Mapping[str, Found]) -> Sequence[str]:
    """Set the fields of an asset that has no row yet; returns the words that become its tags."""
    for name, one in taken.items():
        asset.from_file[name] = one.source
        if name != TAGS:
            setattr(asset, name, one.value)
    return taken[TAGS].value if TAGS in taken else ()


@transaction.atomic
def take_from_file(asset: Asset, *, actor: Actor) -> list[str]:
    """Read the current file's metadata again and fill the fields that are empty.

    Returns:
        The names of the fields that were filled.

    Raises:
        FileNotFoundError: the storage has lost the file.
        IngestError: the file can no longer be read.
        NotPermitted: the asset is not the actor's to change.
    """
    workflow.check_changing(actor, [asset])
    (locked,) = editing.lock([asset])
    version = locked.current
    if version is None:
        return []
    _read_again(version)
    taken = missing(locked, list(locked.tags.all()), found_in(version.metadata))
    if taken:
        editing.update_assets(
            [locked],
            actor=actor,
            changes={name: one.value for name, one in taken.items() if name != TAGS},
            add_tags=taken[TAGS].value if TAGS in taken else (),
            action="asset.taken_from_file",
        )
        sources = {name: one.source for name, one in taken.items()}
        Asset.objects.filter(pk=locked.pk).update(from_file=locked.from_file | sources)
    return [name for name in FIELD_NAMES if name in taken]


def kept_from_file(asset: Asset, tags: Collection[str]) -> dict[str, str]:
    """The fields that still say what the current file says, since they were taken from it, with the source.

    Args:
        tags: everything that the asset's tags are called.
    """
    found = found_in(asset.current.metadata) if asset.current else {}
    kept = {}
    for name, source in asset.from_file.items():
        if name not in found or name not in FIELD_NAMES:
            continue
        value = found[name].value
        is_kept = _slugs(value) <= _slugs(tags) if name == TAGS else getattr(asset, name) == value
        if is_kept:
            kept[name] = source
    return kept


def _slugs(words: Collection[str]) -> set[str]:
    return {slug for word in words if (slug := slug_of(word))}


def _read_again(version: AssetVersion) -> None:
    """The reading of today may find more than that of the day on which the file came."""
    with version.file.open("rb") as opened:
        metadata = pictures.read(cast(IO[bytes], opened), at_most=1).metadata
    if metadata != version.metadata:
        version.metadata = metadata
        version.save(update_fields=["metadata"])
    making = making_of(version) or ""
    if making != version.asset.making:
        Asset.objects.filter(pk=version.asset_id).update(making=making)
