"""A file on its way in, before it has a row: received, hashed, decoded, stored. Needs no database."""

from __future__ import annotations

import hashlib
import io
import logging
import re
import tempfile
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import IO, Any

from django.conf import settings
from django.core.files.base import File
from django.utils.translation import gettext_lazy as _
from PIL import Image

from dam import colours, pictures, sniffing, svg
from dam.errors import IngestError
from dam.fingerprints import fingerprint
from dam.models import Asset, AssetVersion, Rendition
from dam.presets import BUILT_IN
from dam.provenance.keeping import making_of
from dam.renditions import make_rendition

log = logging.getLogger(__name__)

Source = IO[bytes] | Path | bytes | Callable[[], bytes]
BLOCK = 256 * 1024
IN_MEMORY = 1024 * 1024  # larger files wait on disk while they are looked at
THUMBNAIL = BUILT_IN["thumbnail"]
ANALYSED_SIDE = THUMBNAIL.width or 0  # colours and hash are read from the thumbnail's pixels
SQUARE = 1.1  # a side at most this much longer still counts as square


class Arrival:
    """One file on its way in.

    `receive` gives it a digest; `prepare` makes the unsaved rows and stores their files; `discard`
    takes those files back; `close` frees the spooled copy.
    """

    def __init__(self, source: Source, filename: str) -> None:
        self.source = source
        self.filename = base_name(filename)
        self.file: IO[bytes] | None = None
        self.sha256 = ""
        self.size = 0
        self.version: AssetVersion | None = None
        self.thumbnail: Rendition | None = None

    def receive(self) -> None:
        """Copy the source aside while hashing it; a drawing becomes pixels here.

        Raises:
            IngestError: empty, too large, unreadable, or a drawing that cannot be rendered.
        """
        with _opened(self.source) as stream:
            self._spool(stream)
        assert self.file is not None  # noqa: S101  set by _spool
        self.file.seek(0)
        if sniffing.is_svg(self.file.read(sniffing.HEAD_BYTES)):
            self.file.seek(0)
            with on_our_disk(self.filename):
                rendered = _rendered(self.file, self.size)
            self.close()
            self._spool(io.BytesIO(rendered))

    def prepare(self, asset: Asset, number: int = 1) -> None:
        """Decode once for all that is read from the pixels, then store original and thumbnail.

        Raises:
            IngestError: not a usable picture, or the storage does not take it; nothing is left there.
        """
        picture = self._decoded()
        main_colours = colours.dominant_colours(picture.image)
        asset.colour_family = colours.main_family(main_colours)
        asset.aspect = aspect_of(picture.width, picture.height)
        self.version = AssetVersion(
            asset=asset,
            number=number,
            original_name=self.filename,
            extension=picture.header.extension,
            mime=picture.header.mime,
            size=self.size,
            sha256=self.sha256,
            width=picture.width,
            height=picture.height,
            has_alpha=picture.has_alpha,
            colours=main_colours,
            metadata=picture.metadata,
        )
        asset.making = making_of(self.version) or ""
        self.version.fingerprint = fingerprint(pictures.on_white(picture.image))
        self._store(self.version, picture.image)

    def check(self) -> dict[str, Any]:
        """Decode it as `prepare` would, and keep nothing. Returns its embedded metadata.

        Raises:
            IngestError: not a usable picture.
        """
        return self._decoded().metadata

    def put_back(self, version: AssetVersion) -> bool:
        """Store the file again where the storage has lost it, or keeps less than all of it.

        Args:
            version: one with this digest.

        Returns:
            Whether that was so.

        Raises:
            IngestError: it is lost, and the storage does not take it.
        """
        assert self.file is not None  # noqa: S101  received before
        name, storage = str(version.file.name), version.file.storage
        try:
            if _stored_size(version) == version.size:
                return False
        except Exception:  # storages raise whatever their SDK raises
            log.exception("The storage does not say whether it has %s", name)
            return False
        self.file.seek(0)
        try:
            storage.delete(name)
            stored = storage.save(name, File(self.file), max_length=255)
            if stored != name:  # somebody else was faster
                storage.delete(stored)
        except Exception as error:
            raise _no_storage(self.filename, error) from error
        return True

    def discard(self) -> None:
        """Take back what was stored, since no row will name it."""
        for row in (self.version, self.thumbnail):
            if row is None or not row.file:
                continue
            try:
                row.file.delete(save=False)
            except Exception:
                log.exception("The storage did not delete %s, which no row names", row.file.name)
        self.version = self.thumbnail = None

    def close(self) -> None:
        """Free the spooled copy."""
        if self.file is not None:
            with suppress(OSError):  # what a full disk did not take, it does not take now; it is freed
                self.file.close()
            self.file = None

    def _spool(self, stream: IO[bytes]) -> None:
        digest = hashlib.sha256()
        self.size = 0
        spool: IO[bytes] = tempfile.SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115  closed by close()
        self.file = spool
        while block := _read(stream):
            self.size += len(block)
            if self.size > settings.DAM_MAX_FILE_BYTES:
                raise _too_large()
            digest.update(block)
            with on_our_disk(self.filename):
                spool.write(block)
        with on_our_disk(self.filename):
            spool.flush()
        if not self.size:
            raise IngestError("empty", _("The file is empty. Check the source and upload it again."))
        self.sha256 = digest.hexdigest()

    def _decoded(self) -> pictures.Picture:
        assert self.file is not None  # noqa: S101  received before
        with on_our_disk(self.filename):  # where small ones go now, for the process that decodes them
            return pictures.read(self.file, at_most=ANALYSED_SIDE)

    def _store(self, version: AssetVersion, image: Image.Image) -> None:
        assert self.file is not None  # noqa: S101  received before
        self.file.seek(0)
        try:
            version.file.save(self.filename, File(self.file), save=False)
            self.thumbnail = make_rendition(version, THUMBNAIL, image)
        except Exception as error:
            self.discard()
            raise _no_storage(self.filename, error) from error


def base_name(filename: str) -> str:
    """The last part of a name that a stranger gave, without what databases refuse."""
    name = PurePosixPath(filename.replace("\\", "/")).name
    printable = "".join(character for character in name if character.isprintable())
    return unicodedata.normalize("NFC", printable.encode("utf-8", "ignore").decode())[:255]


def title_of(filename: str) -> str:
    """A title from a file name: `red_dress-02.final.JPG` → `Red dress 02 final`."""
    stem = base_name(filename).rsplit(".", 1)[0]
    words = re.sub(r"[\s_.\-+]+", " ", stem).strip()
    return words[:1].upper() + words[1:]


def aspect_of(width: int, height: int) -> str:
    """Portrait, landscape or square, as filters name it."""
    if max(width, height) <= SQUARE * min(width, height):
        return "square"
    return "landscape" if width > height else "portrait"


@contextmanager
def on_our_disk(filename: str) -> Iterator[None]:
    """What fails here is no fault of the file: our disk is full, or broken.

    Raises:
        IngestError: "storage": the file may come again.
    """
    try:
        yield
    except OSError as error:
        raise _no_storage(filename, error) from error


@contextmanager
def _opened(source: Source) -> Iterator[IO[bytes]]:
    if isinstance(source, bytes):
        yield io.BytesIO(source)
    elif isinstance(source, Path):
        try:
            stream = source.open("rb")
        except OSError as error:
            raise _unreadable(error) from error
        with stream:
            yield stream
    elif callable(source):
        yield io.BytesIO(source())
    else:
        source.seek(0)
        yield source


def _read(stream: IO[bytes]) -> bytes:
    try:
        return stream.read(BLOCK)
    except OSError as error:
        raise _unreadable(error) from error


def _rendered(drawing: IO[bytes], size: int) -> bytes:
    if size > svg.MAX_SVG_BYTES:
        raise _too_large(svg.MAX_SVG_BYTES)
    return pictures.rendered(drawing)


def _stored_size(version: AssetVersion) -> int | None:
    """In bytes; None: the storage has no such file."""
    try:
        return int(version.file.storage.size(str(version.file.name)))
    except FileNotFoundError:
        return None


def _no_storage(filename: str, error: Exception) -> IngestError:
    log.error("The storage refused %s: %r", filename, error)
    return IngestError(
        "storage",
        _("The file storage does not take files (%(reason)s). Nothing was kept; try again later."),
        reason=getattr(error, "strerror", None) or type(error).__name__,
    )


def _unreadable(error: OSError) -> IngestError:
    return IngestError(
        "unreadable",
        _("The file cannot be read (%(reason)s). Check that it is there and its permissions."),
        reason=error.strerror or type(error).__name__,
    )


def _too_large(limit: int = 0) -> IngestError:
    megabytes = (limit or settings.DAM_MAX_FILE_BYTES) / 1024**2
    return IngestError(
        "too_large",
        _("The file is larger than %(limit)s MB. Make it smaller and upload it again."),
        limit=f"{megabytes:g}",
    )
