"""Many originals as one zip, packed while it is sent."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import IO

from django.contrib.auth.models import AnonymousUser, User
from django.http import StreamingHttpResponse
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _
from zipstream import ZIP_STORED, ZipStream

from dam import downloads
from dam.containers.pieces import Unwritable
from dam.errors import IngestError
from dam.models import Asset
from dam.views import download_name

MOST_AT_ONCE = 2000  # files in one archive
NOT_TO_BE_SENT = (FileNotFoundError, IngestError, Unwritable)
PIECE = 256 * 1024
log = logging.getLogger(__name__)


def archive_response(assets: Iterable[Asset], user: User | AnonymousUser, name: str) -> StreamingHttpResponse:
    """The zip `name`.zip of what this account downloads of each asset, with its current version loaded."""
    response = StreamingHttpResponse(_packed(assets, user), content_type="application/zip")
    response["Content-Disposition"] = content_disposition_header(True, f"{name}.zip") or "attachment"
    return response


def _packed(assets: Iterable[Asset], user: User | AnonymousUser) -> Iterator[bytes]:
    """The zip; what the storage has lost is named in a text at its end."""
    archive = ZipStream(compress_type=ZIP_STORED)  # pictures are compressed already
    names: Counter[str] = Counter()
    missing = []
    for asset in assets:
        if asset.current is None:
            continue
        try:
            file = downloads.with_fields(asset.current, user).open()
        except NOT_TO_BE_SENT as error:
            log.error("A file cannot be packed: %s", error)
            missing.append(asset.display_title)
            continue
        archive.add(_pieces(file), _free_name(asset, names))
        yield from archive.all_files()
    if missing:
        archive.add("\n".join([_("These files could not be packed:"), *missing]), "MISSING.txt")
    yield from archive.finalize()


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        while piece := file.read(PIECE):
            yield piece


def _free_name(asset: Asset, names: Counter[str]) -> str:
    """The file's name, with a number where another file of the zip has the same."""
    name = download_name(asset.current).replace("/", "_").replace("\\", "_")  # type: ignore[arg-type]
    names[name.casefold()] += 1
    if names[name.casefold()] == 1:
        return name
    stem, dot, extension = name.rpartition(".")
    return f"{stem} ({names[name.casefold()]}){dot}{extension}"
