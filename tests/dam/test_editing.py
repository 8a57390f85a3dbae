"""Changing assets: every verb checks, writes, audits and tells, in a fixed number of queries."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoCaptureOnCommitCallbacks

from dam import editing
from dam.ingest import ParentLink, ingest
from dam.models import (
    SKU,
    Asset,
    AssetKind,
    AssetOrigin,
    AssetState,
    AuditEntry,
    Collection,
    Lineage,
    Rendition,
    Tag,
)
from dam.presets import BUILT_IN
from dam.renditions import rendition_for
from dam.signals import assets_changed, assets_deleted
from tests.dam.storages import stored_files
from tests.factories import AssetFactory, CollectionFactory, SKUFactory, TagFactory
from tests.pictures import picture

pytestmark = pytest.mark.django_db


@pytest.fixture
def heard() -> Iterator[list[tuple[str, list[int]]]]:
    """What listeners were told, in order: ("changed" or "deleted", asset ids)."""
    told: list[tuple[str, list[int]]] = []

    def hear_change(asset_ids: list[int], **kwargs: Any) -> None:
        assert connection.in_atomic_block
        told.append(("changed", asset_ids))

    def hear_deletion(asset_ids: list[int], **kwargs: Any) -> None:
        assert Asset.objects.filter(pk__in=asset_ids).count() == len(asset_ids)
        told.append(("deleted", asset_ids))

    assets_changed.connect(hear_change)
    assets_deleted.connect(hear_deletion)
    yield told
    assets_changed.disconnect(hear_change)
    assets_deleted.disconnect(hear_deletion)


def entries(action: str) -> list[AuditEntry]:
    return list(AuditEntry.objects.filter(action=action).order_by("id"))


def test_fields_and_tags_of_many_assets_change_at_once(editor: User, heard: list[Any]) -> None:
    TagFactory(slug="old", label="Old", label_zh="旧")
    first, second = AssetFactory(tags=("old",), licence="CC0"), AssetFactory(title="Same")
    heard.clear()

    count = editing.update_assets(
        Asset.objects.all(),
        actor=editor,
        changes={
            "title": "Same",
            "kind": AssetKind.PROP,
            "rights_expire_on": date(2031, 5, 1),
            "owner": editor,
        },
        add_tags=["New", "夏天"],
        remove_tags=["旧", "never there"],
    )

    assert count == 2
    for asset in (first, second):
        before = asset.updated
        asset.refresh_from_db()
        assert (asset.title, asset.kind, asset.owner) == ("Same", AssetKind.PROP, editor)
        assert {tag.slug for tag in asset.tags.all()} == {"new", "夏天"}
        assert asset.updated > before
    assert first.licence == "CC0"
    assert heard == [("changed", [first.pk, second.pk])]
    audited = entries("asset.updated")
    assert [entry.target_id for entry in audited] == [str(first.public_id), str(second.public_id)]
    assert audited[1].actor == editor
    assert audited[1].details == {
        "before": {"kind": "other", "rights_expire_on": None, "owner": None},
        "after": {"kind": "prop", "rights_expire_on": "2031-05-01", "owner": editor.pk},
        "tags": ["New", "夏天"],
        "untagged": ["旧", "never there"],
    }


@pytest.mark.parametrize("name", ["state", "current", "public_id", "origin", "nonsense"])
def test_fields_with_verbs_of_their_own_are_refused(editor: User, name: str) -> None:
    asset = AssetFactory()

    with pytest.raises(ValueError, match=name):
        editing.update_assets([asset], actor=editor, changes={name: "x"})

    assert not entries("asset.updated")


def test_the_state_changes_where_it_differs(reviewer: User, heard: list[Any]) -> None:
    draft = AssetFactory(state=AssetState.DRAFT)
    approved = AssetFactory(state=AssetState.APPROVED)
    trashed = AssetFactory()
    editing.trash([trashed], actor=reviewer)
    heard.clear()

    count = editing.set_state([draft, approved, trashed], actor=reviewer, state=AssetState.APPROVED)

    assert count == 1
    assert heard == [("changed", [draft.pk])]
    assert [entry.details for entry in entries("asset.state")] == [{"before": "draft", "after": "approved"}]
    trashed.refresh_from_db()
    assert trashed.is_trashed


def test_trash_and_restore_go_there_and_back(editor: User) -> None:
    asset = AssetFactory(state=AssetState.APPROVED)

    assert editing.trash([asset], actor=editor) == 1
    assert editing.trash([asset], actor=editor) == 0
    asset.refresh_from_db()
    assert asset.is_trashed
    assert asset.trashed_at is not None
    assert not Asset.objects.in_library().exists()

    assert editing.restore([asset], actor=editor) == 1
    assert editing.restore([asset], actor=editor) == 0
    asset.refresh_from_db()
    assert (asset.state, asset.trashed_at) == (AssetState.APPROVED, None)
    assert len(entries("asset.trashed")) == len(entries("asset.restored")) == 1


def test_deleting_for_good_removes_rows_and_files_after_the_commit(
    administrator: User, heard: list[Any], django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    kept = AssetFactory()
    before = stored_files()
    asset = AssetFactory(tags=("a",), skus=(("S", "packshot"),))
    rendition_for(asset.current, BUILT_IN["web"])
    CollectionFactory().items.create(asset=asset)
    heard.clear()

    with django_capture_on_commit_callbacks(execute=True):
        assert editing.delete_forever([asset], actor=administrator) == 1
        assert len(stored_files() - before) == 3

    assert stored_files() == before
    assert list(Asset.objects.all()) == [kept]
    assert Rendition.objects.count() == 1
    assert heard == [("deleted", [asset.pk])]
    assert [entry.target_id for entry in entries("asset.deleted")] == [str(asset.public_id)]


def test_what_others_were_made_from_is_not_deleted(administrator: User) -> None:
    parent = AssetFactory(title="Red dress")
    child = ingest(
        picture(seed=99),
        filename="board.png",
        owner=None,
        origin=AssetOrigin.GENERATED,
        parents=[ParentLink(parent, "garment")],
    ).asset

    with pytest.raises(editing.AssetsInUse) as caught:
        editing.delete_forever([parent], actor=administrator)
    assert "“Red dress” cannot be deleted for good" in str(caught.value)
    assert Asset.objects.filter(pk=parent.pk).exists()
    assert not entries("asset.deleted")

    assert editing.delete_forever([parent, child], actor=administrator) == 2
    assert not Asset.objects.exists()
    assert not Lineage.objects.exists()


def test_a_collection_keeps_the_order_in_which_assets_came(editor: User, heard: list[Any]) -> None:
    collection = CollectionFactory(name="Summer")
    first, second, third = (AssetFactory() for _number in range(3))
    heard.clear()

    assert editing.add_to_collection(collection, [second], actor=editor) == 1
    assert editing.add_to_collection(collection, [third, second, first], actor=editor) == 2
    assert editing.add_to_collection(collection, [third], actor=editor) == 0

    items = collection.items.order_by("position")
    assert [(item.asset, item.position) for item in items] == [(second, 0), (third, 1), (first, 2)]
    assert heard == [("changed", [second.pk]), ("changed", [third.pk, first.pk])]

    assert editing.remove_from_collection(collection, [third, third], actor=editor) == 1
    assert editing.remove_from_collection(collection, [third], actor=editor) == 0
    assert [item.asset for item in collection.items.all()] == [second, first]
    assert [entry.details["collection"] for entry in entries("asset.uncollected")] == ["Summer"]
    assert Asset.objects.count() == 3


def test_skus_are_linked_once_in_each_role(editor: User, heard: list[Any]) -> None:
    asset, sku = AssetFactory(), SKUFactory(code="D-1")
    heard.clear()

    assert editing.link_sku(asset, sku, "packshot", actor=editor)
    assert editing.link_sku(asset, "D-1", "on_model", actor=editor)
    assert editing.link_sku(asset, "D-2", actor=editor)
    assert not editing.link_sku(asset, sku, "packshot", actor=editor)

    links = asset.sku_links.values_list("sku__code", "role")
    assert set(links) == {("D-1", "packshot"), ("D-1", "on_model"), ("D-2", "packshot")}
    assert heard == [("changed", [asset.pk])] * 3
    assert Asset.objects.for_sku("D-2").get() == asset

    assert editing.unlink_sku(asset, sku, "on_model", actor=editor)
    assert not editing.unlink_sku(asset, sku, "on_model", actor=editor)
    assert len(entries("asset.sku_linked")) == 3
    assert len(entries("asset.sku_unlinked")) == 1


def test_a_sku_role_that_does_not_exist_is_an_error(editor: User) -> None:
    asset = AssetFactory()

    with pytest.raises(ValueError, match="worn"):
        editing.link_sku(asset, "D-1", "worn", actor=editor)

    assert not SKU.objects.exists()


def test_a_tag_of_nothing_but_marks_is_no_tag(editor: User) -> None:
    asset = AssetFactory()

    editing.update_assets([asset], actor=editor, changes={}, add_tags=["!?", " ", "Linen"])

    assert [tag.slug for tag in Tag.objects.all()] == ["linen"]


VERBS: dict[str, Callable[[list[Asset], User], int]] = {
    "update": lambda assets, user: editing.update_assets(
        assets, actor=user, changes={"title": "T"}, add_tags=["x", "y"], remove_tags=["z"]
    ),
    "state": lambda assets, user: editing.set_state(assets, actor=user, state=AssetState.REJECTED),
    "trash": lambda assets, user: editing.trash(assets, actor=user),
    "collect": lambda assets, user: editing.add_to_collection(
        Collection.objects.get_or_create(name="C")[0], assets, actor=user
    ),
    "delete": lambda assets, user: editing.delete_forever(assets, actor=user),
}


@pytest.mark.parametrize("verb", VERBS)
def test_one_asset_costs_as_many_queries_as_many(administrator: User, verb: str) -> None:
    def queries(assets: list[Asset]) -> int:
        with CaptureQueriesContext(connection) as captured:
            assert VERBS[verb](assets, administrator) == len(assets)
        return len(captured)

    few, many = ([AssetFactory() for _number in range(count)] for count in (2, 12))
    VERBS[verb](
        [AssetFactory()], administrator
    )  # what is made once (tags, the collection, the space) is there now

    assert queries(many) == queries(few)
