"""From a change in the library to a vector in Milvus: the outbox, its worker, sweep and reconcile."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest
from django.contrib.auth.models import User
from django.core.files.storage import default_storage
from django.db import connection, transaction
from django.utils import timezone
from kombu.exceptions import OperationalError

from dam import editing, versions
from dam.models import Asset, CollectionItem
from search import outbox, tasks
from search.documents import document_for
from search.encoders.base import EncoderError
from search.index import IndexUnavailable
from search.models import Embedding, IndexEntry, IndexState, Space
from search.pipeline import Pipeline
from search.reconcile import reconcile
from search.spaces import index_of, live_space
from tests.factories import AssetFactory, CollectionFactory, TagFactory
from tests.pictures import picture

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("tiny_clip")]
Drain = Callable[[], outbox.DrainReport]


def states() -> list[str]:
    return list(IndexEntry.objects.order_by("asset_key").values_list("state", flat=True))


def in_milvus() -> set[int]:
    return {key for page in index_of(live_space()).ids() for key in page}


def test_an_upload_is_noted_in_its_own_transaction() -> None:
    with pytest.raises(RuntimeError), transaction.atomic():
        AssetFactory()
        assert states() == [IndexState.PENDING]
        raise RuntimeError
    assert states() == []


def test_what_is_noted_is_encoded_once_and_indexed(index_now: Drain) -> None:
    assets = [AssetFactory() for _ in range(5)]
    report = index_now()
    assert (report.indexed, report.encoded, report.failed, report.postponed) == (5, 5, 0, "")
    assert in_milvus() == {asset.pk for asset in assets}
    assert states() == [IndexState.INDEXED] * 5
    again = index_now()
    assert (again.indexed, again.encoded) == (0, 0)


def test_new_words_are_indexed_without_encoding_again(index_now: Drain) -> None:
    asset = AssetFactory()
    index_now()
    editing.update_assets([asset], actor=None, changes={"title": "Velvet"})
    report = index_now()
    assert (report.indexed, report.encoded) == (1, 0)
    assert Embedding.objects.count() == 1


def test_the_trash_leaves_the_index_and_comes_back_without_encoding(index_now: Drain) -> None:
    asset = AssetFactory()
    index_now()
    editing.trash([asset], actor=None)
    assert index_now().removed == 1
    assert in_milvus() == set()
    assert states() == [IndexState.REMOVED]
    editing.restore([asset], actor=None)
    assert index_now().encoded == 0
    assert in_milvus() == {asset.pk}


def test_deletion_takes_the_vector_with_it(index_now: Drain) -> None:
    asset = AssetFactory()
    index_now()
    editing.trash([asset], actor=None)
    editing.delete_forever([asset], actor=None)
    index_now()
    assert in_milvus() == set()
    assert reconcile()[0].clean


def test_a_change_while_it_is_being_indexed_is_not_lost(
    index_now: Drain, monkeypatch: pytest.MonkeyPatch
) -> None:
    asset = AssetFactory(title="Old")
    original = outbox._vectors

    def edited_meanwhile(*args: object) -> object:
        monkeypatch.setattr(outbox, "_vectors", original)
        editing.update_assets([asset], actor=None, changes={"title": "New"})
        return original(*args)

    monkeypatch.setattr(outbox, "_vectors", edited_meanwhile)
    index_now()
    index_now()
    assert states() == [IndexState.INDEXED]
    found = index_of(live_space()).search_words("New", limit=5, where="")
    assert [hit.id for hit in found] == ([asset.pk] if index_of(live_space()).full_text else [])


def test_a_lost_file_fails_alone_and_says_so(index_now: Drain) -> None:
    good, lost = AssetFactory(), AssetFactory()
    default_storage.delete(lost.current.file.name)
    for _ in range(outbox.MAX_ATTEMPTS):
        index_now()
        IndexEntry.objects.update(not_before=timezone.now())
    assert in_milvus() == {good.pk}
    entry = IndexEntry.objects.get(asset_key=lost.pk)
    assert entry.state == IndexState.FAILED
    assert "missing from storage" in entry.last_error
    assert outbox.retry_failed() == 1
    assert IndexEntry.objects.get(asset_key=lost.pk).state == IndexState.PENDING


def test_by_its_earlier_file_an_asset_is_not_found_when_its_new_one_cannot_be_read(index_now: Drain) -> None:
    asset = AssetFactory()
    index_now()
    version = versions.add_version(asset, picture(seed=91), filename="second.jpg", actor=None)
    default_storage.delete(version.file.name)
    for _ in range(outbox.MAX_ATTEMPTS):
        index_now()
        IndexEntry.objects.update(not_before=timezone.now())
    assert (states(), in_milvus()) == ([IndexState.FAILED], set())
    assert reconcile()[0].clean


def test_what_needs_no_encoder_does_not_wait_for_one_that_is_away(
    index_now: Drain, monkeypatch: pytest.MonkeyPatch
) -> None:
    asset = AssetFactory(title="Old")
    index_now()
    editing.update_assets([asset], actor=None, changes={"kind": "prop"})
    AssetFactory()

    def away(*_args: object) -> None:
        raise EncoderError("The weights are not there.")

    with monkeypatch.context() as failing:
        failing.setattr("search.pipeline._encode", away)
        report = index_now()
    assert (report.indexed, report.postponed) == (1, "The weights are not there.")
    assert states() == [IndexState.INDEXED, IndexState.PENDING]


def test_another_order_of_a_collection_is_no_drift(index_now: Drain) -> None:
    asset, first, second = AssetFactory(), CollectionFactory(), CollectionFactory()
    for collection in (first, second):
        editing.add_to_collection(collection, [asset], actor=None)
    CollectionItem.objects.filter(collection=second).update(position=5)
    index_now()
    CollectionItem.objects.filter(collection=first).update(position=9)
    assert reconcile()[0].clean


def test_without_milvus_nothing_is_lost_and_no_attempt_is_spent(
    index_now: Drain, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    AssetFactory()
    live_space()
    uri = settings.MILVUS_URI
    with monkeypatch.context() as gone:
        gone.setattr("search.index.connection._client", None)
        settings.MILVUS_URI = "http://127.0.0.1:9"
        report = index_now()
    settings.MILVUS_URI = uri
    assert "Milvus does not answer at http://127.0.0.1:9" in report.postponed
    entry = IndexEntry.objects.get()
    assert entry.state == IndexState.PENDING
    assert entry.not_before > timezone.now()
    IndexEntry.objects.update(not_before=timezone.now())
    assert index_now().indexed == 1


@pytest.mark.services
def test_while_the_storage_is_away_no_file_is_taken_for_broken(index_now: Drain, settings: Any) -> None:
    AssetFactory(), AssetFactory()
    working = settings.STORAGES
    default = working["default"]
    nowhere = {**default["OPTIONS"], "endpoint_url": "http://127.0.0.1:9"}
    settings.STORAGES = {**working, "default": {**default, "OPTIONS": nowhere}}
    report = index_now()
    assert "The file storage does not answer for" in report.postponed
    assert set(IndexEntry.objects.values_list("state", "attempts")) == {(IndexState.PENDING, 0)}
    settings.STORAGES = working
    IndexEntry.objects.update(not_before=timezone.now())
    assert index_now().indexed == 2


def test_an_outage_costs_no_attempt_and_is_waited_for_the_longer_it_lasts(
    index_now: Drain, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wait() -> float:
        """Seconds until the next try, after one at this moment."""
        IndexEntry.objects.update(not_before=timezone.now())
        assert index_now().postponed
        (due,) = set(IndexEntry.objects.values_list("not_before", flat=True))
        return (due - timezone.now()).total_seconds()

    good, lost = AssetFactory(), AssetFactory()
    live_space()
    uri = settings.MILVUS_URI
    with monkeypatch.context() as gone:
        gone.setattr("search.index.connection._client", None)
        settings.MILVUS_URI = "http://127.0.0.1:9"
        for _try in range(2 * outbox.MAX_ATTEMPTS):
            assert 0 < wait() < 60, "many tries, as after a burst of uploads, make it no longer"
        assert set(IndexEntry.objects.values_list("state", "attempts")) == {(IndexState.PENDING, 0)}
        for minutes, seconds in ((1, 60), (600, 300)):
            Space.objects.update(away_since=timezone.now() - timedelta(minutes=minutes))
            assert seconds - 5 < wait() < seconds + 20
    settings.MILVUS_URI = uri
    default_storage.delete(lost.current.file.name)
    Embedding.objects.all().delete()
    for attempt in range(1, outbox.MAX_ATTEMPTS + 1):
        IndexEntry.objects.update(not_before=timezone.now())
        index_now()
        entry = IndexEntry.objects.get(asset_key=lost.pk)
        final = attempt == outbox.MAX_ATTEMPTS
        assert (entry.attempts, entry.state) == (attempt, IndexState.FAILED if final else IndexState.PENDING)
    assert in_milvus() == {good.pk}
    assert Space.objects.get().away_since is None, "it has answered"


def test_a_dead_workers_entries_are_taken_over_when_its_lease_ends(index_now: Drain) -> None:
    asset = AssetFactory()
    IndexEntry.objects.update(state=IndexState.WORKING, leased_until=timezone.now() + timedelta(minutes=5))
    assert index_now().indexed == 0
    IndexEntry.objects.update(leased_until=timezone.now() - timedelta(seconds=1))
    tasks.sweep()
    assert in_milvus() == {asset.pk}


def test_what_changes_while_a_worker_has_it_is_done_again_once(
    index_now: Drain, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker looks for more to do before it finishes what it has, and finds the same asset anew."""
    asset = AssetFactory()
    started: list[int] = []
    start = outbox._start

    def changed_meanwhile(space: Space, batch: outbox.Batch, pipeline: Pipeline) -> None:
        start(space, batch, pipeline)
        started.append(len(batch.entries))
        assert len(started) < 10, "the same entry is claimed without an end"
        if len(started) == 1:
            outbox.enqueue([asset.pk])
            assert not IndexEntry.objects.claimable().exists()

    monkeypatch.setattr(outbox, "_start", changed_meanwhile)
    assert index_now().indexed == 1
    assert started == [1, 1]
    entry = IndexEntry.objects.get()
    assert (entry.state, entry.leased_until) == (IndexState.INDEXED, None)


def test_what_changes_while_milvus_is_away_is_due_when_it_is_back(
    index_now: Drain, monkeypatch: pytest.MonkeyPatch
) -> None:
    asset = AssetFactory()

    def away(*arguments: Any) -> None:
        outbox.enqueue([asset.pk])
        raise IndexUnavailable("Milvus does not answer.")

    with monkeypatch.context() as outage:
        outage.setattr(outbox, "_finish", away)
        assert index_now().indexed == 0
    assert index_now().indexed == 1
    assert in_milvus() == {asset.pk}


def test_the_sweep_finds_assets_that_were_never_noted() -> None:
    asset = AssetFactory()
    IndexEntry.objects.all().delete()
    tasks.sweep()
    assert in_milvus() == {asset.pk}


@pytest.mark.django_db(transaction=True)
def test_an_upload_succeeds_without_a_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise OperationalError("connection refused")

    monkeypatch.setattr(tasks.drain_outbox, "delay", refuse)
    AssetFactory()
    assert Asset.objects.count() == 1
    assert states() == [IndexState.PENDING]


@pytest.mark.django_db(transaction=True)
def test_one_transaction_wakes_the_worker_once(monkeypatch: pytest.MonkeyPatch) -> None:
    woken = []
    monkeypatch.setattr(tasks.drain_outbox, "delay", lambda: woken.append(1))
    with transaction.atomic():
        assets = [AssetFactory() for _ in range(3)]
        editing.update_assets(assets, actor=None, changes={"title": "Same"})
        assert woken == []
    assert woken == [1]


def test_an_encoder_that_cannot_be_stops_no_upload(settings: Any) -> None:
    settings.SEARCH_ENCODER = "nonsense"
    AssetFactory()
    assert Asset.objects.count() == 1
    assert states() == []


def test_the_number_of_queries_does_not_grow_with_the_batch(
    index_now: Drain, django_assert_max_num_queries: Callable
) -> None:
    for _ in range(12):
        AssetFactory()
    live_space()
    with django_assert_max_num_queries(30):
        index_now()


def test_reconcile_finds_and_mends_drift_both_ways(index_now: Drain) -> None:
    kept, lost, changed = AssetFactory(), AssetFactory(), AssetFactory()
    orphan = AssetFactory()
    index_now()
    assert reconcile()[0].clean
    index_of(live_space()).delete([lost.pk])
    IndexEntry.objects.filter(asset_key=changed.pk).update(content_hash="another file")
    Asset.objects.filter(pk=orphan.pk).update(state="trashed")

    (drift,) = reconcile()
    assert (drift.missing_assets, drift.orphaned_ids, drift.outdated_assets) == (
        [lost.pk],
        [orphan.pk],
        [changed.pk],
    )
    reconcile(fix=True)
    index_now()
    assert reconcile()[0].clean
    assert in_milvus() == {kept.pk, lost.pk, changed.pk}


def test_reconcile_compares_every_field_and_vectors_far_apart(index_now: Drain) -> None:
    """What was written past the outbox, or stays in Milvus under ids that are far away."""
    sound, retitled, retagged, expired = (AssetFactory(title=f"Old {number}") for number in range(4))
    index_now()
    index = index_of(live_space())
    assert reconcile()[0].clean
    Asset.objects.filter(pk=retitled.pk).update(title="Untold")
    tag = TagFactory()
    retagged.tags.add(tag)
    Asset.objects.filter(pk=expired.pk).update(usable_until=date(2020, 1, 1))
    far = [10**15, 2**62]
    document = document_for(sound, {})
    vectors = np.ones((2, index.dimension), dtype=np.float32)
    index.upsert([replace(document, id=key) for key in far], vectors)

    started = time.perf_counter()
    (drift,) = reconcile()
    assert time.perf_counter() - started < 20  # ids far apart are not walked one window after the other
    told = [retitled.pk] if index.full_text else []  # without BM25 Milvus is not told of words
    assert drift.outdated_assets == sorted([*told, retagged.pk, expired.pk])
    assert (drift.orphaned_ids, drift.missing_assets) == (far, [])
    reconcile(fix=True)
    index_now()
    (after,) = reconcile()
    assert (after.clean, after.pending, in_milvus()) == (
        True,
        0,
        set(Asset.objects.values_list("pk", flat=True)),
    )


def test_a_page_of_ids_that_is_full_is_halved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("search.index.reading.MOST", 4)
    index = index_of(live_space())
    keys = [1, 2, 3, 50, 51, 10**6, 10**9, 10**12, 10**15, 2**62]
    documents = [replace(document_for(AssetFactory(), {}), id=key) for key in keys]
    index.upsert(documents, np.ones((len(keys), index.dimension), dtype=np.float32))
    pages = list(index.ids())
    assert [key for page in pages for key in page] == keys
    assert max(len(page) for page in pages) < 4


def test_an_account_that_is_deleted_leaves_the_index(index_now: Drain, editor: User) -> None:
    asset = AssetFactory(owner=editor)
    index_now()
    editor.delete()
    assert states() == [IndexState.PENDING]
    index_now()
    ((row,),) = index_of(live_space()).rows(-1, asset.pk, ["owner"], consistency="Strong")
    assert row["owner"] == 0
    assert reconcile()[0].clean


@pytest.mark.skipif("not config.getoption('--services')", reason="SQLite plans in its own way")
def test_the_next_batch_is_found_by_the_index_of_open_entries(db: None) -> None:
    space = live_space()
    IndexEntry.objects.bulk_create(
        IndexEntry(space=space, asset_key=key, state=IndexState.INDEXED) for key in range(20_000)
    )
    IndexEntry.objects.filter(asset_key__gte=19_990).update(state=IndexState.PENDING)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE search_indexentry")
    plan = IndexEntry.objects.claimable().filter(space=space).order_by("id")[:64].explain()
    assert "search_entry_open" in plan
