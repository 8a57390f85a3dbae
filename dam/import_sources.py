"""Where an import finds its pictures: a file, a folder, or an archive."""

from __future__ import annotations

import io
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import IO, NamedTuple, Protocol

from django.conf import settings
from django.utils.translation import gettext as _

from dam import sniffing
from dam.archive_entries import normalised, printable
from dam.archives import ArchiveError, Entry, EntryError, is_archive, open_archive
from dam.arrivals import Source, on_our_disk
from dam.errors import IngestError
from dam.manifest import ImportProblem

MANIFEST_NAMES = ("manifest.csv", "manifest.xlsx")
IN_MEMORY = 256 * 1024  # of each unpacked picture; a hundred of them wait at once


class Found(NamedTuple):
    """A picture of a source: what the source calls it, where its bytes are, or why there are none.

    Attributes:
        size: bytes, where they are known before it is read.
    """

    key: str
    name: str
    source: Source
    problem: str = ""
    size: int = 0


class PictureSource(Protocol):
    """What holds pictures under names.

    Attributes:
        names: key → the name of each picture, in order.
        problems: file and reason of what cannot be read, whatever a manifest says.
        manifest: the table that lies beside the pictures, as name and content.
    """

    names: dict[str, str]
    problems: list[tuple[str, str]]
    manifest: tuple[str, IO[bytes]] | None

    def key(self, name: str) -> str:
        """What a name in a manifest stands for; two names of one file have the same key."""

    def why_not(self, key: str) -> str:
        """Why there is no such picture; empty if there is one."""

    def pictures(self, wanted: Mapping[str, object]) -> Iterator[Found]:
        """The pictures with these keys; their streams are closed by whoever takes them."""


def open_source(path: Path, name: str = "") -> PictureSource:
    """What lies at the path; messages call an archive by the name, where one is given.

    Raises:
        ImportProblem: nothing, nothing that may be read, or an archive that is refused.
    """
    if path.is_dir():
        return FolderSource(path)
    if not path.is_file():
        raise ImportProblem(_("There is no file or folder %(path)s. Check the path.") % {"path": path})
    return ArchiveSource(path, name) if is_archive(_head(path)) else FileSource(path)


class FolderSource:
    """The pictures of a folder and those below it, told by name or content.

    Raises:
        ImportProblem: the folder cannot be read.
    """

    def __init__(self, path: Path) -> None:
        if not os.access(path, os.R_OK | os.X_OK):
            raise ImportProblem(
                _("The folder %(path)s cannot be read (no permission). Give this user read permission there.")
                % {"path": path}
            )
        self._base = path
        self._root = path.resolve()
        self.manifest: tuple[str, IO[bytes]] | None = None
        self.problems: list[tuple[str, str]] = []
        self.names: dict[str, str] = {}
        for file in self._files():
            self._add(self._key(file), str(file.relative_to(path)))

    def key(self, name: str) -> str:
        return self._key(self._base / name.replace("\\", "/"))

    def why_not(self, key: str) -> str:
        if not Path(key).is_relative_to(self._root):
            return _("The file lies outside the folder that is imported.")
        is_file = os.path.isfile(key)  # noqa: PTH113  `Path.is_file` raises over a name longer than any file's
        return "" if is_file else _("There is no such file.")

    def pictures(self, wanted: Mapping[str, object]) -> Iterator[Found]:
        for key in wanted:
            file = Path(key)
            name = self.names.get(key) or str(file.relative_to(self._root))
            yield Found(key, name, self._base / name)

    def _key(self, file: Path) -> str:
        return os.path.realpath(file)  # not `resolve`, which links in a circle make fail

    def _add(self, key: str, name: str) -> None:
        """The system's names are bytes; those that are no text cannot be kept."""
        try:
            (key + name).encode()
        except UnicodeEncodeError:
            reason = _("The name of the file is no text in UTF-8. Rename it.")
            self.problems.append((printable(name), reason))
        else:
            self.names[key] = name

    def _files(self) -> Iterator[Path]:
        """In a fixed order."""
        for folder, subfolders, names in os.walk(self._base, onerror=self._note):
            # Hidden ones belong to the system that wrote the folder: .git, .DS_Store, __MACOSX.
            subfolders[:] = sorted(name for name in subfolders if not name.startswith((".", "__MACOSX")))
            for name in sorted(name for name in names if not name.startswith(".")):
                file = Path(folder) / name
                if file.suffix.lower() in sniffing.PICTURE_SUFFIXES or sniffing.is_accepted(_head(file)):
                    yield file

    def _note(self, error: OSError) -> None:
        reason = _("The folder cannot be read (%(reason)s).") % {"reason": error.strerror}
        self.problems.append((printable(str(error.filename)), reason))


class FileSource(FolderSource):
    """One file; a manifest names it as if its folder were imported."""

    def __init__(self, path: Path) -> None:
        self._file = path
        super().__init__(path.parent)

    def _files(self) -> Iterator[Path]:
        yield self._file


class ArchiveSource:
    """The pictures of a zip or tar archive, which is read through once to know them.

    Raises:
        ImportProblem: the archive is refused, or holds two manifests.
    """

    def __init__(self, path: Path, name: str = "") -> None:
        self._path = path
        self._shown = name or path.name
        self.names: dict[str, str] = {}
        self.problems: list[tuple[str, str]] = []
        self.manifest: tuple[str, IO[bytes]] | None = None
        try:
            with open_archive(path) as archive:
                for entry in archive.pictures(also=MANIFEST_NAMES):
                    self._note(entry)
        except ArchiveError as error:
            raise ImportProblem(
                _("%(path)s cannot be imported. %(reason)s") % {"path": name or path, "reason": error}
            ) from error

    def key(self, name: str) -> str:
        return normalised(name.replace("\\", "/"))

    def why_not(self, key: str) -> str:
        return "" if key in self.names else _("There is no such picture in the archive.")

    def pictures(self, wanted: Mapping[str, object]) -> Iterator[Found]:
        """In the order in which they lie there; a tar archive has no other."""
        with open_archive(self._path) as archive:
            for entry in archive.pictures(done=self.names.keys() - wanted.keys()):
                if entry.name in wanted and not entry.problem:
                    yield _unpacked(entry)

    def _note(self, entry: Entry) -> None:
        if entry.problem:
            self.problems.append((entry.name or self._shown, entry.problem))
        elif entry.name not in MANIFEST_NAMES:
            self.names[entry.name] = entry.name
        elif self.manifest:
            raise ImportProblem(_("The archive holds two manifests. Remove one of them."))
        else:
            self.manifest = (entry.name, self._table(entry))

    def _table(self, entry: Entry) -> IO[bytes]:
        try:
            return io.BytesIO(entry.open().read(settings.DAM_MAX_TABLE_BYTES + 1))
        except EntryError as error:
            raise ImportProblem(
                _("The manifest %(path)s cannot be used. %(reason)s") % {"path": entry.name, "reason": error}
            ) from error


def _unpacked(entry: Entry) -> Found:
    """The picture copied aside, since the archive goes on while it is decoded."""
    spool: IO[bytes] = tempfile.SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115  closed by who takes it
    try:
        with on_our_disk(entry.name), entry.open() as stream:
            shutil.copyfileobj(stream, spool)
            spool.flush()
    except (EntryError, IngestError) as error:
        with suppress(OSError):  # what a full disk did not take, it does not take now; it is freed
            spool.close()
        if isinstance(error, IngestError):
            return Found(entry.name, entry.name, partial(_refuse, error))
        return Found(entry.name, entry.name, b"", str(error))
    return Found(entry.name, entry.name, spool)


def _refuse(error: IngestError) -> bytes:
    """In place of a picture: where it is taken in, what its error means is known."""
    raise error


def _head(file: Path) -> bytes:
    try:
        with file.open("rb") as stream:
            return stream.read(sniffing.HEAD_BYTES)
    except OSError:
        return b""
