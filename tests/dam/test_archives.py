"""Opening archives: what they hold, and everything that hostile or broken ones try."""

from __future__ import annotations

import gzip
import io
import random
import stat
import struct
import tarfile
import tracemalloc
import zipfile
import zlib
from pathlib import Path

import pytest
from pytest_django import Settings

from dam.archives import ArchiveError, EntryError, open_archive
from tests.archive_files import (
    RawEntry,
    full_overlap_bomb,
    quoted_overlap_bomb,
    raw_zip,
    tar_member,
    tar_of,
    tar_of_members,
    zip_of,
)
from tests.pictures import picture

RED, BLUE = picture(seed=1), picture(seed=2, format="PNG")
FILES = {
    "red.jpg": RED,
    "below/蓝色.png": BLUE,
    "below/no extension": RED,
    "notes.txt": b"BMW and other notes",
}
NOISE = {f"{number}.jpg": random.Random(number).randbytes(3000) for number in range(4)}
PICTURES = ["red.jpg", "below/蓝色.png", "below/no extension"]


def read(archive: bytes) -> tuple[dict[str, bytes], dict[str, str]]:
    """The contents of an archive's pictures, and the reasons why others have none."""
    contents, problems = {}, {}
    with open_archive(io.BytesIO(archive)) as opened:
        for entry in opened.pictures():
            try:
                if entry.problem:
                    raise EntryError(entry.problem)
                contents[entry.name] = entry.open().read()
            except EntryError as error:
                problems[entry.name] = str(error)
    return contents, problems


def problems_of(archive: bytes) -> dict[str, str]:
    return read(archive)[1]


@pytest.mark.parametrize(
    "archive",
    [
        zip_of(FILES),
        zip_of(FILES, zipfile.ZIP_STORED),
        b"#!/bin/sh\n exit\n" + zip_of(FILES),
        *(tar_of(FILES, compression) for compression in ("", "gz", "bz2", "xz")),
    ],
    ids=["deflated zip", "stored zip", "self-extracting zip", "tar", "tar.gz", "tar.bz2", "tar.xz"],
)
def test_pictures_are_found_whatever_the_archive_is(archive: bytes, tmp_path: Path) -> None:
    path = tmp_path / "named like nothing"
    path.write_bytes(archive)

    with open_archive(path) as opened:
        listed = [(entry.name, entry.size) for entry in opened.pictures()]

    assert listed == [(name, len(FILES[name])) for name in PICTURES]
    assert read(archive) == ({name: FILES[name] for name in PICTURES}, {})


@pytest.mark.parametrize("archive", [zip_of(FILES), tar_of(FILES, "gz")], ids=["zip", "tar.gz"])
def test_an_interrupted_run_goes_on_after_the_names_it_has_had(archive: bytes) -> None:
    with open_archive(io.BytesIO(archive)) as opened:
        left = {entry.name: entry.open().read() for entry in opened.pictures(done={"red.jpg"})}

    assert left == {name: FILES[name] for name in PICTURES[1:]}


def test_parallel_gzip_streams_in_a_row_are_one_archive() -> None:
    plain = tar_of(FILES)
    packed = b"".join(gzip.compress(part) for part in (plain[:1000], plain[1000:3000], plain[3000:]))

    assert list(read(packed)[0]) == PICTURES


def test_entries_without_sizes_in_front_are_read() -> None:
    class Pipe(io.RawIOBase):
        """Where nothing can be written afterwards, sizes follow the content."""

        written = b""

        def writable(self) -> bool:
            return True

        def write(self, data: bytes) -> int:  # type: ignore[override]
            self.written += bytes(data)
            return len(data)

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:  # type: ignore[arg-type]
        for name, content in FILES.items():
            archive.writestr(name, content)

    assert read(pipe.written) == ({name: FILES[name] for name in PICTURES}, {})
    without_directory = pipe.written[: pipe.written.index(b"PK\1\2") - 30]
    contents, problems = read(without_directory)
    assert list(contents) == PICTURES
    assert "incomplete" in problems[""]


def test_what_systems_leave_behind_is_passed_over_in_silence() -> None:
    litter = {
        "__MACOSX/._red.jpg": b"x", ".DS_Store": b"x", "below/Thumbs.db": b"x", "below/.hidden/red.jpg": RED,
        "desktop.ini": b"x", "folder.jpg/": b"",
    }  # fmt: skip

    assert read(zip_of({**litter, "red.jpg": RED})) == ({"red.jpg": RED}, {})
    assert read(tar_of({"./red.jpg": RED, "./._red.jpg": b"x"})) == ({"red.jpg": RED}, {})


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("../up.jpg", "leads out of the archive"),
        ("below/../../up.jpg", "leads out of the archive"),
        ("../.DS_Store", "leads out of the archive"),
        ("/etc/red.jpg", "absolute path"),
        ("C:/red.jpg", "absolute path"),
        ("..\\up.jpg", "backslash"),
        ("below\\red.jpg", "backslash"),
        ("red.jpg\0.png", "control characters"),
        ("red\x1b[2J.jpg", "control characters"),
        ("a" * 2000 + ".jpg", "longer than 1024 bytes"),
    ],
)
def test_names_that_lead_elsewhere_are_refused_with_a_reason(name: str, sentence: str) -> None:
    archive = raw_zip([RawEntry(name.encode(), RED), RawEntry(b"good.jpg", BLUE)])

    contents, problems = read(archive)

    assert list(contents) == ["good.jpg"]
    [reason] = problems.values()
    assert sentence in reason
    assert all(shown.isprintable() for shown in problems)


def test_names_in_tar_archives_are_judged_alike() -> None:
    contents, problems = read(tar_of({"../up.jpg": RED, "/root.jpg": RED, "good.jpg": RED}))

    assert list(contents) == ["good.jpg"]
    assert set(problems) == {"../up.jpg", "/root.jpg"}


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE]
)
def test_links_and_devices_in_tar_archives_are_refused(kind: bytes) -> None:
    members = [
        (tar_member("x.jpg", kind=kind, target="/etc/passwd"), b""),
        (tar_member("red.jpg", len(RED)), RED),
    ]

    contents, problems = read(tar_of_members(members))

    assert contents == {"red.jpg": RED}
    assert "link or a device" in problems["x.jpg"]


def test_links_in_zip_archives_are_refused() -> None:
    link = RawEntry(b"x.jpg", b"/etc/passwd", mode=stat.S_IFLNK | 0o777)
    device = RawEntry(b"y.jpg", mode=stat.S_IFCHR | 0o666)

    problems = problems_of(raw_zip([link, device, RawEntry(b"red.jpg", RED, mode=stat.S_IFREG | 0o644)]))

    assert set(problems) == {"x.jpg", "y.jpg"}


def test_an_encrypted_file_is_named_with_a_reason() -> None:
    problems = problems_of(raw_zip([RawEntry(b"secret.jpg", RED, flags=1), RawEntry(b"red.jpg", RED)]))

    assert "encrypted" in problems.pop("secret.jpg")
    assert problems == {}


def test_a_rare_packing_method_is_named_with_a_reason() -> None:
    assert "method 14" in problems_of(zip_of({"red.jpg": RED}, zipfile.ZIP_LZMA))["red.jpg"]


def test_of_two_files_with_one_name_the_later_is_reported() -> None:
    contents, problems = read(raw_zip([RawEntry(b"red.jpg", RED), RawEntry(b"./red.jpg", BLUE)]))

    assert contents == {"red.jpg": RED}
    assert "same name" in problems["red.jpg"]


def test_archives_inside_are_reported_and_not_opened() -> None:
    bomb = zip_of({"0.zip": zip_of({"00.zip": zip_of({"bomb.bmp": bytes(10_000_000)})})})
    nested = {
        "lib.zip": bomb,
        "lib.tar.gz": b"x",
        "disguised": bomb,
        "tar": tar_of({"a.jpg": RED}),
        "red.jpg": RED,
    }

    contents, problems = read(zip_of(nested))

    assert contents == {"red.jpg": RED}
    assert set(problems) == {"lib.zip", "lib.tar.gz", "disguised", "tar"}
    assert all("inside the archive is not opened" in reason for reason in problems.values())


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (RawEntry("红色 连衣裙.jpg".encode("gb18030"), RED), "红色 连衣裙.jpg"),
        (RawEntry("商品/裝箱.jpg".encode("gb18030"), RED), "商品/裝箱.jpg"),
        (RawEntry("红色.jpg".encode(), RED, flags=1 << 11), "红色.jpg"),
        (RawEntry("红色.jpg".encode(), RED), "红色.jpg"),
        (RawEntry("Müller été.jpg".encode("cp437"), RED), "Müller été.jpg"),
        (RawEntry("Ärmel.jpg".encode("cp437"), RED), "Ärmel.jpg"),
        (RawEntry("e\u0301te.jpg".encode(), RED, flags=1 << 11), "éte.jpg"),
    ],
    ids=["GBK", "GBK with rarer characters", "UTF-8", "UTF-8 unflagged", "CP437", "CP437 once", "decomposed"],
)
def test_names_are_decoded_as_they_were_meant(entry: RawEntry, expected: str) -> None:
    assert list(read(raw_zip([entry]))[0]) == [expected]


def unicode_path(raw: bytes, name: str) -> bytes:
    path = b"\1" + struct.pack("<L", zlib.crc32(raw)) + name.encode()
    return struct.pack("<HH", 0x7075, len(path)) + path


def test_the_unicode_path_field_counts_where_it_belongs_to_the_name() -> None:
    right = RawEntry(b"?.jpg", RED, extra=unicode_path(b"?.jpg", "红.jpg"))
    stale = RawEntry(b"renamed.jpg", RED, extra=unicode_path(b"?.jpg", "红.jpg"))

    assert list(read(raw_zip([right, stale]))[0]) == ["红.jpg", "renamed.jpg"]


def test_the_unicode_path_field_cannot_smuggle_a_way_out() -> None:
    entry = RawEntry(b"red.jpg", RED, extra=unicode_path(b"red.jpg", "../../red.jpg"))

    assert "leads out" in problems_of(raw_zip([entry]))["../../red.jpg"]


def test_tar_names_in_chinese_encodings_are_decoded() -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT, encoding="gb18030") as archive:
        archive.addfile(tar_member("红色连衣裙.jpg", len(RED)), io.BytesIO(RED))

    assert list(read(out.getvalue())[0]) == ["红色连衣裙.jpg"]


# ── Bombs ─────────────────────────────────────────────────────────────────────────────────────────


def test_a_file_that_unpacks_to_many_times_its_size_is_refused_while_it_is_read() -> None:
    archive = zip_of({"flat.bmp": bytes(50_000_000), "red.jpg": RED})

    with open_archive(io.BytesIO(archive)) as opened:
        bomb, red = opened.pictures()
        stream = bomb.open()
        given = 0
        with pytest.raises(EntryError, match="200 times its size"):
            while piece := stream.read(65536):
                given += len(piece)
        assert given < 20_000_000
        assert red.open().read() == RED


def test_a_size_that_lies_is_caught() -> None:
    noise = random.Random(1).randbytes(400_000)
    entries = [
        RawEntry(b"more.jpg", noise, method=8, size=10),
        RawEntry(b"less.jpg", noise, method=8, size=500_000),
        RawEntry(b"stored.jpg", noise, size=10),
        RawEntry(b"zero.jpg", bytes(3_000_000), method=8, size=0),
        RawEntry(b"checksum.jpg", noise, crc=1),
        RawEntry(b"red.jpg", RED),
    ]

    contents, problems = read(raw_zip(entries))

    assert contents == {"red.jpg": RED}
    assert {name for name, reason in problems.items() if "longer than the archive says" in reason} == {
        "more.jpg", "stored.jpg", "zero.jpg",
    }  # fmt: skip
    assert {name for name, reason in problems.items() if "damaged in" in reason} == {
        "less.jpg",
        "checksum.jpg",
    }


def test_a_file_larger_than_a_file_may_be_is_refused(settings: Settings) -> None:
    settings.DAM_MAX_FILE_BYTES = 1024
    for archive in (zip_of({"a.jpg": RED * 9}), tar_of({"a.jpg": RED * 9})):
        assert "larger than" in problems_of(archive)["a.jpg"]


@pytest.mark.parametrize("bomb", [full_overlap_bomb(), quoted_overlap_bomb()], ids=["full", "quoted"])
def test_entries_that_overlap_are_refused(bomb: bytes) -> None:
    assert len(zipfile.ZipFile(io.BytesIO(bomb)).namelist()) >= 50  # others take it for an archive

    with pytest.raises(ArchiveError, match="overlap"):
        read(bomb)


def test_entries_that_overlap_behind_a_long_extra_field_are_refused() -> None:
    """The content of the first begins later than its directory record lets one think."""
    first, second = (
        RawEntry(b"a.jpg", RED, extra=struct.pack("<HH", 9, 400) + bytes(400)),
        RawEntry(b"b.jpg", RED),
    )
    whole = raw_zip([first, second])
    shifted = whole.replace(struct.pack("<HH", 5, 404), struct.pack("<HH", 5, 404 + 60), 1)

    contents, problems = read(shifted)

    assert contents == {"b.jpg": RED}
    assert "overlaps the next one" in problems["a.jpg"]


@pytest.mark.parametrize("claimed", [None, 3], ids=["honest count", "lying count"])
def test_more_entries_than_allowed_are_refused_before_they_are_held(claimed: int | None) -> None:
    archive = raw_zip((RawEntry(b"%d.jpg" % number) for number in range(100_001)), claimed_count=claimed)

    with pytest.raises(ArchiveError, match="more than 100,000 entries"):
        read(archive)


def test_a_hundred_thousand_entries_are_read_in_bounded_memory() -> None:
    archive = io.BytesIO(
        raw_zip(RawEntry(b"folder/%06d.jpg" % number, RED[:64]) for number in range(100_000))
    )

    tracemalloc.start()
    with open_archive(archive) as opened:
        count = 0
        for count, entry in enumerate(opened.pictures(), start=1):
            if count % 20 == 0:  # each would take long under the eyes of tracemalloc
                assert entry.open().read() == RED[:64]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert count == 100_000
    assert peak < 100 * 1024**2


def test_more_bytes_than_allowed_are_refused_at_once(settings: Settings) -> None:
    settings.DAM_MAX_ARCHIVE_BYTES = 10_000
    for compression in ("", "gz"):
        with pytest.raises(ArchiveError, match="GB unpacked"):
            read(tar_of(NOISE, compression))
    with pytest.raises(ArchiveError, match="GB unpacked"), open_archive(io.BytesIO(zip_of(NOISE))):
        pass


@pytest.mark.parametrize("compression", ["gz", "bz2", "xz"])
def test_a_tar_bomb_is_refused(compression: str) -> None:
    with pytest.raises(ArchiveError, match="200 times its size"):
        read(tar_of({"a.bmp": bytes(90_000_000)}, compression))


def test_an_endless_header_of_a_tar_archive_is_not_held() -> None:
    archive = tar_of_members([(tar_member("x", 30_000_000, tarfile.GNUTYPE_LONGNAME), bytes(30_000_000))])

    tracemalloc.start()
    assert "damaged" in problems_of(archive)[""]
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()


def test_headers_upon_headers_end_with_a_reason() -> None:
    global_headers = [(tar_member("g", 0, tarfile.XGLTYPE), b"")] * 1500

    assert "damaged" in problems_of(tar_of_members([*global_headers, (tar_member("a.jpg"), b"")]))[""]


def test_a_negative_size_in_a_tar_archive_ends_with_a_reason() -> None:
    header = bytearray(tar_member("a.jpg").tobuf(tarfile.GNU_FORMAT))
    header[124:136] = b"\xff" * 10 + b"\xfe\x00"  # -512 in base 256
    header[148:156] = b"%06o\0 " % (sum(header[:148]) + sum(header[156:]) + 8 * 32)

    assert "damaged" in problems_of(bytes(header) + bytes(1024))[""]


# ── Damage ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "whole",
    [
        zip_of(NOISE),
        zip_of(NOISE, zipfile.ZIP_STORED),
        tar_of(NOISE).rstrip(b"\0"),
        tar_of(NOISE, "gz")[:-100],
        tar_of(NOISE, "xz")[:-150],
    ],
    ids=["zip", "stored zip", "tar", "tar.gz", "tar.xz"],
)
def test_a_truncated_archive_gives_what_is_whole_and_then_a_reason(whole: bytes) -> None:
    seen = set()
    for length in range(600, len(whole) - 1, 37):
        try:
            contents, problems = read(whole[:length])
        except ArchiveError as error:
            assert str(error)
            continue
        assert contents.items() <= NOISE.items()
        assert problems[""]
        seen.add(len(contents))
    assert seen >= {0, 1, 2, 3}


def test_a_truncated_archive_that_holds_another_is_not_taken_for_it() -> None:
    whole = zip_of(
        {"red.jpg": RED, "inner.zip": zip_of({"inner.jpg": BLUE}), "last.jpg": RED}, zipfile.ZIP_STORED
    )
    cut = whole[: whole.rindex(b"last.jpg", 0, whole.rindex(b"PK\1\2")) - 30]

    contents, problems = read(cut)

    assert contents == {"red.jpg": RED}
    assert set(problems) == {"inner.zip", ""}


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "no zip or tar archive"),
        (RED, "no zip or tar archive"),
        (b"7z\xbc\xaf\x27\x1c rest", "type 7z are not read"),
        (b"Rar!\x1a\x07\x01\x00", "type RAR are not read"),
        (zlib.compressobj(wbits=31).flush(), "no tar archive"),
        (b"\x1f\x8bnonsense", "cannot be unpacked"),
    ],
)  # fmt: skip
def test_what_is_no_archive_is_refused_with_a_reason(content: bytes, sentence: str) -> None:
    with pytest.raises(ArchiveError, match=sentence), open_archive(io.BytesIO(content)):
        pass


def test_an_archive_that_is_not_there_is_refused_with_a_reason(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="cannot be read"), open_archive(tmp_path / "none.zip"):
        pass


def test_a_part_of_a_split_archive_is_refused_with_a_reason() -> None:
    whole = zip_of({"red.jpg": RED})
    at = whole.rindex(b"PK\5\6")

    with pytest.raises(ArchiveError, match="split archive"):
        read(whole[: at + 4] + b"\2\0" + whole[at + 6 :])


def test_an_archive_without_entries_holds_nothing() -> None:
    assert read(zip_of({})) == ({}, {})
    assert read(tar_of({})) == ({}, {})


@pytest.mark.parametrize(
    "whole",
    [zip_of(FILES), tar_of(FILES), tar_of(FILES, "gz"), tar_of(FILES, "bz2"), tar_of(FILES, "xz"),
     tar_of_members([(tar_member("长" * 90 + ".jpg", len(RED)), RED)], format=tarfile.GNU_FORMAT)],
    ids=["zip", "tar", "tar.gz", "tar.bz2", "tar.xz", "GNU tar"],
)  # fmt: skip
def test_flipped_bytes_end_in_files_or_reasons(whole: bytes) -> None:
    rng = random.Random(42)
    structure = [at for at in range(len(whole)) if whole.startswith(b"PK", at)] or [0]
    for _variant in range(300):
        damaged = bytearray(whole)
        for _flip in range(rng.randint(1, 4)):
            near = rng.choice(structure) + rng.randrange(600)
            at = near % len(whole) if rng.random() < 0.7 else rng.randrange(len(whole))
            damaged[at] ^= 1 << rng.randrange(8)
        try:
            contents, problems = read(bytes(damaged))
        except ArchiveError as error:
            assert str(error)
            continue
        assert all(problems.values())
        assert all(".." not in name.split("/") for name in contents)
