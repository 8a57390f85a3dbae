"""What differs between two versions of an asset: the facts of their files, and what those say themselves."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.template.defaultfilters import filesizeformat
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from dam.fingerprints import HASH_BITS, Nearness, nearness
from dam.metadata_listing import GROUPS, flat
from dam.models import Asset, AssetVersion
from dam.place import without_place

FILE = "file"
LABELS: dict[str, str | Promise] = {
    "pixels": gettext_lazy("Pixels"),
    "size": gettext_lazy("Size"),
    "type": gettext_lazy("Type"),
    "transparent": gettext_lazy("Transparent"),
    "colours": gettext_lazy("Dominant colours"),
    "profile": gettext_lazy("Colour profile"),
    "file_name": gettext_lazy("File name"),
    "created_by": gettext_lazy("By"),
    "created": gettext_lazy("Created"),
}


class CannotCompare(LookupError):
    """There are no two such versions; `str()` says what there is."""


@dataclass(frozen=True)
class Difference:
    """A fact that is not the same of both.

    Attributes:
        group: FILE, or that of the embedded metadata.
        before, after: values as JSON has them; None where there is none.
    """

    group: str
    name: str
    before: Any
    after: Any

    @property
    def label(self) -> str:
        """What people call the fact."""
        return str(LABELS[self.name]) if self.group == FILE else f"{GROUPS[self.group]} {self.name}"

    @property
    def texts(self) -> tuple[str, str]:
        """Both values as people read them."""
        return _text(self.name, self.before), _text(self.name, self.after)


@dataclass(frozen=True)
class Comparison:
    """Two versions of one asset.

    Attributes:
        distance: in how many of 64 bits the perceptual hashes differ; None: one of them has none.
        nearness: how near they are as near duplicates go; None: they are different pictures.
    """

    before: AssetVersion
    after: AssetVersion
    facts: list[Difference]
    metadata: list[Difference]
    distance: int | None
    nearness: Nearness | None

    @property
    def percent(self) -> int | None:
        """How many of the hash's bits agree."""
        return None if self.distance is None else round(100 * (HASH_BITS - self.distance) / HASH_BITS)

    @property
    def verdict(self) -> str:
        """How alike they are, in words."""
        if self.nearness is None:
            return _("further apart than near duplicates")
        if self.nearness.turned:
            return _("the same picture, turned or mirrored")
        return _("the same picture, or nearly")


def pick(asset: Asset, before: str = "", after: str = "") -> tuple[AssetVersion, AssetVersion]:
    """The two versions of these numbers; left out, the current one and the one before it.

    Raises:
        CannotCompare: there is no such version, or only one.
    """
    numbers = list(asset.versions.order_by("number").values_list("number", flat=True))
    if len(numbers) < 2:
        raise CannotCompare(_("The asset has no two versions that could be compared."))
    new = _number(after, numbers) or (asset.current.number if asset.current else numbers[-1])
    old = _number(before, numbers) or _neighbour(new, numbers)
    if old == new:
        raise CannotCompare(_("Choose two different versions to compare."))
    rows = asset.versions.select_related("created_by").filter(number__in=(old, new))
    found = {version.number: version for version in rows}
    for version in found.values():
        version.asset = asset
    return found[old], found[new]


def compare(before: AssetVersion, after: AssetVersion, *, shows_place: bool) -> Comparison:
    """What differs between two versions.

    Args:
        shows_place: whether the reader may know where the picture was taken.
    """
    facts = list(_differing(FILE, _facts(before), _facts(after)))
    metadata = list(_metadata(before, after, shows_place))
    if not (before.perceptual_hash and after.perceptual_hash):
        return Comparison(before, after, facts, metadata, None, None)
    mine, other = (int(version.perceptual_hash, 16) for version in (before, after))
    near = nearness(before.fingerprint, after.fingerprint)
    return Comparison(before, after, facts, metadata, (mine ^ other).bit_count(), near)


def _number(given: str, numbers: Sequence[int]) -> int | None:
    if not given:
        return None
    if not given.isdecimal() or len(given) > 9 or int(given) not in numbers:
        raise CannotCompare(
            _("The asset has no version “%(number)s”; it has %(numbers)s.")
            % {"number": given, "numbers": ", ".join(map(str, numbers))}
        )
    return int(given)


def _neighbour(number: int, numbers: Sequence[int]) -> int:
    """The version before this one; of the first, the one after it."""
    place = numbers.index(number)
    return numbers[place - 1 if place else 1]


def _facts(version: AssetVersion) -> dict[str, Any]:
    colours = [{"hex": one["hex"], "percent": round(100 * one["share"])} for one in version.colours]
    return {
        "pixels": [version.width, version.height],
        "size": version.size,
        "type": version.mime,
        "transparent": version.has_alpha,
        "colours": colours,
        "profile": version.metadata.get("profile") or None,
        "file_name": version.original_name or None,
        "created_by": version.created_by.get_username() if version.created_by else None,
        "created": version.created,
    }


def _text(name: str, value: Any) -> str:
    if value is None:
        return ""
    if name == "pixels":
        return " × ".join(map(str, value))
    if name == "size":
        return filesizeformat(value)
    if name == "transparent":
        return _("yes") if value else _("no")
    if name == "colours":
        return ", ".join(f"{one['hex']} {one['percent']} %" for one in value)
    if name == "created":
        return date_format(timezone.localtime(value), "SHORT_DATETIME_FORMAT")
    return str(value)


def _metadata(before: AssetVersion, after: AssetVersion, shows_place: bool) -> Iterator[Difference]:
    for group in GROUPS:
        said = []
        for version in (before, after):
            kept = version.metadata if shows_place else without_place(version.metadata)
            said.append(_said(kept.get(group)))
        yield from _differing(group, *said)


def _said(values: Any) -> dict[str, Any]:
    """Texts by name; what a list of structures says under one name stands together."""
    texts: dict[str, list[str]] = defaultdict(list)
    for name, text in flat(values) if isinstance(values, dict) else ():
        texts[name].append(text)
    return {name: "; ".join(parts) for name, parts in texts.items()}


def _differing(group: str, before: dict[str, Any], after: dict[str, Any]) -> Iterator[Difference]:
    for name in dict.fromkeys([*before, *after]):
        old, new = before.get(name), after.get(name)
        if old != new:
            yield Difference(group, name, old, new)
