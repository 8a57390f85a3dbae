"""The library in the admin: lists, the page of an asset, deeds, uploads, what only some may do."""

from __future__ import annotations

import re
from html import unescape
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from django.contrib.auth.models import Permission, User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from PIL import Image

import dam
from dam import deeds, editing
from dam.addresses import original_url, rendition_url, thumbnail_url
from dam.ingest import AssetMetadata, ParentLink, ingest
from dam.models import Asset, AssetOrigin, AssetState, AuditEntry, Collection, Rendition, Tag
from dam.signals import assets_changed
from tests import pictures
from tests.factories import AssetFactory, CollectionFactory, SKUFactory, TagFactory

pytestmark = [pytest.mark.django_db, pytest.mark.once, pytest.mark.usefixtures("space")]
LIST = "/admin/dam/asset/"


@pytest.fixture
def page(client: Client, administrator: User) -> Client:
    client.force_login(administrator)
    return client


@pytest.fixture
def heard() -> Any:
    """The keys of the assets that the library said had changed."""
    keys: list[int] = []

    def receive(asset_ids: list[int], **_: Any) -> None:
        keys.extend(asset_ids)

    assets_changed.connect(receive)
    yield keys
    assets_changed.disconnect(receive)


def change_page(asset: Asset) -> str:
    return reverse("admin:dam_asset_change", args=(asset.pk,))


def shown(response: Any) -> set[str]:
    assert response.status_code == 200
    return {asset.title for asset in response.context["cl"].result_list}


def form_of(asset: Asset, **changes: Any) -> dict[str, Any]:
    """What the browser sends when the form of this asset is saved."""
    links = list(asset.sku_links.all())
    inline: dict[str, Any] = {"sku_links-TOTAL_FORMS": len(links), "sku_links-INITIAL_FORMS": len(links)}
    for number, link in enumerate(links):
        inline |= {
            f"sku_links-{number}-id": link.pk,
            f"sku_links-{number}-asset": asset.pk,
            f"sku_links-{number}-sku": link.sku_id,
            f"sku_links-{number}-role": link.role,
        }
    fields = {
        "title": asset.title,
        "title_zh": asset.title_zh,
        "kind": asset.kind,
        "state": asset.state,
        "tags": list(asset.tags.values_list("pk", flat=True)),
        "model_release": asset.model_release,
        "focal_x": asset.focal_x,
        "focal_y": asset.focal_y,
    }
    return fields | inline | changes


class TestList:
    def test_the_grid_shows_pictures_that_are_there_already(self, page: Client) -> None:
        asset = AssetFactory(title="Red dress")
        before = Rendition.objects.count()
        body = page.get(LIST).content.decode()
        assert f'src="{thumbnail_url(asset)}"' in body
        assert change_page(asset) in body
        assert Rendition.objects.count() == before

    def test_grid_or_list_is_remembered(self, page: Client) -> None:
        AssetFactory()
        assert 'class="result-list at-gallery"' in page.get(LIST).content.decode()
        switched = page.get(f"{LIST}?view=list&kind=other")
        assert (switched.status_code, switched["Location"]) == (302, f"{LIST}?kind=other")
        assert 'class="result-list at-gallery"' not in page.get(LIST).content.decode()
        page.get(f"{LIST}?view=grid")
        assert 'class="result-list at-gallery"' in page.get(LIST).content.decode()

    @pytest.mark.parametrize("view", ["grid", "list"])
    @pytest.mark.parametrize(
        "address", [LIST, "/admin/dam/tag/", "/admin/dam/sku/", "/admin/dam/collection/"]
    )
    def test_the_number_of_queries_does_not_grow(self, page: Client, address: str, view: str) -> None:
        page.get(f"{LIST}?view={view}")

        def queries() -> int:
            with CaptureQueriesContext(connection) as captured:
                assert page.get(address).status_code == 200
            return len(captured)

        def make(number: int) -> None:
            asset = AssetFactory(tags=["all", f"t{number}"], skus=[(f"S-{number}", "packshot")])
            CollectionFactory().items.create(asset=asset)

        make(0)
        queries()  # content types and the like are cached by the first
        few = queries()
        for number in range(1, 8):
            make(number)
        assert queries() == few

    def test_filters(self, page: Client) -> None:
        AssetFactory(title="dress", kind="garment", tags=["summer"], skus=[("D-1", "packshot")])
        AssetFactory(title="hat", kind="accessory", state=AssetState.DRAFT, picture={"colour": "blue"})
        AssetFactory(title="gone", state=AssetState.TRASHED, picture={"seed": 500})
        tag = Tag.objects.get(slug="summer")
        for query, expected in (
            ("", {"dress", "hat"}),
            ("kind=garment", {"dress"}),
            ("state=draft", {"hat"}),
            ("state=trashed", {"gone"}),
            ("colour=blue", {"hat"}),
            ("origin=uploaded", {"dress", "hat"}),
            ("created=1", {"dress", "hat"}),
            (f"tags__id__exact={tag.pk}", {"dress"}),
        ):
            assert shown(page.get(f"{LIST}?{query}")) == expected, query

    @pytest.mark.parametrize("words", ["dress", "连衣裙", "D-1", "Summer", "夏天", "IMG_0042"])
    def test_search_by_title_sku_tag_and_file_name(self, page: Client, words: str) -> None:
        TagFactory(slug="summer", label="Summer", label_zh="夏天")
        wanted = AssetFactory(
            title="Red dress", title_zh="红色连衣裙", tags=["summer"], skus=[("D-1", "packshot")],
            filename="IMG_0042.jpg",
        )  # fmt: skip
        AssetFactory(title="Hat", filename="hat.jpg")
        assert shown(page.get(LIST, {"q": words})) == {wanted.title}

    def test_empty_pages_say_what_to_do(self, page: Client) -> None:
        assert reverse("admin:dam_asset_upload") in page.get(LIST).content.decode()
        AssetFactory()
        assert "Nothing matches" in page.get(f"{LIST}?q=nothing-like-it").content.decode()

    def test_titles_are_escaped(self, page: Client) -> None:
        asset = AssetFactory(title="<script>alert(1)</script>", filename="<b>.jpg", tags=["<i>x"])
        for address in (LIST, change_page(asset), "/admin/"):
            body = page.get(address).content.decode()
            assert "<script>alert(1)</script>" not in body
            assert "<b>.jpg" not in body


class TestDeeds:
    def run(self, page: Client, action: str, assets: list[Asset], query: str = "", **fields: Any) -> Any:
        data = {"action": action, "_selected_action": [asset.pk for asset in assets], **fields}
        return page.post(f"{LIST}{query}", data, follow=True)

    @pytest.mark.parametrize(
        ("action", "before", "after"),
        [
            ("approve", "draft", "approved"),
            ("review", "draft", "in_review"),
            ("reject", "in_review", "rejected"),
            ("archive", "approved", "archived"),
            ("trash", "approved", "trashed"),
        ],
    )
    def test_each_goes_through_its_verb(
        self, page: Client, administrator: User, heard: list[int], action: str, before: str, after: str
    ) -> None:
        chosen, other = AssetFactory(state=before), AssetFactory(state=before)
        heard.clear()
        assert self.run(page, action, [chosen]).status_code == 200
        chosen.refresh_from_db()
        other.refresh_from_db()
        assert (chosen.state, other.state) == (after, before)
        assert heard == [chosen.pk]
        entry = AuditEntry.objects.filter(target_id=str(chosen.public_id)).first()
        assert entry is not None
        assert entry.actor == administrator

    def test_restoring_from_the_trash(self, page: Client) -> None:
        asset = AssetFactory()
        self.run(page, "trash", [asset])
        self.run(page, "restore", [asset], query="?state=trashed")
        asset.refresh_from_db()
        assert asset.state == AssetState.APPROVED

    def test_adding_to_a_new_collection_asks_first(self, page: Client, administrator: User) -> None:
        assets = [AssetFactory(), AssetFactory()]
        asked = self.run(page, "add_to_collection", assets)
        assert asked.templates[0].name == "dam/ask.html"
        assert not Collection.objects.exists()
        self.run(page, "add_to_collection", assets, confirmed="1", new_collection="Spring")
        collection = Collection.objects.get(name="Spring")
        assert collection.owner == administrator
        assert set(collection.assets.all()) == set(assets)

    def test_adding_to_nothing_asks_again(self, page: Client) -> None:
        asked = self.run(page, "add_to_collection", [AssetFactory()], confirmed="1")
        assert asked.templates[0].name == "dam/ask.html"
        assert asked.context["form"].errors

    def test_adding_tags(self, page: Client) -> None:
        asset = AssetFactory(tags=["old"])
        self.run(page, "add_tags", [asset], confirmed="1", tags="summer, 亚麻，linen")
        assert set(asset.tags.values_list("label", flat=True)) == {"old", "summer", "亚麻", "linen"}

    def test_deleting_for_good_only_from_the_trash(
        self, page: Client, django_capture_on_commit_callbacks: Any
    ) -> None:
        kept, trashed = AssetFactory(), AssetFactory(state=AssetState.TRASHED)
        file = trashed.current.file
        self.run(page, "delete_selected", [kept], post="yes")
        assert Asset.objects.filter(pk=kept.pk).exists()
        with django_capture_on_commit_callbacks(execute=True):
            self.run(page, "delete_selected", [trashed], query="?state=trashed", post="yes")
        assert list(Asset.objects.all()) == [kept]
        assert not file.storage.exists(file.name)

    def test_what_others_were_made_from_stays(self, page: Client) -> None:
        parent = AssetFactory(state=AssetState.TRASHED)
        child = ingest(
            pictures.picture(seed=77),
            filename="x.jpg",
            owner=None,
            origin=AssetOrigin.GENERATED,
            metadata=AssetMetadata(),
            parents=[ParentLink(parent, "garment")],
        ).asset
        response = self.run(page, "delete_selected", [parent], query="?state=trashed", post="yes")
        assert "cannot be deleted for good" in response.content.decode()
        response = page.post(
            reverse("admin:dam_asset_delete", args=(parent.pk,)), {"post": "yes"}, follow=True
        )
        assert "cannot be deleted for good" in response.content.decode()
        assert set(Asset.objects.all()) == {parent, child}
        assert not AuditEntry.objects.filter(action="asset.deleted").exists()

    def test_who_may_only_look_is_offered_nothing(self, client: Client, stranger: User) -> None:
        stranger.is_staff = True
        stranger.save()
        stranger.user_permissions.add(Permission.objects.get(codename="view_asset"))
        client.force_login(stranger)
        asset = AssetFactory()
        assert client.get(LIST).status_code == 200
        self.run(client, "trash", [asset])
        for name in ("trash", "approve"):
            assert client.post(f"{LIST}{asset.pk}/do/{name}/").status_code == 403
        assert client.get("/admin/dam/asset/upload/").status_code == 403
        asset.refresh_from_db()
        assert asset.state == AssetState.APPROVED

    def test_a_stranger_gets_nowhere(self, client: Client, stranger: User) -> None:
        client.force_login(stranger)
        asset = AssetFactory()
        for address in (LIST, change_page(asset), "/admin/dam/asset/upload/"):
            assert client.get(address).status_code == 302
        assert client.post(f"{LIST}{asset.pk}/do/trash/").status_code == 302
        asset.refresh_from_db()
        assert asset.state == AssetState.APPROVED


class TestAssetPage:
    def test_it_shows_the_picture_and_where_it_comes_from(self, page: Client) -> None:
        parent = AssetFactory(title="Plain shirt", skus=[("S-1", "packshot")])
        asset = ingest(
            pictures.picture(seed=78),
            filename="board.jpg",
            owner=None,
            origin=AssetOrigin.GENERATED,
            metadata=AssetMetadata(title="Board"),
            parents=[ParentLink(parent, "garment")],
        ).asset
        body = page.get(change_page(asset)).content.decode()
        for expected in (
            rendition_url(asset, "web"),
            original_url(asset),
            "board.jpg",
            thumbnail_url(parent),
        ):
            assert expected in body
        assert asset.current.colours[0]["hex"] in body
        assert thumbnail_url(asset) in page.get(change_page(parent)).content.decode()

    def test_every_part_of_it_can_be_reached_and_says_what_to_do_where_it_is_empty(
        self, page: Client
    ) -> None:
        asset = AssetFactory(title="Alone", state=AssetState.DRAFT)
        body = page.get(change_page(asset)).content.decode()
        reached = re.findall(r'class="at-contents__link" href="#([^"]+)"', body)
        assert {
            "details", "rights", "focal-point", "sku_links-group", "metadata", "renditions", "versions",
            "lineage", "usage", "similar", "comments", "history",
        } <= set(reached)  # fmt: skip
        for part in reached:
            assert body.count(f'id="{part}"') == 1, part
        assert "nothing was made from it yet" in body
        assert f"?assets={asset.public_id}" in body
        assert "The library has no near duplicate of this picture" in body
        assert "Nothing uses it yet" in body

        # The history speaks the reader's language, and never in codes.
        sku = SKUFactory(code="D-1")
        editing.link_sku(asset, sku, "detail", actor=None)
        editing.trash(Asset.objects.filter(pk=asset.pk), actor=None)
        answer = page.get(change_page(asset))
        shown = [deeds.deed(entry) for entry in answer.context["history"]]
        assert shown == ["Moved to the trash", "Linked to a SKU: D-1", "Taken in"]
        for words in shown:
            assert words in answer.content.decode()
        # Of what may only be read, empty territories say what they mean.
        assert "everywhere" in answer.content.decode()

    def test_every_deed_on_an_asset_has_words(self) -> None:
        said = set()
        for module in Path(dam.__file__).parent.glob("**/*.py"):
            said |= set(
                re.findall(r'(?:record\w*|_tell\w*)\([^()]*"(asset\.\w+)"', module.read_text("utf-8"))
            )
        assert {"asset.trashed", "asset.sku_linked", "asset.commented"} <= said
        without = [one for one in said if deeds.deed(AuditEntry(action=one, details={})) == one]
        assert without == ["asset.deleted"]  # whose page is gone

    def test_what_is_wrong_is_said_beside_the_picture(self, page: Client) -> None:
        asset = AssetFactory(title="Old")
        answer = page.post(change_page(asset), form_of(asset, title="New", rights_expire_on="soon"))
        assert answer.status_code == 200
        assert answer.context["errors"]
        assert answer.context["asset"].title == "Old"
        assert rendition_url(asset, "web") in answer.content.decode()
        asset.refresh_from_db()
        assert asset.title == "Old"

    def test_it_is_found_by_public_id_too(self, page: Client) -> None:
        asset = AssetFactory(title="Red dress")
        assert "Red dress" in page.get(f"{LIST}{asset.public_id}/change/").content.decode()

    def test_saving_goes_through_the_verbs(self, page: Client, administrator: User, heard: list[int]) -> None:
        asset = AssetFactory(title="Old", state=AssetState.DRAFT, tags=["old"], skus=[("S-1", "packshot")])
        new_tag, sku = TagFactory(slug="new"), SKUFactory(code="S-2")
        heard.clear()
        data = form_of(
            asset,
            title="New",
            state="approved",
            tags=[new_tag.pk],
            territories="DE, FR",
            **{
                "sku_links-TOTAL_FORMS": 2,
                "sku_links-0-role": "detail",
                "sku_links-1-sku": sku.pk,
                "sku_links-1-role": "on_model",
                "sku_links-1-asset": asset.pk,
            },
        )
        response = page.post(change_page(asset), data)
        assert response.status_code == 302, response.context["errors"]
        asset.refresh_from_db()
        assert (asset.title, asset.state, asset.territories) == ("New", AssetState.APPROVED, ["DE", "FR"])
        assert list(asset.tags.all()) == [new_tag]
        assert set(asset.sku_links.values_list("sku__code", "role")) == {
            ("S-1", "detail"),
            ("S-2", "on_model"),
        }
        assert set(heard) == {asset.pk}
        deeds = AuditEntry.objects.filter(target_id=str(asset.public_id), actor=administrator)
        assert {"asset.updated", "asset.state", "asset.sku_linked"} <= set(
            deeds.values_list("action", flat=True)
        )

    def test_saving_nothing_changes_nothing(self, page: Client, heard: list[int]) -> None:
        asset = AssetFactory(tags=["old"], skus=[("S-1", "packshot")])
        heard.clear()
        before = AuditEntry.objects.count()
        assert page.post(change_page(asset), form_of(asset)).status_code == 302
        assert heard == []
        assert AuditEntry.objects.count() == before

    def test_unlinking_a_sku(self, page: Client) -> None:
        asset = AssetFactory(skus=[("S-1", "packshot")])
        page.post(change_page(asset), form_of(asset, **{"sku_links-0-DELETE": "on"}))
        assert not asset.skus.exists()
        assert AuditEntry.objects.filter(action="asset.sku_unlinked").exists()

    def test_a_form_with_a_mistake_writes_nothing(self, page: Client) -> None:
        asset = AssetFactory(title="Old")
        response = page.post(change_page(asset), form_of(asset, title="New", focal_x="7"))
        assert response.status_code == 200
        assert response.context["errors"]
        asset.refresh_from_db()
        assert asset.title == "Old"

    def test_the_state_cannot_be_trashed_by_the_form(self, page: Client) -> None:
        asset = AssetFactory()
        assert page.post(change_page(asset), form_of(asset, state="trashed")).status_code == 200
        asset.refresh_from_db()
        assert asset.state == AssetState.APPROVED

    def test_buttons_do_the_deeds(self, page: Client) -> None:
        asset = AssetFactory(state=AssetState.DRAFT)
        for name, state in (
            ("review", "in_review"),
            ("approve", "approved"),
            ("trash", "trashed"),
            ("restore", "approved"),
        ):
            assert page.post(f"{LIST}{asset.pk}/do/{name}/").status_code == 302
            asset.refresh_from_db()
            assert asset.state == state
        assert page.get(f"{LIST}{asset.pk}/do/trash/").status_code == 405
        page.post(f"{LIST}{asset.pk}/do/restore/")
        page.post(f"{LIST}{asset.pk}/do/nonsense/")
        asset.refresh_from_db()
        assert asset.state == AssetState.APPROVED

    def test_what_lies_in_the_trash_is_restored_before_it_is_changed(self, page: Client) -> None:
        asset = AssetFactory(title="Old", state=AssetState.TRASHED)
        body = page.get(change_page(asset)).content.decode()
        assert f"{LIST}{asset.pk}/do/restore/" in body
        assert page.post(change_page(asset), form_of(asset, title="New", state="draft")).status_code == 403
        asset.refresh_from_db()
        assert asset.title == "Old"

    def test_deleting_moves_to_the_trash_and_then_for_good(self, page: Client) -> None:
        asset = AssetFactory()
        delete = reverse("admin:dam_asset_delete", args=(asset.pk,))
        page.post(delete, {"post": "yes"})
        asset.refresh_from_db()
        assert asset.is_trashed
        page.post(delete, {"post": "yes"})
        assert not Asset.objects.exists()


class TestUpload:
    ADDRESS = "/admin/dam/asset/upload/"

    def send(self, page: Client, *files: tuple[str, bytes], **fields: Any) -> Any:
        sent = [SimpleUploadedFile(name, content) for name, content in files]
        return page.post(self.ADDRESS, {"pictures": sent, "kind": "garment", "state": "draft", **fields})

    def test_many_files_each_with_its_outcome(
        self, page: Client, administrator: User, heard: list[int]
    ) -> None:
        there = AssetFactory(title="There already", file=pictures.picture(seed=1))
        heard.clear()
        response = self.send(
            page,
            ("new.jpg", pictures.picture(seed=2)),
            ("again.jpg", pictures.picture(seed=1)),
            ("list.jpg", pictures.text_as_jpg()),
            tags="summer",
        )
        assert response.status_code == 200
        new, again, bad = response.context["outcomes"]
        assert (new.created, again.created, bad.asset) == (True, False, None)
        assert again.asset == there
        assert bad.error in response.content.decode()
        asset = Asset.objects.get(pk=new.asset.pk)
        assert (asset.owner, asset.kind, asset.origin) == (administrator, "garment", AssetOrigin.UPLOADED)
        assert [tag.slug for tag in asset.tags.all()] == ["summer"]
        assert heard == [asset.pk]
        assert Asset.objects.count() == 2

    def test_nothing_but_bad_files_is_no_success(self, page: Client) -> None:
        response = self.send(page, ("bomb.png", pictures.pixel_bomb_png()), ("empty.png", pictures.empty()))
        assert response.status_code == 422
        assert not Asset.objects.exists()
        assert not AuditEntry.objects.exists()

    def test_no_file_is_a_mistake_in_the_form(self, page: Client) -> None:
        response = self.send(page)
        assert response.status_code == 200
        assert response.context["form"].errors["pictures"]

    def test_adding_an_asset_begins_with_its_file(self, page: Client) -> None:
        response = page.get("/admin/dam/asset/add/")
        assert (response.status_code, response["Location"]) == (302, self.ADDRESS)

    def test_the_page_knows_where_to_send(self, page: Client) -> None:
        body = page.get(self.ADDRESS).content.decode()
        assert 'data-endpoint="/api/v1/uploads/"' in body
        assert 'aria-live="polite"' in body


class TestOrganising:
    def test_tags_skus_and_collections_show_their_pictures(self, page: Client) -> None:
        asset = AssetFactory(tags=["summer"], skus=[("S-1", "packshot"), ("S-1", "detail")])
        collection = CollectionFactory(name="Spring")
        collection.items.create(asset=asset)
        trashed = AssetFactory(tags=["summer"], state=AssetState.TRASHED)
        for thing in (asset.tags.get(), asset.skus.first(), collection):
            model = thing._meta.model_name
            rows = page.get(f"/admin/dam/{model}/")
            assert [row.asset_count for row in rows.context["cl"].result_list] == [1]
            for response in (rows, page.get(f"/admin/dam/{model}/{thing.pk}/change/")):
                assert thumbnail_url(asset) in response.content.decode()
                assert thumbnail_url(trashed) not in response.content.decode()

    def test_renaming_a_tag_is_told_and_recorded(
        self, page: Client, administrator: User, heard: list[int]
    ) -> None:
        asset = AssetFactory(tags=["summer"])
        tag = asset.tags.get()
        heard.clear()
        data = {"label": "Sommer", "label_zh": "夏天", "slug": "summer", "synonyms": "été, verano"}
        response = page.post(f"/admin/dam/tag/{tag.pk}/change/", data)
        assert response.status_code == 302, response.context["errors"]
        tag.refresh_from_db()
        assert (tag.label, tag.synonyms) == ("Sommer", ["été", "verano"])
        assert heard == [asset.pk]
        assert AuditEntry.objects.get(action="tag.updated").actor == administrator

    def test_a_tag_cannot_lie_below_itself(self, page: Client) -> None:
        above = TagFactory(slug="above")
        below = TagFactory(slug="below", parent=above)
        data = {"label": "Above", "slug": "above", "parent": below.pk}
        response = page.post(f"/admin/dam/tag/{above.pk}/change/", data)
        assert response.context["errors"]
        above.refresh_from_db()
        assert above.parent is None

    def test_deleting_a_collection_keeps_its_assets(self, page: Client, heard: list[int]) -> None:
        asset, collection = AssetFactory(), CollectionFactory()
        collection.items.create(asset=asset)
        heard.clear()
        page.post(f"/admin/dam/collection/{collection.pk}/delete/", {"post": "yes"})
        assert not Collection.objects.exists()
        assert list(Asset.objects.all()) == [asset]
        assert heard == [asset.pk]

    def test_taking_pictures_out_of_a_collection(self, page: Client, heard: list[int]) -> None:
        stays, goes, collection = AssetFactory(), AssetFactory(), CollectionFactory()
        for asset in (stays, goes):
            collection.items.create(asset=asset)
        address = f"/admin/dam/collection/{collection.pk}/"
        assert f"{address}remove/" in page.get(f"{address}change/").content.decode()
        assert shown(page.get(f"{LIST}?collection={collection.pk}")) == {stays.title, goes.title}
        heard.clear()
        page.post(f"{address}remove/", {"assets": [str(goes.public_id)]})
        assert list(collection.assets.all()) == [stays]
        assert heard == [goes.pk]
        assert Asset.objects.filter(pk=goes.pk).exists()

    def test_a_collection_belongs_to_who_made_it(self, page: Client, administrator: User) -> None:
        response = page.post("/admin/dam/collection/add/", {"name": "Spring"})
        assert response.status_code == 302, response.context["errors"]
        assert Collection.objects.get().owner == administrator


class TestAuditLog:
    def test_it_is_read_and_never_written(self, client: Client, administrator: User) -> None:
        client.force_login(administrator)
        asset = AssetFactory()
        entry = AuditEntry.objects.get(target_id=str(asset.public_id))
        assert client.get(f"/admin/dam/auditentry/{entry.pk}/change/").status_code == 200
        assert client.get("/admin/dam/auditentry/add/").status_code == 403
        assert client.post(f"/admin/dam/auditentry/{entry.pk}/delete/", {"post": "yes"}).status_code == 403
        response = client.post(f"/admin/dam/auditentry/{entry.pk}/change/", {"action": "nothing"})
        assert response.status_code == 403
        data = {"action": "delete_selected", "_selected_action": [entry.pk], "post": "yes"}
        client.post("/admin/dam/auditentry/", data)
        assert AuditEntry.objects.get(pk=entry.pk).action == entry.action

    def test_the_history_of_an_asset_leads_there(self, page: Client) -> None:
        asset = AssetFactory()
        AssetFactory()
        response = page.get(reverse("admin:dam_asset_history", args=(asset.pk,)), follow=True)
        entries = response.context["cl"].result_list
        assert {entry.target_id for entry in entries} == {str(asset.public_id)}


class TestDashboard:
    def test_it_counts_the_library(self, page: Client) -> None:
        AssetFactory(kind="garment")
        AssetFactory(kind="garment", state=AssetState.IN_REVIEW, title="Look at me")
        AssetFactory(state=AssetState.TRASHED)
        context = page.get("/admin/").context
        assert context["total"] == 2
        assert {row["state"]: row["number"] for row in context["states"]} == {
            "approved": 1, "in_review": 1, "draft": 0,
        }  # fmt: skip
        assert [(row["kind"], row["number"]) for row in context["kinds"]] == [("garment", 2)]
        assert [asset.title for asset in context["waiting"]] == ["Look at me"]
        assert context["index"]["waiting"] == 3

    def test_an_empty_library_says_what_to_do(self, page: Client) -> None:
        assert reverse("admin:dam_asset_upload") in page.get("/admin/").content.decode()

    def test_the_number_of_queries_does_not_grow(self, page: Client) -> None:
        def queries() -> int:
            with CaptureQueriesContext(connection) as captured:
                assert page.get("/admin/").status_code == 200
            return len(captured)

        AssetFactory(state=AssetState.IN_REVIEW)
        queries()
        few = queries()
        for _number in range(6):
            AssetFactory(state=AssetState.IN_REVIEW)
        assert queries() == few

    def test_who_may_not_see_the_library_sees_none_of_it(self, client: Client, stranger: User) -> None:
        stranger.is_staff = True
        stranger.save()
        client.force_login(stranger)
        asset = AssetFactory()
        body = client.get("/admin/").content.decode()
        assert thumbnail_url(asset) not in body
        assert "Ask an administrator" in body

    def test_people_are_managed_with_the_same_look(self, client: Client, administrator: User) -> None:
        client.force_login(administrator)
        for address in ("/admin/auth/user/", "/admin/auth/user/add/", "/admin/auth/group/add/"):
            assert client.get(address).status_code == 200


class TestChosenInTheList:
    def test_they_come_home_as_one_zip(self, page: Client) -> None:
        chosen = [AssetFactory(title=f"Coat {number}", picture={"seed": number}) for number in range(3)]
        AssetFactory(title="Left", picture={"seed": 9})
        answer = page.post(LIST, {"action": "download", "_selected_action": [asset.pk for asset in chosen]})
        assert answer["Content-Type"] == "application/zip"
        with ZipFile(BytesIO(b"".join(answer.streaming_content))) as archive:
            packed = [Image.open(archive.open(name)).convert("RGB") for name in archive.namelist()]
        # The copies carry the fields of today; the pixels are those that came in.
        originals = [Image.open(asset.current.file).convert("RGB") for asset in reversed(chosen)]
        assert [one.tobytes() for one in packed] == [one.tobytes() for one in originals]

    def test_too_many_for_one_zip_are_refused(self, page: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("dam.admin.bulk.MOST_AT_ONCE", 1)
        chosen = [AssetFactory().pk for _number in range(2)]
        answer = page.post(LIST, {"action": "download", "_selected_action": chosen}, follow=True)
        assert "More than 1 files are too many for one archive. Choose fewer." in answer.content.decode()

    def test_they_are_linked_to_a_sku(self, page: Client) -> None:
        chosen = [AssetFactory(), AssetFactory()]
        sku = SKUFactory(code="C-7")
        asked = {"action": "link_sku", "_selected_action": [asset.pk for asset in chosen]}
        assert 'value="C-7"' in page.post(LIST, asked).content.decode()
        wrong = page.post(LIST, {**asked, "confirmed": "1", "sku": "C-8", "role": "detail"})
        assert "There is no SKU of this code" in wrong.content.decode()
        assert not sku.assets.exists()
        done = page.post(LIST, {**asked, "confirmed": "1", "sku": " C-7 ", "role": "detail"}, follow=True)
        assert "Linked to “C-7”: 2." in done.content.decode()
        links = sku.asset_links.values_list("asset_id", "role")
        assert set(links) == {(asset.pk, "detail") for asset in chosen}

    def test_what_one_has_uploaded_is_listed_from_the_upload_page_on(
        self, page: Client, editor: User
    ) -> None:
        AssetFactory(title="Before")
        form = {
            "pictures": [SimpleUploadedFile("new.jpg", pictures.picture(seed=5))],
            "kind": "garment",
            "state": "draft",
        }
        done = page.post("/admin/dam/asset/upload/", form)
        AssetFactory(title="Of others", owner=editor)
        (address,) = re.findall(r'href="([^"]+arrived=[^"]+)"', done.content.decode())
        listed = page.get(unescape(address))
        assert [asset.current.original_name for asset in listed.context["cl"].result_list] == ["new.jpg"]
        assert not page.get(LIST, {"arrived": "soon"}).context["cl"].result_list
