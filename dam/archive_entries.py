"""One file in an archive: its name, its size, and why it may have to stay there."""

from __future__ import annotations

import io
import re
import unicodedata
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import IO

from django.utils.translation import gettext as _

from dam.errors import EntryError

MAX_NAME = 1024  # bytes of one name that are held; a hundred thousand names must fit in memory
CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f]")
LITTER = {"thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"}
ARCHIVE_SUFFIXES = (
    ".zip", ".tar", ".tgz", ".tbz2", ".txz", ".gz", ".bz2", ".xz", ".7z", ".rar", ".cbz", ".zst", ".lzma",
)  # fmt: skip


@dataclass
class Entry:
    """A file in an archive.

    Attributes:
        name: with "/" between folders, in Unicode's composed form.
        size: in bytes, as the archive declares it; a file that turns out longer is refused.
        problem: why it cannot be opened, as a sentence; empty if it can.
        unpack: gives its content piece by piece.
    """

    name: str
    size: int
    problem: str
    unpack: Callable[[], Iterator[bytes]] = field(repr=False)
    _begun: tuple[bytes, Iterator[bytes]] | None = field(default=None, repr=False)

    def open(self) -> IO[bytes]:
        """Its content as a stream that can be read once, from the beginning to the end.

        An entry of a tar archive, or of a zip archive without a directory, can be opened until the
        next one is asked for, and once.

        Raises:
            EntryError: here or while reading: damaged, longer than declared, or a bomb.
        """
        head, rest = self._begun or (b"", self.unpack())
        self._begun = None
        return io.BufferedReader(_Pieces(chain([head] if head else [], rest)))

    def head(self, length: int) -> bytes:
        """Its first bytes; it can be opened afterwards all the same.

        Raises:
            EntryError: see `open`.
        """
        if self._begun is None:
            head, rest = b"", self.unpack()
            while len(head) < length and (piece := next(rest, b"")):
                head += piece
            self._begun = (head, rest)
        return self._begun[0][:length]


def farewell(problem: str) -> Entry:
    """The entry without a name that says why no more come after it."""

    def nothing() -> Iterator[bytes]:
        raise EntryError(problem)

    return Entry("", 0, problem, nothing)


class _Pieces(io.RawIOBase):
    """A stream over an iterator of bytes; none of its pieces may be empty."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._left = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        if not self._left:
            self._left = memoryview(next(self._pieces, b""))
        count = min(len(buffer), len(self._left))
        buffer[:count] = self._left[:count]
        self._left = self._left[count:]
        return count


def stream_of(pieces: Iterator[bytes]) -> io.RawIOBase:
    """A stream over pieces of bytes, read forward only."""
    return _Pieces(pieces)


def decoded(raw: bytes, *, is_utf8: bool, unicode_path: bytes = b"") -> str:
    """The name that these bytes spell.

    Bit 11 of a zip entry's flags means UTF-8 (APPNOTE 4.4.4); without it, the Info-ZIP Unicode path extra
    field 0x7075 knows the name (APPNOTE 4.6.9). Without both, the bytes are in whatever the packing system
    used: UTF-8 by many who forget the flag, GB 18030 on Chinese Windows, code page 437 by the standard.
    """
    if unicode_path[:1] == b"\x01" and unicode_path[1:5] == zlib.crc32(raw).to_bytes(4, "little"):
        raw, is_utf8 = unicode_path[5:], True
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("utf-8", "replace") if is_utf8 else _in_legacy_encoding(raw)


def _in_legacy_encoding(raw: bytes) -> str:
    """Chinese where most characters are everyday ones (GB 2312); "Müller" gives rare ones by accident."""
    try:
        chinese = raw.decode("gb18030")
    except UnicodeDecodeError:
        return raw.decode("cp437")
    wide = [character for character in chinese if not character.isascii()]
    everyday = sum(bool(character.encode("gb2312", "ignore")) for character in wide)
    return chinese if 2 * everyday > len(wide) else raw.decode("cp437")


def normalised(name: str) -> str:
    """The name without "." parts and doubled slashes, composed (NFC), as people type it elsewhere."""
    composed = unicodedata.normalize("NFC", name)
    start = "/" if composed.startswith("/") else ""
    return start + "/".join(part for part in composed.split("/") if part not in ("", "."))


def printable(name: str) -> str:
    """The name as it may be shown: a control character must not reach a terminal."""
    return "".join(
        character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in name
    )


def why_not(name: str) -> str:
    """Why a file of this name is refused; empty if nothing is wrong with it.

    Source: CWE-22 (path traversal) and its children for absolute paths, drive letters and backslashes.
    """
    if not name:
        return _("The file has no name.")
    if len(name.encode()) > MAX_NAME:
        return _("The name is longer than %(limit)s bytes.") % {"limit": MAX_NAME}
    if CONTROLS.search(name):
        return _("The name holds control characters.")
    if "\\" in name:
        return _("The name holds a backslash; folders are separated by “/”. Pack it with another program.")
    if name.startswith("/") or re.match(r"[A-Za-z]:", name):
        return _("The name is an absolute path; only names inside the archive are taken.")
    if ".." in name.split("/"):
        return _("The name leads out of the archive (“..”).")
    return ""


def is_litter(name: str) -> bool:
    """Whether an operating system left it there: hidden files, resource forks, preview caches."""
    parts = name.split("/")
    hidden = any(part.startswith(".") and part != ".." for part in parts)
    return hidden or "__MACOSX" in parts or parts[-1].lower() in LITTER


def is_archive_name(name: str) -> bool:
    """Whether the name is one of an archive or a packed file."""
    return name.lower().endswith(ARCHIVE_SUFFIXES)
