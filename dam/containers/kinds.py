"""Which kind of file is edited how."""

from __future__ import annotations

from collections.abc import Callable
from typing import IO

from dam import tiff_place
from dam.containers import gif, isobmff, jpeg, png, webp
from dam.containers.pieces import Piece, Stretch, length_of, with_patches
from dam.metadata_edit import MetadataEdit

# Kinds into which values can be written; of the others only the place can be taken out.
WRITABLE: dict[str, Callable[[IO[bytes], MetadataEdit], list[Piece]]] = {
    "image/jpeg": jpeg.edited,
    "image/png": png.edited,
    "image/webp": webp.edited,
}


def edited(file: IO[bytes], mime: str, edit: MetadataEdit) -> list[Piece]:
    """The file with its metadata edited, as far as its kind allows; its pixels keep their bytes.

    Raises:
        Unwritable: the file is damaged, or of a variety whose metadata is not understood.
    """
    if mime in WRITABLE:
        return WRITABLE[mime](file, edit)
    if not edit.hides_place:
        return [Stretch(0, length_of(file))]
    if mime == "image/tiff":
        return with_patches(length_of(file), tiff_place.place_patches(file))
    if mime in ("image/avif", "image/heic"):
        return isobmff.without_place(file, edit)
    if mime == "image/gif":
        return gif.without_xmp(file)
    return [Stretch(0, length_of(file))]  # BMP, which holds no metadata
