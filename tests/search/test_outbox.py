"""From a change in the library to a vector in Milvus: the outbox, its worker, sweep and reconcile."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.db import transaction
from django.utils import timezone
from kombu.exceptions import OperationalError

from dam import editing
from dam.models import Asset
from search import outbox, tasks
from search.models import Embedding, IndexEntry, IndexState
from search.reconcile import reconcile
from search.spaces import index_of, live_space
from tests.factories import AssetFactory

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


def test_a_dead_workers_entries_are_taken_over_when_its_lease_ends(index_now: Drain) -> None:
    asset = AssetFactory()
    IndexEntry.objects.update(state=IndexState.WORKING, leased_until=timezone.now() + timedelta(minutes=5))
    assert index_now().indexed == 0
    IndexEntry.objects.update(leased_until=timezone.now() - timedelta(seconds=1))
    tasks.sweep()
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
    with django_assert_max_num_queries(26):
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
