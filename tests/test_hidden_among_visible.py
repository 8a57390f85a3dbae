"""Lists among which much is hidden: full pages, cursors and numbers that tell nothing of it, inert files."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.auth.models import Group, User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from dam.models import Asset, AssetState
from dam.roles import Role, role_of
from tests.factories import AssetFactory, CollectionFactory, SKUFactory, TagFactory, UserFactory
from tests.pictures import picture

ASSETS = "/api/v1/assets/"
SVG = (
    b'<svg xmlns="http://www.w3.org/2000/svg" width="40" height="30" onload="alert(1)">'
    b'<script>alert(2)</script><rect width="40" height="30" fill="#0a0"/></svg>'
)
HTML = b"<!doctype html><script>alert(3)</script>"


@pytest.fixture
def library(db: None) -> list[Asset]:
    """Nine approved assets, each between two that nobody but editors may see."""
    shown = []
    for _number in range(9):
        AssetFactory(state=AssetState.DRAFT)
        shown.append(AssetFactory())
        AssetFactory(state=AssetState.ARCHIVED)
    return shown


@pytest.mark.parametrize("address", [ASSETS, "/api/v1/collections/{own}/items/"])
def test_the_pages_of_those_who_see_little_are_full(
    library: list[Asset], api: APIClient, stranger: User, address: str
) -> None:
    own = CollectionFactory(owner=stranger)
    newest_first = Asset.objects.order_by("-pk").values_list("pk", flat=True)
    places = {key: place for place, key in enumerate(newest_first)}
    for key, place in places.items():
        own.items.create(asset_id=key, position=place)
    of_assets = address == ASSETS
    api.force_authenticate(stranger)
    role_of(stranger)  # asked once for the user that all these requests share
    address, pages, seen, queries = address.format(own=own.pk), [], [], set()
    while address:
        with CaptureQueriesContext(connection) as asked:
            body = api.get(address, {"limit": 3} if not pages else None).json()
        queries.add(len(asked))
        pages.append(len(body["results"]))
        seen += [row["id"] for row in body["results"]]
        address = body["next"]
        if address:
            # A cursor names no more than the place of the last asset that was shown.
            (cursor,) = parse_qs(urlsplit(address).query)["cursor"]
            told = base64.b64decode(cursor).decode()
            last = Asset.objects.get(public_id=seen[-1])
            assert told == f"p={last.pk if of_assets else places[last.pk]}"
    assert pages == [3, 3, 3], "no page is short, and none is empty, for what the caller may not see"
    assert seen == [str(asset.public_id) for asset in reversed(library)]
    assert len(queries) == 1


def test_the_numbers_count_only_what_is_shown(
    library: list[Asset], api: APIClient, stranger: User, staff_api: APIClient, index_now: Callable[[], Any]
) -> None:
    index_now()
    api.force_authenticate(stranger)
    for filters in ({}, {"kind": "other"}, {"state": "draft"}, {"state": "archived"}, {"colour": "red"}):
        told = api.get(f"{ASSETS}facets/", filters).json()
        listed = api.get(ASSETS, {**filters, "limit": 200}).json()["results"]
        assert told["total"] == len(listed)
        assert sum(told["state"].values()) == sum(told["kind"].values()) == len(listed)
        assert set(told["state"]) <= {"approved"}
    assert staff_api.get(f"{ASSETS}facets/").json()["total"] == 27
    for asked in ({"q": ""}, {"q": "asset"}, {"q": "asset", "limit": 2}):
        found = api.get("/api/v1/search/", asked).json()
        assert found["total"] == 9
    similar = api.get(f"{ASSETS}{library[0].public_id}/similar/").json()
    assert similar["total"] == len(similar["results"]) == 8


# ── Words that are guessed, and words that are offered ────────────────────────────────────────────


@pytest.fixture
def collection_to_come(db: None, index_now: Callable[[], Any]) -> None:
    """What is on the storefront lies below a tag and below an article that only a draft carries."""
    above = TagFactory(slug="spring-28", label="Spring 28", label_zh="春季新品", synonyms=["SS28"])
    TagFactory(slug="knit", label="Knit", parent=above)
    SKUFactory(code="ART-28-M", parent=SKUFactory(code="ART-28"))
    AssetFactory(tags=["knit"], skus=[("ART-28-M", "packshot")])
    AssetFactory(state=AssetState.DRAFT, tags=["spring-28"], skus=[("ART-28", "packshot")])
    index_now()


def found(client: APIClient, address: str, **query: str) -> Any:
    """The ids, codes and totals of an answer."""
    body = client.get(address, query).json()
    return [row.get("code") or row["id"] for row in body.get("results", [])], body.get("total")


@pytest.mark.usefixtures("collection_to_come")
@pytest.mark.parametrize(
    ("address", "parameters"),
    [
        (ASSETS, ["tag"]),
        (f"{ASSETS}facets/", ["tag"]),
        ("/api/v1/search/", ["tag", "all_tags", "not_tag"]),
    ],
)
def test_the_name_of_a_hidden_tag_is_answered_as_one_that_is_nobodys(
    api: APIClient, stranger: User, staff_api: APIClient, address: str, parameters: list[str]
) -> None:
    for person in (None, stranger):
        api.force_authenticate(person)
        for parameter in parameters:
            for word in ("spring-28", "Spring 28", "春季新品", "SS28"):
                nobodys = found(api, address, **{parameter: "nobodys"})
                assert found(api, address, **{parameter: word}) == nobodys, (parameter, word)
        assert found(api, address, tag="Knit") != found(api, address, tag="nobodys")
    assert found(staff_api, address, tag="SS28") == found(staff_api, address)


@pytest.mark.django_db
def test_a_hidden_tag_does_not_take_a_word_from_one_that_is_shown(api: APIClient) -> None:
    TagFactory(slug="coat", label="Coat", synonyms=["anorak"])
    AssetFactory(tags=["coat"])
    before = found(api, ASSETS, tag="anorak")
    AssetFactory(state=AssetState.DRAFT, tags=["Coat"])
    hidden = AssetFactory(state=AssetState.DRAFT)
    hidden.tags.add(TagFactory(slug="anorak", label="Anorak"))
    assert found(api, ASSETS, tag="anorak") == before
    assert len(before[0]) == 1


@pytest.mark.usefixtures("collection_to_come")
def test_the_code_of_a_hidden_article_is_answered_as_one_that_is_nobodys(
    api: APIClient, stranger: User, staff_api: APIClient
) -> None:
    skus = "/api/v1/skus/"
    for person in (None, stranger):
        api.force_authenticate(person)
        assert found(api, skus) == (["ART-28-M"], None)
        assert found(api, skus, parent="ART-28") == found(api, skus, parent="NOBODYS") == ([], None)
    assert found(staff_api, skus, parent="ART-28") == (["ART-28-M"], None)
    AssetFactory(skus=[("ART-28", "packshot")])
    assert found(api, skus, parent="ART-28") == (["ART-28-M"], None)


@pytest.mark.usefixtures("collection_to_come")
@pytest.mark.parametrize(
    ("action", "hidden", "shown"), [("add_tags", "Spring 28", "Mine"), ("link_sku", "ART-28", "MINE-1")]
)
def test_words_are_offered_to_those_alone_who_are_shown_them(
    client: Client, editor: User, action: str, hidden: str, shown: str
) -> None:
    contributor = UserFactory(is_staff=True)
    contributor.groups.add(Group.objects.get(name=Role.CONTRIBUTOR))
    own = AssetFactory(
        owner=contributor, state=AssetState.DRAFT, tags=["Mine"], skus=[("MINE-1", "packshot")]
    )
    pages = []
    for person in (contributor, editor):
        client.force_login(person)
        answer = client.post("/admin/dam/asset/", {"action": action, "_selected_action": [own.pk]})
        assert answer.status_code == 200
        pages.append(answer.content.decode())
    offered = [[f'<option value="{word}">' in page for word in (hidden, shown)] for page in pages]
    assert offered == [[False, True], [True, True]]


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (SVG, "drawing.svg"),
        (SVG, "drawing.jpg"),
        (picture(seed=3) + HTML, "photo.html"),
        (picture(seed=4, format="GIF") + HTML, "photo.svg"),
    ],
)
def test_what_is_served_is_never_active(
    staff_api: APIClient, reviewer: User, content: bytes, name: str
) -> None:
    staff_api.force_authenticate(reviewer)
    file = SimpleUploadedFile(name, content, "image/svg+xml")
    made = staff_api.post(ASSETS, {"file": file, "state": "approved"}, format="multipart")
    assert made.status_code == 201, made.content
    for address in (made.data["original"], made.data["thumbnail"], made.data["web"]):
        response = APIClient().get(address, headers={"Accept": "text/html,*/*"})
        body = b"".join(response.streaming_content)
        assert response.status_code == 200
        assert response["Content-Type"] in ("image/png", "image/jpeg", "image/gif", "image/webp")
        assert response["X-Content-Type-Options"] == "nosniff"
        assert response["Content-Security-Policy"] == "default-src 'none'; sandbox"
        assert b"<svg" not in body
        if address == made.data["original"]:
            assert response["Content-Disposition"].startswith("attachment;")
            assert not any(ending in response["Content-Disposition"] for ending in (".svg", ".html"))
        else:
            assert b"<script" not in body


@pytest.mark.parametrize("content", [HTML, b"<?xml version='1.0'?><html><script>1</script></html>"])
def test_a_page_is_no_picture_whatever_it_is_called(staff_api: APIClient, content: bytes) -> None:
    file = SimpleUploadedFile("photo.jpg", content, "image/jpeg")
    assert staff_api.post(ASSETS, {"file": file}, format="multipart").status_code == 415
    assert not Asset.objects.exists()
