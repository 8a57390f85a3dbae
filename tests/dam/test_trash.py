"""The trash is emptied after its time, and never of what other pictures were made from."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from dam import editing
from dam.models import Asset, AuditEntry, Lineage
from dam.tasks import empty_trash
from tests.dam.storages import stored_files
from tests.factories import AssetFactory


def thrown_away(days: int) -> Asset:
    asset = AssetFactory()
    editing.trash([asset], actor=None)
    Asset.objects.filter(pk=asset.pk).update(trashed_at=timezone.now() - timedelta(days=days))
    return asset


@pytest.fixture
def thirty_days(db: None, settings: Settings) -> None:
    settings.DAM_TRASH_DAYS = 30


def test_what_has_lain_there_for_its_time_goes_with_its_files(
    thirty_days: None, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    before = stored_files()
    old = thrown_away(31)
    files_of_the_old = stored_files() - before
    kept = [thrown_away(29), AssetFactory()]
    with django_capture_on_commit_callbacks(execute=True):
        empty_trash()
    assert list(Asset.objects.order_by("pk")) == kept
    assert not stored_files() & files_of_the_old
    assert AuditEntry.objects.get(action="asset.deleted").target_id == str(old.public_id)


def test_what_something_was_made_from_stays_and_stops_none_of_the_others(thirty_days: None) -> None:
    parent, alone = thrown_away(40), thrown_away(40)
    child = AssetFactory()
    Lineage.objects.create(parent=parent, child=child, role="garment")
    empty_trash()
    assert set(Asset.objects.all()) == {parent, child}
    assert not Asset.objects.filter(pk=alone.pk).exists()
    editing.trash([child], actor=None)
    Asset.objects.filter(pk=child.pk).update(trashed_at=timezone.now() - timedelta(days=40))
    empty_trash()
    assert not Asset.objects.exists()


def test_nothing_goes_where_the_trash_is_never_emptied(db: None, settings: Settings) -> None:
    settings.DAM_TRASH_DAYS = 0
    thrown_away(4000)
    empty_trash()
    assert Asset.objects.count() == 1
