"""Serving files: who gets them, with which headers, and what a changed address does."""

from __future__ import annotations

from io import BytesIO

import pytest
from django.contrib.auth.models import User
from django.core.files.storage import default_storage
from django.test import Client
from PIL import Image

from dam.addresses import original_url, rendition_url, thumbnail_url
from dam.models import Asset, AssetState, Rendition
from tests import pictures
from tests.factories import AssetFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("space")]


def body(response: object) -> bytes:
    return b"".join(response.streaming_content)  # type: ignore[attr-defined]


def test_a_thumbnail_may_be_kept_for_ever(client: Client) -> None:
    asset = AssetFactory(picture={"size": (800, 600)})
    response = client.get(thumbnail_url(asset))
    assert response.status_code == 200
    assert response["Content-Type"] == "image/webp"
    assert response["Cache-Control"] == "public, max-age=31536000, s-maxage=86400, immutable"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in response["Content-Security-Policy"]
    with Image.open(BytesIO(body(response))) as picture:
        assert picture.format == "WEBP"
        assert max(picture.size) == 320


def test_a_copy_that_is_still_good_is_not_sent_again(client: Client) -> None:
    asset = AssetFactory()
    etag = client.get(thumbnail_url(asset))["ETag"]
    again = client.get(thumbnail_url(asset), headers={"If-None-Match": etag})
    assert again.status_code == 304
    assert again.content == b""
    assert again["ETag"] == etag
    other = AssetFactory()
    assert client.get(thumbnail_url(other), headers={"If-None-Match": etag}).status_code == 200


def test_a_larger_picture_is_made_when_it_is_asked_for_and_kept(client: Client) -> None:
    asset = AssetFactory(picture={"size": (2400, 1200)})
    assert list(asset.current.renditions.values_list("preset", flat=True)) == ["thumbnail"]
    address = rendition_url(asset, "web")
    assert list(asset.current.renditions.values_list("preset", flat=True)) == ["thumbnail"]
    assert client.get(address).status_code == 200
    made = Rendition.objects.get(version=asset.current, preset="web")
    assert (made.width, made.height) == (1600, 800)
    assert client.get(address).status_code == 200
    assert Rendition.objects.filter(version=asset.current, preset="web").count() == 1


def test_the_original_is_a_download_of_the_same_bytes(client: Client) -> None:
    content = pictures.picture(format="PNG")
    asset = AssetFactory(file=content, filename="我的照片.jpg")
    response = client.get(original_url(asset))
    assert response.status_code == 200
    assert response["Content-Type"] == "image/png"
    assert response["Content-Disposition"].startswith("attachment;")
    assert "%E6%88%91%E7%9A%84%E7%85%A7%E7%89%87.png" in response["Content-Disposition"]
    assert response["X-Content-Type-Options"] == "nosniff"
    assert body(response) == content


@pytest.mark.parametrize(
    "address_of", [thumbnail_url, original_url, lambda asset: rendition_url(asset, "web")]
)
def test_files_are_for_those_who_may_see_the_asset(address_of: object, editor: User, stranger: User) -> None:
    draft = AssetFactory(state=AssetState.DRAFT)
    own = AssetFactory(state=AssetState.DRAFT, owner=stranger)
    nobody, theirs, staff = Client(), Client(), Client()
    theirs.force_login(stranger)
    staff.force_login(editor)
    for client, asset, status in (
        (nobody, draft, 404),
        (nobody, own, 404),
        (theirs, draft, 404),
        (theirs, own, 200),
        (staff, draft, 200),
        (staff, own, 200),
    ):
        assert client.get(address_of(asset)).status_code == status  # type: ignore[operator]


def test_the_trash_is_seen_by_staff_only(editor: User, stranger: User) -> None:
    trashed = AssetFactory(owner=stranger)
    Asset.objects.filter(pk=trashed.pk).update(state=AssetState.TRASHED)
    client = Client()
    assert client.get(thumbnail_url(trashed)).status_code == 404
    client.force_login(stranger)
    assert client.get(thumbnail_url(trashed)).status_code == 404
    client.force_login(editor)
    assert client.get(thumbnail_url(trashed)).status_code == 200


def test_a_refused_picture_is_not_made(client: Client) -> None:
    draft = AssetFactory(state=AssetState.DRAFT, picture={"size": (2000, 1000)})
    assert client.get(rendition_url(draft, "web")).status_code == 404
    assert not Rendition.objects.filter(version=draft.current, preset="web").exists()


def test_an_address_from_before_a_preset_was_changed_leads_to_the_new_one(client: Client) -> None:
    asset = AssetFactory()
    now = thumbnail_url(asset)
    recipe = now.rsplit("-", 1)[1].split(".")[0]
    response = client.get(now.replace(recipe, "0123456789ab"))
    assert response.status_code == 302
    assert response["Location"] == now


@pytest.mark.parametrize("change", [("/thumbnail/", "/poster/"), ("/1-", "/2-")])
def test_an_address_of_nothing_is_not_found(client: Client, change: tuple[str, str]) -> None:
    asset = AssetFactory()
    assert client.get(thumbnail_url(asset).replace(*change)).status_code == 404


def test_another_files_digest_is_not_found(client: Client) -> None:
    asset, other = AssetFactory(), AssetFactory()
    mixed = original_url(asset).replace(asset.current.sha256[:12], other.current.sha256[:12])
    assert client.get(mixed).status_code == 404


def test_a_file_that_the_storage_has_lost_is_not_found(client: Client) -> None:
    asset = AssetFactory()
    default_storage.delete(asset.current.file.name)
    assert client.get(original_url(asset)).status_code == 404


def test_the_api_leads_to_the_picture(client: Client) -> None:
    asset = AssetFactory()
    response = client.get(f"/api/v1/assets/{asset.public_id}/renditions/thumbnail/")
    assert response.status_code == 302
    assert response["Location"] == thumbnail_url(asset)
    draft = AssetFactory(state=AssetState.DRAFT)
    assert client.get(f"/api/v1/assets/{draft.public_id}/renditions/thumbnail/").status_code == 404
