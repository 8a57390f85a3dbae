"""How a picture was made: as files say it, as every rendition keeps it, and as everybody may ask."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from PIL import Image, ImageDraw
from PIL.PngImagePlugin import PngInfo
from rest_framework.test import APIClient
from rest_framework.throttling import ScopedRateThrottle

from dam import presets
from dam.addresses import rendition_url
from dam.from_file import take_from_file
from dam.ingest import ParentLink, ingest
from dam.models import Asset, AssetOrigin, AssetState, RenditionPreset
from dam.versions import add_version
from tests.factories import AssetFactory
from tests.metadata_files import camera_exif, with_segment, xmp_packet
from tests.pictures import picture, text_as_jpg
from tests.planted import NO_C2PA, planted

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("space")]

SCHEME = "http://cv.iptc.org/newscodes/digitalsourcetype/"
AIGC = {
    "Label": "1", "ContentProducer": "001191", "ProduceID": "a-1", "ReservedCode1": "",
    "ContentPropagator": "001191", "PropagateID": "a-1", "ReservedCode2": "",
}  # fmt: skip
TITLE = "<dc:title><rdf:Alt><rdf:li xml:lang='x-default'>Glass</rdf:li></rdf:Alt></dc:title>"
PLACE = "<exif:GPSLatitude>52,31.2N</exif:GPSLatitude>"
FORMATS = ("jpeg", "png", "webp", "avif")


def source_type(code: str) -> str:
    return f"<Iptc4xmpExt:DigitalSourceType>{code}</Iptc4xmpExt:DigitalSourceType>"


def aigc(**changed: str) -> str:
    return f"<TC260:AIGC>{json.dumps({**AIGC, **changed})}</TC260:AIGC>"


MADE_BY_AI = source_type(f"{SCHEME}trainedAlgorithmicMedia") + aigc()


def scene(seed: int = 0, size: tuple[int, int] = (360, 300)) -> Image.Image:
    """A picture with something in it, so that a copy is known by its looks."""
    image = Image.new("RGB", size, (40 + seed * 17 % 200, 90, 160))
    draw = ImageDraw.Draw(image)
    for number in range(6):
        left, top = (seed * 53 + number * 61) % (size[0] - 60), (seed * 31 + number * 47) % (size[1] - 60)
        draw.ellipse([left, top, left + 60, top + 40 + 3 * number], fill=(250 - 40 * number, 30 * number, 60))
    return image


def file_of(image: Image.Image, format: str = "PNG", properties: str = "", **options: Any) -> bytes:
    out = io.BytesIO()
    if properties and format == "PNG":
        texts = PngInfo()
        texts.add_itxt("XML:com.adobe.xmp", xmp_packet(properties).decode())
        options["pnginfo"] = texts
    elif properties:
        options["xmp"] = xmp_packet(properties)
    image.save(out, format, **options)
    return out.getvalue()


def said_by(content: bytes) -> dict[str, Any]:
    """What Pillow, which is none of our readers, finds in the file's XMP, by local names."""
    with Image.open(io.BytesIO(content)) as image:
        found = image.getxmp() or {"xmpmeta": {"RDF": {"Description": {}}}}
    return found["xmpmeta"]["RDF"]["Description"]


def fetched(client: Client, asset: Asset, slug: str) -> bytes:
    response = client.get(rendition_url(asset, presets.find(slug)))
    assert response.status_code == 200
    return b"".join(response.streaming_content)


def preset(slug: str, **given: Any) -> RenditionPreset:
    wanted = {"width": 200, "public": True, "background": "#ffffff", **given}
    row = RenditionPreset(slug=slug, **wanted)
    row.full_clean()
    presets.save(row, actor=None)
    return row


def generated(content: bytes, **given: Any) -> Asset:
    return AssetFactory(file=content, origin=AssetOrigin.GENERATED, **given)


# --- What files say ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("properties", "making"),
    [
        (source_type(f"{SCHEME}trainedAlgorithmicMedia"), "ai"),
        (source_type("trainedAlgorithmicMedia"), "ai"),
        (source_type(f"{SCHEME}compositeWithTrainedAlgorithmicMedia"), "partly_ai"),
        (source_type(f"{SCHEME}compositeSynthetic") + aigc(), "partly_ai"),
        (source_type(f"{SCHEME}compositeSynthetic"), "possibly_ai"),
        (source_type(f"{SCHEME}composite"), "arranged"),
        (aigc(), "ai"),
        (aigc(Label="2"), "possibly_ai"),
        (f"<TC260:AIGC>{json.dumps({'AIGC': AIGC})}</TC260:AIGC>", "ai"),
        (source_type(f"{SCHEME}digitalCapture"), ""),
        ("<TC260:AIGC>{nothing</TC260:AIGC>", ""),
        ("", ""),
    ],
)
def test_a_label_of_any_kind_is_understood(properties: str, making: str) -> None:
    assert AssetFactory(file=file_of(scene(), "JPEG", properties)).making == making


def test_the_text_that_some_services_write_into_a_png_is_understood() -> None:
    texts = PngInfo()
    texts.add_text("AIGC", json.dumps(AIGC))
    assert AssetFactory(file=file_of(scene(), pnginfo=texts)).making == "ai"


def test_uploads_that_ai_made_elsewhere_are_shown_told_and_found(
    client: Client, editor: User, staff_api: APIClient
) -> None:
    made, plain = AssetFactory(file=file_of(scene(1), "JPEG", MADE_BY_AI)), AssetFactory()

    for address, ids in (("?making=ai&making=partly_ai", [made]), ("?making=arranged", [])):
        rows = staff_api.get(f"/api/v1/assets/{address}").json()["results"]
        assert [row["id"] for row in rows] == [str(asset.public_id) for asset in ids]
    assert staff_api.get(f"/api/v1/assets/{plain.public_id}/").json()["making"] == ""
    assert staff_api.get("/api/v1/assets/?making=magic").status_code == 400

    told = staff_api.get(f"/api/v1/assets/{made.public_id}/provenance/").json()
    assert (told["generated"], told["making"], told["said_by"]) == (True, "ai", "file")
    assert (told["digital_source_type"], told["aigc"]) == (f"{SCHEME}trainedAlgorithmicMedia", AIGC)
    assert (told["prompt"], told["made_from"], told["content_credentials"]) == (None, [], None)

    client.force_login(editor)
    page = client.get(f"/admin/dam/asset/{made.pk}/change/").content.decode()
    assert "Its file says:" in page
    assert "This picture was made by AI." in page
    assert "AIGC ContentProducer" in page
    assert 'id="provenance"' not in client.get(f"/admin/dam/asset/{plain.pk}/change/").content.decode()
    shown = client.get("/admin/dam/asset/?making=ai").context["cl"].result_list
    assert list(shown) == [made]


@pytest.mark.parametrize(
    ("code", "state", "sentence"),
    [(NO_C2PA, "unread", "cannot be read here"), ("", "unreadable", "that is damaged")],
)
def test_a_manifest_that_nobody_can_read_is_said_to_be_there(
    client: Client, editor: User, tmp_path: Path, code: str, state: str, sentence: str
) -> None:
    if not code:
        pytest.importorskip("c2pa", reason="c2pa-python is optional")
    box = b"\0\0\0\x30jumb\0\0\0\x28jumdc2pa\0\x11\0\x10\x80\0\0\xaa\0\x38\x9b\x71\3c2pa\0" + bytes(8)
    content = with_segment(picture(seed=8), 0xEB, b"JP\0\1\0\0\0\1" + box)
    with planted(tmp_path, code or "pass"):
        asset = AssetFactory(file=content)
    assert (asset.current.metadata["c2pa"], asset.making) == ({"state": state}, "")
    client.force_login(editor)
    assert sentence in client.get(f"/admin/dam/asset/{asset.pk}/change/").content.decode()


def test_a_file_read_again_says_what_nobody_looked_for_when_it_came(editor: User) -> None:
    asset = AssetFactory(file=file_of(scene(), "JPEG", MADE_BY_AI))
    Asset.objects.filter(pk=asset.pk).update(making="")
    asset.current.metadata = {}
    asset.current.save(update_fields=["metadata"])
    take_from_file(asset, actor=editor)
    assert Asset.objects.get(pk=asset.pk).making == "ai"


# --- What every rendition keeps ----------------------------------------------------------------------


@pytest.mark.parametrize("format", FORMATS)
def test_renditions_keep_what_says_that_ai_made_it_and_nothing_else(client: Client, format: str) -> None:
    preset("shop", format=format)
    made = AssetFactory(file=file_of(scene(), "JPEG", MADE_BY_AI + TITLE + PLACE))
    said = said_by(fetched(client, made, "shop"))
    assert said.pop("DigitalSourceType") == f"{SCHEME}trainedAlgorithmicMedia"
    assert json.loads(said.pop("AIGC")) == AIGC
    assert set(said) == {"about"}
    captured = AssetFactory(file=file_of(scene(1), "JPEG", TITLE + source_type(f"{SCHEME}digitalCapture")))
    assert said_by(fetched(client, captured, "shop")) == {}


def test_the_thumbnail_of_the_upload_keeps_it_too(client: Client) -> None:
    made = AssetFactory(file=file_of(scene(), "WEBP", MADE_BY_AI))
    for slug in ("thumbnail", "web"):
        assert json.loads(said_by(fetched(client, made, slug))["AIGC"]) == AIGC


@pytest.mark.parametrize("format", FORMATS)
def test_a_preset_that_keeps_metadata_keeps_all_but_the_place(client: Client, format: str) -> None:
    preset("press", format=format, keep_metadata=True)
    made = AssetFactory(file=file_of(scene(), "JPEG", MADE_BY_AI + TITLE + PLACE, exif=camera_exif()))
    content = fetched(client, made, "press")
    said = said_by(content)
    assert json.loads(said["AIGC"]) == AIGC
    assert said["title"]["Alt"]["li"]["text"] == "Glass"
    assert "GPSLatitude" not in said
    with Image.open(io.BytesIO(content)) as image:
        assert not image.getexif().get_ifd(0x8825)
    plain = AssetFactory(file=file_of(scene(1), "JPEG", TITLE))
    assert set(said_by(fetched(client, plain, "press"))) == {"about", "title"}
    silent = AssetFactory(file=file_of(scene(2), "JPEG"))
    assert said_by(fetched(client, silent, "press")) == {}


def test_a_packet_too_long_for_a_jpeg_leaves_the_labels(client: Client) -> None:
    preset("press", format="jpeg", keep_metadata=True)
    long = f"<photoshop:Instructions>{'x' * 70_000}</photoshop:Instructions>"
    made = AssetFactory(file=file_of(scene(), "PNG", MADE_BY_AI + long))
    assert set(said_by(fetched(client, made, "press"))) == {"about", "DigitalSourceType", "AIGC"}


def test_a_generated_picture_that_somebody_worked_on_stays_one(client: Client, editor: User) -> None:
    client.force_login(editor)
    made = generated(file_of(scene(), "PNG", MADE_BY_AI))
    add_version(made, file_of(scene(3), "JPEG"), filename="retouched.jpg", actor=editor)
    made.refresh_from_db()
    assert (made.making, made.current.number) == ("ai", 2)
    assert json.loads(said_by(fetched(client, made, "web"))["AIGC"]) == AIGC
    bought = AssetFactory(file=file_of(scene(4), "PNG", MADE_BY_AI))
    add_version(bought, file_of(scene(5), "JPEG"), filename="photograph.jpg", actor=editor)
    bought.refresh_from_db()
    assert bought.making == ""


# --- The mark that is seen ---------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(1200, 400), (400, 1200), (900, 900)])
@pytest.mark.parametrize("words", ["zh", "en", "both"])
def test_the_mark_is_high_enough_and_in_a_corner(client: Client, size: tuple[int, int], words: str) -> None:
    preset("marked", format="png", width=max(size), ai_mark=words)
    dark = Image.new("RGB", size, "black")
    made = AssetFactory(file=file_of(dark, "PNG", MADE_BY_AI))
    with Image.open(io.BytesIO(fetched(client, made, "marked"))) as opened:
        image = opened.convert("L")
    mark = image.point(lambda value: 255 if value > 200 else 0).getbbox()
    assert mark is not None
    left, top, right, bottom = mark
    first = image.crop((left, top, left + round(0.05 * min(size)), bottom))  # the letter A
    _l, upper, _r, lower = first.point(lambda value: 255 if value > 200 else 0).getbbox()
    assert 0.05 * min(size) <= lower - upper <= 0.08 * min(size)
    assert right > 0.95 * size[0]
    assert bottom > 0.9 * size[1]
    assert left > 0


def test_the_mark_gives_way_to_a_watermark_and_other_pictures_stay_clean(client: Client) -> None:
    preset("marked", format="png", ai_mark="zh", watermark_text="Atelier", watermark_size=20)
    preset("plain", format="png", watermark_text="Atelier", watermark_size=20)
    black = Image.new("RGB", (400, 400), "black")
    for properties, is_marked in (
        (MADE_BY_AI, True),
        (aigc(Label="2"), False),
        (source_type(f"{SCHEME}composite"), False),
    ):
        asset = AssetFactory(file=file_of(black, "PNG", properties))
        with Image.open(io.BytesIO(fetched(client, asset, "marked"))) as opened:
            image = opened.convert("L")
        with Image.open(io.BytesIO(fetched(client, asset, "plain"))) as opened:
            plain = opened.convert("L")
        half = (0, image.height // 2, image.width // 2, image.height)
        assert (image.crop(half).getextrema()[1] > 200) == is_marked
        right = (image.width // 2, 0, image.width, image.height)
        assert image.crop(right).tobytes() == plain.crop(right).tobytes()


# --- Everybody may ask -------------------------------------------------------------------------------


def asked(api: APIClient, content: bytes, name: str = "what.png") -> Any:
    return api.post("/api/v1/provenance/", {"file": SimpleUploadedFile(name, content)}, format="multipart")


def test_a_stranger_learns_of_an_asset_and_of_its_file(api: APIClient) -> None:
    content = file_of(scene(), "PNG", MADE_BY_AI)
    made, plain = generated(content), AssetFactory()
    by_id = api.get(f"/api/v1/provenance/{made.public_id}/").json()
    assert by_id == {
        "generated": True, "making": "ai", "said_by": "library", "certainty": "exact", "likeness": None,
        "sentence": "This picture was made by AI.", "asset": str(made.public_id), "provider": "", "model": "",
        "made_at": by_id["made_at"], "digital_source_type": f"{SCHEME}trainedAlgorithmicMedia", "aigc": AIGC,
        "content_credentials": None,
    }  # fmt: skip
    digest = hashlib.sha256(content).hexdigest()
    assert api.get(f"/api/v1/provenance/?sha256={digest.upper()}").json() == by_id
    assert asked(api, content).json() == by_id

    not_made = api.get(f"/api/v1/provenance/{plain.public_id}/").json()
    assert (not_made["generated"], not_made["making"], not_made["certainty"]) == (False, None, "exact")
    unknown = api.get(f"/api/v1/provenance/?sha256={'0' * 64}").json()
    assert (unknown["generated"], unknown["certainty"], unknown["asset"]) == (None, "none", None)
    assert api.get("/api/v1/provenance/?sha256=abc").status_code == 400


@pytest.mark.parametrize("format", FORMATS)
def test_a_rendition_is_known_by_its_label_and_its_looks(api: APIClient, client: Client, format: str) -> None:
    preset("shop", format=format, width=240)
    made = generated(file_of(scene(7), "PNG", MADE_BY_AI))
    AssetFactory(file=file_of(scene(2)))
    shown = fetched(client, made, "shop")
    told = asked(api, shown).json()
    assert (told["generated"], told["certainty"], told["said_by"]) == (True, "label", "file")
    assert (told["asset"], told["aigc"]) == (str(made.public_id), AIGC)
    assert told["likeness"] >= 90


def test_a_copy_without_its_label_is_known_by_its_looks_and_said_to_be(api: APIClient) -> None:
    made = generated(file_of(scene(7), "PNG", MADE_BY_AI))
    photograph = AssetFactory(file=file_of(scene(2)))
    smaller = file_of(scene(7).resize((180, 150)), "JPEG", quality=70)
    told = asked(api, smaller).json()
    assert (told["generated"], told["making"], told["certainty"]) == (True, "ai", "alike")
    assert told["asset"] == str(made.public_id)
    assert f"{told['likeness']} % of its hash agree" in told["sentence"]
    other = asked(api, file_of(scene(2), "JPEG", quality=70)).json()
    assert (other["generated"], other["asset"]) == (False, str(photograph.public_id))
    nobody = asked(api, file_of(scene(13), "JPEG")).json()
    assert (nobody["generated"], nobody["certainty"], nobody["asset"]) == (None, "none", None)
    labelled = asked(api, file_of(scene(13), "JPEG", MADE_BY_AI)).json()
    assert (labelled["generated"], labelled["certainty"], labelled["asset"]) == (True, "label", None)


def test_nothing_is_told_of_what_the_asker_may_not_see(api: APIClient, staff_api: APIClient) -> None:
    content = file_of(scene(7))
    hidden = generated(content, state=AssetState.IN_REVIEW)
    copy = file_of(scene(7), "JPEG", quality=80)
    for told in (
        asked(api, content).json(),
        asked(api, copy).json(),
        api.get(f"/api/v1/provenance/?sha256={hashlib.sha256(content).hexdigest()}").json(),
    ):
        assert (told["generated"], told["certainty"], told["asset"]) == (None, "none", None)
    assert api.get(f"/api/v1/provenance/{hidden.public_id}/").status_code == 404
    assert asked(staff_api, copy).json()["asset"] == str(hidden.public_id)


def test_what_is_no_picture_is_refused_and_nothing_is_kept(
    api: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = Asset.objects.count()
    assert asked(api, text_as_jpg()).status_code == 415
    assert api.post("/api/v1/provenance/", {}, format="multipart").status_code == 400
    assert asked(api, file_of(scene(20))).status_code == 200
    monkeypatch.setattr("dam.api.provenance.MAX_BYTES", 1000)
    refused = asked(api, file_of(scene(21)))
    assert (refused.status_code, refused.json()["code"]) == (413, "too_large")
    assert Asset.objects.count() == before


def test_asking_with_files_is_throttled(api: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ScopedRateThrottle.THROTTLE_RATES, "provenance", "2/min")
    codes = [asked(api, text_as_jpg()).status_code for _number in range(3)]
    assert codes == [415, 415, 429]
    assert api.get(f"/api/v1/provenance/?sha256={'0' * 64}").status_code == 200


# --- Lineage -----------------------------------------------------------------------------------------


def test_what_it_was_made_from_is_named_after_it_was_thrown_away(
    staff_api: APIClient, client: Client, editor: User, make_child: Callable[..., Asset]
) -> None:
    coat = AssetFactory(title="Coat")
    child = make_child(coat)
    Asset.objects.filter(pk=coat.pk).update(state=AssetState.TRASHED)
    (parent,) = staff_api.get(f"/api/v1/assets/{child.public_id}/lineage/").json()["made_from"]["results"]
    assert (parent["title"], parent["state"]) == ("Coat", "trashed")
    (again,) = staff_api.get(f"/api/v1/assets/{child.public_id}/provenance/").json()["made_from"]
    assert again == parent
    client.force_login(editor)
    page = client.get(f"/admin/dam/asset/{child.pk}/change/").context
    assert page["made_from"] == [(coat, "Garment")]


@pytest.fixture
def make_child() -> Callable[..., Asset]:
    def make(*parents: Asset) -> Asset:
        return ingest(
            picture(seed=77, colour="blue"),
            filename="made.jpg",
            owner=None,
            origin=AssetOrigin.GENERATED,
            parents=[ParentLink(parent, "garment") for parent in parents],
        ).asset

    return make
