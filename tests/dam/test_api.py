"""The REST API of the library: who sees and changes what, uploads, refusals, filters, pages."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.db import connection, transaction
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext
from rest_framework.authtoken.models import Token
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.serializers import ModelSerializer
from rest_framework.test import APIClient

from atelier.errors import server_error
from dam import editing, field_rules
from dam.api.serializers import AssetSerializer
from dam.models import (
    SKU,
    Asset,
    AssetOrigin,
    AssetState,
    AuditEntry,
    Collection,
    CustomField,
    FieldRule,
    FieldType,
    Tag,
)
from dam.signals import assets_changed
from tests import pictures
from tests.clients import api_of
from tests.factories import AssetFactory, CollectionFactory, SKUFactory, TagFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("space")]
ASSETS = "/api/v1/assets/"


def address(asset: Asset) -> str:
    return f"{ASSETS}{asset.public_id}/"


def upload(api: APIClient, content: bytes, name: str = "shirt.jpg", **fields: Any) -> Any:
    return api.post(ASSETS, {"file": SimpleUploadedFile(name, content), **fields}, format="multipart")


@pytest.fixture
def contributor_api(stranger: User) -> APIClient:
    return api_of(stranger)


def ids(response: Any) -> set[str]:
    assert response.status_code == 200, response.content
    return {row["id"] for row in response.json()["results"]}


class TestReading:
    def test_everybody_sees_what_visible_to_says(
        self, api: APIClient, contributor_api: APIClient, staff_api: APIClient, stranger: User
    ) -> None:
        approved = AssetFactory()
        expired = AssetFactory(rights_expire_on="2020-01-01")
        draft = AssetFactory(state=AssetState.DRAFT)
        own = AssetFactory(state=AssetState.DRAFT, owner=stranger)
        trashed = AssetFactory(state=AssetState.TRASHED)

        public, drafts = {str(approved.public_id)}, {str(draft.public_id), str(expired.public_id)}
        assert ids(api.get(ASSETS)) == public
        assert ids(contributor_api.get(ASSETS)) == public | {str(own.public_id)}
        assert ids(staff_api.get(ASSETS)) == public | drafts | {str(own.public_id)}
        for client, asset, status in (
            (api, draft, 404),
            (api, expired, 404),
            (contributor_api, draft, 404),
            (contributor_api, own, 200),
            (staff_api, draft, 200),
            (staff_api, trashed, 404),
        ):
            assert client.get(address(asset)).status_code == status

    def test_an_asset_is_described(self, api: APIClient) -> None:
        asset = AssetFactory(
            title="Red dress",
            title_zh="红色连衣裙",
            kind="garment",
            tags=["Summer"],
            skus=[("D-1", "on_model")],
            picture={"colour": "red", "size": (640, 480)},
        )
        body = api.get(address(asset)).json()
        assert body["id"] == str(asset.public_id)
        assert (body["title"], body["title_zh"], body["kind"]) == ("Red dress", "红色连衣裙", "garment")
        assert (body["width"], body["height"], body["mime"]) == (640, 480, "image/jpeg")
        assert [tag["label"] for tag in body["tags"]] == ["Summer"]
        assert body["skus"] == [{"code": "D-1", "role": "on_model"}]
        assert body["colour"] == "red"
        assert body["colours"][0]["hex"].startswith("#")
        for name in ("thumbnail", "web", "original"):
            assert body[name].startswith("http://testserver/assets/")
            assert api.get(body[name]).status_code == 200

    def test_what_is_told_is_what_the_described_fields_say(
        self, api: APIClient, staff_api: APIClient, editor: User
    ) -> None:
        """It is read past REST framework's fields, which the API's description is made of."""
        CustomField.objects.create(slug="season", label="Season", type=FieldType.TEXT)
        rich = AssetFactory(
            title="Red dress", tags=["b", "a"], skus=[("D-1", "on_model")], owner=editor,
            rights_expire_on=date(2099, 1, 31), territories=["DE", "CN"], custom={"season": "Summer"},
        )  # fmt: skip
        bare = AssetFactory(title="Bare", state=AssetState.APPROVED, owner=None)
        Asset.objects.filter(pk=bare.pk).update(current=None, focal_x=0.25)
        field_rules.save(FieldRule(state=AssetState.APPROVED, required=["licence", "tags"]), actor=None)
        for client, user in ((staff_api, editor), (api, AnonymousUser())):
            request = Request(RequestFactory().get("/"))
            request.user = user
            for asset in Asset.objects.filter(pk__in=[rich.pk, bare.pk]).with_listing():
                serializer = AssetSerializer(context={"request": request})
                said = ModelSerializer.to_representation(serializer, asset)
                said["custom"] = said["custom"] if user == editor else {}
                assert client.get(address(asset)).json() == json.loads(JSONRenderer().render(said))

    def test_a_token_signs_in(self, stranger: User) -> None:
        own = AssetFactory(state=AssetState.DRAFT, owner=stranger)
        client = APIClient(headers={"Authorization": f"Token {Token.objects.create(user=stranger).key}"})
        assert client.get(address(own)).status_code == 200
        assert client.get(client.get(address(own)).json()["thumbnail"]).status_code == 200

    def test_filters(self, staff_api: APIClient) -> None:
        dress = AssetFactory(kind="garment", tags=["summer"], skus=[("D-1", "packshot"), ("D-1", "on_model")])
        hat = AssetFactory(kind="accessory", state=AssetState.DRAFT, picture={"colour": "blue", "seed": 99})
        for query, expected in (
            ("kind=garment", {dress}),
            ("kind=garment&kind=accessory", {dress, hat}),
            ("state=draft", {hat}),
            ("tag=summer", {dress}),
            ("sku=D-1", {dress}),
            ("colour=blue", {hat}),
            ("origin=generated", set()),
        ):
            response = staff_api.get(f"{ASSETS}?{query}")
            assert ids(response) == {str(asset.public_id) for asset in expected}, query
            assert len(response.json()["results"]) == len(expected), query

    def test_an_unknown_choice_is_a_problem(self, staff_api: APIClient) -> None:
        response = staff_api.get(f"{ASSETS}?kind=spaceship")
        assert response.status_code == 400
        assert response["Content-Type"] == "application/problem+json"
        assert "kind" in response.json()["errors"]

    def test_pages_by_cursor_hold_everything_once(self, staff_api: APIClient) -> None:
        made = {str(AssetFactory().public_id) for _ in range(5)}
        seen: list[str] = []
        page = staff_api.get(f"{ASSETS}?limit=2").json()
        while True:
            seen += [row["id"] for row in page["results"]]
            if not page["next"]:
                break
            page = staff_api.get(page["next"]).json()
        assert sorted(seen) == sorted(made)

    def test_listing_takes_the_same_number_of_queries_for_any_number(self, staff_api: APIClient) -> None:
        def queries() -> int:
            with CaptureQueriesContext(
                connection,
            ) as captured:
                assert staff_api.get(ASSETS).status_code == 200
            return len(captured)

        AssetFactory(tags=["a"], skus=[("S-1", "packshot")])
        queries()  # asks for the account's role, which its object keeps
        few = queries()
        for number in range(6):
            AssetFactory(tags=["a", f"t{number}"], skus=[(f"S-{number}", "packshot")])
        assert queries() == few


class TestUpload:
    def test_a_contributor_takes_a_picture_in(self, contributor_api: APIClient, stranger: User) -> None:
        heard: list[int] = []
        assets_changed.connect(
            lambda asset_ids, **_: heard.extend(asset_ids), weak=False, dispatch_uid="test"
        )
        try:
            response = upload(
                contributor_api,
                pictures.picture(),
                title="Red",
                kind="garment",
                tags="summer, linen",
                skus="D-1:detail",
            )
        finally:
            assets_changed.disconnect(dispatch_uid="test")
        assert response.status_code == 201, response.content
        asset = Asset.objects.get(public_id=response.json()["id"])
        assert response["Location"].endswith(address(asset))
        assert (asset.title, asset.kind, asset.state, asset.origin) == (
            "Red",
            "garment",
            "draft",
            AssetOrigin.UPLOADED,
        )
        assert asset.owner == stranger
        assert sorted(asset.tags.values_list("slug", flat=True)) == ["linen", "summer"]
        assert list(asset.sku_links.values_list("sku__code", "role")) == [("D-1", "detail")]
        assert heard == [asset.pk]
        entry = AuditEntry.objects.get(target_id=str(asset.public_id), action="asset.ingested")
        assert entry.actor == stranger

    def test_the_same_file_again_answers_with_the_asset_that_is_there(self, staff_api: APIClient) -> None:
        first = upload(staff_api, pictures.picture())
        again = upload(staff_api, pictures.picture(), name="other.jpg")
        assert (first.status_code, again.status_code) == (201, 200)
        assert again.json()["id"] == first.json()["id"]
        assert Asset.objects.count() == 1

    def test_a_duplicate_of_somebody_elses_private_file_tells_nothing_about_it(
        self, contributor_api: APIClient
    ) -> None:
        private = AssetFactory(state=AssetState.DRAFT, title="Secret", file=pictures.picture())
        response = upload(contributor_api, pictures.picture())
        assert response.status_code == 409
        assert response.json()["code"] == "duplicate"
        assert "Secret" not in response.content.decode()
        assert str(private.public_id) not in response.content.decode()
        assert Asset.objects.count() == 1

    def test_uploading_again_restores_only_what_was_ones_own(
        self, contributor_api: APIClient, stranger: User
    ) -> None:
        theirs = AssetFactory(file=pictures.picture(seed=1), state=AssetState.TRASHED)
        own = AssetFactory(file=pictures.picture(seed=2), state=AssetState.TRASHED, owner=stranger)
        assert upload(contributor_api, pictures.picture(seed=1)).status_code == 409
        assert upload(contributor_api, pictures.picture(seed=2)).status_code == 200
        theirs.refresh_from_db()
        own.refresh_from_db()
        assert (theirs.state, own.state) == (AssetState.TRASHED, AssetState.DRAFT)

    @pytest.mark.parametrize(
        ("content", "name", "status", "code"),
        [
            (pictures.text_as_jpg(), "list.jpg", 415, "not_a_picture"),
            (pictures.truncated_jpeg(), "half.jpg", 422, "broken"),
            (pictures.pixel_bomb_png(), "bomb.png", 422, "too_many_pixels"),
            (pictures.empty(), "empty.png", 400, "empty"),
        ],
    )
    def test_a_bad_file_is_a_problem_and_leaves_nothing(
        self, staff_api: APIClient, content: bytes, name: str, status: int, code: str
    ) -> None:
        response = upload(staff_api, content, name=name, tags="never")
        assert response.status_code == status, response.content
        assert response["Content-Type"] == "application/problem+json"
        problem = response.json()
        assert problem["code"] == code
        assert problem["status"] == status
        assert problem["detail"].endswith(".")
        assert not Asset.objects.exists()
        assert not Tag.objects.exists()
        assert not AuditEntry.objects.exists()

    def test_too_large_is_413(self, staff_api: APIClient, settings: Any) -> None:
        settings.DAM_MAX_FILE_BYTES = 100
        response = upload(staff_api, pictures.picture())
        assert response.status_code == 413
        assert response.json()["code"] == "too_large"

    def test_nobody_uploads_without_an_account(self, api: APIClient) -> None:
        assert upload(api, pictures.picture()).status_code == 401
        assert not Asset.objects.exists()

    def test_a_contributor_cannot_approve_by_uploading(self, contributor_api: APIClient) -> None:
        response = upload(contributor_api, pictures.picture(), state="approved")
        assert response.status_code == 400
        assert "state" in response.json()["errors"]
        assert not Asset.objects.exists()

    def test_a_file_is_asked_for(self, staff_api: APIClient) -> None:
        response = staff_api.post(ASSETS, {"title": "No file"}, format="multipart")
        assert response.status_code == 400
        assert "file" in response.json()["errors"]

    def test_the_session_needs_the_csrf_token(self, editor: User) -> None:
        client = APIClient(enforce_csrf_checks=True)
        client.force_login(editor)
        assert upload(client, pictures.picture()).status_code == 403
        assert not Asset.objects.exists()


class TestChanging:
    def test_a_reviewer_changes_an_asset(self, api: APIClient, reviewer: User) -> None:
        api.force_authenticate(reviewer)
        asset = AssetFactory(state=AssetState.DRAFT, tags=["old", "kept"], skus=[("D-1", "packshot")])
        response = api.patch(
            address(asset),
            {
                "title": "New",
                "state": "approved",
                "tags": ["kept", "new"],
                "skus": [{"code": "D-1", "role": "detail"}, "D-2"],
            },
            format="json",
        )
        assert response.status_code == 200, response.content
        body = response.json()
        assert (body["title"], body["state"]) == ("New", "approved")
        assert {tag["slug"] for tag in body["tags"]} == {"kept", "new"}
        assert sorted((sku["code"], sku["role"]) for sku in body["skus"]) == [
            ("D-1", "detail"),
            ("D-2", "packshot"),
        ]
        asset.refresh_from_db()
        assert (asset.title, asset.state) == ("New", AssetState.APPROVED)
        assert AuditEntry.objects.filter(target_id=str(asset.public_id), actor=reviewer).exists()

    def test_what_was_read_can_be_written_back(self, staff_api: APIClient) -> None:
        asset = AssetFactory(tags=["summer"], skus=[("D-1", "on_model")])
        body = staff_api.get(address(asset)).json()
        response = staff_api.patch(address(asset), body, format="json")
        assert response.status_code == 200, response.content
        changed = {"updated"}
        again = response.json()
        assert {k: v for k, v in again.items() if k not in changed} == {
            k: v for k, v in body.items() if k not in changed
        }

    def test_a_contributor_changes_only_what_is_theirs(
        self, contributor_api: APIClient, stranger: User
    ) -> None:
        own = AssetFactory(state=AssetState.DRAFT, owner=stranger)
        shown = AssetFactory(title="Shown")
        hidden = AssetFactory(title="Hidden", state=AssetState.DRAFT)
        assert contributor_api.patch(address(own), {"title": "Mine"}).status_code == 200
        assert contributor_api.patch(address(shown), {"title": "Mine"}).status_code == 403
        assert contributor_api.patch(address(hidden), {"title": "Mine"}).status_code == 404
        assert contributor_api.delete(address(shown)).status_code == 403
        titles = dict(Asset.objects.values_list("pk", "title"))
        assert titles == {own.pk: "Mine", shown.pk: "Shown", hidden.pk: "Hidden"}
        shown.refresh_from_db()
        assert shown.state == AssetState.APPROVED

    def test_a_contributor_cannot_approve_their_own(self, contributor_api: APIClient, stranger: User) -> None:
        own = AssetFactory(state=AssetState.DRAFT, owner=stranger)
        assert contributor_api.patch(address(own), {"state": "approved"}).status_code == 400
        own.refresh_from_db()
        assert own.state == AssetState.DRAFT
        assert contributor_api.patch(address(own), {"state": "in_review"}).status_code == 200

    def test_nobody_changes_anything_without_an_account(self, api: APIClient) -> None:
        asset = AssetFactory(title="Shown")
        assert api.patch(address(asset), {"title": "Mine"}).status_code == 401
        assert api.delete(address(asset)).status_code == 401
        asset.refresh_from_db()
        assert (asset.title, asset.state) == ("Shown", AssetState.APPROVED)

    def test_delete_moves_to_the_trash(self, staff_api: APIClient) -> None:
        asset = AssetFactory()
        assert staff_api.delete(address(asset)).status_code == 204
        asset.refresh_from_db()
        assert asset.is_trashed
        assert asset.current is not None
        assert staff_api.get(address(asset)).status_code == 404

    @pytest.mark.parametrize(
        "change",
        [{"state": "trashed"}, {"state": "none"}, {"focal_x": 2}, {"skus": [{"code": "D", "role": "hat"}]}],
    )
    def test_what_makes_no_sense_is_refused(self, staff_api: APIClient, change: dict[str, Any]) -> None:
        asset = AssetFactory()
        response = staff_api.patch(address(asset), change, format="json")
        assert response.status_code == 400
        assert list(response.json()["errors"]) == list(change)
        asset.refresh_from_db()
        assert (asset.state, asset.focal_x, asset.skus.count()) == (AssetState.APPROVED, 0.5, 0)


class TestOrganising:
    def test_staff_manage_tags(self, staff_api: APIClient, editor: User) -> None:
        body = {"slug": "shoes", "label": "Shoes", "label_zh": "鞋", "synonyms": ["footwear"]}
        assert staff_api.post("/api/v1/tags/", body, format="json").status_code == 201
        assert AuditEntry.objects.get(action="tag.created").actor == editor
        child = {"slug": "boots", "label": "Boots", "parent": "shoes"}
        assert staff_api.post("/api/v1/tags/", child, format="json").json()["parent"] == "shoes"
        circle = staff_api.patch("/api/v1/tags/shoes/", {"parent": "boots"}, format="json")
        assert circle.status_code == 400
        in_use = staff_api.delete("/api/v1/tags/shoes/")
        assert (in_use.status_code, in_use.json()["code"]) == (409, "in_use")
        assert staff_api.delete("/api/v1/tags/boots/").status_code == 204
        assert list(Tag.objects.values_list("slug", flat=True)) == ["shoes"]

    def test_renaming_a_tag_tells_of_its_assets(self, staff_api: APIClient) -> None:
        asset = AssetFactory(tags=["shoes"])
        heard: list[int] = []
        assets_changed.connect(
            lambda asset_ids, **_: heard.extend(asset_ids), weak=False, dispatch_uid="test"
        )
        try:
            assert (
                staff_api.patch("/api/v1/tags/shoes/", {"label": "Footwear"}, format="json").status_code
                == 200
            )
        finally:
            assets_changed.disconnect(dispatch_uid="test")
        assert heard == [asset.pk]

    def test_others_see_only_tags_and_skus_of_assets_they_may_see(
        self, api: APIClient, contributor_api: APIClient, staff_api: APIClient
    ) -> None:
        AssetFactory(tags=["shown"], skus=[("SHOWN", "packshot")])
        AssetFactory(tags=["hidden"], skus=[("HIDDEN", "packshot")], state=AssetState.DRAFT)
        for client, slugs in (
            (api, {"shown"}),
            (contributor_api, {"shown"}),
            (staff_api, {"shown", "hidden"}),
        ):
            assert {row["slug"] for row in client.get("/api/v1/tags/").json()["results"]} == slugs
            codes = {row["code"].lower() for row in client.get("/api/v1/skus/").json()["results"]}
            assert codes == slugs
        assert api.get("/api/v1/skus/HIDDEN/").status_code == 404
        assert api.get("/api/v1/skus/HIDDEN/assets/").status_code == 404

    def test_contributors_do_not_write_tags_or_skus(self, contributor_api: APIClient) -> None:
        TagFactory(slug="tag")
        SKUFactory(code="SKU")
        AssetFactory(tags=["tag"], skus=[("SKU", "packshot")])
        assert contributor_api.post("/api/v1/tags/", {"slug": "a", "label": "A"}).status_code == 403
        assert contributor_api.patch("/api/v1/skus/SKU/", {"name": "Mine"}).status_code == 403
        assert contributor_api.delete("/api/v1/tags/tag/").status_code == 403
        assert Tag.objects.count() == 1
        assert SKU.objects.get().name != "Mine"

    def test_assets_of_a_sku(self, api: APIClient) -> None:
        shown = AssetFactory(skus=[("A.1/x".replace("/", "-"), "packshot"), ("A.1-x", "detail")])
        AssetFactory(skus=[("A.1-x", "packshot")], state=AssetState.DRAFT)
        response = api.get("/api/v1/skus/A.1-x/assets/")
        assert [row["id"] for row in response.json()["results"]] == [str(shown.public_id)]


class TestTheNextStates:
    def test_they_are_what_patch_takes(
        self, api: APIClient, contributor_api: APIClient, reviewer: User, stranger: User
    ) -> None:
        own = AssetFactory(owner=stranger, state=AssetState.DRAFT)
        foreign = AssetFactory()

        def told(client: APIClient, asset: Asset) -> list[str]:
            detail = client.get(address(asset)).json()["next_states"]
            listed = {row["id"]: row["next_states"] for row in client.get(ASSETS).json()["results"]}
            assert listed[str(asset.public_id)] == detail
            return detail

        assert told(contributor_api, own) == ["in_review", "trashed"]
        assert told(contributor_api, foreign) == []
        assert told(api, foreign) == []
        api.force_authenticate(reviewer)
        assert told(api, foreign) == ["draft", "in_review", "rejected", "archived", "trashed"]
        for state in AssetState.values:
            with transaction.atomic():
                answer = contributor_api.patch(address(own), {"state": state}, format="json")
                transaction.set_rollback(True)
            assert (answer.status_code == 200) == (state in ("draft", "in_review"))


class TestCollections:
    def test_a_contributor_keeps_a_collection(self, contributor_api: APIClient, stranger: User) -> None:
        shown, hidden = AssetFactory(), AssetFactory(state=AssetState.DRAFT)
        made = contributor_api.post("/api/v1/collections/", {"name": "Mine"}, format="json")
        assert made.status_code == 201, made.content
        items = f"/api/v1/collections/{made.json()['id']}/items/"
        added = contributor_api.post(items, {"assets": [str(shown.public_id)]}, format="json")
        assert (added.status_code, added.json()) == (200, {"added": 1})
        refused = contributor_api.post(items, {"assets": [str(hidden.public_id)]}, format="json")
        assert refused.status_code == 400
        assert ids(contributor_api.get(items)) == {str(shown.public_id)}
        assert contributor_api.delete(f"{items}{shown.public_id}/").status_code == 204
        collection = Collection.objects.get(owner=stranger)
        assert not collection.assets.exists()
        assert Asset.objects.filter(pk=shown.pk).exists()

    def test_somebody_elses_collection_is_not_there(
        self, api: APIClient, contributor_api: APIClient, staff_api: APIClient, editor: User
    ) -> None:
        collection = CollectionFactory(owner=editor)
        place = f"/api/v1/collections/{collection.pk}/"
        asset = AssetFactory()
        assert api.get(place).status_code == 401
        assert contributor_api.get(place).status_code == 404
        assert contributor_api.post(f"{place}items/", {"assets": [str(asset.public_id)]}).status_code == 404
        assert contributor_api.delete(place).status_code == 404
        assert staff_api.get(place).status_code == 200
        assert not collection.assets.exists()

    def test_an_asset_that_became_hidden_is_not_shown_in_a_collection(
        self, contributor_api: APIClient, stranger: User
    ) -> None:
        collection = CollectionFactory(owner=stranger)
        asset = AssetFactory()
        items = f"/api/v1/collections/{collection.pk}/items/"
        contributor_api.post(items, {"assets": [str(asset.public_id)]}, format="json")
        Asset.objects.filter(pk=asset.pk).update(state=AssetState.ARCHIVED)
        assert ids(contributor_api.get(items)) == set()

    def test_it_is_listed_in_its_order_page_by_page(self, staff_api: APIClient) -> None:
        collection, assets = CollectionFactory(), [AssetFactory() for _number in range(5)]
        order = [assets[place] for place in (2, 4, 0, 1, 3)]
        editing.add_to_collection(collection, order, actor=None)
        # As after a merge, two lie in one place.
        collection.items.filter(asset=order[2]).update(position=1)
        seen, back = [], []
        page = staff_api.get(f"/api/v1/collections/{collection.pk}/items/?limit=2").json()
        while True:
            seen += [row["id"] for row in page["results"]]
            if not page["next"]:
                break
            page = staff_api.get(page["next"]).json()
        assert seen == [str(asset.public_id) for asset in order]
        while page["previous"]:
            page = staff_api.get(page["previous"]).json()
            back = [row["id"] for row in page["results"]] + back
        assert back == seen[:4]

    def test_some_are_put_first_and_the_others_keep_their_order(
        self, staff_api: APIClient, editor: User
    ) -> None:
        collection, other = CollectionFactory(name="Summer"), CollectionFactory()
        assets = [AssetFactory(title=str(number)) for number in range(6)]
        stranger = AssetFactory(title="outside")
        for one in (collection, other):
            editing.add_to_collection(one, assets, actor=None)
        items = f"/api/v1/collections/{collection.pk}/items/"

        def order(*chosen: Asset) -> Any:
            body = {"assets": [str(asset.public_id) for asset in chosen]}
            return staff_api.post(f"{items}order/", body, format="json")

        def titles() -> list[str]:
            return [row["title"] for row in staff_api.get(items).json()["results"]]

        def deeds() -> list[AuditEntry]:
            return list(AuditEntry.objects.filter(action="collection.ordered"))

        assert order(assets[4], assets[1]).status_code == 204
        assert titles() == ["4", "1", "0", "2", "3", "5"]
        (deed,) = deeds()
        assert (deed.actor, deed.target_id) == (editor, str(collection.pk))
        assert deed.details == {"first": [str(assets[4].public_id), str(assets[1].public_id)]}

        assert order(assets[1], assets[4], assets[1]).status_code == 204
        assert titles() == ["1", "4", "0", "2", "3", "5"]
        assert order(*reversed(assets)).status_code == 204
        assert titles() == ["5", "4", "3", "2", "1", "0"]
        assert len(deeds()) == 3
        assert order(assets[5], assets[4]).status_code == 204  # as they are
        assert len(deeds()) == 3

        refused = order(assets[0], stranger)
        assert refused.status_code == 400
        assert refused.json()["errors"] == {"assets": ["Not in the collection “Summer”: “outside”."]}
        assert order().status_code == 400
        assert titles() == ["5", "4", "3", "2", "1", "0"]
        assert list(other.items.order_by("position").values_list("asset__title", flat=True)) == list("012345")

    def test_ordering_takes_as_many_queries_for_many_as_for_few(self, staff_api: APIClient) -> None:
        collection, assets = CollectionFactory(), [AssetFactory() for _number in range(8)]
        editing.add_to_collection(collection, assets, actor=None)

        def queries(*chosen: Asset) -> int:
            body = {"assets": [str(asset.public_id) for asset in chosen]}
            with CaptureQueriesContext(connection) as captured:
                staff_api.post(f"/api/v1/collections/{collection.pk}/items/order/", body, format="json")
            return len(captured)

        queries(assets[3])  # asks for the account's role, which its object keeps
        assert queries(assets[7]) == queries(*reversed(assets[:6]))


class TestProblems:
    def test_an_unknown_address_is_a_problem(self, api: APIClient) -> None:
        response = api.get("/api/v1/nothing/here/")
        assert response.status_code == 404
        assert response["Content-Type"] == "application/problem+json"
        assert response.json()["code"] == "not_found"

    def test_broken_json_is_a_problem(self, staff_api: APIClient) -> None:
        response = staff_api.patch(address(AssetFactory()), "{", content_type="application/json")
        assert response.status_code == 400
        assert response["Content-Type"] == "application/problem+json"

    def test_a_fault_of_ours_is_a_problem_in_the_api_and_a_page_elsewhere(self) -> None:
        response = server_error(RequestFactory().get(ASSETS))
        assert response.status_code == 500
        assert response["Content-Type"] == "application/problem+json"
        elsewhere = server_error(RequestFactory().get("/admin/"))
        assert elsewhere.status_code == 500
        assert elsewhere["Content-Type"].startswith("text/html")

    def test_a_request_that_is_too_large_is_a_problem(self, staff_api: APIClient, settings: Any) -> None:
        settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100
        body = '{"title": "' + "x" * 200 + '"}'
        response = staff_api.patch(address(AssetFactory()), body, content_type="application/json")
        assert response.status_code == 400
        assert response["Content-Type"] == "application/problem+json"

    def test_an_unknown_preset_names_the_known_ones(self, api: APIClient) -> None:
        response = api.get(f"{address(AssetFactory())}renditions/poster/")
        assert response.status_code == 404
        assert "thumbnail" in response.json()["detail"]

    @pytest.mark.once
    def test_the_schema_describes_everything(self) -> None:
        call_command("spectacular", "--validate", "--fail-on-warn", "--file", "/dev/null")
