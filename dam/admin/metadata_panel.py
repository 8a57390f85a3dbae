"""The panel that shows what a file says about itself, in words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

from django.contrib.auth.models import User
from django.db.models import Field
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from dam import downloads, xmp
from dam.from_file import kept_from_file
from dam.metadata_listing import GROUPS, flat
from dam.metadata_mapping import found_in
from dam.models import Asset
from dam.place import without_place
from dam.tagging import names_of


@dataclass(frozen=True)
class Panel:
    """What the panel shows.

    Attributes:
        rows: the facts that people ask for, each with its label.
        groups: everything that was read, by name of the group.
        taken: fields that came from the file, with the name in the file.
        waiting: empty fields for which the file has something.
    """

    rows: list[tuple[str, str]]
    groups: list[tuple[str, list[tuple[str, str]]]]
    taken: list[tuple[str, str]]
    waiting: list[str]


def panel_for(asset: Asset, user: User) -> Panel | None:
    """The panel of an asset; None while it has no file. The place is for editors and its owner."""
    if asset.current is None:
        return None
    metadata = asset.current.metadata
    tags = names_of(asset.tags.all())
    taken = kept_from_file(asset, tags)
    shown = metadata if downloads.may_know_place(user, asset) else without_place(metadata)
    return Panel(
        rows=[(label, value) for label, value in _rows(shown) if value],
        groups=[
            (title, list(flat(shown[name])))
            for name, title in GROUPS.items()
            if isinstance(shown.get(name), dict) and shown[name]
        ],
        taken=[(field_label(name), _named(source)) for name, source in taken.items()],
        waiting=[
            field_label(name)
            for name in found_in(metadata)
            if not (tags if name == "tags" else getattr(asset, name))
        ],
    )


def _named(source: str) -> str:
    """`xmp:dc:title` as people say it."""
    group, _separator, name = source.partition(":")
    return f"{GROUPS.get(group, group)} {name}"


def field_label(name: str) -> str:
    """What people call a field of an asset."""
    return str(capfirst(cast(Field, Asset._meta.get_field(name)).verbose_name))


def _rows(metadata: dict[str, Any]) -> Iterator[tuple[str, str]]:
    exif, iptc, properties = (metadata.get(name) or {} for name in ("exif", "iptc", "xmp"))
    yield _("Camera"), _camera(exif)
    yield _("Lens"), str(exif.get("LensModel") or properties.get("aux:Lens") or "")
    yield _("Exposure"), " · ".join(_exposure(exif))
    yield _("Taken"), _taken(exif, iptc, properties)
    yield _("Place"), _place(exif, properties)
    yield _("Author"), _author(exif, iptc, properties)
    yield _("Software"), str(exif.get("Software") or properties.get("xmp:CreatorTool") or "")
    yield _("Colour profile"), str(metadata.get("profile") or "")


def _camera(exif: dict[str, Any]) -> str:
    make, model = str(exif.get("Make", "")), str(exif.get("Model", ""))
    return model if model.startswith(make) else f"{make} {model}".strip()


def _exposure(exif: dict[str, Any]) -> Iterator[str]:
    seconds, stop = _number(exif.get("ExposureTime")), _number(exif.get("FNumber"))
    if seconds:
        shown = f"{seconds:g}" if seconds >= 0.5 else f"1/{round(1 / seconds)}"
        yield _("%(seconds)s s") % {"seconds": shown}
    if stop:
        yield f"f/{stop:g}"
    if sensitivity := _number(exif.get("ISOSpeedRatings")):
        yield f"ISO {sensitivity:g}"
    if length := _number(exif.get("FocalLength")):
        yield f"{length:g} mm"


def _taken(exif: dict[str, Any], iptc: dict[str, Any], properties: dict[str, Any]) -> str:
    """EXIF writes `2026:05:04 10:20:30`; a day is read more easily with dashes."""
    moment = str(exif.get("DateTimeOriginal") or "")
    if len(moment) >= 10:
        return moment[:10].replace(":", "-") + moment[10:]
    return str(properties.get("photoshop:DateCreated") or iptc.get("DateCreated") or "")


def _place(exif: dict[str, Any], properties: dict[str, Any]) -> str:
    parts = [
        _degrees(exif.get(f"GPS{name}"), exif.get(f"GPS{name}Ref")) for name in ("Latitude", "Longitude")
    ]
    if all(parts):
        return ", ".join(parts)
    named = (properties.get(f"exif:GPS{name}") for name in ("Latitude", "Longitude"))
    return ", ".join(text for text in named if isinstance(text, str))


def _degrees(value: Any, side: Any) -> str:
    """Degrees, minutes and seconds as one number with its direction."""
    if not isinstance(value, list) or len(value) != 3 or not isinstance(side, str):
        return ""
    numbers = [_number(part) for part in value]
    if None in numbers:
        return ""
    degrees, minutes, seconds = (number or 0.0 for number in numbers)
    return f"{degrees + minutes / 60 + seconds / 3600:.5f}° {side}"


def _author(exif: dict[str, Any], iptc: dict[str, Any], properties: dict[str, Any]) -> str:
    listed = properties.get("dc:creator") or iptc.get("By-line") or exif.get("Artist") or ""
    return ", ".join(map(str, listed)) if isinstance(listed, list) else xmp.text_of(listed)


def _number(value: Any) -> float | None:
    if isinstance(value, list):
        value = value[0] if value else None
    return float(value) if isinstance(value, (int, float)) and value >= 0 else None
