"""Pictures that SKUs lack: what they are made from, in which kind of job, and for whom they are then."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Case, F, Q, Value, When, Window
from django.db.models.functions import RowNumber
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from dam.models import SKU, Asset, AssetOrigin, AssetSKU, AssetState, SKURole
from generation.models import JobKind
from generation.planning import Fill, PlanError

MAX_SKUS = 200
_NO_MATERIAL = (AssetState.TRASHED, AssetState.REJECTED, AssetState.ARCHIVED)


@dataclass(frozen=True)
class Way:
    """How pictures in a role are made: in which job, from which of the SKU's pictures (the best first)."""

    kind: JobKind
    selection: str
    sources: tuple[SKURole, ...]
    instruction: str | Promise = ""


WAYS: dict[SKURole, Way] = {
    SKURole.PACKSHOT: Way(
        JobKind.EDIT,
        "assets",
        (SKURole.DETAIL, SKURole.ON_MODEL, SKURole.SCENE),
        gettext_lazy("Show the article alone and whole, from the front, on a plain white background"),
    ),
    SKURole.ON_MODEL: Way(JobKind.OUTFITS, "garments", (SKURole.PACKSHOT, SKURole.DETAIL, SKURole.SCENE)),
    SKURole.DETAIL: Way(
        JobKind.EDIT,
        "assets",
        (SKURole.PACKSHOT, SKURole.ON_MODEL, SKURole.SCENE),
        gettext_lazy("Show a close-up of the article that lets its material and workmanship be seen"),
    ),
    SKURole.SCENE: Way(JobKind.SCENES, "products", (SKURole.PACKSHOT, SKURole.DETAIL, SKURole.ON_MODEL)),
}


@dataclass(frozen=True)
class Filling:
    """The SKUs that lack pictures in one role: those with a picture to start from, and those without."""

    role: SKURole
    way: Way
    sources: dict[SKU, Asset]
    without: list[SKU]


def fillings(wanted: Iterable[tuple[int, str]]) -> list[Filling]:
    """By role, the best picture to start from of each SKU; in two queries.

    Args:
        wanted: keys of SKUs, each with the role that it lacks.

    Raises:
        PlanError: more SKUs than one plan takes.
    """
    by_role: dict[str, set[int]] = defaultdict(set)
    for key, role in wanted:
        by_role[role].add(key)
    keys = set().union(*by_role.values())
    if len(keys) > MAX_SKUS:
        raise PlanError(_("Choose at most %(limit)d SKUs at once.") % {"limit": MAX_SKUS})
    skus = {sku.pk: sku for sku in SKU.objects.filter(pk__in=keys).order_by("code")}
    pictures = _material(list(skus))
    found = []
    for role in SKURole:
        chosen = [sku for key, sku in skus.items() if key in by_role[role]]
        if chosen:
            sources = {sku: _best(pictures[sku.pk], WAYS[role].sources) for sku in chosen}
            with_one = {sku: asset for sku, asset in sources.items() if asset is not None}
            found.append(Filling(role, WAYS[role], with_one, [sku for sku in chosen if sku not in with_one]))
    return found


def find_fill(role: str, codes: Sequence[str]) -> Fill | None:
    """The SKUs of these codes and the role that they lack; None where nothing is named.

    Raises:
        PlanError: a role or a code that there is not.
    """
    if not role and not codes:
        return None
    if role not in SKURole.values:
        raise PlanError(_("“%(role)s” is no role of a SKU.") % {"role": role})
    return Fill(role, check_codes(codes))


def check_codes(codes: Sequence[str]) -> dict[int, str]:
    """The SKUs of these codes by key.

    Raises:
        PlanError: a code that there is not.
    """
    skus = {sku.pk: sku.code for sku in SKU.objects.filter(code__in=codes)}
    if missing := set(codes) - set(skus.values()):
        raise PlanError(_("There is no SKU “%(code)s”.") % {"code": min(missing)})
    return skus


def _material(keys: Sequence[int]) -> dict[int, dict[str, Asset]]:
    """Of each SKU and role the picture to generate from: approved before others, then the newest."""
    approved = Case(When(asset__state=AssetState.APPROVED, then=Value(0)), default=Value(1))
    best = (
        AssetSKU.objects.filter(sku__in=keys, asset__in=Asset.objects.usable())
        .exclude(asset__state__in=_NO_MATERIAL)
        .exclude(Q(asset__origin=AssetOrigin.GENERATED) & ~Q(asset__state=AssetState.APPROVED))
        .annotate(
            place=Window(
                RowNumber(),
                partition_by=[F("sku_id"), F("role")],
                order_by=[approved, F("asset_id").desc()],
            )
        )
        .filter(place=1)
        .select_related("asset__current")
    )
    pictures: dict[int, dict[str, Asset]] = defaultdict(dict)
    for link in best:
        pictures[link.sku_id][link.role] = link.asset
    return pictures


def _best(pictures: dict[str, Asset], roles: Sequence[Any]) -> Asset | None:
    return next((pictures[role] for role in roles if role in pictures), None)
