"""What uses an asset: told on its page and by REST, and asked about before it is thrown away."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.db import connection
from django.db.models import PROTECT
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from dam import editing, presets, sharing, usage
from dam.ingest import AssetMetadata, ParentLink, ingest
from dam.models import (
    SKU,
    Asset,
    AssetOrigin,
    AssetState,
    Assignment,
    AuditEntry,
    Collection,
    RenditionPreset,
    Tag,
)
from dam.usage_sources import day_of
from generation.models import GenerationItem, GenerationJob, ItemInput
from tests.factories import AssetFactory, CollectionFactory, SKUFactory, TagFactory
from tests.pictures import picture

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("space")]
LIST = "/admin/dam/asset/"


def child_of(parent: Asset, seed: int, **fields: Any) -> Asset:
    return ingest(
        picture(seed=seed, colour="green"),
        filename="board.jpg",
        owner=None,
        origin=AssetOrigin.GENERATED,
        metadata=AssetMetadata(**fields),
        parents=[ParentLink(parent, "garment")],
    ).asset


def collected(asset: Asset, name: str, owner: User | None = None) -> Collection:
    collection = CollectionFactory(name=name, owner=owner)
    collection.items.create(asset=asset)
    return collection


def planned(asset: Asset, title: str, cells: int = 2) -> GenerationJob:
    job = GenerationJob.objects.create(kind="outfits", title=title, provider="board")
    for position in range(cells):
        item = GenerationItem.objects.create(
            job=job, position=position, idempotency_key=f"{job.pk}-{position}"
        )
        ItemInput.objects.create(item=item, asset=asset, role="garment")
    return job


def used_in_every_way(editor: User) -> Asset:
    """By two SKUs, a shared collection and another, seven pictures, a preset, a job, an assignment."""
    asset = AssetFactory(title="Linen shirt", skus=[("A-1", "packshot"), ("A-1", "detail")])
    collected(asset, "Autumn")
    spring = collected(asset, "Spring")
    sharing.create(spring, actor=editor, expires_at=timezone.now() + timedelta(days=3))
    for seed in range(7):
        child_of(asset, 900 + seed, title=f"Board {seed}", state=AssetState.APPROVED if seed else "draft")
    presets.save(RenditionPreset(slug="card", width=100, watermark_asset=asset), actor=None)
    planned(asset, "Spring looks")
    Assignment.objects.create(asset=asset, assignee=editor, task="Crop it")
    Assignment.objects.create(asset=asset, assignee=editor, task="Done before", done_at=timezone.now())
    return asset


def address(asset: Asset, more: str = "") -> str:
    return f"/api/v1/assets/{asset.public_id}/{more}"


class TestTelling:
    def test_everything_that_uses_it_is_told(self, staff_api: APIClient, editor: User) -> None:
        asset = used_in_every_way(editor)
        day = day_of(timezone.localdate() + timedelta(days=3))

        body = staff_api.get(address(asset, "usage/")).json()

        assert {one["kind"]: one["count"] for one in body["by"]} == {
            "skus": 2,
            "collections": 2,
            "made_from_it": 7,
            "watermarks": 1,
            "generation_jobs": 1,
            "assignments": 1,
        }
        first = {one["kind"]: one["first"] for one in body["by"]}
        assert [(use["id"], use["detail"]) for use in first["skus"]] == [
            ("A-1", "Detail"),
            ("A-1", "Packshot"),
        ]
        assert [(use["name"], use["detail"]) for use in first["collections"]] == [
            ("Spring", f"shared by link until {day}"),
            ("Autumn", ""),
        ]
        assert [use["name"] for use in first["made_from_it"]] == [f"Board {seed}" for seed in (6, 5, 4, 3, 2)]
        assert first["watermarks"][0]["id"] == "card"
        assert first["assignments"][0] == {
            "id": first["assignments"][0]["id"],
            "name": "Crop it",
            "detail": editor.username,
        }
        assert (body["used"], body["hinders_deletion"]) == (True, 9)
        assert body["sentence"].startswith(
            "“Linen shirt” is a picture of the SKUs “A-1” (Detail), “A-1” (Packshot); "
            f"is in the collections “Spring” (shared by link until {day}), “Autumn”; "
            "7 pictures were made from it: “Board 6”"
        )
        assert (
            "“Board 2” (Garment) and 2 more; is the watermark of the preset “card”; has an open assignment: "
            in body["sentence"]
        )

    def test_nothing_uses_a_new_one(self, staff_api: APIClient) -> None:
        assert staff_api.get(address(AssetFactory(), "usage/")).json() == {
            "used": False,
            "sentence": "",
            "hinders_deletion": 0,
            "by": [],
        }

    def test_others_are_told_only_of_what_they_may_see(
        self, api: APIClient, stranger: User, editor: User
    ) -> None:
        asset = used_in_every_way(editor)
        Asset.objects.filter(pk=asset.pk).update(owner=stranger)
        mine = collected(asset, "Mine", owner=stranger)
        assert api.get(address(asset, "usage/")).status_code == 401
        api.force_authenticate(stranger)

        body = api.get(address(asset, "usage/")).json()

        assert {one["kind"]: one["count"] for one in body["by"]} == {
            "skus": 2,
            "collections": 1,
            "made_from_it": 6,  # one is a draft of somebody else's
        }
        assert body["hinders_deletion"] == 9
        assert body["by"][1]["first"] == [{"id": str(mine.pk), "name": "Mine", "detail": ""}]
        assert "3 things use it that you may not see" in body["sentence"]
        for hidden in ("Autumn", "Board 0", "card", "Spring looks", "Crop it"):
            assert hidden not in str(body)
        hidden_asset = AssetFactory(state=AssetState.DRAFT)
        assert api.get(address(hidden_asset, "usage/")).status_code == 404

    def test_the_page_has_it_in_one_place(self, client: Client, editor: User, stranger: User) -> None:
        asset = used_in_every_way(editor)
        client.force_login(editor)
        response = client.get(f"{LIST}{asset.pk}/change/")
        body = response.content.decode()
        for expected in ("Used by", "Spring", "shared by link", "Spring looks", "card", "Crop it", "Board 0"):
            assert expected in body
        assert f"/admin/dam/sku/{SKU.objects.get().pk}/change/" in body
        assert "9 of these keep it from being deleted for good." in body
        stranger.is_staff = True
        stranger.save()
        stranger.groups.add(Group.objects.get(name="contributor"))
        stranger.user_permissions.add(*Permission.objects.filter(content_type__app_label="dam"))
        client.force_login(stranger)
        body = client.get(f"{LIST}{asset.pk}/change/").content.decode()
        assert "Board 1" in body
        for hidden in ("Board 0", "Autumn", "Spring looks"):
            assert hidden not in body

    def test_its_queries_do_not_grow(self, editor: User, stranger: User) -> None:
        assets = [used_in_every_way_of(number) for number in range(4)]

        def queries(number: int, viewer: User) -> int:
            with CaptureQueriesContext(connection) as captured:
                found = usage.of(assets[:number], viewer)
            assert [len(one.by) >= 2 for one in found] == [True] * number
            return len(captured)

        for viewer in (editor, stranger):
            queries(1, viewer)  # asks for the account's role
            assert queries(1, viewer) == queries(4, viewer) <= 10

    def test_whatever_hinders_deletion_is_told(self) -> None:
        hindering = {
            (relation.related_model, relation.field.attname)
            for relation in Asset._meta.get_fields(include_hidden=True)
            if getattr(relation, "on_delete", None) is PROTECT
        }
        told = {(source.rows([]).model, source.asset) for source in usage.sources() if source.hinders}
        assert hindering == told


def used_in_every_way_of(number: int) -> Asset:
    asset = AssetFactory(skus=[(f"Q-{number}", "packshot")])
    for seed in range(number + 1):
        child_of(asset, 2000 + 10 * number + seed, state=AssetState.APPROVED)
        planned(asset, f"Job {seed}", cells=number + 1)
        collected(asset, f"Collection {number} {seed}")
    return asset


class TestThrowingAway:
    def deed(self, client: Client, action: str, assets: list[Asset], **fields: Any) -> Any:
        data = {"action": action, "_selected_action": [asset.pk for asset in assets], **fields}
        return client.post(LIST, data)

    def test_the_page_asks_by_what_it_is_used(self, client: Client, reviewer: User) -> None:
        client.force_login(reviewer)
        asset = used_in_every_way(reviewer)
        button = f"{LIST}{asset.pk}/do/trash/"
        asked = client.post(button)
        assert asked.status_code == 200
        body = asked.content.decode()
        assert "is a picture of the SKUs “A-1” (Detail), “A-1” (Packshot)" in body
        assert "shared by link until" in body
        asset.refresh_from_db()
        assert not asset.is_trashed
        assert "is a picture of the SKUs" in client.get(f"{LIST}{asset.pk}/delete/").content.decode()
        assert client.post(button, {"confirmed": "1"}).status_code == 302
        asset.refresh_from_db()
        assert asset.is_trashed
        assert asset.collections.count() == 2

    def test_the_list_asks_once_for_many(self, client: Client, editor: User) -> None:
        client.force_login(editor)
        used, free = AssetFactory(title="Shirt", skus=[("A-1", "packshot")]), AssetFactory(title="Free")
        asked = self.deed(client, "trash", [used, free])
        body = asked.content.decode()
        assert [one.asset for one in asked.context["usages"]] == [used]
        assert "is a picture of the SKU “A-1” (Packshot)" in body
        assert not Asset.objects.filter(state=AssetState.TRASHED).exists()
        assert self.deed(client, "trash", [used, free], confirmed="1").status_code == 302
        assert Asset.objects.filter(state=AssetState.TRASHED).count() == 2

    def test_what_nothing_uses_goes_at_once(self, client: Client, editor: User) -> None:
        client.force_login(editor)
        one, two = AssetFactory(), AssetFactory()
        assert client.post(f"{LIST}{one.pk}/do/trash/").status_code == 302
        assert self.deed(client, "trash", [two]).status_code == 302
        assert Asset.objects.filter(state=AssetState.TRASHED).count() == 2

    def test_asking_for_many_takes_as_many_queries_as_for_few(self, client: Client, editor: User) -> None:
        client.force_login(editor)
        assets = [used_in_every_way_of(number) for number in range(4)]

        def queries(chosen: list[Asset]) -> int:
            with CaptureQueriesContext(connection) as captured:
                assert len(self.deed(client, "trash", chosen).context["usages"]) == len(chosen)
            return len(captured)

        queries(assets[:1])
        assert queries(assets[:1]) == queries(assets)

    def test_rest_says_by_what_and_does_what_restoring_undoes(self, staff_api: APIClient) -> None:
        free, shown = AssetFactory(), AssetFactory(title="Shirt", skus=[("A-1", "packshot")])
        assert staff_api.delete(address(free)).status_code == 204
        response = staff_api.delete(address(shown))
        assert response.status_code == 200
        assert response.json()["sentence"] == "“Shirt” is a picture of the SKU “A-1” (Packshot)."
        shown.refresh_from_db()
        assert shown.is_trashed

    @pytest.mark.parametrize("way", ["shared", "made", "preset", "job"])
    def test_rest_does_nothing_where_others_would_lose_something(
        self, staff_api: APIClient, editor: User, way: str
    ) -> None:
        asset = AssetFactory(title="Shirt")
        if way == "shared":
            sharing.create(
                collected(asset, "Spring"), actor=editor, expires_at=timezone.now() + timedelta(days=3)
            )
        elif way == "made":
            child_of(asset, 950, title="Board")
        elif way == "preset":
            presets.save(RenditionPreset(slug="card", width=100, watermark_asset=asset), actor=None)
        else:
            planned(asset, "Looks")
        refused = staff_api.delete(address(asset))
        assert refused.status_code == 409
        assert refused["Content-Type"] == "application/problem+json"
        problem = refused.json()
        assert (problem["code"], len(problem["used_by"])) == ("in_use", 1)
        assert problem["detail"].startswith("“Shirt” ")
        assert "even_if_used=true" in problem["detail"]
        asset.refresh_from_db()
        assert not asset.is_trashed
        assert staff_api.delete(f"{address(asset)}?even_if_used=true").status_code == 200
        asset.refresh_from_db()
        assert asset.is_trashed

    def test_who_may_not_throw_it_away_is_told_that_and_nothing_else(
        self, api: APIClient, stranger: User
    ) -> None:
        asset = AssetFactory()
        child_of(asset, 951)
        api.force_authenticate(stranger)
        response = api.delete(address(asset))
        assert response.status_code == 403
        assert "used_by" not in response.json()


class TestDeletingForGood:
    def test_the_refusal_names_everything_and_says_what_to_do(self, administrator: User) -> None:
        asset = used_in_every_way(administrator)
        editing.trash([asset], actor=administrator)
        with pytest.raises(editing.AssetsInUse) as caught:
            editing.delete_forever([asset], actor=administrator)
        sentence = str(caught.value)
        assert sentence.startswith("“Linen shirt” cannot be deleted for good: 7 pictures were made from it: ")
        for part in (
            "is the watermark of the preset “card”",
            "1 generation job uses it: “Outfits: Spring looks” (Queued)",
            "Delete for good what was made from it first, or leave it in the trash.",
            "Choose another watermark there first.",
            "Jobs are kept as the record of what was spent; leave it in the trash.",
        ):
            assert part in sentence
        assert "SKU" not in sentence
        assert Asset.objects.filter(pk=asset.pk).exists()

    def test_of_many_the_first_are_named(self, administrator: User) -> None:
        assets = [AssetFactory(title=f"Shirt {number}") for number in range(5)]
        for number, asset in enumerate(assets):
            child_of(asset, 960 + number)
        with pytest.raises(editing.AssetsInUse) as caught:
            editing.delete_forever(assets, actor=administrator)
        assert caught.value.asset_ids == {asset.pk for asset in assets}
        assert "“Shirt 2” cannot" in str(caught.value)
        assert "Shirt 3" not in str(caught.value)
        assert str(caught.value).endswith(" 2 more are in use as well.")

    def test_the_page_of_deleting_says_it_before(self, client: Client, administrator: User) -> None:
        client.force_login(administrator)
        asset = AssetFactory(title="Shirt")
        child_of(asset, 970, title="Board")
        editing.trash([asset], actor=administrator)
        body = client.get(f"{LIST}{asset.pk}/delete/").content.decode()
        assert "“Shirt” cannot be deleted for good: 1 picture was made from it: “Board” (Garment)." in body
        assert 'type="submit">Delete for good' not in body


class TestOrganisers:
    @pytest.mark.parametrize("kind", ["tag", "sku", "collection"])
    def test_deleting_says_how_many_assets_carry_it(
        self, client: Client, staff_api: APIClient, editor: User, kind: str
    ) -> None:
        client.force_login(editor)
        asset = AssetFactory(tags=["summer"], skus=[("S-1", "packshot"), ("S-1", "detail")])
        AssetFactory(tags=["summer"], state=AssetState.TRASHED)
        collection = collected(asset, "Spring")
        sharing.create(collection, actor=editor, expires_at=timezone.now() + timedelta(days=9), label="Press")
        thing: Any = {"tag": Tag, "sku": SKU, "collection": Collection}[kind].objects.get()
        name = {"tag": "summer", "sku": "S-1", "collection": str(collection.pk)}[kind]
        words = {
            "tag": "1 asset carries the tag “summer”; it stays in the library without it.",
            "sku": "1 asset shows the SKU “S-1”; it stays in the library without it.",
            "collection": "1 asset is in the collection “Spring”; it stays in the library.",
        }[kind]
        links = 1 if kind == "collection" else 0

        page = client.get(f"/admin/dam/{kind}/{thing.pk}/delete/").content.decode()
        many = client.post(
            f"/admin/dam/{kind}/", {"action": "delete_selected", "_selected_action": [thing.pk]}
        )
        refused = staff_api.delete(f"/api/v1/{kind}s/{name}/")

        assert words in page
        assert words in many.content.decode()
        assert (refused.status_code, refused.json()["used_by"]) == (
            409,
            {"assets": 1, "links": links, "below": 0},
        )
        assert refused.json()["detail"].startswith(words)
        for text in (page, many.content.decode(), refused.json()["detail"]):
            assert ("The link “Press” shows it to people without an account" in text) == bool(links)
        assert type(thing).objects.filter(pk=thing.pk).exists()
        assert staff_api.delete(f"/api/v1/{kind}s/{name}/?even_if_used=true").status_code == 204
        assert not type(thing).objects.filter(pk=thing.pk).exists()
        assert Asset.objects.filter(pk=asset.pk).exists()

    def test_what_has_others_below_it_is_not_deleted(
        self, client: Client, staff_api: APIClient, editor: User
    ) -> None:
        client.force_login(editor)
        tag, sku = TagFactory(slug="shoes"), SKUFactory(code="SHIRT")
        TagFactory(slug="boots", parent=tag)
        SKUFactory(code="SHIRT-M", parent=sku)
        for kind, thing, name, words in (
            ("tag", tag, "shoes", "1 tag lies below it (“Boots”)"),
            ("sku", sku, "SHIRT", "it has 1 variant (“SHIRT-M”)"),
        ):
            page = f"/admin/dam/{kind}/{thing.pk}/delete/"
            assert words in client.get(page).content.decode()
            client.post(page, {"post": "yes"})
            refused = staff_api.delete(f"/api/v1/{kind}s/{name}/?even_if_used=true")
            assert refused.status_code == 409
            assert words in refused.json()["detail"]
        assert (Tag.objects.count(), SKU.objects.count()) == (2, 2)
        assert not AuditEntry.objects.filter(action__in=("tag.deleted", "sku.deleted")).exists()
