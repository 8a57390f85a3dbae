"""Until when assets may be used: their licence, their release, and those of all they were made from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from dam.models import Asset, Lineage, ModelRelease

# The fields that say how long and where an asset itself may be used.
FIELDS = frozenset({"rights_expire_on", "model_release", "release_expires_on", "territories"})
# Kept as `usable_until` where there is nothing to run out, since it was never given.
NEVER_USABLE = date(1970, 1, 1)
CHUNK = 2000  # assets looked at in one query


def own_end(asset: Asset) -> date | None:
    """The last day on which the asset's own licence and release allow its use; None: without an end."""
    if asset.model_release == ModelRelease.MISSING:
        return NEVER_USABLE
    release = asset.release_expires_on if asset.model_release == ModelRelease.SIGNED else None
    return _earliest((asset.rights_expire_on, release))


def settle(asset_ids: Iterable[int]) -> list[int]:
    """Bring `inherited_until`, `usable_until` and `usable_in` of these assets and of all made from them
    up to date.

    Goes down the lineage one generation at a time, in as many queries as there are generations; where
    nothing changed, those below are not looked at. Call it in the transaction of the change.

    Returns:
        Keys of the assets whose `usable_until` or `usable_in` changed.
    """
    changed: set[int] = set()
    frontier = set(asset_ids)
    while frontier:
        moved = [key for chunk in _chunks(sorted(frontier)) for key in _settle_one_generation(chunk)]
        changed.update(moved)
        below = (Lineage.objects.filter(parent__in=chunk) for chunk in _chunks(moved))
        frontier = {key for links in below for key in links.values_list("child", flat=True)}
    return sorted(changed)


def why_unusable(asset: Asset) -> str:
    """Why the asset may not be used today as far as rights go, as a sentence; empty where it may."""
    today = timezone.localdate()
    if asset.model_release == ModelRelease.MISSING:
        return _("The model release is missing.")
    if asset.rights_expire_on and asset.rights_expire_on < today:
        return _("The rights ran out on %(date)s.") % {"date": _shown(asset.rights_expire_on)}
    signed = asset.model_release == ModelRelease.SIGNED
    if signed and asset.release_expires_on and asset.release_expires_on < today:
        return _("The model release ran out on %(date)s.") % {"date": _shown(asset.release_expires_on)}
    if asset.usable_in == ",":
        return _("The licences of the pictures that it was made from have no territory in common.")
    if asset.inherited_until == NEVER_USABLE:
        return _("The model release of a picture that it was made from is missing.")
    if asset.inherited_until and asset.inherited_until < today:
        return _("The rights of a picture that it was made from ran out on %(date)s.") % {
            "date": _shown(asset.inherited_until)
        }
    return ""


def blocking_ancestors(asset: Asset) -> list[Asset]:
    """The assets because of whose own rights this one may not be used, nearest first."""
    seen: set[int] = {asset.pk}
    frontier, found = {asset.pk}, []
    while frontier:
        parents = Asset.objects.filter(children_links__child__in=frontier).exclude(pk__in=seen).distinct()
        generation = list(parents.order_by("pk"))
        found += [parent for parent in generation if _has_run_out(own_end(parent))]
        frontier = {parent.pk for parent in generation if _has_run_out(parent.usable_until)}
        seen |= frontier
    return found


def expiring(within: timedelta) -> Iterator[Asset]:
    """Live assets that may be used today, but no longer after this time."""
    today = timezone.localdate()
    ending = Asset.objects.in_library().filter(usable_until__gte=today, usable_until__lte=today + within)
    return ending.order_by("usable_until", "pk").iterator(CHUNK)


def _settle_one_generation(keys: Sequence[int]) -> list[int]:
    ends: dict[int, list[date | None]] = defaultdict(list)
    places: dict[int, list[frozenset[str] | None]] = defaultdict(list)
    links = Lineage.objects.filter(child__in=keys)
    for child, end, written in links.values_list("child", "parent__usable_until", "parent__usable_in"):
        ends[child].append(end)
        places[child].append(_codes(written))
    stale, moved = [], []
    for asset in Asset.objects.filter(pk__in=keys):
        before = (asset.inherited_until, asset.usable_until, asset.usable_in)
        asset.inherited_until = _earliest(ends[asset.pk])
        codes = _common((own_territories(asset), *places[asset.pk]))
        nowhere = NEVER_USABLE if codes == frozenset() else None
        asset.usable_until = _earliest((own_end(asset), asset.inherited_until, nowhere))
        asset.usable_in = _written(codes)
        if before != (asset.inherited_until, asset.usable_until, asset.usable_in):
            stale.append(asset)
        if before[1:] != (asset.usable_until, asset.usable_in):
            moved.append(asset.pk)
    Asset.objects.bulk_update(stale, ["inherited_until", "usable_until", "usable_in"], batch_size=500)
    return moved


def own_territories(asset: Asset) -> frozenset[str] | None:
    """Codes of the territories that the asset's own licence covers; None: everywhere."""
    return frozenset(code.strip().upper() for code in asset.territories if code.strip()) or None


def where_usable(asset: Asset) -> list[str] | None:
    """Codes of the territories where it may be used, those of all it was made from considered.

    None: everywhere. An empty list: nowhere, since the licences of its parts have none in common.
    """
    codes = _codes(asset.usable_in)
    return None if codes is None else sorted(codes)


def _common(places: Iterable[frozenset[str] | None]) -> frozenset[str] | None:
    bounded = [codes for codes in places if codes is not None]
    return frozenset.intersection(*bounded) if bounded else None


def _codes(written: str | None) -> frozenset[str] | None:
    return None if written is None else frozenset(filter(None, written.split(",")))


def _written(codes: frozenset[str] | None) -> str | None:
    return None if codes is None else f",{''.join(f'{code},' for code in sorted(codes))}"


def _has_run_out(end: date | None) -> bool:
    return end is not None and end < timezone.localdate()


def _earliest(days: Iterable[date | None]) -> date | None:
    return min((day for day in days if day is not None), default=None)


def _chunks(keys: Sequence[int]) -> Iterator[Sequence[int]]:
    return (keys[start : start + CHUNK] for start in range(0, len(keys), CHUNK))


def _shown(day: date) -> str:
    return date_format(day, "DATE_FORMAT")
