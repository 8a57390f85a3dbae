"""The list of a large library: pages by key, right counts that reveal nothing, words, saved searches."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.db import connection, transaction
from django.db.models import Count
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from dam import facets, words
from dam.models import Asset, AssetCount, AssetState, AuditEntry, SavedSearch, Tag
from dam.tasks import fill_words, fold_counts
from tests.factories import AssetFactory, TagFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("space")]
LIST = "/admin/dam/asset/"
KINDS, COLOURS = ("garment", "scene", "other"), ("red", "blue", "white")


@pytest.fixture
def page(client: Client, editor: User) -> Client:
    client.force_login(editor)
    return client


@pytest.fixture
def contributor(client: Client, stranger: User) -> Client:
    """Somebody in the admin who sees what is their own, and the storefront."""
    stranger.is_staff = True
    stranger.groups.clear()
    stranger.save()
    stranger.user_permissions.set(Permission.objects.filter(content_type__app_label="dam"))
    stranger.groups.add(Group.objects.get(name="contributor"))
    client.force_login(stranger)
    return client


def rows(number: int, seed: int = 1, **fixed: Any) -> list[Asset]:
    """Rows without files, which a list shows as well."""
    chance = random.Random(seed)
    now = timezone.now()
    made = Asset.objects.bulk_create(
        Asset(
            **{
                "title": f"Thing {chance.randrange(number // 3 + 1):03}",
                "kind": chance.choice(KINDS),
                "colour_family": chance.choice(COLOURS),
                "state": chance.choice(AssetState.values),
            }
            | fixed
        )
        for _ in range(number)
    )
    for place, asset in enumerate(made):  # some at the very same moment
        Asset.objects.filter(pk=asset.pk).update(updated=now - timedelta(minutes=place // 4))
    words.rewrite([asset.pk for asset in made])
    return made


def walk(page: Client, query: str = "", link: str = "next_page") -> list[list[int]]:
    """The keys on every page, as one gets there by the link."""
    pages, address = [], f"{LIST}?{query}"
    while address:
        changelist = page.get(address).context["cl"]
        pages.append([asset.pk for asset in changelist.result_list])
        following = getattr(changelist, link)
        address = f"{LIST}{following}" if following else ""
    return pages


class TestPages:
    @pytest.mark.parametrize("sort", ["newest", "oldest", "title", "updated"])
    def test_every_asset_is_on_one_page_in_every_order_and_back(self, page: Client, sort: str) -> None:
        rows(190)
        shown = Asset.objects.in_library()
        order = {
            "newest": ["-pk"],
            "oldest": ["pk"],
            "title": ["title", "pk"],
            "updated": ["-updated", "-pk"],
        }[sort]
        expected = list(shown.order_by(*order).values_list("pk", flat=True))
        pages = walk(page, f"sort={sort}")
        assert [key for one in pages for key in one] == expected
        assert [len(one) for one in pages[:-1]] == [60] * (len(pages) - 1)

        last = page.get(f"{LIST}?sort={sort}")
        while last.context["cl"].next_page:
            last = page.get(f"{LIST}{last.context['cl'].next_page}")
        back = walk(page, last.context["cl"].previous_page.lstrip("?"), "previous_page")
        assert [key for one in reversed(back) for key in one] == expected[: -len(pages[-1])]

    def test_new_assets_move_nothing_between_pages(self, page: Client) -> None:
        rows(130, state="approved")
        first = page.get(LIST).context["cl"]
        seen = [asset.pk for asset in first.result_list]
        rows(25, seed=2, state="approved")
        rest = walk(page, first.next_page.lstrip("?"))
        assert len(seen) + sum(map(len, rest)) == 130
        assert not set(seen) & {key for one in rest for key in one}

    @pytest.mark.parametrize("place", ["x", "9" * 30, "5~", "5~yesterday", "~", "-1"])
    @pytest.mark.parametrize("sort", ["newest", "updated"])
    def test_a_broken_place_in_the_address_shows_the_list(self, page: Client, place: str, sort: str) -> None:
        rows(3, state="approved")
        answer = page.get(LIST, {"after": place, "sort": sort})
        assert answer.status_code == 200

    def test_a_filter_starts_at_the_first_page_and_keeps_the_order(self, page: Client) -> None:
        rows(130, state="approved", kind="scene")
        changelist = page.get(f"{LIST}?sort=title").context["cl"]
        second = page.get(f"{LIST}{changelist.next_page}").content.decode()
        assert 'href="?kind=scene&amp;sort=title"' in second

    def test_no_page_counts_the_table_and_the_number_of_queries_is_fixed(self, page: Client) -> None:
        def statements(query: str) -> list[str]:
            with CaptureQueriesContext(connection) as captured:
                assert page.get(f"{LIST}?{query}").status_code == 200
            return [one["sql"] for one in captured]

        rows(60)
        queries = ("", "kind=scene", "q=thing", "sort=title", "q=thing&kind=scene&state=approved")
        for query in queries:
            statements(query)
        few = [len(statements(query)) for query in queries]
        rows(150, seed=3)
        many = [statements(query) for query in queries]
        assert [len(one) for one in many] == few
        if connection.vendor == "postgresql":  # elsewhere the sorts are counted in an index
            assert not [sql for sql in many[0] if "COUNT(" in sql and "dam_asset" in sql]


class TestFacets:
    def counts(self, page: Client, parameter: str, query: str = "") -> dict[str, str]:
        changelist = page.get(f"{LIST}?{query}").context["cl"]
        spec = next(spec for spec in changelist.filter_specs if spec.parameter_name == parameter)
        return {choice["value"]: choice["count"] for choice in spec.choices(changelist) if choice["value"]}

    def test_each_choice_says_how_many_it_would_show(self, page: Client) -> None:
        rows(200)
        for query in ("", "colour=red", "state=draft", "q=thing", "q=thing&colour=red", "state=trashed"):
            for kind, count in self.counts(page, "kind", query).items():
                assert str(page.get(f"{LIST}?{query}&kind={kind}").context["cl"].result_count) == count

    def test_they_follow_every_change(self, page: Client, reviewer: User) -> None:
        from dam import editing

        made = rows(40, state="draft", kind="scene")
        editing.set_state(made[:10], actor=reviewer, state="approved")
        editing.trash(made[10:15], actor=reviewer)
        with pytest.raises(RuntimeError), transaction.atomic():
            Asset.objects.filter(pk__in=[asset.pk for asset in made]).update(state="rejected")
            raise RuntimeError
        Asset.objects.filter(pk=made[20].pk).delete()
        assert self.counts(page, "state") == {"draft": "24", "approved": "10", "trashed": "5"}
        fold_counts()
        assert self.counts(page, "state") == {"draft": "24", "approved": "10", "trashed": "5"}
        truth = Asset.objects.order_by().values_list(*facets.DIMENSIONS).annotate(number=Count("pk"))
        assert facets.of_library().numbers == {tuple(sort): number for *sort, number in truth}
        if connection.vendor == "postgresql":
            assert AssetCount.objects.count() == len(truth)

    def test_they_reveal_nothing_that_the_account_may_not_open(
        self, contributor: Client, stranger: User
    ) -> None:
        rows(30, state="draft", kind="scene", colour_family="red")
        rows(4, state="draft", kind="scene", colour_family="red", owner=stranger)
        rows(3, state="approved", kind="other", colour_family="red")
        assert self.counts(contributor, "kind") == {"scene": "4", "other": "3"}
        assert contributor.get(LIST).context["cl"].result_count == 7

    def test_beyond_what_is_probed_a_number_is_a_lower_bound(
        self, page: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        rows(90, state="approved", kind="scene")
        monkeypatch.setattr(facets, "PROBED", 50)
        changelist = page.get(f"{LIST}?q=thing").context["cl"]
        assert changelist.shown_count == "60+"  # as many as are on the page, at least
        spec = next(spec for spec in changelist.filter_specs if spec.parameter_name == "state")
        assert [choice["value"] for choice in spec.choices(changelist)] == ["", *AssetState.values]
        assert sum(map(len, walk(page, "q=thing"))) == 90


class TestWords:
    def titles(self, page: Client, query: str) -> set[str]:
        return {asset.title for asset in page.get(LIST, {"q": query}).context["cl"].result_list}

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ("red dress", True), ("DRE", True), ("dress mug", False), ("红色", True), ("色连", True),
            ("裙", True), ("红裙", False), ("红色 dress", True), ("2034", True), ("img", True), ("夏", True),
            ("mq", False), ("mq-17", False), ("M-17", True),
            ("ｒｅｄ", True), ("'red", True), ("red':* |", True),
            ("sundress", True), ("…", False), ("x" * 3000, False), ("红" * 300, False),
        ],
    )  # fmt: skip
    def test_words_of_all_texts_must_be_there(self, page: Client, query: str, found: bool) -> None:
        TagFactory(slug="summer", label="Summer", label_zh="夏天", synonyms=["sundress"])
        AssetFactory(
            title="Red dress", title_zh="红色连衣裙", tags=["summer"], skus=[("M-17", "packshot")],
            filename="IMG2034.png",
        )  # fmt: skip
        AssetFactory(title="A mug")
        assert self.titles(page, query) == ({"Red dress"} if found else set())

    def test_a_renamed_tag_is_found_by_its_new_name_at_once(self, page: Client, editor: User) -> None:
        from dam import organising

        AssetFactory(title="Boots", tags=["winter"])
        tag = Tag.objects.get(slug="winter")
        tag.label = "Cold season"
        organising.save(tag, actor=editor)
        assert self.titles(page, "cold") == {"Boots"}
        assert self.titles(page, "winter") == set()

    def test_assets_that_came_past_the_verbs_are_found_after_the_sweep(self, page: Client) -> None:
        Asset.objects.bulk_create([Asset(title="From a dump", state="approved")])
        assert self.titles(page, "dump") == set()
        fill_words()
        assert self.titles(page, "dump") == {"From a dump"}

    def test_by_the_id_that_other_pages_show(self, page: Client) -> None:
        asset = AssetFactory(title="This one")
        AssetFactory(title="Another")
        assert self.titles(page, str(asset.public_id)) == {"This one"}


class TestSavedSearches:
    def save(self, page: Client, **given: str) -> Any:
        return page.post(f"{LIST}searches/", given, follow=True)

    def test_saved_shown_used_replaced_and_forgotten(self, page: Client, editor: User) -> None:
        answer = self.save(page, name="Red scenes", query="kind=scene&colour=red&after=7&view=list")
        assert answer.redirect_chain[-1][0] == f"{LIST}?colour=red&kind=scene"
        body = page.get(f"{LIST}?kind=scene&colour=red").content.decode()
        assert 'href="?colour=red&amp;kind=scene" aria-current="true">Red scenes' in body
        self.save(page, name="Red  scenes", query="kind=scene")
        search = SavedSearch.objects.get()
        assert (search.owner, search.query) == (editor, "kind=scene")
        page.post(f"{LIST}searches/{search.pk}/delete/")
        assert not SavedSearch.objects.exists()
        assert AuditEntry.objects.filter(action__startswith="search.").count() == 3

    @pytest.mark.parametrize(
        ("name", "query", "told"),
        [("", "kind=scene", "name"), ("All", "", "filter"), ("All", "after=7", "filter"),
         ("Long", "q=" + "x" * 3000, "too long")],
    )  # fmt: skip
    def test_what_cannot_be_saved_says_why(self, page: Client, name: str, query: str, told: str) -> None:
        answer = self.save(page, name=name, query=query[:2500] if told != "too long" else query)
        assert [told in str(message) for message in answer.context["messages"]] == [True]
        assert not SavedSearch.objects.exists()

    def test_only_editors_share_and_others_cannot_touch(
        self, contributor: Client, stranger: User, administrator: User
    ) -> None:
        shared = SavedSearch.objects.create(owner=administrator, name="Ours", query="kind=scene", shared=True)
        SavedSearch.objects.create(owner=administrator, name="Private", query="kind=scene")
        body = contributor.get(LIST).content.decode()
        assert "Ours" in body
        assert "Private" not in body
        assert contributor.post(f"{LIST}searches/{shared.pk}/delete/").status_code == 403
        self.save(contributor, name="Mine", query="kind=scene", shared="on")
        assert not SavedSearch.objects.filter(owner=stranger).exists()


class TestPanel:
    def test_it_shows_the_asset_with_its_deeds(self, page: Client) -> None:
        asset = AssetFactory(title="Red dress", tags=["summer"], skus=[("D-1", "packshot")], state="draft")
        body = page.get(f"{LIST}{asset.pk}/panel/").content.decode()
        for part in ("Red dress", "D-1", "summer", "Send to review", f"{LIST}{asset.pk}/change/"):
            assert part in body, part

    def test_only_of_what_the_account_may_open(self, contributor: Client) -> None:
        hidden = AssetFactory(state="draft")
        assert contributor.get(f"{LIST}{hidden.pk}/panel/").status_code == 404
        contributor.logout()
        assert contributor.get(f"{LIST}{hidden.pk}/panel/").status_code == 302
