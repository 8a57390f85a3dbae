"""What a person asks for, in words, turned into a plan: the same for command, API and studio."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from dam.models import Asset
from generation.filling import Filling, find_fill
from generation.models import JobKind
from generation.planning import (
    Manner,
    Plan,
    PlanError,
    plan_composition,
    plan_edit,
    plan_outfits,
    plan_scenes,
)
from generation.selection import DEFAULT_LIMIT, reachable, select_assets
from generation.styles import MOST_PICTURES, Style, StyleError, find_style, like

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

# The selections of each kind of job in their order, and whether a plan needs them.
SELECTIONS: dict[str, dict[str, bool]] = {
    JobKind.OUTFITS: {"models": True, "garments": True, "accessories": False},
    JobKind.SCENES: {"products": True, "scenes": True},
    JobKind.EDIT: {"assets": True, "accessories": False},
    JobKind.COMPOSITION: {},
}
# What is ordered as a plan; trying on is `generation.tryon`'s, since its person is no asset.
ORDERED = [(value, label) for value, label in JobKind.choices if value in SELECTIONS]
MOST_TOGETHER = 3  # garments of one look
# What a sentence looks for in each selection.
KINDS: dict[str, tuple[str, ...]] = {
    "models": ("model", "character"),
    "garments": ("garment",),
    "accessories": ("accessory",),
    "products": ("product", "accessory", "garment", "prop"),
    "scenes": ("scene",),
    "assets": (),
}
LABELS = {
    "models": gettext_lazy("models"),
    "garments": gettext_lazy("garments"),
    "accessories": gettext_lazy("accessories"),
    "products": gettext_lazy("products"),
    "scenes": gettext_lazy("scenes"),
    "assets": gettext_lazy("pictures"),
}


def is_slot(number: str) -> bool:
    """Whether it may number a slot of a composition."""
    return number.isascii() and number.isdigit() and len(number) < 5


@dataclass(frozen=True)
class Order:
    """A kind of job and, by name, what each selection is to hold (see `select_assets`)."""

    kind: str
    selections: Mapping[str, str] = field(default_factory=dict)
    sentence: str = ""
    instruction: str = ""
    provider: str = ""
    language: str = ""
    limit: int = DEFAULT_LIMIT
    # How the pictures are made: a prompt template with what its slots hold, a style set by its slug, pictures
    # whose style is wanted (see `select_assets`), and what is not to be seen.
    template: str = ""
    slots: Mapping[str, str] = field(default_factory=dict)
    style: str = ""
    like: str = ""
    negative: str = ""
    garments_together: int = 1
    # Make, and pay, also what there is already.
    again: bool = False
    # What the pictures are for: the role that these SKUs (by code) lack pictures in.
    fill_role: str = ""
    fill_skus: Sequence[str] = ()
    # Slot number of a composition → public id of the asset that was picked for it.
    choices: Mapping[int, str] = field(default_factory=dict)


def plan_order(order: Order, *, user: User | AnonymousUser | None) -> Plan:
    """The plan of an order.

    Raises:
        PlanError, SelectionError: a sentence that says what is missing.
    """
    return replace(_planned(order, user), fill=find_fill(order.fill_role, order.fill_skus))


def order_to_fill(filling: Filling, given: Order) -> Order:
    """The order that makes what these SKUs lack from the pictures that they have.

    Args:
        given: what else is chosen: the selections that no SKU has a picture for (models, scenes), provider,
            language, limit, and an instruction instead of the role's own.
    """
    way = filling.way
    others = {
        name: given.selections[name]
        for name in SELECTIONS[way.kind]
        if name != way.selection and name in given.selections
    }
    sources = dict.fromkeys(str(asset.public_id) for asset in filling.sources.values())
    return replace(
        given,
        kind=way.kind,
        selections={way.selection: ",".join(sources), **others},
        instruction=(given.instruction or str(way.instruction)) if way.instruction else "",
        fill_role=filling.role,
        fill_skus=[sku.code for sku in filling.sources],
    )


def _planned(order: Order, user: User | AnonymousUser | None) -> Plan:
    common: Any = {
        "provider": order.provider,
        "language": order.language,
        "manner": Manner(order.template, order.slots, _style(order, user), order.negative, order.again),
    }
    if order.kind == JobKind.COMPOSITION:
        return plan_composition(order.sentence, user, choices=_picked(order, user), **common)
    chosen = {
        name: _selected(name, order, required=required, user=user)
        for name, required in SELECTIONS[order.kind].items()
    }
    match order.kind:
        case JobKind.OUTFITS:
            return plan_outfits(
                chosen["models"],
                chosen["garments"],
                chosen["accessories"],
                garments_together=order.garments_together,
                **common,
            )
        case JobKind.SCENES:
            return plan_scenes(chosen["products"], chosen["scenes"], **common)
        case _:
            return plan_edit(chosen["assets"], order.instruction, chosen["accessories"], **common)


def _style(order: Order, user: User | AnonymousUser | None) -> Style:
    """That of the set, of the pictures, or of both: then the set's words and the pictures named."""
    try:
        style = find_style(order.style) if order.style else Style()
    except StyleError as error:
        raise PlanError(str(error)) from error
    if order.like:
        pictures = select_assets(order.like, user=user, limit=MOST_PICTURES)
        return replace(style, pictures=like(pictures).pictures)
    return style


def _selected(name: str, order: Order, *, required: bool, user: User | AnonymousUser | None) -> list[Asset]:
    spec = order.selections.get(name, "").strip()
    if not spec and not required:
        return []
    if not spec:
        raise PlanError(_("Choose the %(name)s first.") % {"name": LABELS[name]})
    return select_assets(spec, user=user, kinds=KINDS[name], limit=order.limit)


def _picked(order: Order, user: User | AnonymousUser | None) -> dict[int, Asset]:
    try:
        ids = {number: uuid.UUID(value) for number, value in order.choices.items()}
    except ValueError as error:
        raise PlanError(_("A picked asset is named by its id.")) from error
    found = {asset.public_id: asset for asset in reachable(user).filter(public_id__in=ids.values())}
    return {number: found[value] for number, value in ids.items() if value in found}
