"""Requests that no client of ours sends: each is refused with a problem document, and changes nothing."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from rest_framework.test import APIClient

from dam.models import Asset, Assignment, SavedSearch, Tag
from tests.factories import AssetFactory, TagFactory

LISTS = ("assets", "tags", "skus", "collections", "duplicates", "generation/jobs", "generation/dead-letters")


def refused(response: Any, status: int = 400) -> dict[str, Any]:
    """The problem document of an answer with this status."""
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/problem+json"
    document: dict[str, Any] = response.json()
    assert document["status"] == status
    return document


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize("told", ["nonsense", b64encode(b"p=nonsense").decode(), b64encode(b"o=x").decode()])
def test_a_cursor_of_nowhere_is_an_error_of_the_request(staff_api: APIClient, path: str, told: str) -> None:
    errors = refused(staff_api.get(f"/api/v1/{path}/", {"cursor": told}))["errors"]
    assert "no cursor of this list" in errors["cursor"][0]


def test_a_cursor_far_beyond_the_end_leads_to_an_empty_page(staff_api: APIClient) -> None:
    TagFactory()
    for far in (b"p=999999999999999999999999999", b"o=999999999999999999999999999"):
        for path in ("tags", "duplicates"):
            answer = staff_api.get(f"/api/v1/{path}/", {"cursor": b64encode(far).decode()})
            assert answer.status_code == 200 and len(answer.json()["results"]) <= 1


def test_an_address_that_is_none_is_not_there_whatever_is_done_to_it(editor: User) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(editor)
    for method in ("get", "post", "put", "patch", "delete"):
        refused(getattr(strict, method)("/api/v1/no-such-thing/"), 404)


@pytest.mark.parametrize("path", ["assets/{}/restore/", "trash/{}/restore/", "imports/{}/stop/"])
def test_36_characters_are_no_id(staff_api: APIClient, path: str) -> None:
    refused(staff_api.post(f"/api/v1/{path.format('0' * 36)}"), 404)


@pytest.mark.parametrize(
    "words", [None, 5, "summer", [None], [True], [{"slug": None}], [["summer"]], {"a": "b"}]
)
def test_words_that_are_none(staff_api: APIClient, words: Any) -> None:
    asset = AssetFactory(title="Red dress")
    errors = refused(staff_api.patch(f"/api/v1/assets/{asset.public_id}/", {"tags": words}, format="json"))
    assert errors["errors"].keys() == {"tags"}
    assert not Tag.objects.exists()


def test_a_search_without_filters_is_not_saved(staff_api: APIClient) -> None:
    refused(staff_api.post("/api/v1/saved-searches/", {"name": "Empty"}))
    refused(staff_api.post("/api/v1/saved-searches/", {"name": "Empty", "query": ""}))
    assert not SavedSearch.objects.exists()


def test_characters_that_cannot_be_stored_are_an_error_of_the_request(staff_api: APIClient) -> None:
    asset = AssetFactory(title="Red dress")
    asked = {"assets": [str(asset.public_id)], "assignee": "nobody\x00here", "task": "Crop it"}
    document = refused(staff_api.post("/api/v1/assignments/", asked, format="json"))
    if connection.vendor == "postgresql":  # the others have no such account
        assert "cannot be stored" in document["errors"][0]
    refused(staff_api.patch(f"/api/v1/assets/{asset.public_id}/", {"title": "Red\x00"}, format="json"))
    assert Asset.objects.get().title == "Red dress" and not Assignment.objects.exists()


def test_a_method_that_an_upload_does_not_know_is_not_allowed_whatever_it_speaks(
    staff_api: APIClient,
) -> None:
    refused(staff_api.delete("/api/v1/uploads/"), 405)
    refused(staff_api.post("/api/v1/uploads/"), 412)


def test_a_tag_is_not_merged_into_itself(staff_api: APIClient) -> None:
    tag = TagFactory(slug="summer")
    refused(staff_api.post("/api/v1/tags/summer/merge/", {"others": ["summer"]}, format="json"), 409)
    assert list(Tag.objects.all()) == [tag]


@pytest.mark.parametrize("accepted", ["text/csv", "image/png", "application/problem+json", "nonsense"])
def test_whatever_a_client_accepts_it_gets_the_one_answer_that_there_is(
    staff_api: APIClient, accepted: str
) -> None:
    table = staff_api.get("/api/v1/assets/export/", headers={"accept": accepted})
    assert (table.status_code, table["Content-Type"].partition(";")[0]) == (200, "text/csv")
    page = staff_api.get("/api/v1/assets/", headers={"accept": accepted})
    assert (page.status_code, page["Content-Type"]) == (200, "application/json")
    refused(staff_api.get("/api/v1/assets/", {"cursor": "nonsense"}, headers={"accept": accepted}))


def test_an_empty_cursor_is_the_first_page_of_a_search(api: APIClient, db: None) -> None:
    assert api.get("/api/v1/search/", {"q": "", "cursor": "", "group": ""}).status_code == 200
