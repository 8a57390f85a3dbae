"""Versions: a new file for an asset, the old ones kept, and the way back."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from rest_framework.test import APIClient

from dam import versions
from dam.models import Asset, AssetState, AssetVersion
from search.models import IndexEntry, Space
from tests.clients import api_of
from tests.dam.storages import stored_files
from tests.factories import AssetFactory
from tests.pictures import picture


def upload(content: bytes, name: str = "new.jpg") -> dict[str, SimpleUploadedFile]:
    return {"file": SimpleUploadedFile(name, content)}


def address(asset: Asset, more: str = "") -> str:
    return f"/api/v1/assets/{asset.public_id}/versions/{more}"


@pytest.fixture
def reviewer_api(reviewer: User) -> APIClient:
    return api_of(reviewer)


def test_a_new_file_becomes_the_current_one_and_the_old_one_stays(
    reviewer_api: APIClient, space: Space
) -> None:
    asset = AssetFactory(picture__colour="red", title="Dress")
    IndexEntry.objects.update(state="indexed")
    response = reviewer_api.post(address(asset), upload(picture(colour="blue", size=(300, 200), seed=7)))
    assert response.status_code == 201, response.content
    asset.refresh_from_db()
    assert asset.current is not None
    assert (asset.current.number, asset.colour_family, asset.aspect) == (2, "blue", "landscape")
    assert asset.state == AssetState.APPROVED
    listed = reviewer_api.get(address(asset)).json()
    assert [(row["number"], row["current"]) for row in listed] == [(2, True), (1, False)]
    for row in listed:
        assert reviewer_api.get(row["thumbnail"]).status_code == 200
    assert IndexEntry.objects.get(asset_key=asset.pk).state == "pending"  # the new picture is encoded


def test_going_back_to_an_earlier_file(reviewer_api: APIClient) -> None:
    asset = AssetFactory(picture__colour="red")
    reviewer_api.post(address(asset), upload(picture(colour="blue", seed=8)))
    response = reviewer_api.post(address(asset, "1/restore/"))
    assert (response.status_code, response.json()["current"]) == (200, True)
    asset.refresh_from_db()
    assert asset.current is not None
    assert (asset.current.number, asset.colour_family) == (1, "red")
    assert reviewer_api.post(address(asset, "9/restore/")).status_code == 404


def test_what_was_approved_with_another_file_goes_back_to_review(staff_api: APIClient) -> None:
    asset = AssetFactory()
    assert staff_api.post(address(asset), upload(picture(seed=9))).status_code == 201
    asset.refresh_from_db()
    assert asset.state == AssetState.IN_REVIEW


@pytest.mark.parametrize("what", ["same version", "another asset", "text"])
def test_a_file_that_cannot_be_a_version_leaves_nothing(staff_api: APIClient, what: str) -> None:
    asset = AssetFactory(file=picture(seed=1))
    AssetFactory(file=picture(seed=2), title="Somebody else")
    before = stored_files()
    content, words = {
        "same version": (picture(seed=1), "is version 1 of the asset already"),
        "another asset": (picture(seed=2), "as “Somebody else”"),
        "text": (b"no picture at all", "not a picture"),
    }[what]
    response = staff_api.post(address(asset), upload(content))
    assert response.status_code in {400, 409, 415, 422}, response.content
    assert words in response.json()["detail"]
    assert stored_files() == before
    assert asset.versions.count() == 1


def test_only_those_who_may_change_it_add_a_version(stranger: User, api: APIClient) -> None:
    asset = AssetFactory()
    assert api.post(address(asset), upload(picture(seed=11))).status_code == 401
    api.force_authenticate(stranger)
    assert api.post(address(asset), upload(picture(seed=11))).status_code == 403
    assert api.post(address(asset, "1/restore/")).status_code == 403
    assert AssetVersion.objects.filter(asset=asset).count() == 1


def test_the_page_adds_and_restores_versions(client: Client, reviewer: User) -> None:
    client.force_login(reviewer)
    asset = AssetFactory(picture__colour="red")
    page = f"/admin/dam/asset/{asset.pk}/"
    body = client.post(
        page + "versions/", upload(picture(colour="blue", seed=12)), follow=True
    ).content.decode()
    assert "Version 2 is the current one." in body
    assert f"{page}versions/1/restore/" in body
    assert f"{page}versions/2/restore/" not in body
    client.post(page + "versions/1/restore/")
    asset.refresh_from_db()
    assert asset.current is not None
    assert asset.current.number == 1
    refused = client.post(page + "versions/", upload(b"text"), follow=True).content.decode()
    assert "not a picture" in refused
    assert client.post(page + "versions/9/restore/").status_code == 404


def test_what_lies_in_the_trash_gets_no_other_file(
    client: Client, staff_api: APIClient, editor: User
) -> None:
    asset = AssetFactory(picture__colour="red", state="approved")
    versions.add_version(asset, picture(colour="blue", seed=22), filename="second.jpg", actor=None)
    staff_api.delete(f"/api/v1/assets/{asset.public_id}/")
    client.force_login(editor)
    page = f"/admin/dam/asset/{asset.pk}/versions/"
    assert client.post(page, upload(picture(seed=23))).status_code == 403
    assert client.post(f"{page}1/restore/").status_code == 403
    restored = staff_api.post(f"/api/v1/assets/{asset.public_id}/restore/").json()
    assert (restored["state"], restored["version"]) == ("approved", 2)


def test_the_page_says_that_a_lost_file_is_back(client: Client, reviewer: User) -> None:
    asset = AssetFactory(file=picture(seed=20))
    versions.add_version(asset, picture(seed=21), filename="second.jpg", actor=None)
    first = asset.versions.get(number=1)
    first.file.storage.delete(first.file.name)
    client.force_login(reviewer)
    posted = client.post(f"/admin/dam/asset/{asset.pk}/versions/", upload(picture(seed=20)), follow=True)
    assert "The file of version 1 had been lost and is back" in posted.content.decode()
    asset.refresh_from_db()
    assert asset.current.number == 2
    assert first.file.storage.exists(first.file.name)


def test_the_page_says_that_a_new_file_waits_for_review(client: Client, editor: User, reviewer: User) -> None:
    asset = AssetFactory()
    said = "It waits for review again"
    for user, seed, waits in ((reviewer, 13, False), (editor, 14, True)):
        client.force_login(user)
        posted = client.post(
            f"/admin/dam/asset/{asset.pk}/versions/", upload(picture(seed=seed)), follow=True
        )
        assert (said in posted.content.decode()) is waits


def test_the_page_says_why_an_asset_may_not_be_used(client: Client, reviewer: User) -> None:
    client.force_login(reviewer)
    asset = AssetFactory(model_release="missing")
    assert (
        "The model release is missing." in client.get(f"/admin/dam/asset/{asset.pk}/change/").content.decode()
    )
