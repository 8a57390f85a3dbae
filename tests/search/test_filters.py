"""Filters of the search: any of, none of, all of; inside the index and on the database alike."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from rest_framework.test import APIClient

from dam import editing
from dam.models import Asset, AssetKind, AssetState, Collection
from search.query import Filters, SearchRequest, search
from search.where import Where
from tests.factories import AssetFactory, CollectionFactory, UserFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("tiny_clip")]
URL = "/api/v1/search/"


@pytest.fixture
def shelf(index_now: Callable) -> dict[str, Any]:
    """Four assets that differ in every filter, in three collections."""
    owner = UserFactory(username="photographer")
    assets = {
        "crown": AssetFactory(title="Crown", kind=AssetKind.ACCESSORY, tags=["royal", "gold"], owner=owner),
        "dress": AssetFactory(
            title="Dress", kind=AssetKind.GARMENT, tags=["royal"], skus=[("DR-1", "packshot")]
        ),
        "boot": AssetFactory(title="Boot", kind=AssetKind.GARMENT, skus=[("BO-1", "packshot")]),
        "throne": AssetFactory(title="Throne", kind=AssetKind.SCENE, state=AssetState.DRAFT, tags=["gold"]),
    }
    Asset.objects.filter(pk=assets["boot"].pk).update(created=timezone.now() - timedelta(days=10))
    collections = [CollectionFactory(name=name) for name in ("Summer", "Winter", "Other")]
    editing.add_to_collection(collections[0], [assets["crown"], assets["dress"]], actor=None)
    editing.add_to_collection(collections[1], [assets["dress"], assets["boot"]], actor=None)
    editing.update_assets([assets["boot"]], actor=None, changes={"description": "old"})
    index_now()
    return {**assets, "summer": collections[0], "winter": collections[1], "owner": owner}


def found(user: Any = None, **filters: Any) -> set[str]:
    """The titles, from the index; the database and the index's own expression must say the same."""
    request = SearchRequest(text="thing", filters=Filters(**filters))
    titles = {hit.asset.title for hit in search(request, user=user).hits}
    by_database = {asset.title for asset in Where(request, user).assets()}
    assert titles == by_database
    return titles


def test_two_collections_give_their_union_and_not_in_leaves_out(shelf: dict[str, Any]) -> None:
    summer, winter = shelf["summer"].pk, shelf["winter"].pk
    assert found(collection=(summer,)) == {"Crown", "Dress"}
    assert found(collection=(summer, winter)) == {"Crown", "Dress", "Boot"}
    assert found(not_collection=(summer,)) == {"Boot", "Throne"}
    assert found(not_collection=(summer, winter)) == {"Throne"}
    assert found(collection=(winter,), not_collection=(summer,)) == {"Boot"}
    assert found(collection=(summer, 987654)) == {"Crown", "Dress"}
    assert found(collection=(987654,)) == set()


def test_each_filter_takes_any_of_its_values_and_none_of_others(shelf: dict[str, Any]) -> None:
    assert found(kind=("garment", "scene")) == {"Dress", "Boot", "Throne"}
    assert found(not_kind=("garment",)) == {"Crown", "Throne"}
    assert found(state=("draft",)) == {"Throne"}
    assert found(not_state=("draft", "rejected")) == {"Crown", "Dress", "Boot"}
    assert found(tag=("royal", "gold")) == {"Crown", "Dress", "Throne"}
    assert found(all_tags=("royal", "gold")) == {"Crown"}
    assert found(not_tag=("gold",)) == {"Dress", "Boot"}
    assert found(tag=("royal",), not_tag=("gold",)) == {"Dress"}
    assert found(sku=("DR-1", "BO-1")) == {"Dress", "Boot"}
    assert found(not_sku=("DR-1",)) == {"Crown", "Boot", "Throne"}
    assert found(owner=(shelf["owner"].pk,)) == {"Crown"}
    assert found(not_owner=(shelf["owner"].pk,)) == {"Dress", "Boot", "Throne"}
    origin, aspect = shelf["crown"].origin, shelf["crown"].aspect
    assert found(origin=(origin,)) == {"Crown", "Dress", "Boot", "Throne"}
    assert found(not_origin=(origin,)) == set()
    assert found(not_aspect=(aspect,)) == set()
    family = shelf["crown"].colour_family
    assert "Crown" in found(colour=(family,))
    assert "Crown" not in found(not_colour=(family,))


def test_a_range_of_days_includes_both_its_ends(shelf: dict[str, Any]) -> None:
    today = timezone.localdate()
    then = today - timedelta(days=10)
    assert found(created_from=then, created_to=then) == {"Boot"}
    assert found(created_from=today) == {"Crown", "Dress", "Throne"}
    assert found(created_to=then - timedelta(days=1)) == set()


@pytest.mark.parametrize("zone", ["UTC", "Asia/Shanghai", "America/New_York"])
def test_the_first_and_the_last_day_there_is_are_days_as_well(
    shelf: dict[str, Any], staff_api: APIClient, zone: str
) -> None:
    first, last = "0001-01-01", "9999-12-31"
    everything = {"Crown", "Dress", "Boot", "Throne"}
    with timezone.override(zone):
        assert rest(staff_api, f"created_from={first}&created_to={last}") == everything
        assert rest(staff_api, f"created_from={last}") == rest(staff_api, f"created_to={first}") == set()
        assert found(created_from=date.min, created_to=date.max) == everything


def test_a_cursor_that_cannot_be_written_is_refused(staff_api: APIClient) -> None:
    body = json.dumps({"q": "thing", "cursor": "a:\ud800"})
    answer = staff_api.post(URL, body, content_type="application/json")
    assert answer.status_code == 400
    assert "not made by this search" in answer.content.decode()


HOSTILE = (
    'nothing" or id > 0 or "',
    "nothing' or 1 == 1 or '",
    'nothing\\" or id > 0 or \\"',
    "nothing\\",
    'nothing"]) or id > 0 or array_contains_any(tags, ["x',
    "nothing\n\u2028\x1f",
    "{nothing}",
    "没有'\"",
)


def test_no_value_leaves_its_quotes(shelf: dict[str, Any]) -> None:
    everything = {"Crown", "Dress", "Boot", "Throne"}
    for value in HOSTILE:
        assert titles_of(tag=(value,)) == set(), value
        assert titles_of(sku=(value,)) == set(), value
        assert titles_of(not_sku=(value,)) == everything, value
        assert titles_of(not_tag=(value,)) == everything, value


def titles_of(**filters: Any) -> set[str]:
    return {
        hit.asset.title
        for hit in search(SearchRequest(text="thing", filters=Filters(**filters)), user=None).hits
    }


# REST and the command take the same


def rest(client: APIClient, query: str) -> set[str]:
    answer = client.get(f"{URL}?q=thing&{query}")
    assert answer.status_code == 200, answer.json()
    return {asset["title"] for asset in answer.json()["results"]}


def test_rest_repeats_parameters(shelf: dict[str, Any], staff_api: APIClient) -> None:
    summer, winter = shelf["summer"].pk, shelf["winter"].pk
    assert rest(staff_api, f"collection={summer}&collection={winter}") == {"Crown", "Dress", "Boot"}
    assert rest(staff_api, f"not_collection={summer}") == {"Boot", "Throne"}
    assert rest(staff_api, "not_tag=gold&not_tag=royal") == {"Boot"}
    assert rest(staff_api, "all_tags=gold&all_tags=royal") == {"Crown"}
    body = {"q": "thing", "kind": ["garment", "scene"], "not_tag": "gold"}
    answer = staff_api.post(URL, body, format="json").json()
    assert {asset["title"] for asset in answer["results"]} == {"Dress", "Boot"}


def test_strangers_learn_nothing_from_filters(shelf: dict[str, Any], api: APIClient, stranger: User) -> None:
    assert api.get(URL, {"q": "thing", "state": "draft"}).status_code == 400
    assert api.get(URL, {"q": "thing", "not_owner": shelf["owner"].pk}).status_code == 400
    assert rest(api, f"collection={shelf['summer'].pk}") == set()
    assert rest(api, f"not_collection={shelf['summer'].pk}") == {"Crown", "Dress", "Boot"}
    own = Collection.objects.create(name="Mine", owner=stranger)
    editing.add_to_collection(own, [shelf["crown"]], actor=None)
    api.force_authenticate(stranger)
    assert rest(api, f"collection={shelf['summer'].pk}") == set()


@pytest.fixture
def expressions(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, Any]]]:
    """What Milvus is really asked, beside its real answers."""
    from pymilvus import MilvusClient

    asked: list[dict[str, Any]] = []
    ask = MilvusClient.search

    def noting(self: Any, collection: str, **how: Any) -> Any:
        answer = ask(self, collection, **how)
        asked.append({**how, "ids": {int(hit["id"]) for hits in answer for hit in hits}})
        return answer

    monkeypatch.setattr(MilvusClient, "search", noting)
    yield asked


def test_anothers_pictures_never_become_candidates(
    shelf: dict[str, Any], expressions: list[dict[str, Any]], stranger: User, index_now: Callable
) -> None:
    hidden = AssetFactory(title="Hidden thing", state=AssetState.DRAFT, owner=shelf["owner"])
    mine = AssetFactory(title="My thing", state=AssetState.DRAFT, owner=stranger)
    index_now()
    expressions.clear()
    results = search(SearchRequest(text="thing", facets=True), user=stranger)
    assert {hit.asset.title for hit in results.hits} == {"Crown", "Dress", "Boot", "My thing"}
    assert results.total == 4
    assert expressions
    for asked in expressions:
        assert f"owner == {stranger.pk}" in asked["filter"]
        assert hidden.pk not in asked["ids"]
        assert shelf["throne"].pk not in asked["ids"]
    assert any(mine.pk in asked["ids"] for asked in expressions)
    counted = {one.value: one.count for one in results.facets["kind"]}
    assert sum(counted.values()) == 4


def test_the_index_orders_by_nearness_alone(shelf: dict[str, Any], expressions: list[dict[str, Any]]) -> None:
    search(SearchRequest(text="thing"), user=None)
    assert {asked["anns_field"] for asked in expressions} <= {"vector", "words"}
    for asked in expressions:
        assert not {"order_by", "group_by_field", "ranker"} & set(asked)
        assert not asked.get("output_fields")
