"""Presets that administrators make: what they do to pictures, their addresses, and who manages them."""

from __future__ import annotations

import io
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.storage import default_storage
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from PIL import Image
from pytest_django import DjangoAssertNumQueries, Settings
from rest_framework.test import APIClient

from dam import editing, presets
from dam.addresses import rendition_url
from dam.models import Asset, AssetState, AuditEntry, Rendition, RenditionPreset
from dam.tasks import prune_renditions
from tests.dam.storages import stored_files
from tests.factories import AssetFactory
from tests.pictures import picture

pytestmark = [pytest.mark.django_db, pytest.mark.once, pytest.mark.usefixtures("space")]
ADDRESS = "/api/v1/rendition-presets/"
NARROW, WIDE = (600, 1200), (1200, 600)


def preset(slug: str = "card", **parameters: Any) -> RenditionPreset:
    row = RenditionPreset(slug=slug, **{"width": 200, "height": 200, "public": True, **parameters})
    row.full_clean()
    presets.save(row, actor=None)
    return row


def address(asset: Asset, slug: str = "card") -> str:
    return rendition_url(asset, presets.find(slug))


def fetched(client: Client, asset: Asset, slug: str = "card") -> Image.Image:
    response = client.get(address(asset, slug))
    assert response.status_code == 200, response.content
    image = Image.open(io.BytesIO(b"".join(response.streaming_content)))  # type: ignore[arg-type]
    image.load()
    return image


def striped(size: tuple[int, int]) -> bytes:
    """Red on the left or top third, green in the middle, blue at the other end."""
    image = Image.new("RGB", size)
    for index, colour in enumerate(("red", "lime", "blue")):
        if size[0] > size[1]:
            image.paste(colour, (size[0] * index // 3, 0, size[0] * (index + 1) // 3, size[1]))
        else:
            image.paste(colour, (0, size[1] * index // 3, size[0], size[1] * (index + 1) // 3))
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def is_colour(pixel: tuple[int, ...], expected: tuple[int, ...]) -> bool:
    return all(abs(a - b) <= 12 for a, b in zip(pixel, expected, strict=True))


class TestFrames:
    @pytest.mark.parametrize(
        ("original", "fit", "frame", "result"),
        [
            (WIDE, "contain", (300, None), (300, 150)),
            (WIDE, "contain", (None, 300), (600, 300)),
            (WIDE, "contain", (300, 300), (300, 150)),
            (WIDE, "contain", (5000, 5000), WIDE),
            (WIDE, "cover", (200, 200), (200, 200)),
            (NARROW, "cover", (300, 100), (300, 100)),
            (WIDE, "cover", (1800, 1200), (900, 600)),
            (WIDE, "pad", (200, 200), (200, 200)),
            ((50, 20), "pad", (200, 200), (200, 200)),
        ],
    )
    def test_sizes(
        self,
        client: Client,
        original: tuple[int, int],
        fit: str,
        frame: tuple[int | None, int | None],
        result: tuple[int, int],
    ) -> None:
        preset(fit=fit, width=frame[0], height=frame[1])
        asset = AssetFactory(picture={"size": original})
        assert fetched(client, asset).size == result
        kept = Rendition.objects.get(version=asset.current, preset="card")
        assert (kept.width, kept.height) == result

    @pytest.mark.parametrize("size", [WIDE, NARROW])
    @pytest.mark.parametrize(
        ("focal", "colour"), [(0.0, (255, 0, 0)), (0.5, (0, 255, 0)), (1.0, (0, 0, 255)), (0.17, (255, 0, 0))]
    )
    def test_a_crop_keeps_the_focal_point(
        self, client: Client, size: tuple[int, int], focal: float, colour: tuple[int, int, int]
    ) -> None:
        preset(fit="cover", format="png", width=40, height=40)
        asset = AssetFactory(file=striped(size))
        editing.update_assets([asset], actor=None, changes={"focal_x": focal, "focal_y": focal})
        asset.refresh_from_db()
        image = fetched(client, asset)
        edge = {0.0: (1, 1), 1.0: (38, 38)}.get(focal, (20, 20) if focal == 0.5 else (13, 13))
        assert is_colour(image.getpixel(edge), colour)

    def test_padding_is_background_or_nothing(self, client: Client) -> None:
        preset(fit="pad", format="png")
        preset("card-on-sand", fit="pad", format="jpeg", background="#F4E1C2", quality=95)
        asset = AssetFactory(picture={"size": WIDE, "colour": "blue"})
        clear, sand = fetched(client, asset), fetched(client, asset, "card-on-sand")
        assert clear.getpixel((5, 5))[3] == 0
        assert is_colour(clear.getpixel((100, 100)), (0, 0, 255, 255))
        assert is_colour(sand.getpixel((5, 5)), (0xF4, 0xE1, 0xC2))
        assert sand.format == "JPEG"

    def test_transparency_lies_on_the_background(self, client: Client) -> None:
        preset(format="avif", background="#00ff00", quality=90)
        asset = AssetFactory(file=picture(format="PNG", alpha=True, size=(400, 400), colour="red"))
        image = fetched(client, asset)
        assert image.format == "AVIF"
        assert is_colour(image.convert("RGB").getpixel((198, 198)), (0, 255, 0))

    def test_quality_counts(self, client: Client) -> None:
        preset("rough", format="webp", quality=5)
        preset("fine", format="webp", quality=98)
        noise = Image.effect_noise((300, 300), 80).convert("RGB")
        out = io.BytesIO()
        noise.save(out, "PNG")
        asset = AssetFactory(file=out.getvalue())
        fetched(client, asset, "rough")
        fetched(client, asset, "fine")
        sizes = dict(asset.current.renditions.values_list("preset", "size"))
        assert sizes["rough"] * 3 < sizes["fine"]


class TestWatermarks:
    @pytest.mark.parametrize("text", ["© Atelier", "样片 仅供预览"])
    def test_text_in_both_scripts(self, client: Client, text: str) -> None:
        preset(format="png", watermark_text=text, watermark_size=80, watermark_opacity=100)
        image = fetched(client, AssetFactory(picture={"size": (200, 200), "colour": (90, 90, 90)}))
        assert image.size == (200, 200)
        lower = image.convert("RGB").crop((0, 120, 200, 200))
        assert lower.getextrema() != ((90, 90),) * 3
        assert max(high for _low, high in lower.getextrema()) > 240

    def test_a_picture_as_the_mark_with_place_and_opacity(self, client: Client) -> None:
        mark = AssetFactory(file=solid("white", (40, 20)))
        preset(
            format="png",
            watermark_asset=mark,
            watermark_position="top_left",
            watermark_size=50,
            watermark_opacity=50,
        )
        image = fetched(client, AssetFactory(file=solid("black", (200, 200)))).convert("RGB")
        assert is_colour(image.getpixel((50, 25)), (127, 127, 127))
        assert is_colour(image.getpixel((150, 25)), (0, 0, 0))
        assert is_colour(image.getpixel((50, 100)), (0, 0, 0))

    def test_tiled_marks_are_all_over(self, client: Client) -> None:
        preset(format="png", watermark_text="Atelier", watermark_position="tiled", watermark_size=25)
        image = fetched(client, AssetFactory(file=solid("black", (200, 200)))).convert("L")
        for left in (0, 100):
            for top in (0, 100):
                assert image.crop((left, top, left + 100, top + 100)).getextrema()[1] > 80

    def test_another_file_of_the_mark_is_another_address(self) -> None:
        first, second = AssetFactory(file=solid("white", (40, 20))), AssetFactory(file=solid("red", (40, 20)))
        row = preset(watermark_asset=first)
        asset = AssetFactory()
        before = address(asset)
        row.watermark_asset = second
        presets.save(row, actor=None)
        assert address(asset) != before

    def test_the_mark_of_a_preset_is_not_deleted(self, administrator: User) -> None:
        mark = AssetFactory()
        preset(watermark_asset=mark)
        with pytest.raises(editing.AssetsInUse, match="the watermark of the preset “card”"):
            editing.delete_forever([mark], actor=administrator)
        assert Asset.objects.filter(pk=mark.pk).exists()


def solid(colour: str, size: tuple[int, int]) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, colour).save(out, "PNG")
    return out.getvalue()


class TestAddresses:
    def test_another_focal_point_is_another_address_for_crops_only(self, client: Client) -> None:
        preset(fit="cover")
        preset("whole", fit="contain")
        asset = AssetFactory(picture={"size": WIDE})
        crop, whole = address(asset), address(asset, "whole")
        editing.update_assets([asset], actor=None, changes={"focal_x": 0.2})
        asset.refresh_from_db()
        assert address(asset, "whole") == whole
        assert address(asset) != crop
        response = client.get(crop)
        assert (response.status_code, response["Location"]) == (302, address(asset))

    def test_another_parameter_is_another_address(self, client: Client) -> None:
        row = preset()
        asset = AssetFactory()
        before = address(asset)
        row.quality = 60
        presets.save(row, actor=None)
        after = address(asset)
        assert after != before
        assert client.get(before)["Location"] == after
        row.title, row.title_zh = "Card", "卡片"
        presets.save(row, actor=None)
        assert address(asset) == after

    def test_what_is_switched_off_is_not_found(self, client: Client) -> None:
        row = preset()
        asset = AssetFactory()
        there = address(asset)
        assert client.get(there).status_code == 200
        row.active = False
        presets.save(row, actor=None)
        assert client.get(there).status_code == 404

    def test_a_preset_that_is_not_public_is_for_editors_and_the_owner(
        self, client: Client, editor: User, stranger: User
    ) -> None:
        preset(public=False)
        asset, own = AssetFactory(), AssetFactory(owner=stranger)
        assert client.get(address(asset)).status_code == 404
        client.force_login(stranger)
        assert client.get(address(asset)).status_code == 404
        assert client.get(address(own)).status_code == 200
        client.force_login(editor)
        response = client.get(address(asset))
        assert response.status_code == 200
        assert response["Cache-Control"].startswith("private")

    def test_what_everybody_gets_depends_on_no_session(self, client: Client, editor: User) -> None:
        asset = AssetFactory()
        client.force_login(editor)
        response = client.get(rendition_url(asset, "thumbnail"))
        assert response["Cache-Control"].startswith("public")
        assert "Cookie" not in response.get("Vary", "")
        draft = client.get(rendition_url(AssetFactory(state=AssetState.DRAFT), "thumbnail"))
        assert draft["Cache-Control"].startswith("private")
        assert "Cookie" in draft["Vary"]

    def test_a_file_that_the_storage_lost_is_made_again(self, client: Client) -> None:
        preset()
        asset = AssetFactory()
        assert fetched(client, asset).format == "WEBP"
        default_storage.delete(asset.current.renditions.get(preset="card").file.name)
        assert fetched(client, asset).format == "WEBP"

    def test_lists_give_addresses_and_make_nothing(
        self, staff_api: APIClient, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        preset(fit="cover")
        preset("inside", public=False)
        AssetFactory(title="First")
        one = self.queries(staff_api)
        for _number in range(4):
            AssetFactory()
        files = stored_files()
        with django_assert_num_queries(one):
            listed = staff_api.get("/api/v1/assets/").json()["results"]
        assert len(listed) == 5
        assert stored_files() == files
        for entry in listed:
            assert set(entry["renditions"]) == {"thumbnail", "web", "card", "inside"}
            assert entry["renditions"]["thumbnail"] == entry["thumbnail"]
        anonymous = APIClient().get("/api/v1/assets/").json()["results"]
        assert set(anonymous[0]["renditions"]) == {"thumbnail", "web", "card"}

    def queries(self, api: APIClient) -> int:
        api.get("/api/v1/assets/")  # from here on the caller's role is known
        with CaptureQueriesContext(connection) as counted:
            assert api.get("/api/v1/assets/").status_code == 200
        return len(counted)

    def test_the_api_leads_to_a_preset(self, client: Client) -> None:
        preset()
        asset = AssetFactory()
        there = f"/api/v1/assets/{asset.public_id}/renditions/"
        assert client.get(f"{there}card/")["Location"] == address(asset)
        missing = client.get(f"{there}poster/")
        assert missing.status_code == 404
        assert "card, thumbnail, web" in missing.json()["detail"]


class TestPruning:
    def test_renditions_of_before_go_and_those_of_today_stay(self, client: Client) -> None:
        crop, whole = preset(fit="cover"), preset("whole")
        preset("other")
        asset = AssetFactory(picture={"size": WIDE})
        for slug in ("card", "whole", "other"):
            fetched(client, asset, slug)
        prune_renditions()
        assert Rendition.objects.count() == 4
        files = stored_files()

        editing.update_assets([asset], actor=None, changes={"focal_x": 0.1})
        whole.quality = 33
        presets.save(whole, actor=None)
        prune_renditions()
        assert set(Rendition.objects.values_list("preset", flat=True)) == {"thumbnail", "other"}
        assert len(files - stored_files()) == 2
        asset.refresh_from_db()
        assert fetched(client, asset).size == (200, 200)

        presets.delete(crop, actor=None)
        prune_renditions()
        prune_renditions()
        assert set(Rendition.objects.values_list("preset", flat=True)) == {"thumbnail", "other"}
        assert stored_files() < files


class TestManaging:
    def test_administrators_write_and_editors_read(
        self, api: APIClient, administrator: User, reviewer: User, stranger: User
    ) -> None:
        body = {"slug": "card", "width": 400, "height": 300, "fit": "cover", "title_zh": "卡片"}
        for user, reading in ((stranger, 403), (reviewer, 200)):
            api.force_authenticate(user)
            assert api.get(ADDRESS).status_code == reading
            assert api.post(ADDRESS, body, format="json").status_code == 403
        api.force_authenticate(None)
        assert api.get(ADDRESS).status_code in (401, 403)

        api.force_authenticate(administrator)
        made = api.post(ADDRESS, body, format="json")
        assert made.status_code == 201, made.json()
        assert made.json()["format"] == "webp"
        changed = api.patch(f"{ADDRESS}card/", {"quality": 50}, format="json")
        assert changed.json()["quality"] == 50
        listed = api.get(ADDRESS).json()
        assert [(entry["slug"], entry["built_in"]) for entry in listed] == [
            ("thumbnail", True), ("web", True), ("card", False)
        ]  # fmt: skip
        assert api.get(f"{ADDRESS}web/").json()["width"] == 1600
        assert api.delete(f"{ADDRESS}card/").status_code == 204
        assert api.get(f"{ADDRESS}card/").status_code == 404
        deeds = AuditEntry.objects.filter(target_id="card").order_by("id").values_list("action", flat=True)
        assert list(deeds) == ["preset.created", "preset.updated", "preset.deleted"]

    def test_what_is_built_in_stays(self, api: APIClient, administrator: User) -> None:
        api.force_authenticate(administrator)
        for response in (
            api.delete(f"{ADDRESS}web/"),
            api.patch(f"{ADDRESS}thumbnail/", {"quality": 1}, format="json"),
        ):
            assert response.status_code == 409
            assert response.json()["code"] == "built_in"
            assert "is built in" in response.json()["detail"]
        taken = api.post(ADDRESS, {"slug": "original", "width": 1}, format="json")
        assert "slug" in taken.json()["errors"]

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({}, "width"),
            ({"width": 0}, "width"),
            ({"width": 9000}, "width"),
            ({"width": 10, "fit": "cover"}, "width"),
            ({"width": 10, "background": "red"}, "background"),
            ({"width": 10, "format": "jpeg"}, "background"),
            ({"width": 10, "format": "bmp"}, "format"),
            ({"width": 10, "quality": 101}, "quality"),
            ({"width": 10, "watermark_text": "😀"}, "watermark_text"),
            ({"width": 10, "watermark_asset": "nonsense"}, "watermark_asset"),
            ({"width": 10, "slug": "taken"}, "slug"),
        ],
    )
    def test_bad_parameters_are_named(
        self, api: APIClient, administrator: User, body: dict[str, Any], field: str
    ) -> None:
        preset("taken")
        api.force_authenticate(administrator)
        response = api.post(ADDRESS, {"slug": "card", **body}, format="json")
        assert response.status_code == 400
        assert list(response.json()["errors"]) == [field]

    def test_a_mark_is_an_asset_by_its_id(self, api: APIClient, administrator: User) -> None:
        mark = AssetFactory()
        api.force_authenticate(administrator)
        body = {"slug": "card", "width": 10, "watermark_asset": str(mark.public_id)}
        assert api.post(ADDRESS, body, format="json").json()["watermark_asset"] == str(mark.public_id)
        both = api.patch(f"{ADDRESS}card/", {"watermark_text": "Words"}, format="json")
        assert "watermark_text" in both.json()["errors"]

    def test_the_page_of_administrators(self, client: Client, administrator: User) -> None:
        client.force_login(administrator)
        page = reverse("admin:dam_renditionpreset_add")
        data = {
            "slug": "card", "fit": "cover", "width": "300", "height": "200", "format": "avif",
            "quality": "50", "watermark_position": "centre", "watermark_opacity": "50",
            "watermark_size": "30", "active": "on",
        }  # fmt: skip
        refused = client.post(page, {**data, "watermark_text": "ع"})
        assert "The typeface has no" in refused.content.decode()
        assert client.post(page, data).status_code == 302
        assert RenditionPreset.objects.get().format == "avif"
        listed = client.get(reverse("admin:dam_renditionpreset_changelist")).content.decode()
        assert "300 × 200" in listed
        assert "Built in" in listed
        assert AuditEntry.objects.filter(action="preset.created", actor=administrator).exists()

    def test_the_pages_are_closed_to_editors_for_writing(self, client: Client, editor: User) -> None:
        row = preset()
        client.force_login(editor)
        assert client.get(reverse("admin:dam_renditionpreset_changelist")).status_code == 200
        assert client.get(reverse("admin:dam_renditionpreset_add")).status_code == 403
        change = reverse("admin:dam_renditionpreset_change", args=(row.pk,))
        assert client.post(change, {"slug": "other"}).status_code == 403


class TestAssetPage:
    def test_it_shows_renditions_and_crops(self, client: Client, editor: User) -> None:
        preset(fit="cover", title="Shop card")
        asset = AssetFactory(picture={"size": WIDE})
        files = stored_files()
        client.force_login(editor)
        page = client.get(reverse("admin:dam_asset_change", args=(asset.pk,))).content.decode()
        assert stored_files() == files
        assert f'data-copy="{address(asset)}"' in page
        assert 'data-link="card"' in page
        assert "Shop card" in page
        assert "200 × 200" in page
        assert "data-crop" in page
        assert '<button class="at-preview__point"' in page

    def test_its_queries_do_not_grow_with_presets(
        self, client: Client, editor: User, django_assert_max_num_queries: Any
    ) -> None:
        preset("first", fit="cover")
        asset = AssetFactory(picture={"size": WIDE})
        client.force_login(editor)
        there = reverse("admin:dam_asset_change", args=(asset.pk,))
        client.get(there)
        with CaptureQueriesContext(connection) as counted:
            client.get(there)
        for number in range(5):
            preset(f"more-{number}", fit="cover")
        with django_assert_max_num_queries(len(counted)):
            client.get(there)


def test_cut_outs_without_a_model_say_what_to_configure(
    settings: Settings, client: Client, api: APIClient, administrator: User
) -> None:
    preset(cutout=True)
    settings.DAM_MATTING = ""
    response = client.get(address(AssetFactory()))
    assert response.status_code == 503
    assert response.json()["code"] == "matting_unavailable"
    assert "Set DAM_MATTING" in response.json()["detail"]
    api.force_authenticate(administrator)
    client.force_login(administrator)
    form = client.get(reverse("admin:dam_renditionpreset_add")).content.decode()
    assert "Set DAM_MATTING" in form
    refused = api.post(ADDRESS, {"slug": "cut", "width": 10, "cutout": True}, format="json")
    assert "Set DAM_MATTING" in refused.json()["errors"]["cutout"][0]
