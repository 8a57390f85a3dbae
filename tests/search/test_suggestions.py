"""Suggestions while typing, over REST: what is suggested, and to whom."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from rapidfuzz.distance import DamerauLevenshtein
from rest_framework.test import APIClient

from dam import editing
from dam.models import Asset, AssetState
from search import terms
from search.models import SearchLog, TermChange
from search.near_words import NearWords
from search.tasks import refresh_vocabulary, sweep_log
from tests.clients import api_of
from tests.factories import AssetFactory, CollectionFactory, SKUFactory, TagFactory, UserFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("tiny_clip", "words_at_once")]
URL = "/api/v1/search/suggestions/"


@pytest.fixture
def library() -> dict[str, Asset]:
    dress = TagFactory(slug="dress", label="Summer dress", label_zh="红色连衣裙", synonyms=["frock"])
    assets = {f"dress {number}": AssetFactory(title=f"Look {number}") for number in range(2)}
    for asset in assets.values():
        asset.tags.add(dress)
    hidden = assets["hidden"] = AssetFactory(title="Dresden vase", state=AssetState.DRAFT)
    hidden.tags.add(dress, TagFactory(slug="drama", label="Dramatic", label_zh="戏剧"))
    editing.link_sku(
        assets["dress 0"], SKUFactory(code="DR-77", name="Drift coat", name_zh="漂流外套"), actor=None
    )
    editing.link_sku(hidden, SKUFactory(code="DR-99", name="Drum", name_zh="鼓"), actor=None)
    editing.update_assets(list(assets.values()), actor=None, changes={"description": "seen"})
    refresh_vocabulary()
    return assets


def suggested(api: APIClient, typed: str) -> list[tuple[str, str, int | None]]:
    answer = api.get(URL, {"q": typed}).json()
    assert answer["query"] == typed
    return [(one["text"], one["kind"], one["count"]) for one in answer["suggestions"]]


def test_names_are_suggested_by_beginning_pinyin_initials_and_with_a_typo(
    library: dict[str, Asset], api: APIClient
) -> None:
    shown = [("DR-77", "sku_code", None), ("Summer dress", "tag", 2), ("dress", "word", 2)]
    assert suggested(api, "dr")[:3] == shown
    assert suggested(api, "DR-7") == [("DR-77", "sku_code", None)]
    assert suggested(api, "frock") == [("frock", "tag", 2)]
    for typed in ("红", "hongse", "hongselian", "hslyq", "Hong", "ＨＳＬＹ"):
        assert suggested(api, typed)[0] == ("红色连衣裙", "tag", 2), typed
    for typed in ("sumer", "summre", "sunmer d", "drses"):
        assert suggested(api, typed)[0] in (shown[1], shown[2]), typed
    assert suggested(api, "xqzw") == []
    assert api.get(URL, {"q": " "}).status_code == 400
    assert api.get(URL, {"q": "x" * 81}).status_code == 400
    first = api.get(URL, {"q": "dr-77"}, headers={"Accept-Language": "zh-hans"}).json()["suggestions"][0]
    assert (first["detail"], first["label"]) == ("漂流外套", "SKU")


def test_nothing_hidden_is_suggested(
    library: dict[str, Asset], api: APIClient, staff_api: APIClient, stranger: User
) -> None:
    mine = api_of(stranger)
    for client, secret in ((api, False), (mine, False), (staff_api, True)):
        texts = {
            text for typed in ("dr", "戏", "xiju", "xj") for text, _kind, _count in suggested(client, typed)
        }
        assert ({"DR-99", "Dramatic", "Drum", "dresden", "戏剧"} <= texts) is secret
        assert bool({"DR-99", "Dramatic", "Drum", "dresden", "戏剧"} & texts) is secret
    assert dict(text[:2] for text in suggested(staff_api, "summer")) == {
        "Summer dress": "tag",
        "summer": "word",
    }
    assert suggested(staff_api, "summer d")[0][2] == 3
    editing.set_state([library["dress 0"], library["dress 1"]], actor=None, state=AssetState.ARCHIVED)
    assert suggested(api, "dr") == []  # at once, before anybody has counted
    assert suggested(staff_api, "summer d")[0][2] == 3


def test_collections_are_suggested_to_those_who_may_open_them(
    library: dict[str, Asset], api: APIClient, staff_api: APIClient, stranger: User
) -> None:
    own = CollectionFactory(name="Drift lookbook", owner=stranger)
    CollectionFactory(name="Drift of others")
    mine = api_of(stranger)
    found = [
        one for one in mine.get(URL, {"q": "drift"}).json()["suggestions"] if one["kind"] == "collection"
    ]
    assert [(one["text"], one["collection"]) for one in found] == [("Drift lookbook", own.pk)]
    kinds = {text: kind for text, kind, _count in suggested(staff_api, "drift")}
    assert kinds["Drift lookbook"] == kinds["Drift of others"] == "collection"
    assert "collection" not in {kind for _text, kind, _count in suggested(api, "drift")}


def _asked(text: str, user: Any, **given: Any) -> None:
    kept = {"language": "en", "entrance": "page", "of_library": False, "took_ms": 5, "total": 3}
    SearchLog.objects.create(text=text, normalised=text, account=user, **kept | given)


def test_what_three_people_searched_for_and_found_is_suggested(
    library: dict[str, Asset], api: APIClient, staff_api: APIClient
) -> None:
    people = UserFactory.create_batch(3)
    for user in people:
        _asked("beach party", user)
        _asked("beach in vain", user, total=0)
        _asked("beach plans", user, of_library=True)
        _asked("beach of 13800138000", user)
        _asked("beach long ago", user, at=timezone.now() - timedelta(days=31))
        _asked("beach of one", people[0])
    sweep_log()
    assert suggested(api, "beach") == [("beach party", "query", 3)]
    assert sorted(suggested(staff_api, "beach")) == [("beach party", "query", 3), ("beach plans", "query", 3)]


def test_suggestions_cost_few_queries(
    library: dict[str, Asset],
    settings: Any,
    django_assert_num_queries: Any,
    api: APIClient,
    staff_api: APIClient,
) -> None:
    suggested(staff_api, "dr")
    settings.SEARCH_VOCABULARY_SECONDS = 60
    # Codes in three cases and those of them that may be told; terms on the storefront, and assets that may
    # have left it.
    with django_assert_num_queries(7):
        suggested(api, "dr")
    with django_assert_num_queries(4):  # codes in three cases, collections
        suggested(staff_api, "dr")


def test_assets_that_wait_to_be_counted_are_noted_once_and_page_by_page(
    monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any, api: APIClient
) -> None:
    monkeypatch.setattr(terms, "PAGE", 2)
    keys = sorted(AssetFactory(title=f"Lamp {number}").pk for number in range(5))
    gone = AssetFactory(title="Gone", state=AssetState.TRASHED)
    TermChange.objects.all().delete()  # as if they had come past the signals
    TermChange.objects.create(asset_key=keys[0])
    with django_assert_num_queries(7):  # two pages with their notes, an empty one; nothing gone, nothing over
        terms.note_missing()
    assert sorted(TermChange.objects.values_list("asset_key", flat=True)) == keys
    with django_assert_num_queries(3):
        terms.note_missing()
    assert gone.pk not in TermChange.objects.values_list("asset_key", flat=True)
    assert terms.refresh() == 5
    assert ("lamp", "word", 5) in suggested(api, "la")


def test_what_is_written_otherwise_is_found_among_all_words() -> None:
    known = ["silver", "sliver", "slicer", "river", "silk", "silvery", "revlis", "白色", "白鞋"]
    near = NearWords(known)
    assert sorted(near.near("sliver", 1)) == [("silver", 1), ("slicer", 1), ("sliver", 0)]
    everything = {(word, DamerauLevenshtein.distance(word, "silver")) for word in known}
    assert set(near.near("silver", 2)) == {(word, far) for word, far in everything if far <= 2}
    assert near.near("白靴", 1) == [("白色", 1), ("白鞋", 1)]
    assert NearWords([]).near("silver", 2) == []
