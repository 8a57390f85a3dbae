"""Which SKUs an approved result shows, and in which role: those of what went into it."""

from __future__ import annotations

from collections.abc import Iterator

from dam.models import SKU, Asset, SKURole
from generation.models import GenerationItem, InputRole, ItemInput, JobKind

# Inputs that are for sale; the others only wear, hold or surround them.
_WARES = (InputRole.GARMENT, InputRole.ACCESSORY, InputRole.PRODUCT)
_WEARERS = {InputRole.MODEL, InputRole.CHARACTER}


def links_of(item: GenerationItem, sku_role: str = "") -> list[tuple[Asset, SKU, str]]:
    """What the item's picture is to be linked with; its inputs with their SKU links are prefetched.

    Those SKUs that it was made for get the role that they lack.

    Args:
        sku_role: the role for all of them; empty: worn by somebody, “on model”; in a scene, “scene”; else
            the role in which its source shows it.
    """
    if item.output is None:
        return []
    fill = item.job.request.get("fill") or {"role": "", "skus": []}
    inputs = sorted(item.inputs.all(), key=lambda link: link.position)
    shown: dict[tuple[int, str], SKU] = {}
    for link, is_ware in _sources(item, inputs):
        for of_source in link.asset.sku_links.all():
            if of_source.sku_id in fill["skus"]:
                shown[of_source.sku_id, sku_role or fill["role"]] = of_source.sku
            elif is_ware:
                role = sku_role or role_among(inputs) or of_source.role
                shown[of_source.sku_id, role] = of_source.sku
    return [(item.output, sku, role) for (_key, role), sku in shown.items()]


def role_among(inputs: list[ItemInput]) -> SKURole | None:
    """The role that pictures made of these inputs show goods in; None: that of the source."""
    roles = {link.role for link in inputs}
    if roles & _WEARERS:
        return SKURole.ON_MODEL
    return SKURole.SCENE if InputRole.SCENE in roles else None


def _sources(item: GenerationItem, inputs: list[ItemInput]) -> Iterator[tuple[ItemInput, bool]]:
    """Inputs, and whether each is a ware: so is what was edited, which comes first, but for an edit that was
    asked for on behalf of some of its SKUs alone."""
    for number, link in enumerate(inputs):
        edited = item.job.kind == JobKind.EDIT and number == 0 and "fill" not in item.job.request
        yield link, edited or link.role in _WARES
