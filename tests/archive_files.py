"""Archives for tests: honest ones, and hostile ones written field by field."""

from __future__ import annotations

import io
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field


def zip_of(files: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """An ordinary zip archive."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


def tar_of(files: Mapping[str, bytes], compression: str = "") -> bytes:
    """An ordinary tar archive; `compression` is "", "gz", "bz2" or "xz"."""
    return tar_of_members(
        [(tar_member(name, len(content)), content) for name, content in files.items()], compression
    )


def tar_member(name: str, size: int = 0, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.type, member.linkname = size, kind, target
    return member


def tar_of_members(
    members: Iterable[tuple[tarfile.TarInfo, bytes]], compression: str = "", format: int = tarfile.PAX_FORMAT
) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=f"w:{compression}", format=format) as archive:  # type: ignore[call-overload]
        for member, content in members:
            archive.addfile(member, io.BytesIO(content))
    return out.getvalue()


@dataclass
class RawEntry:
    """An entry whose fields say what a test wants them to, true or not."""

    name: bytes
    content: bytes = b""
    method: int = 0
    flags: int = 0
    size: int | None = None
    packed_size: int | None = None
    crc: int | None = None
    extra: bytes = b""
    mode: int = 0
    packed: bytes = field(default=b"", init=False)

    def __post_init__(self) -> None:
        self.packed = raw_deflate(self.content) if self.method == 8 else self.content
        self.size = len(self.content) if self.size is None else self.size
        self.packed_size = len(self.packed) if self.packed_size is None else self.packed_size
        self.crc = zlib.crc32(self.content) if self.crc is None else self.crc

    def local(self) -> bytes:
        return self._header(b"PK\3\4", "<4s5H3L2H", 20) + self.name + self.extra + self.packed

    def central(self, offset: int) -> bytes:
        attributes = struct.pack("<3H2L", 0, 0, 0, self.mode << 16, offset)
        header = self._header(b"PK\1\2", "<4s6H3L2H", 3 << 8 | 20, 20)
        return header + attributes + self.name + self.extra

    def _header(self, signature: bytes, layout: str, *versions: int) -> bytes:
        return struct.pack(
            layout, signature, *versions, self.flags, self.method, 0, 33, self.crc,
            self.packed_size, self.size, len(self.name), len(self.extra),
        )  # fmt: skip


def raw_deflate(content: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(content) + packer.flush()


def raw_zip(entries: Iterable[RawEntry], *, claimed_count: int | None = None) -> bytes:
    """A zip archive of exactly these fields."""
    body, directory, count = io.BytesIO(), io.BytesIO(), 0
    for entry in entries:
        directory.write(entry.central(body.tell()))
        body.write(entry.local())
        count += 1
    return (
        body.getvalue() + directory.getvalue() + end_of(body.tell(), directory.tell(), claimed_count or count)
    )


def end_of(offset: int, size: int, count: int) -> bytes:
    """End record; the large one before it where the count does not fit."""
    large = b""
    if count > 0xFFFF:
        large = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, size, offset)
        large += struct.pack("<4sLQL", b"PK\6\7", 0, offset + size, 1)
    short = min(count, 0xFFFF)
    return large + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, short, short, size, offset, 0)


def full_overlap_bomb(count: int = 200) -> bytes:
    """Fifield's simplest overlap: many directory records, one file."""
    kernel = RawEntry(b"a.jpg", bytes(1_000_000), method=8)
    records = [RawEntry(b"%d.jpg" % number, method=8) for number in range(count)]
    for record in records:
        record.size, record.packed_size, record.crc = kernel.size, kernel.packed_size, kernel.crc
    body = kernel.local()
    directory = b"".join(record.central(0) for record in records)
    return body + directory + end_of(len(body), len(directory), count)


def quoted_overlap_bomb(count: int = 50) -> bytes:
    """Fifield's better bomb: each file begins with a stored block that quotes the next file's header."""
    packed = raw_deflate(bytes(1_000_000))
    content, header, body, directory = bytes(1_000_000), b"", b"", []
    for number in reversed(range(count)):
        if directory:
            packed = struct.pack("<BHH", 0, len(header), len(header) ^ 0xFFFF) + header + packed
            content = header + content
        entry = RawEntry(b"%03d.jpg" % number, method=8, size=len(content), packed_size=len(packed),
                         crc=zlib.crc32(content))  # fmt: skip
        entry.packed = b""
        header = entry.local()
        directory.append(entry)
        body = header + packed
    records, offset = [], 0
    for entry in reversed(directory):
        records.append(entry.central(offset))
        offset += len(entry.local()) + 5
    listing = b"".join(records)
    return body + listing + end_of(len(body), len(listing), count)
