"""`manage.py import_assets`: folders, manifests, and everything that can be wrong with them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from openpyxl import Workbook, load_workbook
from pytest_django import Settings

from dam import editing
from dam.models import Asset, AssetKind, AssetOrigin, AssetState, AuditEntry
from tests.archive_files import tar_of, zip_of
from tests.pictures import empty, picture, pixel_bomb_png, text_as_jpg, truncated_jpeg

pytestmark = pytest.mark.django_db

HEADER = "file,title_en,title_zh,tags,skus,kind,licence,rights_holder,rights_expire_on\n"


@dataclass
class Run:
    """What a run of the command left on its outputs."""

    code: int
    out: str
    err: str
    message: str

    @property
    def document(self) -> dict[str, Any]:
        return json.loads(self.out)

    @property
    def reasons(self) -> dict[str, str]:
        return {rejection["file"]: rejection["reason"] for rejection in self.document["rejected"]}


def run(*arguments: Any) -> Run:
    out, err = StringIO(), StringIO()
    try:
        call_command("import_assets", *map(str, arguments), stdout=out, stderr=err)
    except CommandError as error:
        return Run(error.returncode, out.getvalue(), err.getvalue(), str(error))
    return Run(0, out.getvalue(), err.getvalue(), "")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three pictures, one of them further down and under a wrong name, beside things that are none."""
    folder = tmp_path / "photos"
    (folder / "below" / "deeper").mkdir(parents=True)
    (folder / ".hidden").mkdir()
    (folder / "red_dress.jpg").write_bytes(picture(seed=1))
    (folder / "below" / "hat.PNG").write_bytes(picture(seed=2, format="PNG"))
    (folder / "below" / "deeper" / "no extension").write_bytes(picture(seed=3, format="WEBP"))
    (folder / ".hidden" / "preview.jpg").write_bytes(picture(seed=4))
    (folder / "notes.txt").write_text("BMW and other notes")
    (folder / "._red_dress.jpg").write_bytes(b"what another system left here")
    return folder


def test_a_folder_is_imported_with_those_below_it(folder: Path, editor: User) -> None:
    result = run(
        folder, "--kind", "garment", "--tag", "summer", "--tag", "2027", "--owner", editor.username,
        "--state", "in_review", "--json",
    )  # fmt: skip

    assert (result.code, result.document) == (0, {"imported": 3, "duplicates": 0, "rejected": []})
    assets = Asset.objects.with_listing()
    assert {asset.title for asset in assets} == {"Red dress", "Hat", "No extension"}
    for asset in assets:
        assert (asset.kind, asset.origin, asset.state) == (
            AssetKind.GARMENT, AssetOrigin.IMPORTED, AssetState.IN_REVIEW,
        )  # fmt: skip
        assert asset.owner == editor
        assert {tag.slug for tag in asset.tags.all()} == {"summer", "2027"}
    assert AuditEntry.objects.filter(action="asset.imported", actor=editor).count() == 3


def test_a_second_run_adds_nothing(folder: Path) -> None:
    run(folder)

    result = run(folder, "--json")

    assert (result.code, result.document) == (0, {"imported": 0, "duplicates": 3, "rejected": []})
    assert Asset.objects.count() == 3


def test_one_file_is_imported_by_its_path(folder: Path) -> None:
    result = run(folder / "red_dress.jpg")

    assert result.code == 0
    assert result.out == "1 imported, 0 in the library already.\n"


def test_good_files_are_taken_beside_bad_ones(folder: Path) -> None:
    (folder / "text.jpg").write_bytes(text_as_jpg())
    (folder / "half.jpg").write_bytes(truncated_jpeg())
    (folder / "bomb.png").write_bytes(pixel_bomb_png())
    (folder / "below" / "empty.jpg").write_bytes(empty())
    (folder / "gone.jpg").symlink_to(folder / "nowhere.jpg")

    result = run(folder, "--json")

    assert result.code == 1
    assert result.message == "5 files were rejected."
    assert result.document["imported"] == 3
    assert set(result.reasons) == {"text.jpg", "half.jpg", "bomb.png", "below/empty.jpg", "gone.jpg"}
    assert "not a picture" in result.reasons["text.jpg"]
    assert "damaged or incomplete" in result.reasons["half.jpg"]
    assert "million pixels" in result.reasons["bomb.png"]
    assert "empty" in result.reasons["below/empty.jpg"]
    assert "cannot be read" in result.reasons["gone.jpg"]
    assert Asset.objects.count() == 3


def test_rejections_are_listed_on_standard_error(folder: Path) -> None:
    (folder / "text.jpg").write_bytes(text_as_jpg())

    result = run(folder)

    assert result.code == 1
    assert "text.jpg: The file is not a picture" in result.err
    assert result.out == "3 imported, 0 in the library already.\n"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["/there/is/nothing"], "There is no file or folder /there/is/nothing."),
        (["{empty}"], "There are no pictures in"),
        (["{photos}", "--owner", "nobody"], "There is no user “nobody”."),
        (["{photos}", "--manifest", "{photos}/none.csv"], "cannot be read (No such file or directory)"),
        (["{photos}", "--manifest", "{photos}/notes.txt"], "has no column “file”"),
        (["{photos}", "--manifest", "{photos}/red_dress.jpg"], "manifest"),
    ],
)
def test_what_cannot_begin_says_why(
    folder: Path, tmp_path: Path, arguments: list[str], sentence: str
) -> None:
    (tmp_path / "empty").mkdir()
    places = {"photos": folder, "empty": tmp_path / "empty"}

    result = run(*(argument.format(**places) for argument in arguments), "--json")

    assert result.code == 2
    assert sentence in result.message
    assert result.out == ""
    assert not Asset.objects.exists()


def test_an_import_stops_when_the_storage_takes_no_files(
    folder: Path, tmp_path: Path, settings: Settings
) -> None:
    (tmp_path / "a file").touch()
    options = {"location": str(tmp_path / "a file" / "media")}
    backend = "django.core.files.storage.FileSystemStorage"
    settings.STORAGES = {**settings.STORAGES, "default": {"BACKEND": backend, "OPTIONS": options}}

    result = run(folder)

    assert result.code == 1
    assert "The import was stopped. The file storage does not take files" in result.message
    assert not Asset.objects.exists()


def test_a_manifest_says_what_the_files_are(folder: Path) -> None:
    manifest = folder / "list.csv"
    manifest.write_text(
        HEADER
        + 'red_dress.jpg,Red dress,红色连衣裙,"summer; 夏天",D-1:packshot;D-2:on_model,'
        + "garment,CC0,Atelier,2030-06-30\n"
        + "\n"
        + "below/hat.PNG,,帽子,,H:1:packshot,,,,\n",
        encoding="utf-8-sig",
    )

    result = run(folder, "--manifest", manifest, "--tag", "new", "--kind", "accessory", "--json")

    assert (result.code, result.document["imported"]) == (0, 2)
    assert "1 picture is not in the manifest and was left out." in result.err
    dress = Asset.objects.with_listing().get(title="Red dress")
    assert (dress.title_zh, dress.kind, dress.licence, dress.rights_holder, dress.rights_expire_on) == (
        "红色连衣裙", "garment", "CC0", "Atelier", date(2030, 6, 30),
    )  # fmt: skip
    assert {tag.slug for tag in dress.tags.all()} == {"summer", "夏天", "new"}
    assert set(dress.sku_links.values_list("sku__code", "role")) == {("D-1", "packshot"), ("D-2", "on_model")}
    hat = Asset.objects.get(title_zh="帽子")
    assert (hat.title, hat.kind) == ("", "accessory")
    assert hat.skus.get().code == "H:1"


def test_a_bad_row_is_reported_by_its_number_and_stops_no_other(folder: Path) -> None:
    rows = [
        "red_dress.jpg,Good,,,,,,,",
        "below/hat.PNG,Hat,,,,vehicle,,,",
        "missing.jpg,,,,,,,,",
        "../outside.jpg,,,,,,,,",
        "red_dress.jpg,Again,,,,,,,",
        ",No file,,,,,,,",
        "a.jpg,,,,,,,,tomorrow",
        "b.jpg,,,,D-1:worn,,,,",
        "c.jpg,too,many,cells,in,,this,,,row",
        f"d.jpg,{'x' * 256},,,,,,,",
        "e.jpg,,,!!,,,,,",
    ]
    (folder.parent / "outside.jpg").write_bytes(picture(seed=8))
    manifest = folder / "list.csv"
    manifest.write_text(HEADER + "\n".join(rows))

    result = run(folder, "--manifest", manifest, "--json")

    assert (result.code, result.document["imported"]) == (1, 1)
    assert Asset.objects.get().title == "Good"
    reasons = {rejection["reason"].partition(":")[0]: rejection for rejection in result.document["rejected"]}
    expected = {
        "Row 3": ("below/hat.PNG", "“vehicle” is no kind"),
        "Row 4": ("missing.jpg", "There is no such file"),
        "Row 5": ("../outside.jpg", "outside the folder"),
        "Row 6": ("red_dress.jpg", "An earlier row names the same file"),
        "Row 7": ("", "The column “file” is empty"),
        "Row 8": ("a.jpg", "“tomorrow” is no date"),
        "Row 9": ("b.jpg", "“worn” is no role"),
        "Row 10": ("c.jpg", "more cells"),
        "Row 11": ("d.jpg", "at most 255"),
        "Row 12": ("e.jpg", "“!!” is no tag"),
    }
    assert {row: rejection["file"] for row, rejection in reasons.items()} == {
        row: file for row, (file, _part) in expected.items()
    }
    for row, (_file, part) in expected.items():
        assert part in reasons[row]["reason"]


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        ("File;Title;Photographer\nred_dress.jpg;红裙;Li\n", "gb18030"),
        ("filename\ttitle\nred_dress.jpg\t红裙\n", "utf-8"),
        ("file,title\r\nred_dress.jpg,红裙\r\n", "utf-8-sig"),
    ],
)
def test_manifests_are_read_as_spreadsheets_write_them(folder: Path, content: str, encoding: str) -> None:
    manifest = folder / "list.csv"
    manifest.write_bytes(content.encode(encoding))

    result = run(folder, "--manifest", manifest)

    assert result.code == 0
    assert Asset.objects.get().title == "红裙"
    assert ("Columns of the manifest that mean nothing here: “Photographer”." in result.err) == (
        "Photographer" in content
    )


def test_importing_what_was_trashed_brings_it_back(folder: Path, editor: User) -> None:
    run(folder / "red_dress.jpg")
    editing.trash(Asset.objects.all(), actor=editor)

    result = run(folder / "red_dress.jpg", "--json")

    assert result.document == {"imported": 0, "duplicates": 1, "rejected": []}
    assert Asset.objects.in_library().count() == 1


def test_more_files_than_one_batch_are_all_taken(tmp_path: Path) -> None:
    for seed in range(205):
        (tmp_path / f"{seed}.png").write_bytes(picture(format="PNG", seed=seed, size=(32, 32)))

    result = run(tmp_path, "--json")

    assert result.document == {"imported": 205, "duplicates": 0, "rejected": []}
    assert Asset.objects.filter(current__renditions__preset="thumbnail").count() == 205


# ── Archives, workbooks, dry runs ─────────────────────────────────────────────────────────────────


def workbook(*rows: list[Any]) -> bytes:
    book, out = Workbook(), BytesIO()
    for row in rows:
        book.active.append(row)
    book.save(out)
    return out.getvalue()


PHOTOS = {
    "red_dress.jpg": picture(seed=1),
    "below/帽子.PNG": picture(seed=2, format="PNG"),
    "below/no extension": picture(seed=3, format="WEBP"),
    "__MACOSX/._red_dress.jpg": b"x",
    "notes.txt": b"BMW and other notes",
}


@pytest.mark.parametrize(
    "pack", [zip_of, tar_of, lambda files: tar_of(files, "gz")], ids=["zip", "tar", "tar.gz"]
)
def test_an_archive_is_imported_like_a_folder_and_adds_nothing_twice(
    pack: Callable[[dict[str, bytes]], bytes], tmp_path: Path
) -> None:
    archive = tmp_path / "photos"
    archive.write_bytes(pack(PHOTOS))

    first, second = run(archive, "--tag", "summer", "--json"), run(archive, "--json")

    assert (first.code, first.document) == (0, {"imported": 3, "duplicates": 0, "rejected": []})
    assert (second.code, second.document) == (0, {"imported": 0, "duplicates": 3, "rejected": []})
    assert {asset.title for asset in Asset.objects.all()} == {"Red dress", "帽子", "No extension"}


def test_an_archive_that_broke_off_is_gone_on_with_when_it_is_whole(tmp_path: Path) -> None:
    archive = tmp_path / "photos.zip"
    whole = zip_of({f"{seed}.jpg": picture(seed=seed) for seed in range(6)})
    archive.write_bytes(whole[: len(whole) // 2])

    broken = run(archive, "--json")
    assert broken.code == 1
    assert "incomplete" in broken.reasons["photos.zip"]
    assert 0 < broken.document["imported"] < 6

    archive.write_bytes(whole)
    assert run(archive, "--json").document["duplicates"] == broken.document["imported"]
    assert Asset.objects.count() == 6


def test_bad_entries_of_an_archive_stop_no_good_ones(tmp_path: Path) -> None:
    archive = tmp_path / "photos.zip"
    files = {"good.jpg": picture(seed=1), "../up.jpg": picture(seed=2), "text.jpg": text_as_jpg(),
             "bomb.bmp": bytes(20_000_000), "inner.zip": zip_of({"a.jpg": picture(seed=3)})}  # fmt: skip
    archive.write_bytes(zip_of(files))

    result = run(archive, "--json")

    assert (result.code, result.document["imported"]) == (1, 1)
    assert set(result.reasons) == {"../up.jpg", "text.jpg", "bomb.bmp", "inner.zip"}
    assert Asset.objects.get().title == "Good"


def test_a_refused_archive_imports_nothing_and_says_why(tmp_path: Path, settings: Settings) -> None:
    settings.DAM_MAX_ARCHIVE_ENTRIES = 2
    archive = tmp_path / "photos.tar"
    archive.write_bytes(tar_of(PHOTOS))

    result = run(archive)

    assert result.code == 2
    assert "more than 2 entries" in result.message
    assert not Asset.objects.exists()


@pytest.mark.parametrize("pack", [zip_of, tar_of], ids=["zip", "tar"])
@pytest.mark.parametrize("name", ["manifest.csv", "manifest.xlsx"])
def test_a_manifest_inside_the_archive_says_what_the_files_are(
    pack: Callable[[dict[str, bytes]], bytes], name: str, tmp_path: Path
) -> None:
    content = {
        "manifest.csv": "file,title,sku,rights_expire_on\nbelow\\帽子.PNG,Hat,10023,2030-06-30\n".encode(
            "gb18030"
        ),
        "manifest.xlsx": workbook(
            ["file", "title", "sku", "rights_expire_on"], ["below/帽子.PNG", "Hat", 10023, date(2030, 6, 30)]
        ),
    }[name]
    archive = tmp_path / "photos"
    archive.write_bytes(pack({**PHOTOS, name: content}))

    result = run(archive, "--json")

    assert (result.code, result.document["imported"]) == (0, 1)
    assert "2 pictures are not in the manifest" in result.err
    hat = Asset.objects.get()
    assert (hat.title, hat.skus.get().code, hat.rights_expire_on) == ("Hat", "10023", date(2030, 6, 30))


def test_two_manifests_in_an_archive_are_one_too_many(tmp_path: Path) -> None:
    archive = tmp_path / "photos.zip"
    archive.write_bytes(zip_of({**PHOTOS, "manifest.csv": b"file\n", "manifest.xlsx": workbook(["file"])}))

    assert "two manifests" in run(archive).message


def test_a_dry_run_shows_every_problem_by_row_and_writes_only_the_error_sheet(
    folder: Path, tmp_path: Path
) -> None:
    (folder / "half.jpg").write_bytes(truncated_jpeg())
    run(folder / "below" / "hat.PNG")
    manifest, errors = tmp_path / "list.xlsx", tmp_path / "errors.xlsx"
    manifest.write_bytes(
        workbook(
            ["file", "title", "kind", "note"],
            ["red_dress.jpg", "Red", "garment", "fine"],
            ["half.jpg", "Half", "garment", "=A1+1"],
            ["missing.jpg", "-1", "garment", "x"],
            ["below/hat.PNG", "Hat", "garment", "y"],
            ["below/deeper/no extension", "Odd", "vehicle", "z"],
        )
    )

    result = run(folder, "--manifest", manifest, "--dry-run", "--errors", errors)

    assert result.code == 1
    assert result.out == "1 would be imported, 1 in the library already.\n"
    for line in (
        "missing.jpg: Row 4: There is no such file",
        "Row 6: “vehicle” is no kind",
        "half.jpg: Row 3: ",
    ):
        assert line in result.err
    assert Asset.objects.count() == 1
    sheet = load_workbook(errors)["manifest"]
    rows = [[cell.value or "" for cell in row] for row in sheet.iter_rows()]
    assert rows[0] == ["file", "title", "kind", "note", "problem"]
    assert [row[0] for row in rows[1:]] == ["half.jpg", "missing.jpg", "below/deeper/no extension"]
    assert rows[2][1] == "'-1"
    assert "no such file" in rows[2][4]


def test_a_dry_run_of_an_archive_finds_what_the_import_would(tmp_path: Path) -> None:
    archive, errors = tmp_path / "photos.tar", tmp_path / "errors.csv"
    archive.write_bytes(
        tar_of({**PHOTOS, "again.jpg": PHOTOS["red_dress.jpg"], "half.jpg": truncated_jpeg()})
    )

    dry = run(archive, "--dry-run", "--errors", errors, "--json")
    assert not Asset.objects.exists()

    assert dry.document == run(archive, "--json").document
    assert dry.document["imported"] == 3
    assert errors.read_text("utf-8-sig").splitlines()[1].startswith("half.jpg,")


def test_an_error_sheet_of_another_kind_is_refused_before_anything_is_done(folder: Path) -> None:
    result = run(folder, "--errors", folder / "errors.txt")

    assert result.code == 2
    assert "must end in .csv or .xlsx" in result.message
    assert not Asset.objects.exists()
