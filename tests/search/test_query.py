"""Searching, through Python, REST and the page: what is found, and by whom."""

from __future__ import annotations

import socket
from collections.abc import Callable
from datetime import date
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.core.files.uploadedfile import SimpleUploadedFile
from rest_framework.test import APIClient
from rest_framework.throttling import SimpleRateThrottle

from dam import editing
from dam.models import Asset, AssetKind, AssetState
from search.index.connection import disconnect, milvus_uri
from search.index.lexemes import lexemes
from search.query import Filters, SearchError, SearchRequest, search
from search.word_index import NAMED
from tests.factories import AssetFactory, CollectionFactory
from tests.pictures import picture, text_as_jpg
from tests.services.processes import eventually
from tests.services.relay import Relay

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("tiny_clip")]
URL = "/api/v1/search/"


@pytest.fixture
def library(index_now: Callable) -> dict[str, Asset]:
    assets = {
        "crown": AssetFactory(
            title="Golden crown", title_zh="金色王冠", kind=AssetKind.ACCESSORY, tags=["royal"]
        ),
        "dress": AssetFactory(
            title="Red dress", title_zh="红色连衣裙", kind=AssetKind.GARMENT, skus=[("DR-77", "packshot")]
        ),
        "draft": AssetFactory(title="Crown sketch", title_zh="王冠草图", state=AssetState.DRAFT),
        "expired": AssetFactory(title="Old crown", title_zh="旧王冠", rights_expire_on=date(2020, 1, 1)),
    }
    index_now()
    return assets


def titles(text: str = "", user: object = None, **filters: object) -> list[str]:
    request = SearchRequest(text=text, filters=Filters(**filters))
    return [hit.asset.title for hit in search(request, user=user).hits]


@pytest.mark.parametrize(
    ("words", "first"),
    [
        ("Golden crown", "Golden crown"),
        ("金色王冠", "Golden crown"),
        ("王冠 金色", "Golden crown"),
        ("dr-77", "Red dress"),
        ("ＤＲ－７７", "Red dress"),
        ("dresses", "Red dress"),
        ("连衣裙", "Red dress"),
    ],
)
def test_names_and_codes_come_first(library: dict[str, Asset], words: str, first: str) -> None:
    assert titles(words)[0] == first


def test_more_like_this_leaves_out_the_asset_itself(library: dict[str, Asset]) -> None:
    hits = search(SearchRequest(like=library["crown"]), user=None).hits
    assert library["crown"] not in [hit.asset for hit in hits]
    assert len(hits) == 3


def test_the_same_picture_is_found_first(index_now: Callable) -> None:
    content = picture(colour="blue", size=(200, 150), seed=5)
    wanted = AssetFactory(file=content, title="Blue")
    for number in range(4):
        AssetFactory(picture__colour="red", picture__seed=number)
    index_now()
    from search.pictures import open_query_picture

    hits = search(SearchRequest(image=open_query_picture(BytesIO(content))), user=None).hits
    assert hits[0].asset == wanted
    assert hits[0].legs["cosine"] > 0.99


def test_pictures_of_visitors_are_bounded(
    library: dict[str, Asset], api: APIClient, staff_api: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def status_of(client: APIClient) -> int:
        sent = {"image": SimpleUploadedFile("red.jpg", picture(colour="red"), "image/jpeg")}
        return client.post(URL, sent, format="multipart").status_code

    monkeypatch.setitem(SimpleRateThrottle.THROTTLE_RATES, "pictures", "2/min")
    assert [status_of(api) for _number in range(3)] == [200, 200, 429]
    assert api.get(URL, {"q": "crown"}).status_code == 200
    assert api.post(URL, {"q": "crown"}, format="json").status_code == 200
    assert [status_of(staff_api) for _number in range(3)] == [200] * 3
    monkeypatch.setattr("search.api.views.MOST_BYTES", 100)
    assert status_of(staff_api) == 413


def test_each_sees_what_is_theirs(
    library: dict[str, Asset], editor: User, stranger: User, index_now: Callable
) -> None:
    everything = {"Golden crown", "Red dress", "Crown sketch", "Old crown"}
    assert set(titles("crown", editor)) == everything
    assert set(titles("crown", AnonymousUser())) == {"Golden crown", "Red dress"}
    assert set(titles("crown", stranger)) == {"Golden crown", "Red dress"}
    Asset.objects.filter(pk=library["draft"].pk).update(owner=stranger)
    editing.update_assets([library["draft"]], actor=None, changes={"description": "mine"})
    index_now()
    assert "Crown sketch" in titles("crown", stranger)


def test_hidden_namesakes_move_nothing(
    library: dict[str, Asset], api: APIClient, index_now: Callable
) -> None:
    def first() -> tuple[object, ...]:
        hit = api.get(URL, {"q": "golden crown"}).json()["results"][0]
        return hit["title"], hit["score"], hit["legs"], hit["why"]

    before = first()
    assert before[0] == "Golden crown"
    AssetFactory.create_batch(2, title="Golden crown", state=AssetState.DRAFT)
    index_now()
    assert first() == before


def test_a_name_is_found_behind_any_number_of_hidden_namesakes(
    library: dict[str, Asset], api: APIClient
) -> None:
    Asset.objects.bulk_create(Asset(title="Golden Crown", state=AssetState.DRAFT) for _ in range(NAMED + 1))
    first = api.get(URL, {"q": "golden crown"}).json()["results"][0]
    assert (first["title"], first["legs"]["exact"]) == ("Golden crown", 1)


def test_filters_narrow_inside_the_index(library: dict[str, Asset], index_now: Callable) -> None:
    assert titles("crown", kind=("garment",)) == ["Red dress"]
    assert titles("crown", tag=("royal",)) == ["Golden crown"]
    assert titles("crown", sku=("DR-77",)) == ["Red dress"]
    assert set(titles("crown", state=("draft",))) == {"Crown sketch"}
    collection = CollectionFactory()
    editing.add_to_collection(collection, [library["dress"]], actor=None)
    index_now()
    assert titles("crown", collection=(collection.pk,)) == ["Red dress"]


def test_without_words_the_newest_come_first(library: dict[str, Asset]) -> None:
    assert titles() == ["Old crown", "Crown sketch", "Red dress", "Golden crown"]


def test_quotes_in_a_filter_are_only_text(library: dict[str, Asset]) -> None:
    assert titles("crown", tag=('royal" or id > 0 or "',)) == []


def test_without_milvus_words_are_still_found(
    library: dict[str, Asset], settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("search.index.connection._client", None)
    settings.MILVUS_URI = "http://127.0.0.1:9"
    results = search(SearchRequest(text="红色连衣裙"), user=None)
    assert results.degraded
    assert results.hits[0].asset.title == "Red dress"
    with pytest.raises(SearchError, match="Milvus does not answer"):
        search(SearchRequest(like=library["crown"]), user=None)


def test_a_milvus_that_hangs_is_given_up_for_the_words(
    library: dict[str, Asset], settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("search.index.connection._client", None)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings.MILVUS_URI = f"http://127.0.0.1:{silent.getsockname()[1]}"
        for _again in range(2):
            results = search(SearchRequest(text="红色连衣裙"), user=None)
            assert results.degraded
            assert results.hits[0].asset.title == "Red dress"


def test_a_milvus_that_falls_silent_is_given_up_for_the_words_and_asked_again(
    library: dict[str, Asset], settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = urlsplit(milvus_uri())
    monkeypatch.setattr("search.index.connection._client", None)
    with Relay(str(parts.hostname), int(parts.port or 0)) as line:
        settings.MILVUS_URI = f"http://127.0.0.1:{line.port}"
        assert not search(SearchRequest(text="红色连衣裙"), user=None).degraded
        line.cut()
        results = search(SearchRequest(text="红色连衣裙"), user=None)
        assert results.degraded
        assert results.hits[0].asset.title == "Red dress"
        line.mend()
        request = SearchRequest(text="红色连衣裙")
        eventually(lambda: not search(request, user=None).degraded, "Milvus is asked again")
        disconnect()


def test_trash_never_comes_back_even_before_the_index_knows(library: dict[str, Asset]) -> None:
    editing.trash([library["crown"]], actor=None)
    assert "Golden crown" not in titles("Golden crown")


def test_lexemes_cut_chinese_in_pairs_and_fold_plurals() -> None:
    assert lexemes("金色手表", query=True) == ["金色", "色手", "手表"]
    assert lexemes("Red dresses and shoes", query=True) == ["red", "dress", "shoe"]
    for plural, singular in (("hoodies", "hoodie"), ("accessories", "accessory"), ("ties", "tie")):
        assert lexemes(plural) == lexemes(singular)


def test_lexemes_of_chinese_beside_latin_letters_and_digits() -> None:
    assert set(lexemes("T恤", query=True)) <= set(lexemes("白色T恤衫"))
    assert {"2024", "连衣", "衣裙"} <= set(lexemes("2024夏季新款连衣裙"))
    assert lexemes("ＵＶ") == ["uv"]


def test_plurals_meet_their_singulars_also_where_milvus_is_away(
    index_now: Callable, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    AssetFactory(title="Accessories"), AssetFactory(title="Grey hoodie")
    index_now()
    uri = settings.MILVUS_URI
    with monkeypatch.context() as gone:
        gone.setattr("search.index.connection._client", None)
        settings.MILVUS_URI = "http://127.0.0.1:9"
        found = {words: titles(words) for words in ("accessories", "accessory", "hoodies", "hoodie")}
    settings.MILVUS_URI = uri
    assert found == {
        "accessories": ["Accessories"], "accessory": ["Accessories"],
        "hoodies": ["Grey hoodie"], "hoodie": ["Grey hoodie"],
    }  # fmt: skip


# REST


def test_rest_answers_with_assets_and_scores(library: dict[str, Asset], staff_api: APIClient) -> None:
    body = staff_api.get(URL, {"q": "金色王冠", "limit": 2}).json()
    assert body["query"] == "金色王冠"
    assert body["encoder"].startswith("openclip:tiny-clip")
    assert body["results"][0]["title"] == "Golden crown"
    assert body["results"][0]["legs"]["exact"] == 1
    assert len(body["results"]) == 2


def test_rest_pages_neither_repeat_nor_skip(library: dict[str, Asset], staff_api: APIClient) -> None:
    seen: list[str] = []
    cursor = None
    while True:
        page = staff_api.get(URL, {"q": "crown", "limit": 1, **({"cursor": cursor} if cursor else {})}).json()
        seen += [asset["id"] for asset in page["results"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert len(seen) == len(set(seen)) == 4


def test_rest_takes_a_picture_and_keeps_none(library: dict[str, Asset], staff_api: APIClient) -> None:
    upload = BytesIO(picture(colour="green", seed=99))
    upload.name = "query.jpg"
    answer = staff_api.post(URL, {"image": upload}, format="multipart")
    assert answer.status_code == 200
    assert len(answer.json()["results"]) == 4
    assert Asset.objects.count() == 4


def test_rest_similar(library: dict[str, Asset], api: APIClient) -> None:
    answer = api.get(f"/api/v1/assets/{library['crown'].public_id}/similar/")
    assert [asset["title"] for asset in answer.json()["results"]] == ["Red dress"]
    assert api.get(f"/api/v1/assets/{library['draft'].public_id}/similar/").status_code == 404


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"limit": "abc"}, "limit"),
        ({"limit": "0"}, "limit"),
        ({"kind": "spaceship"}, "kind"),
        ({"q": "x" * 1001}, "q"),
        ({"cursor": "made-up"}, "cursor"),
        ({"colour": "ultraviolet"}, "colour"),
    ],
)
def test_rest_names_what_is_wrong(api: APIClient, query: dict[str, str], field: str) -> None:
    answer = api.get(URL, query)
    assert answer.status_code == 400
    assert answer["Content-Type"] == "application/problem+json"
    assert list(answer.json()["errors"]) == [field]


def test_rest_refuses_a_picture_that_is_none(api: APIClient) -> None:
    answer = api.post(URL, {"image": SimpleUploadedFile("x.jpg", text_as_jpg())}, format="multipart")
    assert answer.status_code == 400
    assert "not a picture" in str(answer.json()["errors"]["image"])
    assert api.post(URL, {}, format="json").status_code == 400
