"""The sample library: what it holds, in which words, and that loading it twice adds nothing."""

from __future__ import annotations

import json
from io import BytesIO, StringIO

import pytest
from django.core.management import CommandError, call_command
from PIL import Image

from dam.models import SKU, Asset, AssetKind, AssetOrigin, AssetState, Collection, Tag
from dam.sample.library import load_sample, samples
from dam.svg import rasterise
from tests.dam.storages import stored_files


@pytest.mark.django_db
def test_a_part_of_it_is_a_mixture_ready_for_use() -> None:
    report = load_sample(limit=35)

    assert (report.imported, report.duplicates, report.rejected) == (35, 0, [])
    assets = Asset.objects.with_listing()
    kinds = {kind: assets.filter(kind=kind).count() for kind in AssetKind.values}
    assert kinds == {kind: 0 if kind == "other" else 5 for kind in AssetKind.values}
    for asset in assets:
        assert asset.title
        assert asset.title_zh
        assert (asset.state, asset.origin) == (AssetState.APPROVED, AssetOrigin.IMPORTED)
        assert asset.licence in {"CC BY-SA 4.0", "CC0 1.0"}
        assert asset.rights_holder in {"OpenMoji", "Atelier"}
        assert asset.tags.all()
        sold = asset.kind in {AssetKind.GARMENT, AssetKind.ACCESSORY, AssetKind.PRODUCT}
        assert bool(asset.skus.all()) == sold
    assert not Tag.objects.filter(label_zh="").exists()
    assert not SKU.objects.filter(name_zh="").exists()
    assert Asset.objects.for_sku("OM-1F457").get().title_zh == "连衣裙"
    assert Collection.objects.get(name="Wardrobe").assets.count() == 10


@pytest.mark.django_db
def test_loading_it_again_adds_nothing() -> None:
    load_sample(limit=20)
    collection = Collection.objects.get(name="Backdrops")
    collection.items.all().delete()
    kept = stored_files()

    again = load_sample(limit=20)

    assert (again.imported, again.duplicates) == (0, 20)
    assert Asset.objects.count() == 20
    assert stored_files() == kept
    assert not collection.items.exists()  # collections belong to the people who use them


@pytest.mark.django_db
def test_drawings_keep_their_transparency_and_backdrops_fill_the_canvas() -> None:
    load_sample(limit=7)

    scene = Asset.objects.get(kind=AssetKind.SCENE).current
    dress = Asset.objects.for_sku("OM-1F457").get().current
    assert (scene.width, scene.height, scene.has_alpha) == (1536, 1024, False)
    assert (dress.width, dress.height, dress.has_alpha, dress.mime) == (618, 618, True, "image/png")


@pytest.mark.django_db
def test_the_command_prints_what_happened() -> None:
    out = StringIO()
    call_command("load_sample", "--limit", "3", "--json", stdout=out)

    document = json.loads(out.getvalue())
    assert (document["imported"], document["duplicates"], document["rejected"]) == (3, 0, [])
    assert document["pictures_per_second"] > 0

    out = StringIO()
    call_command("load_sample", "--limit", "3", stdout=out)
    assert out.getvalue().startswith("0 new, 3 in the library already, 0 rejected")


def test_a_limit_below_one_is_a_usage_error() -> None:
    with pytest.raises(CommandError, match="1 or more") as caught:
        call_command("load_sample", "--limit", "0")
    assert caught.value.returncode == 2


def test_the_library_holds_what_the_demonstrations_need() -> None:
    by_title = {sample.metadata.title: sample.metadata for sample in samples()}

    assert len(by_title) == len(samples()) > 2000
    for title, chinese, kind in (
        ("Crown", "皇冠", "accessory"),
        ("Watch", "手表", "accessory"),
        ("Elf", "小精灵", "character"),
        ("Bow and arrow", "弓和箭", "prop"),
        ("Fire", "火焰", "prop"),
        ("Red dress", "红色连衣裙", "garment"),
        ("Person standing", "站立者", "model"),
        ("Flag of Japan", "日本旗帜", "other"),
        ("Woman red hair", "女人：红发", "model"),
    ):
        assert (by_title[title].title_zh, by_title[title].kind) == (chinese, kind)


def test_drawings_that_look_exactly_alike_are_one_asset_with_both_names() -> None:
    by_title = {sample.metadata.title: sample for sample in samples()}

    assert "Man cook" not in by_title
    assert by_title["Cook"].metadata.description == "Also: Man cook."
    assert by_title["Cook"].metadata.description_zh == "也是：男厨师。"
    drawings = [sample.svg() for sample in by_title.values()]
    assert len(set(drawings)) == len(drawings)


def test_skin_tones_are_extra_and_named() -> None:
    usual = {sample.code for sample in samples()}
    extra = [sample for sample in samples(skin_tones=True) if sample.code not in usual]

    assert len(extra) > 1500
    elf = next(sample for sample in extra if sample.code == "1F9DD-1F3FF")
    assert (elf.metadata.title, elf.metadata.kind) == ("Elf dark skin tone", "character")


def test_a_colourway_is_its_drawing_in_another_colour() -> None:
    by_title = {sample.metadata.title: sample for sample in samples()}
    pictures = {}
    for title in ("Dress", "Red dress", "Green dress"):
        drawn = rasterise(by_title[title].svg(), 200)
        assert drawn == rasterise(by_title[title].svg(), 200)
        pictures[title] = Image.open(BytesIO(drawn)).convert("RGBA")

    outlines = {title: image.getchannel("A").tobytes() for title, image in pictures.items()}
    assert len(set(outlines.values())) == 1
    assert {title: image.getpixel((100, 140))[:3] for title, image in pictures.items()} == {
        "Dress": (0x61, 0xB2, 0xE4),
        "Red dress": (0xD2, 0x2F, 0x27),
        "Green dress": (0x5C, 0x9E, 0x31),
    }
