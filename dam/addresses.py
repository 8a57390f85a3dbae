"""Where the files of an asset are served: addresses that name the version, so that they never change.

An address is computed from what a list has loaded already; no storage is asked and nothing is made.
"""

from __future__ import annotations

from collections.abc import Iterable

from django.urls import reverse

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
    return reverse(
        "rendition-file",
        kwargs={
            "public_id": asset.public_id,
            "preset": chosen.slug,
            "number": version.number,
            "recipe": chosen.recipe(asset),
            "extension": chosen.extension.lstrip("."),
        },
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
    return reverse(
        "original-file",
        kwargs={
            "public_id": asset.public_id,
            "number": version.number,
            "digest": version.sha256[:12],
            "extension": version.extension.lstrip("."),
        },
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
