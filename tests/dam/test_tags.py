"""The tree of tags: merging, filters that take what lies below and synonyms, and the list as a tree."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from dam import tag_merging
from dam.models import Asset, AssetState, AuditEntry, SavedSearch, Tag
from dam.signals import assets_changed
from search.query import Filters, SearchRequest, search
from tests.factories import AssetFactory, TagFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("space")]
TAGS, LIST = "/api/v1/tags/", "/admin/dam/tag/"


@pytest.fixture
def heard() -> Iterator[list[int]]:
    keys: list[int] = []

    def receive(asset_ids: list[int], **_: Any) -> None:
        keys.extend(asset_ids)

    assets_changed.connect(receive)
    yield keys
    assets_changed.disconnect(receive)


def tree(**parents: str) -> dict[str, Tag]:
    """Tags by slug, each below the tag of its value; empty: at the top."""
    tags: dict[str, Tag] = {}
    for slug, parent in parents.items():
        tags[slug] = TagFactory(slug=slug, parent=tags.get(parent))
    return tags


def shape() -> dict[str, str | None]:
    """Each tag with the tag above it."""
    return dict(Tag.objects.values_list("slug", "parent__slug"))


def slugs_of(asset: Asset) -> set[str]:
    return set(asset.tags.values_list("slug", flat=True))


class TestMerging:
    def test_the_tag_that_stays_takes_over_assets_children_and_words(
        self, staff_api: APIClient, editor: User, heard: list[int]
    ) -> None:
        kept = TagFactory(slug="trousers", label="Trousers", synonyms=["slacks"])
        pants = TagFactory(slug="pants", label="Pants", label_zh="裤子", synonyms=["slacks", "britches"])
        TagFactory(slug="jeans", label="Jeans", parent=pants)
        TagFactory(slug="hosen", label="Hosen", label_zh="长裤")
        both = AssetFactory(tags=["trousers", "pants"])
        one = AssetFactory(tags=["hosen"])
        two = AssetFactory(tags=["pants", "hosen"], state=AssetState.TRASHED)
        aside = AssetFactory(tags=["jeans"])
        search_of_pants = SavedSearch.objects.create(
            owner=editor, name="Pants", query=f"kind=garment&tags__id__exact={pants.pk}"
        )
        heard.clear()

        response = staff_api.post(f"{TAGS}trousers/merge/", {"others": ["pants", "hosen"]}, format="json")

        assert response.status_code == 200, response.content
        assert response.json() == {
            "slug": "trousers",
            "label": "Trousers",
            "label_zh": "裤子",
            "synonyms": ["slacks", "pants", "Pants", "britches", "hosen", "Hosen", "长裤"],
            "parent": None,
            "assets": 3,
        }
        assert shape() == {"trousers": None, "jeans": "trousers"}
        assert [slugs_of(asset) for asset in (both, one, two, aside)] == [{"trousers"}] * 3 + [{"jeans"}]
        assert heard == [both.pk, one.pk, two.pk]
        entry = AuditEntry.objects.get(action="tag.merged")
        assert (entry.actor, entry.target_id, entry.details["merged"]) == (
            editor,
            "trousers",
            ["pants", "hosen"],
        )
        search_of_pants.refresh_from_db()
        assert search_of_pants.query == f"kind=garment&tags__id__exact={kept.pk}"

    def test_the_old_words_find_it_and_make_no_new_tag(self, staff_api: APIClient) -> None:
        TagFactory(slug="trousers", label="Trousers")
        TagFactory(slug="pants", label="Pants", label_zh="裤子")
        old = AssetFactory(tags=["pants"])
        staff_api.post(f"{TAGS}trousers/merge/", {"others": ["pants"]}, format="json")

        new = AssetFactory(tags=["Pants", "裤子", "PANTS", "pants"])

        assert slugs_of(new) == {"trousers"}
        assert Tag.objects.count() == 1
        for word in ("trousers", "Trousers", "pants", "Pants", "裤子"):
            found = staff_api.get("/api/v1/assets/", {"tag": word}).json()["results"]
            assert {row["id"] for row in found} == {str(old.public_id), str(new.public_id)}, word
        assert staff_api.get("/api/v1/assets/", {"tag": "skirt"}).json()["results"] == []
        written = staff_api.get("/api/v1/assets/", {"q": "裤子"}).json()["results"]
        assert len(written) == 2

    @pytest.mark.parametrize(
        ("kept", "others", "expected"),
        [
            ("leaf", ["top"], {"leaf": None, "middle": "leaf", "beside": "middle"}),
            ("leaf", ["middle"], {"top": None, "leaf": "top", "beside": "leaf"}),
            ("leaf", ["top", "middle"], {"leaf": None, "beside": "leaf"}),
            ("top", ["leaf", "middle"], {"top": None, "beside": "top"}),
            ("middle", ["beside", "top"], {"middle": None, "leaf": "middle"}),
        ],
    )
    def test_no_tag_comes_to_lie_below_itself(
        self, editor: User, kept: str, others: list[str], expected: dict[str, str | None]
    ) -> None:
        tags = tree(top="", middle="top", leaf="middle", beside="middle")
        tag_merging.merge(tags[kept], [tags[slug] for slug in others], actor=editor)
        assert shape() == expected

    def test_its_queries_do_not_grow_with_assets_or_tags(self, editor: User) -> None:
        def queries(number: int) -> int:
            kept = TagFactory()
            others = [TagFactory() for _number in range(number)]
            for other in others:
                TagFactory(parent=other)
                AssetFactory(tags=[other.slug, kept.slug])
                AssetFactory(tags=[tag.slug for tag in others])
            with CaptureQueriesContext(connection) as captured:
                tag_merging.merge(kept, others, actor=editor)
            assert kept.assets.count() == 2 * number
            return len(captured)

        queries(1)  # asks for the account's role, which its object keeps
        assert queries(1) == queries(4)

    def test_what_cannot_be_merged_changes_nothing(
        self, staff_api: APIClient, stranger: User, api: APIClient
    ) -> None:
        AssetFactory(tags=["pants", "trousers"])
        api.force_authenticate(stranger)
        for client, others, status, words in (
            (staff_api, ["nothing"], 400, "No such tag: nothing."),
            (staff_api, ["trousers"], 409, "Choose at least two different tags"),
            (staff_api, [], 400, "others"),
            (api, ["pants"], 403, ""),
        ):
            response = client.post(f"{TAGS}trousers/merge/", {"others": others}, format="json")
            assert response.status_code == status
            assert words in response.content.decode()
            assert response["Content-Type"] == "application/problem+json"
        assert shape() == {"pants": None, "trousers": None}
        assert not AuditEntry.objects.filter(action="tag.merged").exists()

    def test_the_page_asks_which_one_stays(self, client: Client, editor: User) -> None:
        client.force_login(editor)
        tags = tree(shoes="", boots="shoes", footwear="")
        assets = [AssetFactory(tags=["boots"]), AssetFactory(tags=["boots", "footwear"])]
        data: dict[str, Any] = {
            "action": "merge_tags",
            "_selected_action": [tags["footwear"].pk, tags["boots"].pk],
        }
        asked = client.post(LIST, data)
        assert [(tag.slug, tag.asset_count) for tag, _below in asked.context["tags"]] == [
            ("boots", 2),
            ("footwear", 1),
        ]
        assert Tag.objects.count() == 3
        done = client.post(LIST, {**data, "confirmed": "1", "kept": tags["footwear"].pk}, follow=True)
        assert "1 tag went into “Footwear”, which 2 assets carry now." in done.content.decode()
        assert shape() == {"shoes": None, "footwear": None}
        assert all(slugs_of(asset) == {"footwear"} for asset in assets)
        alone = client.post(
            LIST, {"action": "merge_tags", "_selected_action": [tags["shoes"].pk]}, follow=True
        )
        assert "Choose 2 to 100 tags to merge." in alone.content.decode()


class TestTree:
    def test_a_tag_finds_the_assets_of_those_below_it(
        self, client: Client, administrator: User, staff_api: APIClient
    ) -> None:
        client.force_login(administrator)
        tags = tree(garments="", shirts="garments", polo="shirts", shoes="")
        above, below = AssetFactory(tags=["garments"]), AssetFactory(tags=["polo", "shirts"])
        AssetFactory(tags=["shoes"])
        wanted = {str(above.public_id), str(below.public_id)}

        rows = staff_api.get("/api/v1/assets/", {"tag": "garments"}).json()["results"]
        assert [row["id"] for row in rows] == [str(below.public_id), str(above.public_id)]
        page = client.get("/admin/dam/asset/", {"tags__id__exact": tags["garments"].pk})
        assert {str(asset.public_id) for asset in page.context["cl"].result_list} == wanted
        page = client.get("/admin/dam/asset/", {"tags__id__exact": tags["polo"].pk})
        assert list(page.context["cl"].result_list) == [below]
        found = search(SearchRequest(filters=Filters(tag=("garments",))), user=administrator)
        assert {str(hit.asset.public_id) for hit in found.hits} == wanted

    def test_the_list_is_the_tree_with_both_numbers(self, client: Client, editor: User) -> None:
        client.force_login(editor)
        tree(shirts="", polo="shirts", blouse="shirts", zip_polo="polo", accessories="")
        AssetFactory(tags=["shirts", "polo"])
        AssetFactory(tags=["zip_polo"])
        AssetFactory(tags=["zip_polo"], state=AssetState.TRASHED)

        rows = client.get(LIST).context["cl"].result_list

        assert [(tag.slug, tag.depth, tag.asset_count, tag.count_below) for tag in rows] == [
            ("accessories", 0, 0, 0),
            ("shirts", 0, 1, 2),
            ("blouse", 1, 0, 0),
            ("polo", 1, 1, 2),
            ("zip_polo", 2, 1, 1),
        ]
        found = client.get(LIST, {"q": "polo"})
        assert {tag.slug for tag in found.context["cl"].result_list} == {"polo", "zip_polo"}
        assert client.get(LIST, {"p": "9"}).status_code == 302

    def test_its_queries_do_not_grow(self, client: Client, editor: User) -> None:
        client.force_login(editor)

        def queries() -> int:
            with CaptureQueriesContext(connection) as captured:
                assert client.get(LIST).status_code == 200
            return len(captured)

        AssetFactory(tags=["a"])
        queries()
        few = queries()
        parent = None
        for number in range(6):
            parent = TagFactory(parent=parent)
            AssetFactory(tags=[parent.slug, f"t{number}"])
        assert queries() == few


def test_assets_change_with_the_words_of_their_tag_and_not_with_its_place(staff_api: APIClient) -> None:
    tree = TagFactory(slug="tree")
    TagFactory(slug="leaf")
    asset = AssetFactory(tags=["leaf"])
    told: list[list[int]] = []

    def hear(asset_ids: list[int], **_more: Any) -> None:
        told.append(asset_ids)

    assets_changed.connect(hear)
    try:
        assert staff_api.patch(f"{TAGS}leaf/", {"parent": tree.slug}, format="json").status_code == 200
        assert told == []
        assert staff_api.patch(f"{TAGS}leaf/", {"synonyms": ["blade"]}, format="json").status_code == 200
        assert told == [[asset.pk]]
    finally:
        assets_changed.disconnect(hear)
