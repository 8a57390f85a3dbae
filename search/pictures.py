"""Pictures for an encoder: an asset's file or a query's, small, upright, sRGB."""

from __future__ import annotations

from io import BytesIO
from typing import BinaryIO, cast

from PIL import Image

from dam.ingest import IngestError
from dam.models import AssetVersion
from dam.pictures import read

# Encoders look at 224–384 pixels; twice that keeps resampling clean.
ENOUGH = 768


class PictureError(Exception):
    """The file cannot be read; the message says which and why."""


def open_for_encoding(version: AssetVersion) -> Image.Image:
    """The picture of a version, no larger than encoders need.

    Raises:
        PictureError: the file is missing from storage, or is not readable any more.
    """
    try:
        with version.file.open("rb") as handle:
            return read(cast(BinaryIO, handle), ENOUGH).image
    except FileNotFoundError as error:
        raise PictureError(f"The file {version.file.name} is missing from storage.") from error
    except (OSError, IngestError) as error:
        raise PictureError(f"The file {version.file.name} cannot be read: {error}") from error


def open_query_picture(content: bytes) -> Image.Image:
    """A picture to search with. It is bounded and checked as an upload is, and kept nowhere.

    Raises:
        IngestError: it is not a picture that an upload would be taken as.
    """
    return read(BytesIO(content), ENOUGH).image
