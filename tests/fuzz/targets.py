"""What is fed, what it begins from, and what it may raise: a parser says what is wrong in its own way."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from dam import iptc, photoshop_resources, sniffing, tiff_place, xmp
from dam.archives import ArchiveError, EntryError, is_archive, open_archive
from dam.containers.kinds import edited
from dam.containers.pieces import PiecedFile, Unwritable
from dam.embedded_metadata import read_metadata
from dam.errors import Undecodable
from dam.metadata_edit import MetadataEdit
from dam.tables import TableError, csv_lines, read_table
from tests.archive_files import full_overlap_bomb, tar_of, zip_of
from tests.hostile_files import RASTERS, exif_ring, whole
from tests.metadata_files import FULL, camera_exif, full_picture, iptc_block, resource, with_iptc, xmp_packet
from tests.pictures import picture

EDIT = MetadataEdit(
    properties={"dc:title": {"x-default": "New", "zh": "新"}, "dc:subject": ["a", "b"], "dc:rights": None},
    datasets={"ObjectName": ["New"]},
    hides_place=True,
    drops_manifest=True,
)
MOST_READ = 5_000_000  # bytes of an archive's entry


@dataclass(frozen=True)
class Target:
    """A parser under fire.

    Attributes:
        run: one input.
        seeds: inputs to begin from.
        may_raise: its own ways to refuse; anything else is a fault.
    """

    run: Callable[[bytes], object]
    seeds: tuple[bytes, ...]
    may_raise: tuple[type[Exception], ...] = ()

    def feed(self, content: bytes) -> None:
        try:
            self.run(content)
        except self.may_raise:
            return


def _xmp(content: bytes) -> None:
    found = xmp.read(content)
    again = xmp.read(xmp.written(content, EDIT.properties))
    assert again["dc:title"]["zh"] == "新", "what was written is read again"
    assert not {"dc:rights"} & again.keys(), "what was taken out is gone"
    xmp.read(xmp.without_place(content))
    assert len(found) >= 0


def _iptc(content: bytes) -> None:
    iptc.read(iptc.parse(content))
    written = iptc.written(content, {"ObjectName": ["New"]})
    assert iptc.read(iptc.parse(written)).get("ObjectName") in ("New", None)


def _photoshop(content: bytes) -> None:
    resources, rest = photoshop_resources.parse(content)
    photoshop_resources.iptc_of(content)
    photoshop_resources.with_iptc(content, lambda block: block)
    photoshop_resources.without_copies(content)
    assert len(rest) <= len(content) and len(resources) <= len(content)


def _tiff(content: bytes) -> None:
    assert len(tiff_place.without_place(content)) == len(content)


def _container(mime: str) -> Callable[[bytes], None]:
    def run(content: bytes) -> None:
        source = io.BytesIO(content)
        pieces = edited(source, mime, EDIT)
        out = PiecedFile(source, pieces)
        size = out.size
        made = out.read()
        assert made is not None and len(made) == size, "as long as was announced"

    return run


def _archive(content: bytes) -> None:
    is_archive(content[:512])
    with open_archive(io.BytesIO(content)) as archive:
        for number, entry in enumerate(archive.pictures()):
            assert entry.name.isprintable(), "a name that may be shown"
            if number > 50:
                return
            if not entry.problem:
                _read(entry.open())


def _read(stream: io.BufferedIOBase | io.RawIOBase | object) -> None:
    read = 0
    while read < MOST_READ:
        try:
            piece = stream.read(65536)  # type: ignore[attr-defined]
        except EntryError:
            return
        if not piece:
            return
        read += len(piece)


def _table(content: bytes) -> None:
    rows = [row.cells for row in read_table(io.BytesIO(content))]
    written = "".join(csv_lines(rows)).encode()
    assert len(list(read_table(io.BytesIO(written)))) <= len(rows)


def _header(content: bytes) -> None:
    sniffing.is_svg(content[: sniffing.HEAD_BYTES])
    sniffing.is_accepted(content[: sniffing.HEAD_BYTES])
    header, image = sniffing.open_header(io.BytesIO(content), 120_000_000)
    with image:
        assert header.mime.startswith("image/") and header.width > 0
        read_metadata(image)


def _workbook() -> bytes:
    import tempfile
    from pathlib import Path

    from dam.tables import write_table

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.xlsx"
        write_table([["file", "title"], ["a.jpg", "=1+1"]], path)
        return path.read_bytes()


def _containers() -> Iterator[tuple[str, Target]]:
    for format, mime in (
        ("JPEG", "image/jpeg"), ("PNG", "image/png"), ("WEBP", "image/webp"), ("TIFF", "image/tiff"),
    ):  # fmt: skip
        seeds = (full_picture(format), whole(format))
        if format == "JPEG":
            seeds += (with_iptc(seeds[0], iptc_block((5, b"Old"), (90, b"Berlin"))),)
        yield format.lower(), Target(_container(mime), seeds, (Unwritable,))
    for format, mime in (("GIF", "image/gif"), ("AVIF", "image/avif"), ("HEIF", "image/heic")):
        seeds = (
            whole(format),
            picture(format=format, exif=camera_exif()) if format != "GIF" else whole(format),
        )
        yield format.lower(), Target(_container(mime), seeds, (Unwritable,))


TARGETS: dict[str, Target] = {
    "xmp": Target(_xmp, (xmp_packet(FULL), xmp_packet("")), (xmp.XMPError,)),
    "iptc": Target(_iptc, (iptc_block((5, b"Old"), (25, b"a"), (25, b"b")), b"")),
    "photoshop": Target(
        _photoshop, (resource(0x0404, iptc_block((5, b"Old"))) + resource(0x03ED, bytes(9)), b"")
    ),
    "exif": Target(_tiff, (camera_exif(), exif_ring()[:400]), (Unwritable,)),
    "archive": Target(
        _archive,
        (
            zip_of({"a.jpg": picture(), "b.txt": b"x"}),
            tar_of({"a.jpg": picture()}),
            tar_of({"a.jpg": picture()}, "gz"),
            full_overlap_bomb(5),
        ),
        (ArchiveError, EntryError),
    ),
    "table": Target(
        _table, (b"file,title\na.jpg,Red\n", "文件;名\n'=1;2\n".encode("gb18030"), _workbook()), (TableError,)
    ),
    "header": Target(_header, tuple(whole(format) for format in RASTERS), (Undecodable,)),
    **dict(_containers()),
}
