"""The ranking: pages, groups, facets, colours, reasons, what nothing answers, and what changes meanwhile."""

from __future__ import annotations

import re
from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import translation
from PIL import Image
from pymilvus import CollectionSchema, MilvusClient, MilvusException
from rest_framework.test import APIClient

from dam import editing
from dam.models import SKU, Asset, AssetKind, DuplicatePair, PairState
from dam.roles import Role, lower
from dam.versions import add_version
from search import calibration, tasks, upgrade, word_index
from search.index import IndexUnavailable, VectorIndex
from search.index.collection import breadth
from search.index.standing import standing_of
from search.models import Calibration, Embedding, IndexEntry, IndexState, Space, SpaceCoverage, SpaceState
from search.paging import REMEMBERED
from search.query import Filters, Part, SearchError, SearchRequest, SearchResults, search
from search.spaces import index_of, live_alias, live_space
from search.upgrade import claim_collection, upgrade_outdated
from tests.factories import AssetFactory, TagFactory
from tests.pictures import picture

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("tiny_clip")]
URL = "/api/v1/search/"


@pytest.fixture(autouse=True)
def nothing_kept() -> None:
    cache.clear()


def titles(results: SearchResults) -> list[str]:
    return [hit.asset.title for hit in results.hits]


# Pages


def test_pages_neither_repeat_nor_skip_while_the_library_changes(index_now: Callable) -> None:
    assets = [AssetFactory(title=f"Lamp {number}") for number in range(7)]
    index_now()
    first = search(SearchRequest(text="lamp", limit=2), user=None)
    shown = titles(first)
    rest = [asset for asset in assets if asset.title not in shown]
    editing.trash([rest[0]], actor=None)
    editing.update_assets([rest[1]], actor=None, changes={"title": "Lamp lamp lamp"})
    AssetFactory(title="Lamp, new")
    index_now()
    after = first.next
    while after:
        page = search(SearchRequest(text="lamp", limit=2, after=after), user=None)
        shown += titles(page)
        after = page.next
    assert len(shown) == len(set(shown))
    kept = {asset.title for asset in rest[2:]} | {"Lamp lamp lamp"} | set(titles(first))
    assert set(shown) == kept
    assert first.total == 7
    assert "Lamp, new" in titles(search(SearchRequest(text="lamp"), user=None))


@pytest.mark.parametrize("remembered", [1, REMEMBERED])
def test_pages_go_on_when_the_ranking_is_no_longer_kept(
    remembered: int, index_now: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("search.paging.REMEMBERED", remembered)
    for number in range(5):
        AssetFactory(title=f"Lamp {number}")
    index_now()
    first = search(SearchRequest(text="lamp", limit=2), user=None)
    cache.clear()
    second = search(SearchRequest(text="lamp", limit=3, after=first.next), user=None)
    assert len({*titles(first), *titles(second)}) == 5
    assert second.next == ""


@pytest.mark.parametrize("meanwhile", ["no longer kept", "asked again"])
def test_what_moves_up_meanwhile_is_shown_and_nothing_twice(meanwhile: str, index_now: Callable) -> None:
    lamps = {asset.title: asset for asset in (AssetFactory(title=f"Lamp {number}") for number in range(6))}
    index_now()
    page = search(SearchRequest(text="lamp", limit=2), user=None)
    shown = titles(page)
    riser = next(asset for title, asset in lamps.items() if title not in shown)
    editing.update_assets([riser], actor=None, changes={"title": "Lamp"})
    index_now()
    cache.clear()
    if meanwhile == "asked again":
        assert titles(search(SearchRequest(text="lamp", limit=2), user=None))[0] == "Lamp"
    while page.next:
        page = search(SearchRequest(text="lamp", limit=2, after=page.next), user=None)
        shown += titles(page)
    assert sorted(shown) == sorted({*lamps, "Lamp"} - {riser.title})


@pytest.mark.parametrize("meanwhile", ["no longer kept", "asked again"])
def test_deep_pages_go_on_behind_what_was_shown_in_another_ranking(
    meanwhile: str, index_now: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("search.query.CANDIDATES", 3)
    monkeypatch.setattr("search.query.DEEPER", 2)
    for number in range(14):
        AssetFactory(title=f"Lamp {number}")
    index_now()
    page = search(SearchRequest(text="lamp", limit=2), user=None)
    shown = titles(page)
    while page.next:
        if len(shown) == 8:  # beyond what a first look finds, the last hit goes
            editing.trash([page.hits[-1].asset], actor=None)
            index_now()
        if meanwhile == "no longer kept":
            cache.clear()
        else:
            search(SearchRequest(text="lamp", limit=2), user=None)
        page = search(SearchRequest(text="lamp", limit=2, after=page.next), user=None)
        shown += titles(page)
    assert sorted(shown) == sorted(f"Lamp {number}" for number in range(14))


def test_what_a_deeper_look_finds_of_a_shown_group_joins_it(
    index_now: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(6):
        AssetFactory(title=f"Lamp {number}")
    index_now()
    order = [hit.asset for hit in search(SearchRequest(text="lamp"), user=None).hits]
    first, second = sorted((order[0], order[-1]), key=lambda asset: asset.pk)
    DuplicatePair.objects.create(first=first, second=second, distance=2)
    monkeypatch.setattr("search.query.CANDIDATES", 2)
    page = search(SearchRequest(text="lamp", collapse=True, limit=1), user=None)
    shown = titles(page)
    while page.next:
        page = search(SearchRequest(text="lamp", collapse=True, limit=1, after=page.next), user=None)
        shown += titles(page)
    grouped = {order[0].title, order[-1].title}
    assert len(grouped & set(shown)) == 1, "one stands for both"
    assert sorted([*shown, *(grouped - set(shown))]) == sorted(asset.title for asset in order)
    assert (page.total, page.groups) == (6, 5)


def test_facets_count_what_a_deeper_look_has_found(
    index_now: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("search.query.CANDIDATES", 2)
    for number in range(5):
        AssetFactory(title=f"Lamp {number}", kind="prop" if number % 2 else "scene")
    index_now()
    page = search(SearchRequest(text="lamp", facets=True, limit=5), user=None)
    assert (page.total, sum(one.count for one in page.facets["kind"])) == (5, 5)


def test_a_cursor_serves_its_own_question_and_caller_alone(index_now: Callable, editor: User) -> None:
    AssetFactory(title="Lamp"), AssetFactory(title="Lamp shade")
    index_now()
    after = search(SearchRequest(text="lamp", limit=1), user=None).next
    with pytest.raises(SearchError, match="not made by this search"):
        search(SearchRequest(text="chair", limit=1, after=after), user=None)
    with pytest.raises(SearchError, match="not made by this search"):
        search(SearchRequest(text="lamp", limit=1, after=after), user=editor)


def test_what_an_account_is_told_is_not_kept_for_a_key_of_a_lower_role(
    index_now: Callable, editor: User
) -> None:
    AssetFactory(title="Lamp", state="draft"), AssetFactory(title="Lamp shade", state="approved")
    index_now()
    seen = search(SearchRequest(text="lamp", limit=1, facets=True), user=editor)
    assert seen.total == 2
    by_key = User.objects.get(pk=editor.pk)
    lower(by_key, Role.STOREFRONT)
    page = search(SearchRequest(text="lamp", limit=1, offset=1, facets=True), user=by_key)
    assert (page.total, page.hits) == (1, [])
    assert sum(one.count for one in page.facets["kind"]) == 1
    with pytest.raises(SearchError, match="not made by this search"):
        search(SearchRequest(text="lamp", limit=1, after=seen.next), user=by_key)


# Groups, facets, reasons


def test_the_same_thing_is_one_hit_and_can_be_opened(index_now: Callable) -> None:
    article = SKU.objects.create(code="CHAIR")
    for code in ("CHAIR-RED", "CHAIR-BLUE"):
        SKU.objects.create(code=code, parent=article)
    red = AssetFactory(title="Chair in red", skus=[("CHAIR-RED", "packshot")])
    blue = AssetFactory(title="Chair in blue", skus=[("CHAIR-BLUE", "packshot")])
    first, second, apart = (AssetFactory(title=f"Table {number}") for number in range(3))
    DuplicatePair.objects.create(first=first, second=second, distance=2)
    DuplicatePair.objects.create(first=second, second=apart, distance=9, state=PairState.DIFFERENT)
    index_now()
    asked = SearchRequest(text="furniture", collapse=True)
    results = search(asked, user=None)
    assert (results.total, results.groups, len(results.hits)) == (5, 3, 3)
    groups = {
        frozenset(titles(search(SearchRequest(text="furniture", group=hit.group), user=None)))
        for hit in results.hits
        if hit.similar
    }
    assert groups == {frozenset({red.title, blue.title}), frozenset({first.title, second.title})}
    assert sum(1 + hit.similar for hit in results.hits) == 5
    assert len(search(SearchRequest(text="furniture"), user=None).hits) == 5
    best = next(hit for hit in results.hits if hit.similar)
    editing.trash([best.asset], actor=None)
    assert len(search(SearchRequest(text="furniture", collapse=True), user=None).hits) == 3
    with pytest.raises(SearchError, match="group"):
        search(SearchRequest(text="furniture", group="no such"), user=None)


def test_facets_count_what_the_caller_may_open(index_now: Callable, editor: User) -> None:
    AssetFactory(title="Cup", kind=AssetKind.PROP, tags=["kitchen", "blue"])
    AssetFactory(title="Plate", kind=AssetKind.PROP, tags=["kitchen"])
    AssetFactory(title="Secret", kind=AssetKind.SCENE, state="draft", tags=["kitchen"])
    index_now()
    inside = search(SearchRequest(text="dishes", facets=True), user=editor).facets
    outside = search(SearchRequest(text="dishes", facets=True), user=AnonymousUser()).facets
    counts = {name: {one.value: one.count for one in found} for name, found in inside.items()}
    assert counts["kind"] == {"prop": 2, "scene": 1}
    assert counts["tag"] == {"kitchen": 3, "blue": 1}
    assert counts["state"] == {"approved": 2, "draft": 1}
    assert [(one.value, one.count) for one in outside["tag"]] == [("kitchen", 2), ("blue", 1)]
    assert [(one.value, one.label, one.count) for one in outside["kind"]] == [("prop", "Prop", 2)]
    assert "state" not in outside


def test_a_tag_counts_what_its_filter_finds(index_now: Callable, editor: User) -> None:
    TagFactory(slug="dresses", parent=TagFactory(slug="clothing"))
    AssetFactory(title="Red dress", tags=["dresses"])
    AssetFactory(title="Blue dress", tags=["dresses", "clothing"])
    index_now()
    told = search(SearchRequest(text="dress", facets=True), user=editor).facets["tag"]
    assert {one.value: one.count for one in told} == {"clothing": 2, "dresses": 2}
    chosen = SearchRequest(text="dress", filters=Filters(tag=("clothing",)))
    assert search(chosen, user=editor).total == 2
    strangers = search(SearchRequest(text="dress", facets=True), user=AnonymousUser()).facets["tag"]
    assert {one.value: one.count for one in strangers} == {"dresses": 2, "clothing": 1}


def test_each_hit_says_why(index_now: Callable) -> None:
    AssetFactory(title="Red dress", title_zh="红色连衣裙", tags=["summer"], skus=[("DR-9", "packshot")])
    AssetFactory(title="Something else")
    index_now()
    hit = search(SearchRequest(text="summer dress"), user=None).hits[0]
    assert {(match.word, match.field) for match in hit.why.words} == {("dress", "title"), ("summer", "tag")}
    hoodies = AssetFactory(title="Two hoodies")
    index_now()
    found = search(SearchRequest(text="hoodie"), user=None).hits
    (why,) = (one.why for one in found if one.asset == hoodies)
    assert [match.word for match in why.words] == ["hoodies"], "as it is written there"
    assert {leg.leg for leg in hit.why.legs} == set(hit.legs)
    assert [leg.rank for leg in hit.why.legs if leg.leg in ("bm25", "words")] == [1]
    assert "“dress”" in hit.why.sentence
    assert search(SearchRequest(text="dr-9"), user=None).hits[0].why.exact == "DR-9"
    with translation.override("zh-hans"):
        hit = search(SearchRequest(text="红色"), user=None).hits[0]
        assert [(match.word, match.field) for match in hit.why.words] == [("红色", "title")]


# Colours and weighted parts


def plain(colour: str) -> bytes:
    out = BytesIO()
    Image.new("RGB", (120, 90), colour).save(out, "PNG")
    return out.getvalue()


def test_a_picked_colour_finds_the_nearest_first(index_now: Callable, staff_api: APIClient) -> None:
    for name, colour in (("Teal", "#0a7f80"), ("Darker teal", "#0b6a70"), ("Red", "#d01020")):
        AssetFactory(title=name, file=plain(colour))
    index_now()
    results = search(SearchRequest(colours=("#0a8082",)), user=None)
    assert titles(results) == ["Teal", "Darker teal"]
    assert results.hits[0].why.colours
    both = search(SearchRequest(text="Red", colours=("#0a8082",)), user=None)
    assert set(titles(both)) == {"Teal", "Darker teal"}
    assert both.total == 2
    answer = staff_api.get(URL, {"colour": "#D0101E"}).json()
    assert [asset["title"] for asset in answer["results"]] == ["Red"]
    assert staff_api.get(URL, {"colour": "#12"}).status_code == 400
    with pytest.raises(SearchError, match="#1e90ff"):
        search(SearchRequest(colours=("blue",)), user=None)


def test_all_of_a_picked_colour_are_reached_however_many(
    index_now: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("search.query.CANDIDATES", 2)
    shades = [f"#0a7f8{number}" for number in range(5)]
    for shade in shades:
        AssetFactory(title=shade, file=plain(shade))
    index_now()
    page = search(SearchRequest(colours=("#0a7f80",), limit=2), user=None)
    assert not page.complete
    seen = titles(page)
    while page.next:
        page = search(SearchRequest(colours=("#0a7f80",), limit=2, after=page.next), user=None)
        seen += titles(page)
    assert (sorted(seen), page.complete) == (shades, True)


def test_parts_have_weights_and_may_be_unwanted(index_now: Callable, staff_api: APIClient) -> None:
    blue, red = (AssetFactory(title=c, file=picture(colour=c, seed=n)) for n, c in enumerate(("blue", "red")))
    other = AssetFactory(title="other", file=picture(colour="green", seed=9))
    index_now()
    liked = search(SearchRequest(parts=(Part(asset=other), Part(asset=red, weight=-0.9))), user=None)
    assert titles(liked) == ["blue"]
    near_red = search(SearchRequest(parts=(Part(image=Image.open(red.current.file)),)), user=None)
    assert titles(near_red)[0] == "red"
    away = search(SearchRequest(parts=(Part(image=Image.open(red.current.file), weight=-1.0),)), user=None)
    assert titles(away)[-1] == "red"
    body = {"like": [str(blue.public_id), str(other.public_id)], "like_weight": [1, -0.5]}
    assert [a["title"] for a in staff_api.post(URL, body, format="json").json()["results"]] == ["red"]
    body["like_weight"] = [1, 2, 3]
    assert list(staff_api.post(URL, body, format="json").json()["errors"]) == ["like_weight"]


# What nothing answers


def nothing_is_near_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """By what it shows, to a sentence; only words are left."""
    monkeypatch.setattr(calibration, "LEAST_PICTURES", 2)
    calibration.calibrate_due()
    Calibration.objects.update(bar=50.0)
    calibration._loaded.cache_clear()
    cache.clear()


def test_a_question_that_nothing_answers_finds_nothing_and_says_so(
    index_now: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        AssetFactory(title=f"Lamp {number}")
    index_now()
    space = live_space()
    assert titles(search(SearchRequest(text="quantum tax return form"), user=None))  # not calibrated yet
    monkeypatch.setattr(calibration, "LEAST_PICTURES", 2)
    assert calibration.calibrate_due() == 1
    assert calibration.calibrate_due() == 0
    Calibration.objects.update(bar=50.0)
    calibration._loaded.cache_clear()
    cache.clear()
    results = search(SearchRequest(text="quantum tax return form"), user=None)
    assert (results.hits, results.total) == ([], 0)
    assert "quantum tax return form" in results.empty_because
    assert titles(search(SearchRequest(text="lamp 1"), user=None))[0] == "Lamp 1"
    assert len(search(SearchRequest(text="quantum tax", relevant_only=False), user=None).hits) == 3
    assert len(search(SearchRequest(like=Asset.objects.get(title="Lamp 1")), user=None).hits) == 2
    assert Space.objects.get(pk=space.pk).calibrated is not None


def test_what_only_says_what_is_not_wanted_finds_the_rest(
    index_now: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        AssetFactory(title=f"Lamp {number}")
    index_now()
    nothing_is_near_enough(monkeypatch)
    assert search(SearchRequest(text="no logo"), user=None).total == 3


def test_words_go_on_behind_those_that_were_cut(index_now: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    AssetFactory(title="Velvet")
    for number in range(5):
        AssetFactory(title=f"Blue lamp {number}")
    index_now()
    nothing_is_near_enough(monkeypatch)
    monkeypatch.setattr("search.query.CANDIDATES", 3)
    page = search(SearchRequest(text="blue velvet lamp", literal=True, limit=1), user=None)
    shown = titles(page)
    while page.next:
        asked = SearchRequest(text="blue velvet lamp", literal=True, limit=1, after=page.next)
        page = search(asked, user=None)
        shown += titles(page)
    assert sorted(shown) == [f"Blue lamp {number}" for number in range(5)]


def test_what_is_not_wanted_costs_the_same_queries_however_many_say_it(index_now: Callable) -> None:
    def queries() -> int:
        cache.clear()
        with CaptureQueriesContext(connection) as asked:
            search(SearchRequest(text="dress without lace"), user=AnonymousUser())
        return len(asked)

    for number in range(3):
        AssetFactory(title=f"Dress with lace {number}", tags=["lace"])
    index_now()
    queries()
    few = queries()
    for number in range(12):
        AssetFactory(title=f"Lace dress {number}", tags=["lace"])
    index_now()
    queries()
    assert queries() <= few


def test_one_common_word_is_no_reason_and_hides_nothing_that_has_more_of_them(
    index_now: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        AssetFactory(title=f"Blue lamp {number}")
    AssetFactory(title="Blue velvet sofa")
    index_now()
    monkeypatch.setattr(word_index, "BOUND", 1)
    nothing_is_near_enough(monkeypatch)
    hits = search(SearchRequest(text="blue velvet garden sofa cushion", literal=True), user=None).hits
    assert [hit.asset.title for hit in hits] == ["Blue velvet sofa"]
    assert {"words", "bm25"} & set(hits[0].legs)


def test_a_large_library_may_take_longer_to_be_calibrated_than_a_search(
    index_now: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calibration, "LEAST_PICTURES", 2)
    AssetFactory(), AssetFactory()
    index_now()
    asked = MilvusClient.search

    def slow(self: MilvusClient, *arguments: Any, data: list, timeout: float, **options: Any) -> Any:
        if timeout < 0.2 * len(data):
            raise MilvusException(message="Deadline Exceeded")
        return asked(self, *arguments, data=data, timeout=timeout, **options)

    monkeypatch.setattr(MilvusClient, "search", slow)
    assert len(calibration.sentences()[1]) > 25
    assert calibration.calibrate_due() == 1


def test_calibration_is_done_again_when_the_library_has_grown(
    index_now: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calibration, "LEAST_PICTURES", 2)
    AssetFactory(), AssetFactory()
    index_now()
    calibration.calibrate_due()
    background = bytes(Calibration.objects.get().background)
    AssetFactory()
    index_now()
    assert calibration.calibrate_due() == 1
    row = Calibration.objects.get()
    assert (row.pictures, bytes(row.background)) == (3, background)


def test_whether_the_library_has_grown_is_known_without_counting_it(
    index_now: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sweep() -> tuple[int, int]:
        """How many spaces were calibrated, and how often all their pictures were counted."""
        with CaptureQueriesContext(connection) as queries:
            done = calibration.calibrate_due()
        counts = [query["sql"] for query in queries if re.search(r'COUNT.*"search_embedding"', query["sql"])]
        return done, len([sql for sql in counts if '"search_embedding"."id" >' not in sql])

    def vectors(first: int, end: int) -> None:
        Embedding.objects.bulk_create(
            Embedding(space=space, sha256=f"{number:064}", vector=kept.vector) for number in range(first, end)
        )

    monkeypatch.setattr(calibration, "LEAST_PICTURES", 2)
    space = live_space()
    AssetFactory()
    index_now()
    kept = Embedding.objects.get()
    assert sweep() == (0, 0)
    vectors(1, 40)
    assert sweep()[0] == 1
    assert sweep() == (0, 1)
    assert [sweep() for _ in range(3)] == [(0, 0)] * 3
    vectors(40, 45)
    assert sweep() == (0, 0)
    Embedding.objects.filter(pk__lt=kept.pk + 10).delete()
    vectors(50, 60)
    assert sweep() == (0, 1), "45 are not more than a quarter above 40; it is counted once"
    assert sweep() == (0, 0)
    vectors(60, 65)
    assert sweep() == (0, 0), "50 are not more either"
    vectors(65, 66)
    assert sweep()[0] == 1
    assert Calibration.objects.get().pictures == 51
    vectors(70, 72)
    Calibration.objects.update(digest="of other sentences")
    assert sweep() == (1, 1), "one that is written down with what was measured"


# Spaces beside the first, other schemas and dimensions


def test_a_space_that_does_not_answer_fails_no_question(index_now: Callable) -> None:
    AssetFactory(title="Lamp")
    index_now()
    Space.objects.create(
        slug="gone", encoder="openclip:tiny-clip//nowhere.pt", weights="none", dimension=8,
        collection="assets_gone", state=SpaceState.LIVE, coverage=SpaceCoverage.CHOSEN,
    )  # fmt: skip
    results = search(SearchRequest(text="lamp"), user=None)
    assert titles(results) == ["Lamp"]
    assert "nowhere.pt" in results.degraded


def index_in_earlier_schema(index_now: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    add_field = CollectionSchema.add_field
    without = lambda self, name, *a, **k: None if name == "palette" else add_field(self, name, *a, **k)  # noqa: E731
    index_of(live_space()).drop()  # where an earlier test has left one
    with monkeypatch.context() as before:
        before.setattr(CollectionSchema, "add_field", without)
        index_now()


@pytest.mark.own_collections
def test_what_a_drain_writes_while_the_collection_is_replaced_is_not_lost(
    index_now: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("search.upgrade.GRACE_SECONDS", 0.0)
    asset = AssetFactory(title="Lamp", kind="garment")
    index_in_earlier_schema(index_now, monkeypatch)
    old = index_of(live_space())
    written = VectorIndex.upsert

    def replaced_meanwhile(*args: Any) -> None:
        monkeypatch.setattr(VectorIndex, "upsert", written)
        written(*args)
        assert upgrade_outdated() == 1
        # Whoever read the space's row before goes on with the old collection.
        assert old.name != live_space().collection

    editing.update_assets([asset], actor=None, changes={"kind": "prop"})
    monkeypatch.setattr(VectorIndex, "upsert", replaced_meanwhile)
    index_now()
    index_now()
    index = index_of(live_space())
    assert [
        row["kind"] for page in index.rows(-1, asset.pk, ["kind"], consistency="Strong") for row in page
    ] == ["prop"]
    assert IndexEntry.objects.get().state == IndexState.INDEXED
    assert not standing_of(old.name).exists


@pytest.mark.own_collections
def test_a_collection_is_replaced_by_one_process_and_without_what_is_deleted_meanwhile(
    index_now: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("search.upgrade.GRACE_SECONDS", 0.0)
    kept, deleted = AssetFactory(), AssetFactory()
    index_in_earlier_schema(index_now, monkeypatch)
    copied = upgrade._copy

    def deleted_meanwhile(*args: Any) -> None:
        copied(*args)
        assert upgrade_outdated() == 0, "another process is at it"
        editing.trash([deleted], actor=None)
        editing.delete_forever([deleted], actor=None)
        index_now()

    monkeypatch.setattr(upgrade, "_copy", deleted_meanwhile)
    assert upgrade_outdated() == 1
    index_now()
    assert {key for page in index_of(live_space()).ids() for key in page} == {kept.pk}
    assert Space.objects.get().replaced_until is None


@pytest.mark.own_collections
def test_what_changed_while_a_collection_was_replaced_is_known_after_a_failure_behind_the_switch(
    index_now: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("search.upgrade.GRACE_SECONDS", 0.0)
    changed, deleted = AssetFactory(kind="garment"), AssetFactory()
    index_in_earlier_schema(index_now, monkeypatch)
    old = index_of(live_space())
    copied = upgrade._copy

    def changed_meanwhile(*args: Any) -> None:
        copied(*args)
        editing.update_assets([changed], actor=None, changes={"kind": "prop"})
        editing.trash([deleted], actor=None)
        editing.delete_forever([deleted], actor=None)
        index_now()

    def away(*_args: object) -> None:
        raise IndexUnavailable("Milvus does not answer.")

    with monkeypatch.context() as failing:
        failing.setattr(upgrade, "_copy", changed_meanwhile)
        failing.setattr(VectorIndex, "point_alias", away)
        with pytest.raises(IndexUnavailable):
            upgrade_outdated()
    assert live_space().collection != old.name
    assert standing_of(old.name).exists
    tasks.sweep()
    assert not standing_of(old.name).exists
    index = index_of(live_space())
    rows = [row for page in index.rows(-1, changed.pk, ["kind"], consistency="Strong") for row in page]
    assert [row["kind"] for row in rows] == ["prop"]
    assert {key for page in index.ids() for key in page} == {changed.pk}
    assert index.carries_alias(live_alias())


@pytest.mark.own_collections
def test_a_collection_of_an_earlier_schema_is_rebuilt_while_it_answers(
    index_now: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("search.upgrade.GRACE_SECONDS", 0.0)
    kept, trashed = AssetFactory(title="Lamp", file=plain("#0a7f80")), AssetFactory(title="Gone")
    index_in_earlier_schema(index_now, monkeypatch)
    old = index_of(live_space())
    assert old.outdated
    assert not old.has_palette
    assert "Lamp" in titles(search(SearchRequest(text="lamp", colours=("#0a7f80",)), user=None))
    editing.trash([trashed], actor=None)
    assert upgrade_outdated() == 1
    assert upgrade_outdated() == 0
    index_now()
    index = index_of(live_space())
    assert index.name != old.name
    assert index.has_palette
    assert index.count() == 1
    assert titles(search(SearchRequest(colours=("#0a7f80",)), user=None)) == ["Lamp"]
    assert IndexEntry.objects.get(asset_key=kept.pk).state == IndexState.INDEXED


@pytest.mark.own_collections
def test_a_collection_whose_maker_was_killed_in_the_middle_is_finished_by_the_next(
    index_now: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        """Nothing in the code catches it."""

    def die(*_args: object, **_named: object) -> None:
        raise Killed

    with monkeypatch.context() as dying, pytest.raises(Killed):
        dying.setattr(MilvusClient, "create_index", die)
        index_of(live_space()).ensure()
    AssetFactory(title="Lamp")
    index_now()
    results = search(SearchRequest(text="lamp"), user=None)
    assert (titles(results), results.degraded) == (["Lamp"], "")
    assert "cosine" in results.hits[0].legs


def _other_or_away(ensure: Callable, other: str) -> Callable:
    """Milvus tells of the other's collection, and does not answer when a new one is to be made."""

    def ensured(index: VectorIndex) -> None:
        if index.name != other:
            raise IndexUnavailable("Milvus does not answer.")
        ensure(index)

    return ensured


@pytest.mark.own_collections
def test_a_collection_of_another_dimension_is_left_alone_and_one_beside_it_filled(
    index_now: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    AssetFactory(title="Lamp")
    index_now()
    space = live_space()
    other = Space(slug=space.slug, dimension=48, collection="assets_other_dimension")
    index_of(other).ensure()
    Space.objects.filter(pk=space.pk).update(collection="assets_other_dimension")
    space = live_space()
    results = search(SearchRequest(text="lamp"), user=None)
    assert (titles(results), bool(results.degraded)) == (["Lamp"], True)
    with monkeypatch.context() as failing:
        failing.setattr(VectorIndex, "ensure", _other_or_away(VectorIndex.ensure, other.collection))
        with pytest.raises(IndexUnavailable):
            claim_collection(space)
    space = live_space()
    claim_collection(space)
    index_now()
    cache.clear()
    results = search(SearchRequest(text="lamp"), user=None)
    assert (titles(results), results.degraded) == (["Lamp"], "")
    assert index_of(live_space()).count() == 1
    assert index_of(other).dimension == 48
    assert index_of(other).count() == 0


def test_an_edited_picture_is_encoded_again(index_now: Callable) -> None:
    asset = AssetFactory(title="Changing", file=picture(colour="blue", seed=1))
    AssetFactory(title="Other", file=picture(colour="green", seed=2))
    index_now()
    new = picture(colour="red", seed=3)
    add_version(asset, new, filename="new.jpg", actor=None)
    assert index_now().encoded == 1
    hits = search(SearchRequest(image=Image.open(BytesIO(new))), user=None).hits
    assert hits[0].asset == asset
    assert hits[0].legs["cosine"] > 0.99


def test_a_chinese_compound_of_colour_and_garment_finds_that_garment(
    index_now: Callable, staff_api: APIClient
) -> None:
    for title, title_zh in (
        ("Red triangle", "红色三角形"), ("Red dress", "红色连衣裙"), ("Blue skirt", "蓝色半身裙"),
        ("Pencil skirt", "铅笔裙"), ("Apron", "围裙"), ("Lighthouse", "灯塔"),
    ):  # fmt: skip
        AssetFactory(title=title, title_zh=title_zh)
    index_now()

    def by_words(text: str) -> list[str]:
        hits = search(SearchRequest(text=text), user=None).hits
        return [hit.asset.title for hit in hits if {"words", "bm25"} & hit.legs.keys()]

    for asked in ("红裙子", "红裙"):
        first = staff_api.get(URL, {"q": asked}).json()["results"][0]
        assert first["title"] == "Red dress", asked
        assert {"dress", "红色"} <= {word["word"] for word in first["why"]["words"]}
    assert {"Blue skirt", "Pencil skirt"} <= set(by_words("裙子"))
    assert by_words("连衣裙") == ["Red dress"]
    assert "Apron" not in by_words("红裙")


# What it costs


def test_a_question_costs_the_same_queries_however_many_it_finds(
    index_now: Callable, staff_api: APIClient, settings: Any
) -> None:
    settings.SEARCH_VOCABULARY_SECONDS = 3600  # else now and then a look whether it has changed

    def asked(**more: str) -> CaptureQueriesContext:
        with CaptureQueriesContext(connection) as caught:
            found = staff_api.get(URL, {"q": "lamp", "limit": 50, **more}).json()
        counts = [(one["value"], one["count"]) for one in found["facets"].get("tag", [])]
        assert counts == ([("light", len(found["results"]))] if "facets" in more else [])
        return caught

    AssetFactory(title="Lamp", tags=["light"], skus=[("LA-0", "packshot")])
    index_now()
    asked()
    few = asked()
    for number in range(1, 9):
        AssetFactory(title=f"Lamp {number}", tags=["light"], skus=[(f"LA-{number}", "packshot")])
    index_now()
    many = asked()
    assert len(many) == len(few)
    touching = [one["sql"] for one in few if not one["sql"].startswith(("SET ", "SAVEPOINT", "RELEASE"))]
    assert len(touching) <= 13  # the others tell PostgreSQL how to go about it
    assert sum('FROM "search_space"' in query["sql"] for query in many) == 1
    assert len(asked(facets="true")) == len(many) + 1  # their tags; the rest is at hand


def test_facets_may_be_asked_for_on_any_page(index_now: Callable, editor: User) -> None:
    for number in range(3):
        AssetFactory(title=f"Lamp {number}", tags=["light"])
    index_now()
    first = search(SearchRequest(text="lamp", limit=1), user=editor)
    assert first.facets == {}
    second = search(SearchRequest(text="lamp", limit=1, after=first.next, facets=True), user=editor)
    assert [(one.value, one.count) for one in second.facets["tag"]] == [("light", 3)]
    third = search(SearchRequest(text="lamp", limit=1, after=second.next), user=editor)
    assert (third.facets, titles(third)) != ({}, [])
    assert len({*titles(first), *titles(second), *titles(third)}) == 3


@pytest.mark.parametrize(
    ("rows", "limit", "chosen", "kept"),
    [
        (0, 10, 0, 800),
        (640_000, 200, 0, 800),
        (800_000, 200, 0, 1000),
        (1_000_000, 200, 0, 1250),
        (10**9, 200, 0, 1250),
        (1_000_000, 5_000, 0, 5_000),
        (1_000_000, 200, 64, 200),
        (1_000, 10, 64, 64),
    ],
)
def test_the_graph_is_searched_the_wider_the_larger_the_collection_is(
    settings: Any, rows: int, limit: int, chosen: int, kept: int
) -> None:
    settings.SEARCH_EF = chosen
    assert breadth(rows, limit) == kept
