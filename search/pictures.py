"""Pictures for an encoder: an asset's file or a query's, small, upright, sRGB."""

from __future__ import annotations

from typing import IO, BinaryIO, cast

from PIL import Image

from dam.errors import StorageUnavailable
from dam.ingest import IngestError
from dam.models import AssetVersion
from dam.pictures import glance, read
from search.encoders.base import ENOUGH

LONGEST = 768  # of a picture that somebody searches with
MOST_BYTES = 60 * 1024 * 1024  # of all the pictures of one search


class PictureError(Exception):
    """The file cannot be read; the message says which and why."""


def open_for_encoding(version: AssetVersion, pixels: int = ENOUGH) -> Image.Image:
    """The picture of a version, its shorter side reduced to `pixels`.

    Raises:
        PictureError: the file is missing from storage, or is not readable any more.
        StorageUnavailable: the storage does not answer, or refuses to; nothing is said of the file.
    """
    try:
        with version.file.open("rb") as handle:
            return glance(cast(BinaryIO, handle), pixels)
    except FileNotFoundError as error:
        raise PictureError(f"The file {version.file.name} is missing from storage.") from error
    except StorageUnavailable:
        raise
    except (ConnectionError, TimeoutError) as error:
        raise StorageUnavailable(f"The file storage does not give {version.file.name}: {error}") from error
    except (OSError, IngestError) as error:
        raise PictureError(f"The file {version.file.name} cannot be read: {error}") from error


def open_query_picture(file: IO[bytes]) -> Image.Image:
    """A picture to search with. It is bounded and checked as an upload is, and kept nowhere.

    Raises:
        IngestError: it is not a picture that an upload would be taken as.
    """
    return read(file, LONGEST).image
