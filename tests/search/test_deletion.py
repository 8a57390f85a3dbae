"""Deleting for good takes all of an asset along, and nothing else: rows, files, vectors, references."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command
from django.db.models import Model
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from dam import bulk_edits, collaboration, duplicates, editing, notices, sharing, tasks, uploads
from dam.bulk_edits import Change
from dam.merging import merge
from dam.models import (
    Asset,
    AssetVersion,
    AuditEntry,
    Import,
    ImportRow,
    Lineage,
    Rendition,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookEvent,
)
from dam.presets import BUILT_IN, Preset
from dam.renditions import rendition_for
from dam.versions import add_version
from generation.models import GenerationItem, GenerationJob
from search import terms
from search.models import Embedding, IndexEntry, IndexState
from search.outbox import MAX_ATTEMPTS
from search.spaces import index_of, live_space
from tests.dam.storages import stored_files
from tests.factories import AssetFactory, CollectionFactory, EditorFactory
from tests.pictures import picture

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("tiny_clip", "own_storage")]
Drain = Callable[[], Any]
# They say what happened: the audit log, Django's own, and what was told to systems outside.
RECORDS = {"dam.AuditEntry", "admin.LogEntry", "dam.WebhookDelivery"}


@pytest.fixture(autouse=True)
def _any_age(settings: Settings) -> None:
    """Files count as soon as they are there."""
    settings.DAM_UNNAMED_FILE_HOURS = -1


@dataclass
class Traces:
    """By what rows, files and vectors would be known as some assets'."""

    names: set[str]
    keys: dict[type[Model], set[Any]]

    @classmethod
    def of(cls, assets: Sequence[Asset]) -> Traces:
        versions = AssetVersion.objects.filter(asset__in=assets)
        names = {name for asset in assets for name in (str(asset.public_id), asset.public_id.hex)}
        keys: dict[type[Model], set[Any]] = {
            Asset: {asset.pk for asset in assets},
            AssetVersion: set(versions.values_list("pk", flat=True)),
            Rendition: set(Rendition.objects.filter(version__in=versions).values_list("pk", flat=True)),
        }
        return cls(names | set(versions.values_list("sha256", flat=True)), keys)

    def in_rows(self) -> set[str]:
        """The tables with a row that is theirs, refers to them, or says their name."""
        return {model for model, row in every_row() if self._is_in(apps.get_model(model), row)}

    def in_files(self) -> set[str]:
        return {file for file in stored_files() if any(name in file for name in self.names)}

    def in_milvus(self) -> set[int]:
        return vectors() & self.keys[Asset]

    def _is_in(self, model: type[Model], row: dict[str, Any]) -> bool:
        text = json.dumps(row, default=str)
        pointed = {
            (each.related_model, row[each.attname])
            for each in model._meta.concrete_fields
            if each.related_model
        }
        pointed |= {(Asset, row.get("asset_key")), (model, row.get("id"))}
        mine = any(key in self.keys.get(target, ()) for target, key in pointed)  # type: ignore[call-overload]
        return mine or any(name in text for name in self.names)


def every_row() -> Iterator[tuple[str, dict[str, Any]]]:
    """All rows of all tables, those between tables too."""
    for model in apps.get_models(include_auto_created=True):
        if not model._meta.proxy:
            for row in model._base_manager.order_by("pk").values():
                yield model._meta.label, row


def vectors() -> set[int]:
    return {key for page in index_of(live_space()).ids() for key in page}


def reconciled() -> dict[str, Any]:
    out = StringIO()
    call_command("reconcile", "--json", stdout=out)
    return dict(json.loads(out.getvalue()))


@pytest.fixture
def entangled(administrator: User, index_now: Drain) -> tuple[list[Asset], Asset]:
    """Two assets, one made from the other, with everything that an asset can have; and one that stays."""
    WebhookEndpoint.objects.create(name="PIM", url="https://pim.example.com/", events=WebhookEvent.values)
    kept = AssetFactory(title="Kept", file=picture(seed=1))
    upload = uploads.receive(administrator, ContentFile(picture(seed=2), name="dress.jpg"), "asset")
    asset = upload.asset
    assert asset is not None
    child = AssetFactory(title="Board", file=picture(seed=3))
    Lineage.objects.create(parent=asset, child=child, role="garment")
    Lineage.objects.create(parent=kept, child=asset, role="scene")
    editing.update_assets(
        [asset],
        actor=administrator,
        changes={"rights_expire_on": timezone.localdate() + timedelta(days=3), "owner": administrator},
        add_tags=["Linen"],
    )
    editing.link_sku(asset, "DRESS-1", actor=administrator)
    collection = CollectionFactory()
    editing.add_to_collection(collection, [asset, child, kept], actor=administrator)
    sharing.create(collection, actor=administrator, expires_at=timezone.now() + timedelta(days=1))
    add_version(asset, picture(seed=4), filename="second.jpg", actor=administrator)
    for version in asset.versions.all():
        for preset in (BUILT_IN["web"], Preset("banner", fit="cover", width=400, height=100)):
            rendition_for(version, preset)
    editor = EditorFactory()
    collaboration.comment(asset, "The hem!", author=editor)
    collaboration.assign([asset], to=editor, task="Retouch", actor=administrator, due_on=timezone.localdate())
    notices.tell_of_rights()
    notices.tell_of_due()
    edit = bulk_edits.start(
        Asset.objects.filter(pk=asset.pk), Change(add_tags=["Summer"]), actor=administrator
    )
    bulk_edits.work(edit.pk, seconds=10)
    merged = AssetFactory(title="Merged", file=picture(seed=5))
    merge(Asset.objects.get(pk=asset.pk), [merged], actor=administrator)
    duplicates.look()
    job = GenerationJob.objects.create(kind="edit", provider="board")
    GenerationItem.objects.create(job=job, position=0, idempotency_key="1", output=child)
    run = Import.objects.create(owner=administrator, source="folder", location="/photos", state="done")
    ImportRow.objects.create(run=run, outcome="imported", asset=asset)
    index_now()
    return [asset, child], kept


def by_page(assets: Sequence[Asset], client: Client) -> None:
    for asset in reversed(assets):  # what was made goes before what it was made from
        address = reverse("admin:dam_asset_delete", args=[asset.pk])
        for _trash_then_for_good in range(2):
            assert client.post(address, {"post": "yes"}).status_code == 302


def by_list(assets: Sequence[Asset], client: Client) -> None:
    editing.trash(assets, actor=None)
    chosen = {"action": "delete_selected", "_selected_action": [asset.pk for asset in assets], "post": "yes"}
    address = reverse("admin:dam_asset_changelist")
    assert client.post(f"{address}?state=trashed", chosen).status_code == 302


def by_rest(assets: Sequence[Asset], client: Client) -> None:
    for asset in reversed(assets):
        assert client.delete(f"/api/v1/assets/{asset.public_id}/?even_if_used=true").status_code == 200
        assert client.delete(f"/api/v1/trash/{asset.public_id}/").status_code == 204


def by_sweep(assets: Sequence[Asset], client: Client) -> None:
    editing.trash(assets, actor=None)
    long_ago = timezone.now() - timedelta(days=400)
    Asset.objects.filter(pk__in=[asset.pk for asset in assets]).update(trashed_at=long_ago)
    tasks.empty_trash()


@pytest.mark.parametrize("by", [by_page, by_list, by_rest, by_sweep])
def test_nothing_of_a_deleted_asset_is_left_anywhere(
    by: Callable[[Sequence[Asset], Client], None],
    entangled: tuple[list[Asset], Asset],
    index_now: Drain,
    client: Client,
    administrator: User,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    assets, kept = entangled
    terms.refresh()
    traces, of_kept = Traces.of(assets), Traces.of([kept])
    assert {
        "dam.Asset", "dam.AssetVersion", "dam.Rendition", "dam.Asset_tags", "dam.AssetSKU",
        "dam.CollectionItem", "dam.Lineage", "dam.Comment", "dam.Assignment", "dam.Notice", "dam.AssetWords",
        "dam.DuplicatePair", "dam.BulkEditItem", "dam.UploadSession", "dam.ImportRow",
        "generation.GenerationItem", "search.IndexEntry", "search.Embedding", "search.AssetTerms",
        "dam.WebhookDelivery", "dam.AuditEntry",
    } <= traces.in_rows()  # fmt: skip
    assert len(traces.in_files()) == 2 * (1 + 3) + 2
    assert traces.in_milvus() == traces.keys[Asset]
    files_of_kept, rows_of_kept = of_kept.in_files(), of_kept.in_rows()

    client.force_login(administrator)
    with django_capture_on_commit_callbacks(execute=True):
        by(assets, client)
    index_now()
    terms.refresh()

    assert traces.in_rows() - RECORDS == set()
    assert traces.in_files() == set()
    assert traces.in_milvus() == set()
    assert not Embedding.objects.filter(sha256__in=traces.names).exists()
    for asset in assets:
        assert AuditEntry.objects.get(target_id=str(asset.public_id), action="asset.deleted")
    told = WebhookDelivery.objects.filter(event=WebhookEvent.DELETED).values_list("subject", flat=True)
    assert set(told) >= {asset.public_id for asset in assets}
    answer = reconciled()
    assert (answer["clean"], answer["files"]["clean"]) == (True, True)
    assert answer["files"]["stored"] == len(stored_files())
    # What stays has all of its own.
    assert of_kept.in_files() == files_of_kept
    assert rows_of_kept - of_kept.in_rows() == {"dam.Lineage"}
    assert of_kept.in_milvus() == {kept.pk}


def test_a_deletion_that_is_refused_changes_nothing(
    entangled: tuple[list[Asset], Asset],
    client: Client,
    administrator: User,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    (asset, _child), _kept = entangled
    editing.trash([asset], actor=None)
    Asset.objects.filter(pk=asset.pk).update(trashed_at=timezone.now() - timedelta(days=400))
    client.force_login(administrator)
    rows, files = list(every_row()), stored_files()

    with django_capture_on_commit_callbacks(execute=True):
        with pytest.raises(editing.AssetsInUse) as caught:
            editing.delete_forever([asset], actor=administrator)
        tasks.empty_trash()
    assert f"“{asset.display_title}” cannot be deleted for good" in str(caught.value)
    assert list(every_row()) == rows
    assert stored_files() == files

    page = client.post(reverse("admin:dam_asset_delete", args=[asset.pk]), {"post": "yes"}, follow=True)
    assert [str(message) for message in page.context["messages"]] == [str(caught.value)]
    assert [row for row in every_row() if row[0] != "sessions.Session"] == [
        row for row in rows if row[0] != "sessions.Session"
    ]
    assert stored_files() == files


def test_what_goes_or_comes_behind_its_back_is_reported(index_now: Drain) -> None:
    assets = [AssetFactory() for _number in range(3)]
    index_now()
    assert reconciled()["clean"]
    lost = str(assets[0].current.file.name)
    default_storage.delete(lost)
    default_storage.delete(assets[1].current.renditions.get().file.name)
    stray = default_storage.save("originals/ab/stray.jpg", ContentFile(b"?"))
    gone = Embedding.objects.get(sha256=assets[2].current.sha256)
    Embedding.objects.create(space=gone.space, sha256="0" * 64, vector=gone.vector)

    out = StringIO()
    with pytest.raises(CommandError) as caught:
        call_command("reconcile", stdout=out)
    assert caught.value.returncode == 1
    assert "run again with --fix" in str(caught.value)
    said = out.getvalue()
    assert "1 orphaned (1 byte), 1 originals, 1 renditions and 0 others missing" in said
    assert "1 left over" in said
    assert f"orphaned: {stray}" in said
    assert f"“{assets[0].title}” ({assets[0].public_id}), version 1: {lost}, not there" in said

    with pytest.raises(CommandError, match="1 originals are lost"):
        call_command("reconcile", "--fix", stdout=StringIO())
    assert Embedding.objects.count() == IndexEntry.objects.count() == 3
    with pytest.raises(CommandError) as caught:
        call_command("reconcile", "--only", "files", stdout=out)
    document = StringIO()
    call_command("reconcile", "--only", "index", "--json", stdout=document)
    body = json.loads(document.getvalue())
    assert set(body) == {"clean", "fixed", "spaces", "files"}
    assert (body["clean"], body["files"]) == (True, None)


def test_a_file_that_was_lost_before_it_was_indexed_is_indexed_when_it_comes_again(index_now: Drain) -> None:
    asset = AssetFactory(file=picture(seed=1))
    default_storage.delete(str(asset.current.file.name))
    for _attempt in range(MAX_ATTEMPTS):
        index_now()
        IndexEntry.objects.update(not_before=timezone.now())
    assert IndexEntry.objects.get().state == IndexState.FAILED
    assert AssetFactory(file=picture(seed=1)) == asset
    index_now()
    assert vectors() == {asset.pk}
    assert reconciled()["clean"]
