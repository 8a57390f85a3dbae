"""Labels into files: into the metadata of a finished file, or as the packet that an encoder writes."""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from typing import IO, cast

from dam import pictures, xmp
from dam.containers import kinds
from dam.containers.pieces import PiecedFile, Unwritable
from dam.metadata_edit import MetadataEdit
from dam.pictures import open_header
from dam.provenance.labels import Label

ANOTHER_FORM = "PNG"  # for files that cannot hold a label
MAX_SIDE = 100_000


def labelled(picture: bytes, label: Label) -> tuple[bytes, str]:
    """The picture with its label, and its MIME type; its pixels keep their bytes where its kind can hold one.

    A manifest (C2PA) that came with it goes: it vouches for bytes that these are not any more.

    Raises:
        IngestError: this is no picture that the library takes.
    """
    header, image = open_header(BytesIO(picture))
    image.close()
    try:
        return _edited(picture, header.mime, label), header.mime
    except Unwritable:
        return _edited(_another(picture), f"image/{ANOTHER_FORM.lower()}", label), "image/png"


def packet(properties: Mapping[str, xmp.Value], present: bytes | None = None) -> bytes:
    """An XMP packet that says this; empty: there is nothing to be said.

    Args:
        present: a packet whose other properties stay.
    """
    if not properties and present is None:
        return b""
    try:
        return xmp.written(present, properties)
    except xmp.XMPError:  # nobody can read what was there
        return xmp.written(None, properties) if properties else b""


def _edited(picture: bytes, mime: str, label: Label) -> bytes:
    if mime not in kinds.WRITABLE:
        raise Unwritable(mime)
    edit = MetadataEdit(properties=label.properties, drops_manifest=True)
    source = BytesIO(picture)
    with PiecedFile(source, kinds.edited(source, mime, edit)) as file:
        return cast(IO[bytes], file).read()


def _another(picture: bytes) -> bytes:
    """The same pixels in a kind of file that can hold a label."""
    image = pictures.pixels(BytesIO(picture), at_most=MAX_SIDE)
    out = BytesIO()
    image.save(out, ANOTHER_FORM)
    return out.getvalue()
