"""Comparing versions: facts and metadata that differ, the pictures, where they differ, and who sees what."""

from __future__ import annotations

import io
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from PIL import Image
from pytest_django import Settings
from rest_framework.test import APIClient

from dam import versions
from dam.addresses import difference_url, rendition_url
from dam.models import Asset, AssetState
from dam.workload import pixel_budget
from tests.clients import api_of
from tests.factories import AssetFactory
from tests.metadata_files import camera_exif, xmp_packet
from tests.pictures import picture

pytestmark = pytest.mark.django_db


def drawn(
    box: tuple[int, int, int, int] | None = None,
    size: tuple[int, int] = (400, 300),
    scaled: tuple[int, int] | None = None,
) -> bytes:
    """A light picture, with a dark box where one is given."""
    image = Image.new("RGB", size, "#e8e4da")
    image.paste("#203040", (20, 20, 120, 60))
    if box:
        image.paste("#203040", box)
    out = io.BytesIO()
    (image.resize(scaled) if scaled else image).save(out, "PNG")
    return out.getvalue()


def two_versions(first: bytes, second: bytes, name: str = "retouched.png", **fields: Any) -> Asset:
    asset = AssetFactory(file=first, **fields)
    state = asset.state
    versions.add_version(asset, second, filename=name, actor=None)
    asset.refresh_from_db()
    assert asset.state == state
    return asset


def address(asset: Asset, query: str = "") -> str:
    return f"/api/v1/assets/{asset.public_id}/versions/compare/{query}"


def page_of(asset: Asset, query: str = "") -> str:
    return f"/admin/dam/asset/{asset.pk}/versions/compare/{query}"


@pytest.fixture
def contributor(stranger: User) -> User:
    """Staff who may open the admin, and see there the storefront and what is their own."""
    stranger.is_staff = True
    stranger.save()
    stranger.groups.add(Group.objects.get(name="contributor"))
    stranger.user_permissions.add(*Permission.objects.filter(content_type__app_label="dam"))
    return stranger


@pytest.fixture
def contributor_api(contributor: User) -> APIClient:
    return api_of(contributor)


class TestFacts:
    def test_only_what_differs_is_told(self, staff_api: APIClient, editor: User) -> None:
        asset = two_versions(
            picture(size=(64, 48), exif=camera_exif()),
            picture(format="PNG", size=(80, 60), alpha=True, colour="blue", seed=3),
            filename="first.jpg",
        )
        asset.versions.filter(number=2).update(created_by=editor)
        body = staff_api.get(address(asset)).json()
        facts = {row["name"]: (row["from"], row["to"]) for row in body["facts"]}
        assert (body["from"]["number"], body["to"]["number"]) == (1, 2)
        assert facts.keys() == {
            "pixels", "size", "type", "transparent", "colours", "file_name", "created_by", "created",
        }  # fmt: skip
        assert facts["pixels"] == ([64, 48], [80, 60])
        assert facts["type"] == ("image/jpeg", "image/png")
        assert facts["transparent"] == (False, True)
        assert facts["file_name"] == ("first.jpg", "retouched.png")
        assert facts["created_by"] == (None, editor.username)
        assert facts["size"] == (body["from"]["size"], body["to"]["size"])
        assert {row["name"] for row in body["metadata"]} >= {"Model", "GPSLatitude", "FNumber"}
        assert not body["same_picture"]
        for side in ("from", "to"):
            assert staff_api.get(body[side]["web"]).status_code == 200

    def test_how_alike_they_are(self, staff_api: APIClient) -> None:
        same = two_versions(drawn(), drawn(scaled=(200, 150)))
        body = staff_api.get(address(same)).json()
        assert (body["same_picture"], body["distance"], body["alike_percent"]) == (True, 0, 100)
        assert {row["name"] for row in body["facts"]}.isdisjoint({"type", "transparent", "profile"})
        other = two_versions(drawn(box=(200, 20, 380, 280)), picture(size=(300, 200), colour="green"))
        body = staff_api.get(address(other)).json()
        assert not body["same_picture"]
        assert body["alike_percent"] == round(100 * (64 - body["distance"]) / 64) < 100

    def test_any_two_and_each_way(self, staff_api: APIClient) -> None:
        asset = two_versions(drawn(), drawn(box=(200, 100, 300, 200)))
        versions.add_version(asset, drawn(size=(500, 400)), filename="third.png", actor=None)
        for query, expected in (
            ("", (2, 3)),
            ("?from=1", (1, 3)),
            ("?to=2", (1, 2)),
            ("?to=1", (2, 1)),
            ("?from=3&to=1", (3, 1)),
        ):
            body = staff_api.get(address(asset, query)).json()
            assert (body["from"]["number"], body["to"]["number"]) == expected, query
        versions.restore_version(asset, 2, actor=None)
        body = staff_api.get(address(asset)).json()
        assert (body["from"]["number"], body["to"]["number"]) == (1, 2)

    @pytest.mark.parametrize(
        ("query", "sentence"),
        [
            ("?from=9", "The asset has no version “9”; it has 1, 2."),
            ("?from=1&to=x", "The asset has no version “x”; it has 1, 2."),
            ("?from=2&to=2", "Choose two different versions to compare."),
            ("?to=" + "9" * 30, "The asset has no version"),
        ],
    )
    def test_unknown_numbers_are_a_problem(
        self, staff_api: APIClient, client: Client, editor: User, query: str, sentence: str
    ) -> None:
        asset = two_versions(drawn(), drawn(box=(200, 100, 300, 200)))
        response = staff_api.get(address(asset, query))
        assert (response.status_code, response["Content-Type"]) == (404, "application/problem+json")
        assert sentence in response.json()["detail"]
        client.force_login(editor)
        assert sentence in client.get(page_of(asset, query), follow=True).content.decode()

    def test_one_version_has_nothing_to_be_compared_with(self, staff_api: APIClient) -> None:
        response = staff_api.get(address(AssetFactory()))
        assert response.status_code == 404
        assert "no two versions" in response.json()["detail"]

    def test_its_queries_do_not_grow_with_versions(self, staff_api: APIClient) -> None:
        asset = two_versions(drawn(), drawn(box=(200, 100, 300, 200)))

        def queries() -> int:
            with CaptureQueriesContext(connection) as captured:
                assert staff_api.get(address(asset, "?from=1&to=2")).status_code == 200
            return len(captured)

        queries()
        few = queries()
        for number in range(3):
            versions.add_version(asset, picture(seed=60 + number), filename="more.jpg", actor=None)
        assert queries() == few


class TestWhoSeesWhat:
    def test_the_place_is_for_editors_and_the_owner(
        self, staff_api: APIClient, contributor_api: APIClient, contributor: User, client: Client
    ) -> None:
        place = "<exif:GPSLatitude>52,31.2N</exif:GPSLatitude><dc:format>image/jpeg</dc:format>"
        asset = two_versions(picture(exif=camera_exif(), xmp=xmp_packet(place)), picture(seed=5))

        def told(api: APIClient) -> set[tuple[str, str]]:
            return {(row["group"], row["name"]) for row in api.get(address(asset)).json()["metadata"]}

        assert {("exif", "GPSLatitude"), ("xmp", "exif:GPSLatitude"), ("exif", "Model")} <= told(staff_api)
        refused = contributor_api.get(address(asset))
        assert (refused.status_code, b"GPS" in refused.content) == (403, False)
        client.force_login(contributor)
        assert client.get(page_of(asset)).status_code == 403
        Asset.objects.filter(pk=asset.pk).update(owner=contributor)
        assert ("exif", "GPSLatitude") in told(contributor_api)
        assert "EXIF GPSLatitude" in client.get(page_of(asset)).content.decode()

    def test_others_assets_and_earlier_versions_are_not_for_everybody(
        self, api: APIClient, contributor_api: APIClient, contributor: User, client: Client
    ) -> None:
        shown = two_versions(drawn(), drawn(box=(200, 100, 300, 200)))
        hidden = two_versions(drawn(size=(410, 300)), drawn(size=(420, 300)), state=AssetState.DRAFT)
        picture_of_hidden = difference_url(hidden, *hidden.versions.order_by("number"))
        picture_of_shown = difference_url(shown, *shown.versions.order_by("number"))
        assert api.get(address(shown)).status_code == 401
        assert api.get(picture_of_shown).status_code == 401
        assert contributor_api.get(address(shown)).status_code == 403
        assert contributor_api.get(picture_of_shown).status_code == 404
        assert contributor_api.get(address(hidden)).status_code == 404
        assert contributor_api.get(picture_of_hidden).status_code == 404
        client.force_login(contributor)
        assert client.get(page_of(shown)).status_code == 403
        assert client.get(page_of(hidden)).status_code == 404


class TestDifferencePicture:
    def test_it_is_red_where_they_differ_and_grey_elsewhere(self, staff_api: APIClient) -> None:
        asset = two_versions(drawn(), drawn(box=(200, 100, 300, 200)))
        response = staff_api.get(staff_api.get(address(asset)).json()["difference"])
        assert (response.status_code, response["Content-Type"]) == (200, "image/webp")
        assert response["Cache-Control"].startswith("private")
        content = b"".join(response)
        image = Image.open(io.BytesIO(content)).convert("RGB")
        assert image.size == (400, 300)
        red, green, blue = image.getpixel((250, 150))
        assert red > 180 > 100 > max(green, blue)
        for point in ((70, 40), (350, 250)):  # dark in both, light in both
            assert max(image.getpixel(point)) - min(image.getpixel(point)) < 12
        assert image.getpixel((70, 40))[0] < image.getpixel((350, 250))[0]
        again = staff_api.get(response.wsgi_request.path, headers={"If-None-Match": response["ETag"]})
        assert again.status_code == 304

    def test_versions_of_another_shape_lie_in_the_middle(self, staff_api: APIClient) -> None:
        asset = two_versions(drawn(size=(300, 300)), picture(size=(600, 200), colour="white", seed=9))
        response = staff_api.get(difference_url(asset, *asset.versions.order_by("number")))
        image = Image.open(io.BytesIO(b"".join(response))).convert("RGB")
        assert image.size == (600, 200)
        assert min(image.getpixel((550, 100))) > 240  # white beside the square one, white in the wide one

    def test_who_comes_while_memory_is_full_is_asked_to_wait(
        self, staff_api: APIClient, settings: Settings
    ) -> None:
        settings.DAM_MAKE_WAIT_SECONDS = 0.05
        asset = two_versions(drawn(), drawn(box=(200, 100, 300, 200)))
        url = difference_url(asset, *asset.versions.order_by("number"))
        with pixel_budget.take(settings.DAM_PIXELS_AT_ONCE):
            response = staff_api.get(url)
            assert (response.status_code, response["Content-Type"]) == (503, "application/problem+json")
            assert response["Retry-After"]
        # Room to decode them one after the other, but none to lay them over each other.
        with pixel_budget.take(settings.DAM_PIXELS_AT_ONCE - 200_000):
            assert staff_api.get(url).status_code == 503
        assert staff_api.get(url).status_code == 200

    def test_no_such_versions_no_picture(self, staff_api: APIClient) -> None:
        asset = two_versions(drawn(), drawn(box=(200, 100, 300, 200)))
        place = f"/assets/{asset.public_id}/versions"
        for pair in ("1/9", "1/1"):
            assert staff_api.get(f"{place}/{pair}/difference.webp").status_code == 404


class TestPage:
    def test_it_shows_both_and_the_way_back(self, client: Client, reviewer: User) -> None:
        client.force_login(reviewer)
        asset = two_versions(drawn(), drawn(box=(200, 100, 300, 200)), title="<b>Shirt</b>")
        old, new = asset.versions.order_by("number")
        chooser = client.get(f"/admin/dam/asset/{asset.pk}/change/").content.decode()
        assert page_of(asset) in chooser
        assert 'name="from" value="1" aria-label="Version 1 as the one before" checked' in chooser
        assert 'name="to" value="2" aria-label="Version 2 as the one after" checked' in chooser
        body = client.get(page_of(asset, "?from=1&to=2")).content.decode()
        for expected in (
            rendition_url(asset, "web", old),
            rendition_url(asset, "web", new),
            difference_url(asset, old, new),
            "Facts that differ",
            "Both files say the same of themselves.",
            "retouched.png",
            'type="range"',
            f"/admin/dam/asset/{asset.pk}/versions/1/restore/",
        ):
            assert expected in body
        assert f"{asset.pk}/versions/2/restore/" not in body
        assert "<b>Shirt</b>" not in body
        assert "style=" not in body[body.index("at-compare") : body.index("Embedded metadata that differs")]

    def test_one_version_offers_no_comparison(self, client: Client, editor: User) -> None:
        client.force_login(editor)
        assert (
            "compare-versions"
            not in client.get(f"/admin/dam/asset/{AssetFactory().pk}/change/").content.decode()
        )
