"""Embedded metadata: read, mapped to fields, written into downloads, and the place kept from strangers."""

from __future__ import annotations

import hashlib
import random
import struct
import zlib
from io import BytesIO
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from PIL import Image
from rest_framework.test import APIClient

from dam import editing
from dam.addresses import original_url, rendition_url, sidecar_url, written_url
from dam.containers import multi_picture, png
from dam.containers.jpeg import XMP
from dam.embedded_metadata import read_metadata
from dam.ingest import AssetMetadata, ingest
from dam.models import Asset, AssetOrigin, AssetState, AssetVersion, AuditEntry
from dam.xmp import read
from tests.clients import api_of
from tests.metadata_files import (
    FIELDS,
    FULL,
    before_pixels,
    camera_exif,
    chunks_of,
    full_picture,
    iptc_block,
    pixels_of,
    places_in,
    resource,
    scans_of,
    segment,
    two_pictures,
    with_iptc,
    with_segment,
    xmp_packet,
)
from tests.pictures import picture

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("space")]

WRITABLE = ["JPEG", "PNG", "WEBP"]
EVERY = [*WRITABLE, "TIFF", "AVIF", "HEIF"]
TITLE = iptc_block((5, b"Crown"))


def take(content: bytes, owner: User | None = None, **known: Any) -> Asset:
    known.setdefault("state", AssetState.APPROVED)
    asset = ingest(
        content,
        filename="IMG_0001.jpg",
        owner=owner,
        origin=AssetOrigin.UPLOADED,
        metadata=AssetMetadata(**known),
    ).asset
    return Asset.objects.with_listing().get(pk=asset.pk)


def body(response: Any) -> bytes:
    assert response.status_code == 200, response.content
    content = b"".join(response.streaming_content)
    assert response.get("Content-Length") in (None, str(len(content)))
    return content


def reading(content: bytes) -> dict[str, Any]:
    with Image.open(BytesIO(content)) as image:
        image.load()
        return read_metadata(image)  # type: ignore[arg-type]


def fields_of(asset: Asset) -> dict[str, str]:
    return {name: getattr(asset, name) for name in FIELDS}


def labels_of(asset: Asset) -> set[str]:
    return {tag.label for tag in asset.tags.all()}


@pytest.fixture
def page(editor: User) -> Client:
    client = Client()
    client.force_login(editor)
    return client


class TestReading:
    @pytest.mark.parametrize("format", EVERY)
    def test_every_kind_of_file_gives_its_fields(self, format: str) -> None:
        asset = take(full_picture(format))
        assert fields_of(asset) == FIELDS
        assert labels_of(asset) == {"gold", "头饰"}
        assert asset.current.metadata["exif"]["DateTimeOriginal"] == "2026:05:04 10:20:30"
        assert asset.current.metadata["exif"]["GPSLatitude"] == [52, 31, 12]
        assert asset.current.metadata["xmp"]["dc:title"]["fr"] == "Couronne"
        assert asset.from_file["title_zh"] == "xmp:dc:title"
        story = AuditEntry.objects.get(action="asset.ingested").details
        assert story["from_file"] == sorted([*FIELDS, "tags"])

    def test_what_people_say_comes_before_what_the_file_says(self) -> None:
        asset = take(full_picture("JPEG"), title="My crown", tags=["mine"], credit="Me")
        assert (asset.title, asset.title_zh, asset.credit) == ("My crown", "皇冠", "Me")
        assert labels_of(asset) == {"mine"}
        assert {"title", "tags", "credit"}.isdisjoint(asset.from_file)

    def test_iptc_comes_after_xmp_and_before_exif(self) -> None:
        exif = Image.Exif()
        exif[0x010E], exif[0x8298] = "Caption of EXIF", "Holder of EXIF"
        block = iptc_block(
            (5, b"Title of IPTC"), (120, "Légende".encode("latin-1")), (25, b"one"), (25, b"two")
        )
        xmp = xmp_packet(
            "<dc:title><rdf:Alt><rdf:li xml:lang='x-default'>Title of XMP</rdf:li></rdf:Alt></dc:title>"
        )
        asset = take(with_iptc(picture(exif=exif.tobytes(), xmp=xmp), block))
        assert (asset.title, asset.description) == ("Title of XMP", "Légende")
        assert asset.rights_holder == "Holder of EXIF"
        assert labels_of(asset) == {"one", "two"}
        assert asset.from_file["description"] == "iptc:Caption-Abstract"

    @pytest.mark.parametrize(
        ("given", "field"),
        [("红色连衣裙", "title_zh"), ("Red dress", "title"), ("赤いドレス", "title")],
    )
    def test_a_text_without_a_language_goes_where_it_belongs(self, given: str, field: str) -> None:
        asset = take(with_iptc(picture(), iptc_block((5, given.encode()))))
        assert (getattr(asset, field), len(asset.title + asset.title_zh)) == (given, len(given))

    def test_a_licensor_is_a_rights_holder(self) -> None:
        licensor = (
            "<plus:Licensor><rdf:Seq><rdf:li rdf:parseType='Resource'>"
            "<plus:LicensorName>Agency</plus:LicensorName></rdf:li></rdf:Seq></plus:Licensor>"
        )
        assert take(picture(xmp=xmp_packet(licensor))).rights_holder == "Agency"

    def test_properties_as_attributes_and_strange_prefixes_are_understood(self) -> None:
        packet = (
            b"<r:RDF xmlns:r='http://www.w3.org/1999/02/22-rdf-syntax-ns#'><r:Description r:about='' "
            b"xmlns:p='http://ns.adobe.com/photoshop/1.0/' p:Credit='North' xmlns:dc='urn:else' dc:title='No'"
            b"/></r:RDF>"
        )
        asset = take(picture(xmp=packet))
        assert (asset.credit, asset.title) == ("North", "IMG 0001")
        assert asset.current.metadata["xmp"] == {"photoshop:Credit": "North"}

    def test_windows_texts_and_the_name_of_the_file(self) -> None:
        exif = Image.Exif()
        exif[0x9C9E] = "shoes;boots".encode("utf-16-le")
        asset = take(picture(exif=exif.tobytes()))
        assert labels_of(asset) == {"shoes", "boots"}
        assert (asset.title, "title" in asset.from_file) == ("IMG 0001", False)

    def test_raw_profiles_of_a_png(self) -> None:
        plain = picture(format="PNG")
        block = iptc_block((5, b"Crown"), (25, b"gold"))
        profile = png.as_raw_profile(b"iptc", resource(0x0404, block))
        texts = png.chunk(b"zTXt", b"Raw profile type iptc\0\0" + zlib.compress(profile))
        texts += png.chunk(
            b"tEXt",
            b"Raw profile type xmp\0"
            + png.as_raw_profile(b"xmp", xmp_packet("<photoshop:Credit>North</photoshop:Credit>")),
        )
        asset = take(before_pixels(plain, texts))
        assert (asset.title, asset.credit, labels_of(asset)) == ("Crown", "North", {"gold"})

    def test_fields_are_bounded(self) -> None:
        long = "".join(f"<rdf:li>{word}</rdf:li>" for word in ["x" * 81, *(f"w{n}" for n in range(60))])
        asset = take(
            picture(
                xmp=xmp_packet(
                    f"<dc:subject><rdf:Bag>{long}</rdf:Bag></dc:subject><photoshop:Credit>{'c' * 300}"
                    f"</photoshop:Credit><dc:title>{'t' * 9000}</dc:title>"
                )
            )
        )
        assert (len(asset.title), len(asset.credit), asset.tags.count()) == (255, 255, 50)

    def test_broken_blocks_never_refuse_a_picture(self) -> None:
        chance = random.Random(5)
        whole = {format: full_picture(format) for format in ("JPEG", "PNG", "WEBP", "TIFF", "AVIF")}
        taken = refused = 0
        for number in range(60):
            format = chance.choice(sorted(whole))
            content = bytearray(whole[format])
            start = next(
                (content.index(mark) for mark in (b"xmpmeta", b"GPSL", b"Maker") if mark in content), 40
            )
            for _change in range(chance.randint(1, 12)):
                content[chance.randrange(start, min(start + 3000, len(content)))] = chance.randrange(256)
            response = self.upload(bytes(content), number)
            assert response.status_code in (200, 201, 422), response.content
            taken, refused = taken + (response.status_code < 300), refused + (response.status_code == 422)
        assert taken > refused

    def upload(self, content: bytes, number: int) -> Any:
        api = api_of(User.objects.get_or_create(username="uploader")[0])
        return api.post("/api/v1/assets/", {"file": SimpleUploadedFile(f"{number}.bin", content)})

    @pytest.mark.parametrize(
        "packet",
        [
            b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><rdf:RDF xmlns:rdf="'
            b'http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description>&a;</rdf:Description></rdf:RDF>',
            b"<a>" * 5000,
            b"\xff\xfe\x00",
            xmp_packet(
                "<dc:title>" + "<rdf:Bag><rdf:li>" * 200 + "</rdf:li></rdf:Bag>" * 200 + "</dc:title>"
            ),
        ],
    )
    def test_hostile_packets_are_left_out(self, packet: bytes, page: Client) -> None:
        asset = take(picture(xmp=packet), credit="North")
        assert "title" not in asset.from_file
        copy = body(page.get(written_url(asset)))
        assert reading(copy)["xmp"]["photoshop:Credit"] == "North"


class TestWriting:
    @pytest.mark.parametrize("format", WRITABLE)
    def test_a_download_carries_the_fields_of_now_and_the_same_pixels(
        self, format: str, page: Client
    ) -> None:
        content = full_picture(format)
        asset = take(content)
        editing.update_assets(
            [asset], actor=None, changes={"title": "Tiara & more", "title_zh": "头冠"}, add_tags=["silver"]
        )
        copy = body(page.get(written_url(asset)))
        assert pixels_of(copy) == pixels_of(content)
        found = reading(copy)
        assert found["xmp"]["dc:title"] == {
            "x-default": "Tiara & more", "en": "Tiara & more", "zh": "头冠", "fr": "Couronne",
        }  # fmt: skip
        assert set(found["xmp"]["dc:subject"]) == {"gold", "头饰", "silver"}
        assert found["xmp"]["studio:Shelf"] == "B7"  # what others wrote stays
        assert found["exif"] == asset.current.metadata["exif"]
        assert b"studio:Shelf" in copy

    def test_the_scans_of_a_jpeg_keep_their_bytes(self, page: Client) -> None:
        content = full_picture("JPEG")
        copy = body(page.get(written_url(take(content, title="Other"))))
        assert copy != content
        assert scans_of(copy) == scans_of(content)

    @pytest.mark.parametrize(("format", "kinds"), [("PNG", (b"IHDR", b"IDAT")), ("WEBP", (b"VP8 ", b"VP8L"))])
    def test_the_chunks_with_pixels_keep_their_bytes(
        self, format: str, kinds: tuple[bytes, ...], page: Client
    ) -> None:
        content = full_picture(format)
        copy = body(page.get(written_url(take(content, title="Other"))))
        assert copy != content
        assert chunks_of(copy, kinds) == chunks_of(content, kinds)

    @pytest.mark.parametrize("format", WRITABLE)
    @pytest.mark.parametrize("bare", [False, True])
    def test_what_was_downloaded_says_the_same_elsewhere(self, format: str, bare: bool, page: Client) -> None:
        """Round trip: all fields in both languages, into a file with metadata and into one without."""
        wanted = {name: f"{value} & <new>\n2" for name, value in FIELDS.items()}
        content = picture(format=format) if bare else full_picture(format)
        asset = take(content, **wanted, tags=["velvet, blue", "天鹅绒"])
        copy = body(page.get(written_url(asset)))
        Asset.objects.all().delete()
        again = take(copy)
        assert again.current.sha256 != hashlib.sha256(content).hexdigest()
        assert fields_of(again) == fields_of(asset) == wanted
        assert labels_of(again) == {"velvet, blue", "天鹅绒"}

    @pytest.mark.parametrize(
        "options", [{"lossless": True}, {"lossless": True, "alpha": True}, {"alpha": True}]
    )
    def test_simple_and_transparent_webp(self, options: dict[str, Any], page: Client) -> None:
        content = picture(format="WEBP", size=(333, 77), **options)
        copy = body(page.get(written_url(take(content, title="Crown"))))
        assert pixels_of(copy) == pixels_of(content)
        assert reading(copy)["xmp"]["dc:title"]["en"] == "Crown"

    def test_an_iptc_block_agrees_with_the_xmp(self, page: Client) -> None:
        block = iptc_block((5, b"Old"), (25, b"old"), (90, "Zürich".encode("latin-1")), (120, b"Old caption"))
        asset = take(with_iptc(picture(), block), title="New 新", description="Ä" * 2000, tags=["new"])
        copy = body(page.get(written_url(asset)))
        iptc = reading(copy)["iptc"]
        assert (iptc["ObjectName"], iptc["Keywords"], iptc["City"]) == ("New 新", ["new"], "Zürich")
        assert iptc["Caption-Abstract"] == "Ä" * 1000  # as long as IPTC allows
        assert b"8BIM\x0b\xb7\x00\x00\x00\x00\x00\x03abc" in copy

    def test_a_field_that_was_emptied_is_taken_out_and_one_never_taken_stays(self, page: Client) -> None:
        asset = take(full_picture("JPEG"))
        editing.update_assets([asset], actor=None, changes={"credit": "", "title_zh": ""})
        found = reading(body(page.get(written_url(asset))))["xmp"]
        assert "photoshop:Credit" not in found
        assert found["dc:title"] == {"x-default": "Crown", "en": "Crown", "fr": "Couronne"}
        Asset.objects.filter(pk=asset.pk).update(from_file={})  # as if it had come before fields were taken
        found = reading(body(page.get(written_url(asset))))["xmp"]
        assert found["photoshop:Credit"] == "Studio North"
        assert found["dc:title"]["zh-CN"] == "皇冠"

    @pytest.mark.parametrize("format", ["TIFF", "AVIF", "HEIF", "GIF", "BMP"])
    def test_other_kinds_come_as_they_are(self, format: str, page: Client) -> None:
        content = picture(format=format) if format in ("GIF", "BMP") else full_picture(format)
        assert body(page.get(written_url(take(content, title="Other")))) == content

    @pytest.mark.parametrize("format", EVERY)
    def test_the_bytes_that_came_can_always_be_had(self, format: str, page: Client) -> None:
        content = full_picture(format)
        asset = take(content, title="Other")
        for address in (original_url(asset), f"{original_url(asset)}?metadata=original"):
            response = page.get(address)
            assert "immutable" in response["Cache-Control"]
            assert hashlib.sha256(body(response)).hexdigest() == asset.current.sha256

    def test_another_copy_of_the_file_is_no_copy(self, page: Client) -> None:
        response = page.get(f"{original_url(take(picture()))}?metadata=some")
        assert response.status_code == 400
        assert "original, written" in response.json()["errors"]["metadata"][0]

    def test_the_etag_changes_with_every_field_and_tag(self, page: Client) -> None:
        asset = take(full_picture("JPEG"))
        etags = {page.get(original_url(asset))["ETag"]}
        for change in [None, *FIELDS]:
            if change:
                editing.update_assets([asset], actor=None, changes={change: "changed"})
            response = page.get(written_url(asset))
            assert response["Cache-Control"] == "private, no-cache"
            again = page.get(written_url(asset), headers={"If-None-Match": response["ETag"]})
            assert (again.status_code, again.content) == (304, b"")
            etags.add(response["ETag"])
        editing.update_assets([asset], actor=None, changes={}, add_tags=["more"])
        etags.add(page.get(written_url(asset))["ETag"])
        assert len(etags) == len(FIELDS) + 3

    def test_a_packet_that_is_too_long_for_a_jpeg_leaves_the_original(self, page: Client) -> None:
        content = picture()
        asset = take(content, description="皇" * 30_000)
        assert body(page.get(written_url(asset))) == content
        assert "皇" * 30_000 in body(page.get(sidecar_url(asset))).decode()

    @pytest.mark.parametrize("is_behind", [False, True])
    def test_further_pictures_in_one_jpeg_are_still_found(self, is_behind: bool, page: Client) -> None:
        """They are found by an index of offsets, and the packet that grows may lie behind that."""
        content = two_pictures()
        if is_behind:
            at = content.index(b"MPF\0")
            end = at - 2 + int.from_bytes(content[at - 2 : at], "big")
            packet = segment(0xE1, XMP + xmp_packet("<photoshop:Credit>A</photoshop:Credit>"))
            grown = {"first_grows": len(packet), "others_move": len(packet)}
            index = multi_picture.shifted(content[at:end], **grown)
            content = content[:at] + index + packet + content[end:]
        asset = take(content, description="long " * 400)
        copy = body(page.get(written_url(asset)))
        assert len(copy) > len(content)
        with Image.open(BytesIO(copy)) as image:
            assert image.n_frames == 2
            image.seek(1)
            assert image.convert("RGB").getpixel((5, 5)) == pytest.approx((0, 0, 255), abs=8)

    @pytest.mark.parametrize("format", EVERY)
    def test_a_sidecar_says_it_for_every_kind(self, format: str, page: Client) -> None:
        asset = take(full_picture(format))
        editing.update_assets([asset], actor=None, changes={"title": "Tiara"})
        response = page.get(sidecar_url(asset))
        assert response["Content-Type"] == "application/rdf+xml"
        assert 'filename="IMG_0001.xmp"' in response["Content-Disposition"]
        found = read(body(response))
        assert found["dc:title"]["en"] == "Tiara"
        assert found["photoshop:Credit"] == "Studio North"
        assert found["studio:Shelf"] == "B7"

    def test_the_sidecar_of_a_file_without_metadata(self, page: Client) -> None:
        asset = take(picture(format="GIF"), title="Crown", title_zh="皇冠")
        assert read(body(page.get(sidecar_url(asset))))["dc:title"]["zh"] == "皇冠"
        assert page.get(f"/api/v1/assets/{asset.public_id}/sidecar.xmp").status_code == 200


class TestPlace:
    @pytest.mark.parametrize("format", EVERY)
    @pytest.mark.parametrize("address_of", [original_url, written_url])
    def test_strangers_get_originals_without_the_place(
        self, format: str, address_of: Any, stranger: User, page: Client
    ) -> None:
        content = full_picture(format)
        asset = take(content)
        assert places_in(content)
        theirs = Client()
        theirs.force_login(stranger)
        for client in (Client(), theirs):
            response = client.get(address_of(asset))
            assert response["Cache-Control"] == "private, no-cache"
            assert "Cookie" in response["Vary"]
            copy = body(response)
            assert places_in(copy) == []
            assert pixels_of(copy) == pixels_of(content)
            found = reading(copy)
            assert found["exif"]["DateTimeOriginal"] == "2026:05:04 10:20:30"
            assert found["xmp"]["dc:title"]["fr"] == "Couronne"
            assert found["xmp"]["Iptc4xmpExt:LocationCreated"] == [{"Iptc4xmpExt:City": "Berlin"}]
        assert places_in(body(page.get(address_of(asset))))

    def test_the_owner_gets_the_place(self, stranger: User) -> None:
        asset = take(full_picture("JPEG"), owner=stranger)
        client = Client()
        client.force_login(stranger)
        assert places_in(body(client.get(written_url(asset))))
        assert hashlib.sha256(body(client.get(original_url(asset)))).hexdigest() == asset.current.sha256

    @pytest.mark.parametrize("format", [*EVERY, "GIF", "BMP"])
    def test_a_file_without_a_place_comes_as_it_is(self, format: str, client: Client) -> None:
        content = picture(format=format)
        assert body(client.get(original_url(take(content)))) == content

    def test_appended_pictures_and_extended_packets_go(self, client: Client) -> None:
        content = with_segment(two_pictures(), 0xE1, b"http://ns.adobe.com/xmp/extension/\0GPSLatitude 52,31")
        copy = body(client.get(original_url(take(content))))
        assert places_in(copy) == []
        with Image.open(BytesIO(copy)) as image:
            assert (image.format, getattr(image, "n_frames", 1)) == ("JPEG", 1)
        assert pixels_of(copy)[2] == pixels_of(content)[2]

    def test_a_film_behind_the_picture_goes(self, client: Client) -> None:
        content = full_picture("JPEG") + b"\0\0\0\x18ftypmp42 and +52.5+013.4/"
        copy = body(client.get(original_url(take(content))))
        assert copy.endswith(b"\xff\xd9")

    def test_texts_and_raw_profiles_of_a_png(self, client: Client) -> None:
        plain = picture(format="PNG")
        exif = png.as_raw_profile(b"exif", b"Exif\0\0" + camera_exif().removeprefix(b"Exif\0\0"))
        texts = png.chunk(b"tEXt", b"exif:GPSLatitude\x0052/1") + png.chunk(b"tEXt", b"Comment\0kept")
        texts += png.chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(exif))
        copy = body(client.get(original_url(take(before_pixels(plain, texts)))))
        assert places_in(copy) == []
        assert b"Comment\0kept" in copy
        assert reading(copy)["exif"]["Make"] == "Maker"

    def test_copies_in_photoshops_resources_are_wiped(self, client: Client) -> None:
        copies = resource(0x0422, b"GPSLatitude of EXIF") + resource(0x0424, b"GPSLatitude of XMP")
        jpeg = with_segment(picture(), 0xED, b"Photoshop 3.0\0" + copies + resource(0x0404, TITLE))
        exif = Image.Exif()
        exif[0x8649] = copies
        for content in (jpeg, picture(format="TIFF", exif=exif)):
            copy = body(client.get(original_url(take(content))))
            assert b"GPSLatitude" in content
            assert b"GPSLatitude" not in copy
            assert len(copy) == len(content)
            assert pixels_of(copy) == pixels_of(content)
        assert reading(body(client.get(original_url(take(jpeg)))))["iptc"] == {"ObjectName": "Crown"}

    def test_a_manifest_of_provenance_that_tells_the_place_goes(self, client: Client) -> None:
        manifest = b"JP\0\x01jumb stds.exif exif:GPSLatitude 52,31"
        jpeg = with_segment(with_segment(picture(seed=1), 0xEB, manifest[30:]), 0xEB, manifest[:30])
        png_file = before_pixels(picture(format="PNG", seed=3), png.chunk(b"caBX", manifest))
        webp = full_picture("WEBP", seed=4)
        webp += b"C2PA" + struct.pack("<I", len(manifest)) + manifest + bytes(len(manifest) % 2)
        webp = webp[:4] + struct.pack("<I", len(webp) - 8) + webp[8:]
        harmless = with_segment(picture(seed=5), 0xEB, b"JP\0\x01jumb c2pa.actions")
        for content in (jpeg, png_file, webp):
            copy = body(client.get(original_url(take(content))))
            assert b"stds.exif" not in copy
            assert pixels_of(copy) == pixels_of(content)
        assert body(client.get(original_url(take(harmless)))) == harmless

    @pytest.mark.parametrize("format", ["JPEG", "PNG"])
    def test_a_second_packet_is_no_way_around(self, format: str, client: Client) -> None:
        first, last = xmp_packet(FULL), xmp_packet("<photoshop:Credit>North</photoshop:Credit>")
        if format == "JPEG":
            content = with_segment(with_segment(picture(), 0xE1, XMP + last), 0xE1, XMP + first)
        else:
            keyword = b"XML:com.adobe.xmp" + bytes(5)
            both = png.chunk(b"iTXt", keyword + first) + png.chunk(b"iTXt", keyword + last)
            content = before_pixels(picture(format="PNG"), both)
        asset = take(content)
        assert asset.credit == "North"
        copy = body(client.get(original_url(asset)))
        assert places_in(content)
        assert places_in(copy) == []
        assert reading(copy)["xmp"] == {"photoshop:Credit": "North"}

    def test_the_xmp_of_a_gif_goes(self, client: Client) -> None:
        plain = picture(format="GIF")
        trailer = bytes([1, *range(255, -1, -1), 0])
        block = b"\x21\xff\x0bXMP DataXMP" + xmp_packet(FULL) + trailer
        at = plain.index(b"\x2c", 13 + 3 * 2 ** ((plain[10] & 7) + 1))
        content = plain[:at] + block + plain[at:]
        asset = take(content)
        assert body(client.get(original_url(asset))) == plain

    def test_a_damaged_block_goes_as_a_whole(self, client: Client) -> None:
        damaged = bytearray(full_picture("JPEG"))
        at = damaged.index(b"Exif\0\0") + 6
        damaged[at + 8 : at + 10] = b"\xff\xff"  # a directory of 65,535 entries
        copy = body(client.get(original_url(take(bytes(damaged)))))
        assert b"Exif\0" not in copy
        assert pixels_of(copy) == pixels_of(full_picture("JPEG"))

    def test_what_cannot_be_searched_is_not_given_to_strangers(self, client: Client, page: Client) -> None:
        content = full_picture("AVIF") + struct.pack(">I4s", 16, b"uuid") + b"12345678"
        asset = take(content)
        response = client.get(original_url(asset))
        assert (response.status_code, response.json()["code"]) == (403, "place")
        assert "ask an editor" in response.json()["detail"]
        assert body(page.get(original_url(asset))) == content

    @pytest.mark.parametrize("format", EVERY)
    @pytest.mark.parametrize("preset", ["thumbnail", "web"])
    def test_renditions_say_nothing(self, format: str, preset: str, client: Client) -> None:
        asset = take(full_picture(format))
        content = body(client.get(rendition_url(asset, preset)))
        assert chunks_of(content, (b"EXIF", b"XMP ")) == []
        assert reading(content).keys() <= {"profile"}

    def test_metadata_and_sidecar_without_the_place(self, api: APIClient, staff_api: APIClient) -> None:
        asset = take(full_picture("JPEG"))
        address = f"/api/v1/assets/{asset.public_id}/metadata/"
        for reader, knows in ((api, False), (staff_api, True)):
            answer = reader.get(address)
            assert ("GPS" in answer.content.decode()) is knows
            assert ("dji:GpsLongtitude" in answer.content.decode()) is knows
            assert (b"GPSLatitude" in body(reader.get(sidecar_url(asset)))) is knows
        assert answer.json()["exif"]["Model"] == "Maker 5"

    def test_downloads_of_broken_files_are_answers(self, client: Client, page: Client) -> None:
        """Structures that are cut or changed anywhere give a file or a refusal, for whoever asks."""
        chance = random.Random(8)
        for format in EVERY:
            asset = take(full_picture(format))
            whole = full_picture(format)
            for _number in range(10):
                content = bytearray(whole[: chance.randrange(4, len(whole))])
                for _change in range(chance.randint(0, 6)):
                    content[chance.randrange(len(content))] = chance.randrange(256)
                with default_storage.open(asset.current.file.name, "wb") as file:
                    file.write(bytes(content))
                for reader in (client, page):
                    response = reader.get(written_url(asset))
                    assert response.status_code in (200, 403)
                    if response.status_code == 200:
                        body(response)
                assert client.get(sidecar_url(asset)).status_code in (200, 415, 422)


class TestTakingAgain:
    def test_empty_fields_are_filled_and_said_so(self, page: Client, editor: User) -> None:
        asset = take(full_picture("JPEG"), title="Mine")
        editing.update_assets(
            [asset], actor=None, changes={"credit": "", "alt_text": "Other"}, remove_tags=["gold", "头饰"]
        )
        shown = page.get(f"/admin/dam/asset/{asset.pk}/change/").content.decode()
        assert "The file has something for fields that are empty here: Credit line, Tags." in shown
        response = page.post(f"/admin/dam/asset/{asset.pk}/metadata/", follow=True)
        assert "Taken from the file: Credit line, Tags." in response.content.decode()
        asset = Asset.objects.with_listing().get(pk=asset.pk)
        assert (asset.title, asset.credit, asset.alt_text) == ("Mine", "Studio North", "Other")
        assert labels_of(asset) == {"gold", "头饰"}
        entry = AuditEntry.objects.get(action="asset.taken_from_file")
        assert (entry.actor, entry.details["after"]) == (editor, {"credit": "Studio North"})
        again = page.post(f"/admin/dam/asset/{asset.pk}/metadata/", follow=True)
        assert "The file has nothing for a field that is empty." in again.content.decode()
        assert AuditEntry.objects.filter(action="asset.taken_from_file").count() == 1

    def test_files_that_came_before_their_fields_were_understood(self, staff_api: APIClient) -> None:
        asset = take(full_picture("PNG"))
        AssetVersion.objects.update(metadata={"xmp": {"xmpmeta": {"title": "Crown"}}})
        Asset.objects.update(title_zh="", from_file={})
        response = staff_api.post(f"/api/v1/assets/{asset.public_id}/metadata/")
        assert response.json() == {"taken": ["title_zh"]}
        asset.refresh_from_db()
        assert (asset.title_zh, asset.from_file) == ("皇冠", {"title_zh": "xmp:dc:title"})
        assert AssetVersion.objects.get().metadata["xmp"]["photoshop:Credit"] == "Studio North"

    def test_only_by_those_who_may_change_it(self, stranger: User, api: APIClient) -> None:
        asset = take(full_picture("JPEG"))
        Asset.objects.update(credit="")
        address = f"/api/v1/assets/{asset.public_id}/metadata/"
        assert api.post(address).status_code in (401, 403)
        api.force_authenticate(stranger)
        assert api.post(address).status_code == 403
        assert api.get(address).status_code == 200
        asset.refresh_from_db()
        assert asset.credit == ""

    def test_the_answer_says_what_came_from_the_file(self, staff_api: APIClient) -> None:
        asset = take(full_picture("JPEG"), title="Mine")
        answer = staff_api.get(f"/api/v1/assets/{asset.public_id}/metadata/").json()
        found = {one["field"]: one for one in answer["fields_found"]}
        assert found["title"] == {
            "field": "title", "value": "Crown", "embedded_as": "xmp:dc:title", "taken": False,
        }  # fmt: skip
        assert found["tags"]["value"] == ["gold", "头饰"]
        assert found["tags"]["taken"]
        editing.update_assets([asset], actor=None, changes={"credit": "Changed"})
        answer = staff_api.get(f"/api/v1/assets/{asset.public_id}/metadata/").json()
        assert {one["field"]: one["taken"] for one in answer["fields_found"]}["credit"] is False


class TestPanel:
    def test_it_shows_camera_exposure_date_and_place(self, page: Client) -> None:
        asset = take(full_picture("JPEG"))
        shown = page.get(f"/admin/dam/asset/{asset.pk}/change/").content.decode()
        for expected in (
            "Maker 5",
            "1/250 s · f/2.8",
            "2026-05-04 10:20:30",
            "52.52000° N, 13.40500° E",
            "XMP dc:title",
            "photoshop:Credit",
            sidecar_url(asset),
            written_url(asset),
            original_url(asset),
            "Take from the file again",
        ):
            assert expected in shown, expected

    def test_the_place_is_not_for_everybody(self, stranger: User) -> None:
        stranger.is_staff = True
        stranger.save()
        stranger.groups.add(Group.objects.get(name="contributor"))
        stranger.user_permissions.add(Permission.objects.get(codename="view_asset"))
        client = Client()
        client.force_login(stranger)
        asset = take(full_picture("JPEG"))
        shown = client.get(f"/admin/dam/asset/{asset.pk}/change/").content.decode()
        assert "Maker 5" in shown
        assert "GPS" not in shown
        assert "52.52" not in shown
        assert "Take from the file again" not in shown

    def test_old_readings_and_empty_ones_are_shown(self, page: Client) -> None:
        asset = take(picture())
        shown = page.get(f"/admin/dam/asset/{asset.pk}/change/").content.decode()
        assert "The file says nothing about itself." in shown
        AssetVersion.objects.update(
            metadata={"xmp": {"xmpmeta": {"a": [{"b": 1}, "c"]}}, "exif": {"GPSLatitude": ["x"], "Make": 3}}
        )
        shown = page.get(f"/admin/dam/asset/{asset.pk}/change/").content.decode()
        assert "xmpmeta / a / b" in shown
