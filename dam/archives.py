"""Opening the archives that people send: which files they hold, within bounds; nothing is written.

Zip and tar (plain, gzip, bzip2, xz) are told by their content. The bounds are the settings
DAM_MAX_ARCHIVE_ENTRIES, DAM_MAX_ARCHIVE_BYTES, DAM_MAX_ARCHIVE_RATIO and DAM_MAX_FILE_BYTES.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from django.conf import settings
from django.utils.translation import gettext as _

from dam import archive_bounds as bounds
from dam import sniffing, zip_format
from dam.archive_entries import Entry, farewell, is_archive_name, is_litter, normalised, printable, why_not
from dam.errors import ArchiveError, EntryError
from dam.tar_format import compression_of, is_tar, tar_reader
from dam.zip_format import zip_reader

__all__ = ["Archive", "ArchiveError", "Entry", "EntryError", "is_archive", "open_archive"]

OTHER_ARCHIVES = {b"7z\xbc\xaf\x27\x1c": "7z", b"Rar!\x1a\x07": "RAR", b"(\xb5/\xfd": "Zstandard"}
# A document is a zip archive too; its first entry is one of these (ECMA-376, OpenDocument 1.3).
DOCUMENT_STARTS = (b"[Content_Types].xml", b"_rels/", b"docProps/", b"mimetype", b"xl/", b"word/", b"ppt/")


class Archive:
    """An open archive. Its entries come in the order in which they lie there.

    What breaks off gives its whole entries, and then one without a name whose `problem` says why.
    """

    def __init__(self, read: Callable[[], Iterator[Entry]]) -> None:
        self._read = read

    def entries(self) -> Iterator[Entry]:
        """Every file but those that operating systems leave behind; refused ones have a `problem`.

        A tar archive is read once more from its beginning, so one iteration ends before the next begins.

        Raises:
            ArchiveError: too many entries, too much unpacked, or a bomb.
        """
        names: set[str] = set()
        for number, entry in enumerate(self._read(), start=1):
            if number > settings.DAM_MAX_ARCHIVE_ENTRIES:
                raise bounds.too_many_entries()
            # Litter is passed over in silence, but not if its name leads out of the archive.
            if why_not(entry.name) or not is_litter(normalised(entry.name)):
                yield _judged(entry, names)

    def pictures(self, done: Container[str] = (), also: Container[str] = ()) -> Iterator[Entry]:
        """The pictures, told by name or content, and all that is refused; other files are passed over.

        Args:
            done: names that are not wanted, as those that an interrupted run has had already.
            also: names that are wanted whatever they are.

        Raises:
            ArchiveError: see `entries`.
        """
        for entry in self.entries():
            if entry.name in done:
                continue
            if entry.problem or entry.name in also or _looks_like_picture(entry):
                yield entry


@contextmanager
def open_archive(source: Path | IO[bytes]) -> Iterator[Archive]:
    """Open a zip or tar archive; a stream must be able to seek, and stays open.

    Raises:
        ArchiveError: it cannot be read, is no such archive, or goes beyond a bound.
    """
    if isinstance(source, Path):
        try:
            stream = source.open("rb")
        except OSError as error:
            raise ArchiveError(
                _("The archive cannot be read (%(reason)s).") % {"reason": error.strerror}
            ) from error
        with stream:
            yield Archive(_reader(stream))
    else:
        yield Archive(_reader(source))


def is_archive(head: bytes) -> bool:
    """Whether these first bytes (512 suffice) begin an archive of any kind; documents are none."""
    if head.startswith((zip_format.FILE, zip_format.END)):
        return not head[zip_format.FILE_HEADER.size :].startswith(DOCUMENT_STARTS)
    return bool(compression_of(head)) or is_tar(head) or head.startswith(tuple(OTHER_ARCHIVES))


def unpack_zip(file: IO[bytes], at_most: int) -> Iterator[tuple[str, IO[bytes]]]:
    """Every entry of a zip container whatever its name, as a document's parts are read.

    Raises:
        ArchiveError: it is none, or holds more bytes than that.
        EntryError: an entry is refused; also while its stream is read.
    """
    total = 0
    for entry in zip_reader(file)():
        total += entry.size
        if total > at_most:
            raise ArchiveError(
                _("It holds more than %(limit)s MB unpacked.") % {"limit": f"{at_most / 1024**2:g}"}
            )
        if entry.problem:
            raise EntryError(entry.problem)
        yield entry.name, entry.open()


def _reader(file: IO[bytes]) -> Callable[[], Iterator[Entry]]:
    file.seek(0)
    head = file.read(sniffing.HEAD_BYTES)
    if codec_of := compression_of(head):
        return tar_reader(file, codec_of)
    if is_tar(head):
        return tar_reader(file, None)
    for magic, name in OTHER_ARCHIVES.items():
        if head.startswith(magic):
            raise ArchiveError(
                _("Archives of the type %(name)s are not read. Pack the pictures as zip or tar.")
                % {"name": name}
            )
    if head.startswith((zip_format.FILE, zip_format.END)) or zip_format.has_directory(file):
        return zip_reader(file)
    raise ArchiveError(_("The file is no zip or tar archive."))


def _judged(entry: Entry, names: set[str]) -> Entry:
    """The entry under the name that is used for it, with what is wrong with name and size."""
    if not entry.name and entry.problem:
        return farewell(entry.problem)
    problem = why_not(entry.name) or entry.problem
    name = printable(entry.name) if problem else normalised(entry.name)
    if not problem and name in names:
        problem = _("An earlier file in the archive has the same name.")
    if not problem and is_archive_name(name):
        problem = _nested()
    if not problem and entry.size > settings.DAM_MAX_FILE_BYTES:
        problem = bounds.too_large()
    names.add(name)
    return Entry(name, entry.size, problem, entry.unpack)


def _looks_like_picture(entry: Entry) -> bool:
    if PurePosixPath(entry.name).suffix.lower() in sniffing.PICTURE_SUFFIXES:
        return True
    try:
        head = entry.head(sniffing.HEAD_BYTES)
    except EntryError as error:
        entry.problem = str(error)
        return True
    if is_archive(head):
        entry.problem = _nested()
        return True
    return sniffing.is_accepted(head)


def _nested() -> str:
    return _("An archive inside the archive is not opened. Unpack it and send what it holds.")
