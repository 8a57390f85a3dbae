"""What a download of an original holds: the bytes as they came, or a copy with the fields of today.

Pixels are never encoded again. Whoever may not know where the picture was taken gets no copy that says so.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import IO, Any, cast

from django.contrib.auth.models import AnonymousUser, User

from dam import workflow, xmp
from dam.containers import kinds, png
from dam.containers.pieces import PiecedFile, Unwritable
from dam.embedded_metadata import packet_of
from dam.metadata_edit import MetadataEdit
from dam.metadata_mapping import FIELD_NAMES, TAGS, TEXTS, properties_of
from dam.models import Asset, AssetVersion
from dam.pictures import open_header

RECIPE = 1  # counts up when the same fields are written differently


def may_know_place(user: User | AnonymousUser, asset: Asset) -> bool:
    """Whether the account may know where the picture was taken: editors, and whoever owns it."""
    return workflow.may_change(user, asset)


@dataclass(frozen=True)
class Copy:
    """One version as one account downloads it."""

    version: AssetVersion
    fields: Mapping[str, Any]
    hides_place: bool

    @property
    def is_exact(self) -> bool:
        """Whether these are the bytes as they came, whatever is in the file."""
        return not self.fields and not self.hides_place

    @cached_property
    def etag(self) -> str:
        """Another one whenever a field that is written has changed."""
        if self.is_exact:
            return f'"{self.version.sha256[:32]}"'
        told = json.dumps([RECIPE, self.fields, self.hides_place], sort_keys=True)
        return f'"{self.version.sha256[:32]}-{hashlib.sha256(told.encode()).hexdigest()[:16]}"'

    def open(self) -> IO[bytes]:
        """The file, read in stretches: memory holds its metadata, never its pixels.

        Raises:
            FileNotFoundError: the storage has lost the file.
            Unwritable: the place has to be taken out, and cannot be.
        """
        file = cast(IO[bytes], self.version.file.open("rb"))
        if self.is_exact:
            return file
        try:
            pieces = kinds.edited(file, self.version.mime, self._edit())
        except BaseException as error:
            if isinstance(error, Unwritable) and not self.hides_place:
                file.seek(0)
                return file
            file.close()
            raise
        return cast(IO[bytes], PiecedFile(file, pieces))

    def sidecar(self) -> bytes:
        """An XMP packet to lie beside the file: its own, with the fields written in.

        Raises:
            FileNotFoundError: the storage has lost the file.
            IngestError: the file can no longer be read.
        """
        with self.version.file.open("rb") as file:
            packet = _packet(cast(IO[bytes], file), self.version.mime)
        try:
            changed = self._edit().packet(packet)
        except Unwritable:
            changed = self._edit().packet(None)
        return changed or xmp.written(None, {})

    def _edit(self) -> MetadataEdit:
        values = {name: value for name, value in self.fields.items() if value is not None}
        properties, datasets = properties_of(values, self.fields.keys() - values.keys())
        return MetadataEdit(properties, datasets, self.hides_place)


def exact(version: AssetVersion, user: User | AnonymousUser) -> Copy:
    """The file as it came, but for the place where the account may not know it."""
    return Copy(version, {}, not may_know_place(user, version.asset))


def with_fields(version: AssetVersion, user: User | AnonymousUser) -> Copy:
    """The file with the asset's fields of now written in, where its kind can hold them and no signed manifest
    of its provenance says that these are its bytes."""
    takes_them = version.mime in kinds.WRITABLE and "c2pa" not in version.metadata
    fields = fields_of(version.asset) if takes_them else {}
    return Copy(version, fields, not may_know_place(user, version.asset))


def beside(version: AssetVersion, user: User | AnonymousUser) -> Copy:
    """What the sidecar of any kind of file is made of."""
    return Copy(version, fields_of(version.asset), not may_know_place(user, version.asset))


def fields_of(asset: Asset) -> dict[str, Any]:
    """The values to be written; None for a field that came from the file once and was emptied since."""
    values: dict[str, Any] = {field.name: getattr(asset, field.name) for field in TEXTS}
    values[TAGS] = [tag.label or tag.label_zh or tag.slug for tag in asset.tags.order_by("slug")]
    return {name: values[name] or None for name in FIELD_NAMES if values[name] or name in asset.from_file}


def packet_without_place(file: IO[bytes], mime: str) -> bytes | None:
    """The XMP packet of an original as everybody may read it; None: there is none, or nobody can read it.

    Raises:
        IngestError: the file can no longer be read.
    """
    present = _packet(file, mime)
    try:
        return xmp.without_place(present) if present else None
    except xmp.XMPError:
        return None


def _packet(file: IO[bytes], mime: str) -> bytes | None:
    """The packet of the file, of a PNG also from behind its pixels."""
    if mime == "image/png":
        try:
            return png.packet_of(file)
        except Unwritable:
            return None
    _header, image = open_header(file)
    with image:
        return packet_of(image) or None
