"""How a version was made, as its file says or, where a new file says nothing, as an earlier one did."""

from __future__ import annotations

from dam import xmp
from dam.models import AssetOrigin, AssetVersion, Making
from dam.provenance.labels import OF_AI, Declared, declared


def declared_of(version: AssetVersion) -> Declared:
    """What is known of how the version was made.

    A generated picture that somebody has worked on stays one, though the program wrote no label: what its
    earlier files said holds on. That takes a query; nothing else does.
    """
    says = declared(version.metadata)
    if says.making or not version.asset.pk or version.asset.origin != AssetOrigin.GENERATED:
        return says
    earlier = version.asset.versions.filter(number__lt=version.number).order_by("number")
    return next((found for one in earlier if (found := declared(one.metadata)).making), says)


def making_of(version: AssetVersion) -> Making | None:
    """None: nobody says how it was made."""
    return declared_of(version).making


def is_of_ai(version: AssetVersion) -> bool:
    """Whether AI has made it, or a part of it."""
    return making_of(version) in OF_AI


def kept_labels(version: AssetVersion) -> dict[str, xmp.Value]:
    """The XMP properties that every rendition has to carry; empty: none."""
    return declared_of(version).kept
