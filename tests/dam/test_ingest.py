"""Taking files in: what is read from them, what is refused, and what is left behind."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.utils import translation
from PIL import Image, ImageCms, IptcImagePlugin, PngImagePlugin, TiffImagePlugin
from pytest_django import Settings

from dam import editing
from dam.ingest import (
    AssetMetadata,
    IngestError,
    IngestItem,
    IngestResult,
    ParentLink,
    ingest,
    ingest_many,
)
from dam.models import SKU, Asset, AssetKind, AssetOrigin, AssetState, AuditEntry, Lineage, Rendition, Tag
from dam.signals import assets_changed
from tests.dam.storages import BusyStorage, stored_files
from tests.metadata_files import xmp_packet
from tests.pictures import empty, picture, pixel_bomb_png, text_as_jpg, truncated_jpeg

pytestmark = pytest.mark.django_db


def take(source: Any, filename: str = "picture.jpg", **known: Any) -> IngestResult:
    options = {"owner": None, "origin": AssetOrigin.UPLOADED, **known}
    return ingest(source, filename=filename, **options)


def refused(source: Any, filename: str = "picture.jpg") -> IngestError:
    """The refusal, after making sure that nothing of the file was kept."""
    before = stored_files()
    with pytest.raises(IngestError) as caught:
        take(source, filename)
    assert stored_files() == before
    assert not Asset.objects.exists()
    assert not AuditEntry.objects.exists()
    return caught.value


@pytest.mark.parametrize(
    ("format", "mime", "extension"),
    [
        ("JPEG", "image/jpeg", ".jpg"),
        ("PNG", "image/png", ".png"),
        ("WEBP", "image/webp", ".webp"),
        ("GIF", "image/gif", ".gif"),
        ("TIFF", "image/tiff", ".tif"),
        ("BMP", "image/bmp", ".bmp"),
        ("AVIF", "image/avif", ".avif"),
        ("HEIF", "image/heic", ".heic"),
    ],
)
def test_the_type_is_told_by_content_and_never_by_name(format: str, mime: str, extension: str) -> None:
    content = picture(format=format, size=(120, 80), colour="blue")

    asset = take(content, "not really.doc").asset

    version = asset.current
    assert version.mime == mime
    assert version.file.name.endswith(extension)
    assert (version.width, version.height) == (120, 80)
    assert asset.aspect == "landscape"
    assert asset.colour_family == "blue"
    assert len(version.perceptual_hash) == 16
    with version.file.open() as stored:
        assert stored.read() == content


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied_to_size_and_thumbnail(orientation: int) -> None:
    """The mark lies in the upper left corner of the stored pixels; viewers turn it elsewhere."""
    stored = picture(size=(640, 320), colour="white", exif_orientation=orientation)
    turned = orientation >= 5

    version = take(stored).asset.current

    assert (version.width, version.height) == ((320, 640) if turned else (640, 320))
    assert version.metadata["exif"]["Orientation"] == orientation
    with version.renditions.get().file.open() as file, Image.open(file) as thumbnail:
        assert thumbnail.size == ((160, 320) if turned else (320, 160))
        width, height = thumbnail.size
        right, bottom = orientation in {2, 3, 6, 7}, orientation in {3, 4, 7, 8}
        corner = (width - 8 if right else 7, height - 8 if bottom else 7)
        assert thumbnail.convert("L").getpixel(corner) < 60


def test_the_embedded_profile_decides_how_colours_look() -> None:
    """A profile whose red is sRGB's blue: what is stored as red looks blue."""
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exchanged = srgb.replace(b"rXYZ", b"xXYZ").replace(b"bXYZ", b"rXYZ").replace(b"xXYZ", b"bXYZ")

    version = take(picture(format="PNG", colour="red", icc_profile=exchanged)).asset.current

    assert "sRGB" in version.metadata["profile"]
    assert version.colours[0]["family"] == "blue"
    with version.renditions.get().file.open() as file, Image.open(file) as thumbnail:
        red, _green, blue = thumbnail.convert("RGB").getpixel((40, 30))
        assert blue > 200 > 60 > red


def test_a_broken_profile_is_no_reason_to_refuse() -> None:
    assert take(picture(format="PNG", colour="red", icc_profile=b"no profile")).asset.colour_family == "red"


@pytest.mark.parametrize(("size", "shown"), [((90, 60), (90, 60)), ((1800, 1200), (320, 213))])
@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "I;16", "CMYK", "RGBA", "F"])
def test_every_kind_of_pixel_gives_a_thumbnail(
    mode: str, size: tuple[int, int], shown: tuple[int, int]
) -> None:
    image = Image.new("I;16", size, 30_000) if mode == "I;16" else Image.new("L", size, 128).convert(mode)
    content = io.BytesIO()
    image.save(content, "TIFF" if mode in {"CMYK", "F"} else "PNG")

    version = take(content.getvalue()).asset.current

    with version.renditions.get().file.open() as file, Image.open(file) as thumbnail:
        assert thumbnail.size == shown


def test_transparency_is_kept_and_transparent_pixels_have_no_colour() -> None:
    asset = take(picture(format="PNG", alpha=True, colour="green", size=(400, 400))).asset

    assert asset.current.has_alpha
    assert asset.colour_family == "green"
    with asset.current.renditions.get().file.open() as file, Image.open(file) as thumbnail:
        assert thumbnail.mode == "RGBA"
        assert thumbnail.getpixel((200, 5))[3] == 0


def test_an_alpha_channel_without_transparent_pixels_is_no_transparency() -> None:
    content = io.BytesIO()
    Image.new("RGBA", (50, 50), (200, 0, 0, 255)).save(content, "PNG")

    assert not take(content.getvalue()).asset.current.has_alpha


def test_a_white_backdrop_is_not_the_colour_of_what_stands_before_it() -> None:
    image = Image.new("RGB", (400, 400), "white")
    image.paste((30, 60, 160), (160, 120, 240, 280))
    content = io.BytesIO()
    image.save(content, "JPEG", quality=95)

    asset = take(content.getvalue()).asset

    assert asset.colour_family == "blue"
    assert "white" not in {colour["family"] for colour in asset.current.colours}


@pytest.mark.parametrize(
    ("colour", "family"),
    [
        ("red", "red"), ("#ff8c00", "orange"), ("#ffdd00", "yellow"), ("#228b22", "green"),
        ("#00ced1", "cyan"), ("navy", "blue"), ("#87ceeb", "blue"), ("purple", "purple"),
        ("hotpink", "pink"), ("saddlebrown", "brown"), ("black", "black"), ("#888888", "grey"),
        ("white", "white"),
    ],
)  # fmt: skip
def test_colours_are_named_as_people_name_them(colour: str, family: str) -> None:
    content = io.BytesIO()
    Image.new("RGB", (64, 64), colour).save(content, "PNG")

    asset = take(content.getvalue()).asset

    assert asset.colour_family == family
    assert sum(found["share"] for found in asset.current.colours) == pytest.approx(1)


def test_embedded_metadata_is_kept_under_names_that_people_read() -> None:
    exif = Image.Exif()
    exif[0x010F], exif[0x0110], exif[0x8298] = "Maker", "Model\x00 1", "© Somebody"
    exif.get_ifd(0x8769)[0x829A] = TiffImagePlugin.IFDRational(1, 250)
    xmp = xmp_packet("<tiff:Make>Maker</tiff:Make>")

    version = take(picture(exif=exif.tobytes(), xmp=xmp)).asset.current

    assert version.metadata["exif"]["Make"] == "Maker"
    assert version.metadata["exif"]["Model"] == "Model 1"
    assert version.metadata["exif"]["ExposureTime"] == pytest.approx(0.004)
    assert version.metadata["xmp"] == {"tiff:Make": "Maker"}


def test_hostile_metadata_is_bounded_and_does_no_harm() -> None:
    bomb = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><x>&b;</x>'
    texts = PngImagePlugin.PngInfo()
    texts.add_itxt("XML:com.adobe.xmp", bomb.decode())
    exif = Image.Exif()
    exif[0x010E] = "x" * 20_000

    version = take(picture(format="PNG", pnginfo=texts, exif=exif.tobytes())).asset.current

    assert "xmp" not in version.metadata
    assert len(version.metadata["exif"]["ImageDescription"]) == 500


@pytest.mark.parametrize(
    ("source", "code", "part"),
    [
        (text_as_jpg(), "not_a_picture", "not a picture"),
        (truncated_jpeg(), "broken", "damaged or incomplete"),
        (picture(size=(300, 200))[:-2], "broken", "damaged or incomplete"),
        (picture(format="PNG", size=(300, 200))[:400], "broken", "damaged or incomplete"),
        (picture(format="WEBP", size=(900, 700), colour="blue")[:150], "broken", "damaged or incomplete"),
        (pixel_bomb_png(), "too_many_pixels", "120 million pixels"),
        (empty(), "empty", "The file is empty"),
        (b"ab", "not_a_picture", "not a picture"),
        (b"%PDF-1.7 and so on", "unsupported", "PDF"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'><rect", "broken", "SVG"),
        (b"<!DOCTYPE html><html><body>picture</body></html>", "not_a_picture", "not a picture"),
        (Path("/there/is/no/such/file.jpg"), "unreadable", "No such file"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_a_bad_file_is_refused_with_a_sentence_and_leaves_nothing(source: Any, code: str, part: str) -> None:
    error = refused(source)

    assert error.code == code
    assert part in str(error)
    assert str(error).endswith(".")


def test_a_file_larger_than_the_limit_is_refused(settings: Settings) -> None:
    settings.DAM_MAX_FILE_BYTES = 1024 * 1024

    error = refused(picture(format="BMP", size=(800, 600)))

    assert error.code == "too_large"
    assert "1 MB" in str(error)


def test_a_picture_with_more_pixels_than_the_limit_is_refused(settings: Settings) -> None:
    settings.DAM_MAX_PIXELS = 1_000_000

    error = refused(picture(size=(1200, 900)))

    assert error.code == "too_many_pixels"
    assert "1,200 × 900" in str(error)


def test_a_storage_that_takes_no_files_is_reported(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "a file").touch()
    options = {"location": str(tmp_path / "a file" / "media")}
    backend = "django.core.files.storage.FileSystemStorage"
    settings.STORAGES = {**settings.STORAGES, "default": {"BACKEND": backend, "OPTIONS": options}}

    with pytest.raises(IngestError) as caught:
        take(picture())

    assert caught.value.code == "storage"
    assert "Not a directory" in str(caught.value)
    assert not Asset.objects.exists()


def test_a_refusal_speaks_the_language_of_its_reader() -> None:
    """The sentence is chosen where it is shown, since a worker thread may have raised the error."""
    with translation.override("zh-hans"):
        error = refused(empty())
        chinese = str(error)

    assert isinstance(chinese, str)
    assert str(error) == "The file is empty. Check the source and upload it again."


def test_a_drawing_is_kept_as_pixels_and_opens_no_other_file(tmp_path: Path) -> None:
    secret = tmp_path / "secret.png"
    secret.write_bytes(picture(format="PNG", colour="red", size=(30, 20)))
    svg = (
        '<?xml version="1.0"?><!-- drawn by hand -->'
        '<svg xmlns="http://www.w3.org/2000/svg" width="30" height="20">'
        f'<image href="file://{secret}" width="30" height="20"/>'
        '<rect width="15" height="20" fill="#00f"/></svg>'
    )

    asset = take(svg.encode(), "drawing.svg").asset

    assert (asset.current.mime, asset.current.extension) == ("image/png", ".png")
    assert (asset.current.width, asset.current.height) == (1536, 1024)
    assert asset.current.has_alpha
    assert {colour["family"] for colour in asset.current.colours} == {"blue"}
    assert not take(svg.encode(), "again.svg").created


def test_only_the_first_frame_of_an_animation_is_looked_at() -> None:
    frames = [Image.new("RGB", (60, 40), colour) for colour in ("green", "red", "red")]
    content = io.BytesIO()
    frames[0].save(content, "GIF", save_all=True, append_images=frames[1:])

    assert take(content.getvalue()).asset.colour_family == "green"


def test_everything_known_about_a_picture_is_written_with_it(editor: User) -> None:
    Tag.objects.create(slug="summer", label="Summer", label_zh="夏天")
    metadata = AssetMetadata(
        title="Red dress",
        title_zh="红色连衣裙",
        kind=AssetKind.GARMENT,
        licence="CC0",
        rights_holder="Atelier",
        rights_expire_on=date(2030, 1, 31),
        tags=("夏天", "Summer", "On sale"),
        skus=(("D-1", "packshot"), ("D-1", "detail"), ("D-2", "packshot")),
        state=AssetState.APPROVED,
    )

    asset = take(picture(), owner=editor, metadata=metadata).asset

    asset = Asset.objects.with_listing().get(pk=asset.pk)
    assert (asset.title, asset.title_zh, asset.kind) == ("Red dress", "红色连衣裙", AssetKind.GARMENT)
    assert (asset.owner, asset.state, asset.rights_expire_on) == (
        editor,
        AssetState.APPROVED,
        date(2030, 1, 31),
    )
    assert {tag.slug for tag in asset.tags.all()} == {"summer", "on-sale"}
    assert {(link.sku.code, link.role) for link in asset.sku_links.all()} == {
        ("D-1", "packshot"), ("D-1", "detail"), ("D-2", "packshot"),
    }  # fmt: skip
    entry = AuditEntry.objects.get()
    assert (entry.actor, entry.action, entry.target_id) == (editor, "asset.ingested", str(asset.public_id))
    assert entry.details["sha256"] == asset.current.sha256


@pytest.mark.parametrize(
    ("filename", "title"),
    [
        ("red_dress-02.final.JPG", "Red dress 02 final"),
        ("C:\\Users\\me\\夏季_连衣裙.png", "夏季 连衣裙"),
        ("../../etc/pass\x00wd.jpg", "Passwd"),
    ],
)
def test_without_a_title_the_file_name_is_made_readable(filename: str, title: str) -> None:
    asset = take(picture(), filename).asset

    assert asset.title == title
    assert "/" not in asset.current.original_name


def test_the_same_file_again_is_the_same_asset() -> None:
    first = take(picture(seed=1))
    kept = stored_files()

    again = take(io.BytesIO(picture(seed=1)), "other name.jpg", metadata=AssetMetadata(title="Other"))

    assert (first.created, again.created) == (True, False)
    assert again.asset.pk == first.asset.pk
    assert Asset.objects.get().title == "Picture"
    assert stored_files() == kept


def test_uploading_a_trashed_file_brings_its_asset_back(editor: User) -> None:
    """In the state that the upload asks for: the one before may be more than this uploader may give."""
    metadata = AssetMetadata(state=AssetState.APPROVED)
    asset = take(picture(), metadata=metadata).asset
    editing.trash([asset], actor=editor)

    result = take(picture())

    assert not result.created
    asset.refresh_from_db()
    assert (asset.state, asset.trashed_at, asset.state_before_trash) == (AssetState.DRAFT, None, "")
    assert AuditEntry.objects.filter(action="asset.restored", target_id=str(asset.public_id)).exists()


def test_a_generated_picture_names_what_it_was_made_from() -> None:
    model, dress = (take(picture(seed=seed)).asset for seed in (1, 2))
    parents = [ParentLink(model, "model"), ParentLink(dress, "garment"), ParentLink(dress, "garment")]

    result = take(picture(seed=3), origin=AssetOrigin.GENERATED, parents=parents)

    links = Lineage.objects.filter(child=result.asset)
    assert [(link.parent, link.role) for link in links] == [(model, "model"), (dress, "garment")]


def test_a_failing_transaction_leaves_neither_rows_nor_files() -> None:
    def fail(**kwargs: Any) -> None:
        raise RuntimeError("a listener failed")

    before = stored_files()
    assets_changed.connect(fail)
    try:
        with pytest.raises(RuntimeError, match="a listener failed"):
            take(picture())
    finally:
        assets_changed.disconnect(fail)

    assert stored_files() == before
    assert not Asset.objects.exists()
    assert not Rendition.objects.exists()
    assert not AuditEntry.objects.exists()


@pytest.fixture
def busy_storage(settings: Settings, tmp_path: Path) -> Iterator[type[BusyStorage]]:
    backend = {"BACKEND": "tests.dam.storages.BusyStorage", "OPTIONS": {"location": str(tmp_path)}}
    settings.STORAGES = {**settings.STORAGES, "default": backend}
    yield BusyStorage
    BusyStorage.meanwhile = None


def test_of_two_uploads_of_one_file_at_once_one_wins(busy_storage: type[BusyStorage]) -> None:
    winners: list[IngestResult] = []
    busy_storage.meanwhile = lambda: winners.append(take(picture(seed=1)))

    loser = take(picture(seed=1))

    assert winners[0].created
    assert not loser.created
    assert loser.asset == winners[0].asset == Asset.objects.get()
    assert len(stored_files()) == 2  # the winner's original and thumbnail


@pytest.mark.django_db(transaction=True)
def test_a_race_costs_the_rest_of_the_batch_nothing(busy_storage: type[BusyStorage]) -> None:
    def upload_of_somebody_else() -> None:
        take(picture(seed=2))
        connection.close()  # a worker thread's own

    busy_storage.meanwhile = upload_of_somebody_else
    items = [IngestItem(picture(seed=seed), f"{seed}.jpg") for seed in (1, 2, 3)]

    outcomes = list(ingest_many(items, owner=None, origin=AssetOrigin.IMPORTED))

    assert [outcome.result.created for outcome in outcomes] == [True, False, True]
    assert Asset.objects.count() == 3
    assert len(stored_files()) == 6


def test_many_files_are_taken_in_order_and_bad_ones_stop_none() -> None:
    sources = [
        picture(seed=1),
        text_as_jpg(),
        picture(seed=2),
        picture(seed=1),
        truncated_jpeg(),
        truncated_jpeg(),
    ]
    items = [IngestItem(source, f"{number}.jpg") for number, source in enumerate(sources)]

    outcomes = list(ingest_many(items, owner=None, origin=AssetOrigin.IMPORTED))

    assert [outcome.item for outcome in outcomes] == items
    assert [outcome.result and outcome.result.created for outcome in outcomes] == [
        True, None, True, False, None, None,
    ]  # fmt: skip
    assert [outcome.error and outcome.error.code for outcome in outcomes] == [
        None, "not_a_picture", None, None, "broken", "broken",
    ]  # fmt: skip
    assert outcomes[3].result.asset == outcomes[0].result.asset


def test_listeners_hear_of_assets_inside_their_transaction() -> None:
    heard: list[list[int]] = []

    def hear(asset_ids: list[int], **kwargs: Any) -> None:
        assert Asset.objects.filter(pk__in=asset_ids, current__isnull=False).count() == len(asset_ids)
        heard.append(asset_ids)

    assets_changed.connect(hear)
    try:
        items = [IngestItem(picture(seed=seed), f"{seed}.jpg") for seed in range(3)]
        outcomes = list(ingest_many(items, owner=None, origin=AssetOrigin.IMPORTED))
    finally:
        assets_changed.disconnect(hear)

    assert heard == [[outcome.result.asset.pk for outcome in outcomes]]
    assert not SKU.objects.exists()


def test_iptc_captions_are_read() -> None:
    assert IptcImagePlugin.getiptcinfo(Image.open(io.BytesIO(picture()))) is None
    caption = b"\x1c\x02\x78\x00\x05Crown"
    block = b"Photoshop 3.0\x008BIM\x04\x04\x00\x00" + len(caption).to_bytes(4, "big") + caption
    content = picture()
    with_iptc = content[:2] + b"\xff\xed" + (len(block) + 2).to_bytes(2, "big") + block + content[2:]

    assert take(with_iptc).asset.current.metadata["iptc"] == {"Caption-Abstract": "Crown"}


@pytest.mark.parametrize("kind_of_source", ["bytes", "path", "stream", "callable"])
def test_few_large_files_wait_on_disk_at_once(
    kind_of_source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    contents = [picture(seed=number) for number in range(6)]
    monkeypatch.setattr("dam.ingest.CHUNK_BYTES", len(contents[0]) + len(contents[1]))
    taken: list[int] = []

    def source(number: int) -> Any:
        path = tmp_path / f"{number}.jpg"
        path.write_bytes(contents[number])
        return {
            "bytes": contents[number], "path": path, "stream": io.BytesIO(contents[number]),
            "callable": lambda: contents[number],
        }[kind_of_source]  # fmt: skip

    def items() -> Iterator[IngestItem]:
        for number in range(6):
            taken.append(number)
            yield IngestItem(source(number), f"{number}.jpg", size=len(contents[number]))

    outcomes = ingest_many(items(), owner=None, origin=AssetOrigin.IMPORTED)
    assert next(outcomes).result is not None
    assert len(taken) < 4
    assert len(list(outcomes)) == 5
    assert Asset.objects.count() == 6
