"""Where the files of an asset are served: addresses that name the version, so that they never change.

An address is computed from what a list has loaded already; no storage is asked and nothing is made.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any
from uuid import UUID

from django.urls import get_script_prefix, reverse

from dam.models import Asset, AssetVersion
from dam.presets import BUILT_IN, Preset


def thumbnail_url(asset: Asset) -> str:
    """The small picture of lists and grids; empty while the asset has no file."""
    return rendition_url(asset, "thumbnail")


def rendition_url(asset: Asset, preset: Preset | str, version: AssetVersion | None = None) -> str:
    """A version (the current one unless given) in this preset; empty while the asset has no file.

    Args:
        preset: itself, or the name of one that is built in.
    """
    version = version or asset.current
    if version is None:
        return ""
    chosen = BUILT_IN[preset] if isinstance(preset, str) else preset
    return _address(
        "rendition-file",
        public_id=asset.public_id,
        preset=chosen.slug,
        number=version.number,
        recipe=chosen.recipe(asset),
        extension=chosen.extension.lstrip("."),
    )


def rendition_urls(asset: Asset, presets: Iterable[Preset]) -> dict[str, str]:
    """The current version in each of these presets, by their names; empty while the asset has no file."""
    if asset.current is None:
        return {}
    return {preset.slug: rendition_url(asset, preset) for preset in presets}


def original_url(asset: Asset, version: AssetVersion | None = None) -> str:
    """The address that downloads an original; empty while the asset has no file."""
    version = version or asset.current
    if version is None:
        return ""
    return _address(
        "original-file",
        public_id=asset.public_id,
        number=version.number,
        digest=version.sha256[:12],
        extension=version.extension.lstrip("."),
    )


def difference_url(asset: Asset, before: AssetVersion, after: AssetVersion) -> str:
    """The address of the picture of where two versions differ."""
    numbers = {"before": before.number, "after": after.number}
    return reverse("difference-file", kwargs={"public_id": asset.public_id, **numbers})


def written_url(asset: Asset, version: AssetVersion | None = None) -> str:
    """The address that downloads it with the asset's fields of now in its metadata; empty without a file."""
    address = original_url(asset, version)
    return f"{address}?metadata=written" if address else ""


def sidecar_url(asset: Asset) -> str:
    """The address of the XMP packet to lie beside the file; empty while the asset has no file."""
    if asset.current is None:
        return ""
    return reverse("asset-sidecar", kwargs={"public_id": asset.public_id})


# What stands in an address for what it is made of, in words that nothing else in it has.
_PLACES: dict[str, Any] = {
    "public_id": UUID(int=2**128 - 1), "preset": "PRESET", "number": 2**63 - 1, "recipe": "RECIPE",
    "digest": "DIGEST", "extension": "EXTENSION",
}  # fmt: skip


def _address(view: str, **parts: Any) -> str:
    """As `reverse`, which goes through its patterns anew for each of the dozens that a list asks for."""
    return _form(view, tuple(parts), get_script_prefix()).format(**parts)


@lru_cache(maxsize=32)
def _form(view: str, names: tuple[str, ...], _below: str) -> str:
    address = reverse(view, kwargs={name: _PLACES[name] for name in names})
    for name in names:
        address = address.replace(str(_PLACES[name]), f"{{{name}}}")
    return address
