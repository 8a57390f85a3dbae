"""The file storage and the rows that name its files: what differs is found, mended, or told to people."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.conf import settings as site
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings
from rest_framework.test import APIClient

from dam import editing, file_names, tasks, upload_spool, uploads
from dam.file_names import file_columns
from dam.models import Asset, AssetVersion, AuditEntry, PendingRemoval, Rendition, UploadSession
from dam.presets import BUILT_IN
from dam.renditions import rendition_for
from dam.stored_files import FileDrift, compare_files
from dam.versions import add_version
from generation.models import GenerationItem, GenerationJob, PersonPhoto, TryOn
from tests.dam.storages import BusyStorage, RestlessStorage, StubbornStorage, stored_files
from tests.factories import AssetFactory
from tests.pictures import picture
from tests.services.processes import environment

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("space", "own_storage")]


@pytest.fixture
def any_age(settings: Settings) -> None:
    """Files count as soon as they are there."""
    settings.DAM_UNNAMED_FILE_HOURS = -1


@pytest.fixture
def stubborn(settings: Settings, tmp_path: Path) -> Iterator[type[StubbornStorage]]:
    """A storage that deletes nothing until it is told to: `stubborn.stubborn = False`."""
    backend = {
        "BACKEND": "tests.dam.storages.StubbornStorage",
        "OPTIONS": {"location": str(tmp_path / "stubborn")},
    }
    settings.STORAGES = {**settings.STORAGES, "default": backend}
    StubbornStorage.stubborn = True
    StubbornStorage.asked.clear()
    yield StubbornStorage
    StubbornStorage.stubborn = False


def store(name: str, content: bytes = b"content") -> str:
    return str(default_storage.save(name, ContentFile(content)))


def lose(*names: str) -> None:
    for name in names:
        default_storage.delete(name)


def name_of(row: AssetVersion | Rendition | None) -> str:
    assert row is not None
    return str(row.file.name)


def thumbnail(asset: Asset) -> Rendition:
    assert asset.current is not None
    return asset.current.renditions.get(preset="thumbnail")


def counts(drift: FileDrift) -> dict[str, int]:
    """What is not nought, but for what is stored."""
    known = {"stored", "stored_bytes", "orphaned_bytes"}
    numbers = {name: value for name, value in drift.as_json().items() if type(value) is int}
    return {name: value for name, value in numbers.items() if value and name not in known}


def due_again() -> None:
    """What time does."""
    PendingRemoval.objects.update(not_before=timezone.now() - timedelta(seconds=1))


def test_every_column_that_names_files_is_compared() -> None:
    assert {(column.model, column.name, column.folder) for column in file_columns()} == {
        (AssetVersion, "file", "originals"),
        (Rendition, "file", "renditions"),
        (GenerationItem, "answer", "answers"),
        (PersonPhoto, "file", "people"),
        (TryOn, "result", "try-ons"),
    }


def test_a_model_whose_files_nobody_can_place_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(file_names.FOLDERS, Rendition)
    with pytest.raises(TypeError, match="in which folder the files of Rendition lie"):
        file_columns()


def test_a_library_in_order_is_clean(any_age: None) -> None:
    asset = AssetFactory()
    add_version(asset, picture(seed=77), filename="second.jpg", actor=None)
    rendition_for(asset.current, BUILT_IN["web"])
    job = GenerationJob.objects.create(kind="edit", provider="board")
    item = GenerationItem(job=job, position=0, idempotency_key="1")
    item.answer.save("answer.png", ContentFile(b"a paid answer"))

    drift = compare_files(fix=True)

    assert drift.clean
    assert counts(drift) == {}
    names = stored_files()
    assert (drift.stored, len(names)) == (6, 6)
    assert drift.stored_bytes == sum(default_storage.size(name) for name in names)
    assert not drift.mended
    assert Rendition.objects.count() == 3


def test_files_of_nothing_are_found_and_deleted_and_what_is_not_the_librarys_stays(any_age: None) -> None:
    for _number in range(5):
        AssetFactory()
    # Listed among those of rows: before, between and after them, and as a database may sort otherwise.
    key = AssetFactory().public_id.hex
    kept = stored_files()
    orphans = [
        store(name)
        for name in (
            f"originals/{key[-2:]}/{key}/1-orphan.jpg",
            f"originals/{key[-2:]}/{key}-beside.jpg",
            f"renditions/{key[-2:]}/{uuid4().hex}/1-a_Zz.webp",
            "answers/left.png",
            "doctor/probe.txt",
        )
    ]
    foreign = store("photos of somebody else/1.jpg")

    drift = compare_files()
    assert counts(drift) == {"orphaned": 5}
    assert (drift.orphaned_files, drift.orphaned_bytes) == (sorted(orphans), 5 * len(b"content"))
    assert stored_files() == {*kept, *orphans, foreign}

    assert compare_files(fix=True).mended
    assert stored_files() == {*kept, foreign}
    assert compare_files().clean
    assert not PendingRemoval.objects.exists()


def test_what_is_young_may_be_about_to_get_its_row() -> None:
    AssetFactory()
    young = store("originals/ab/just-stored.jpg")
    drift = compare_files(fix=True)
    assert drift.clean
    assert counts(drift) == {"young": 1}
    assert young in stored_files()


def test_a_name_that_no_row_can_have_is_told_and_left(
    any_age: None, settings: Settings, tmp_path: Path
) -> None:
    """A file system takes any bytes as a name."""
    backend = {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": str(tmp_path)},
    }
    settings.STORAGES = {**settings.STORAGES, "default": backend}
    AssetFactory()
    odd = Path(os.fsdecode(os.fsencode(tmp_path / "originals") + b"/\xff\xfe.jpg"))
    odd.write_bytes(b"?")
    with pytest.raises(CommandError, match="1 files have names that are no text"):
        call_command("reconcile", "--only", "files", "--fix", stdout=StringIO())
    assert odd.exists()
    assert compare_files().orphaned == 1


def test_a_lost_rendition_is_forgotten_and_made_again(any_age: None) -> None:
    asset, other = AssetFactory(), AssetFactory()
    gone, half = thumbnail(asset), rendition_for(asset.current, BUILT_IN["web"])
    whole = thumbnail(other)
    lose(name_of(gone), name_of(half))
    store(name_of(half), b"half of it")

    drift = compare_files()
    assert counts(drift) == {"missing_renditions": 2}
    assert drift.missing_files == sorted([name_of(gone), name_of(half)])
    assert Rendition.objects.count() == 3

    assert compare_files(fix=True).mended
    assert list(Rendition.objects.all()) == [whole]
    assert name_of(half) not in stored_files()
    assert compare_files().clean
    again = rendition_for(asset.current, BUILT_IN["thumbnail"])
    assert default_storage.size(name_of(again)) == again.size


def test_a_lost_original_is_told_and_uploading_it_again_puts_it_back(
    any_age: None, settings: Settings, staff_api: APIClient
) -> None:
    lost, half, whole = (AssetFactory(title=title, file=picture(seed=n)) for n, title in enumerate("abc"))
    lose(name_of(lost.current), name_of(half.current))
    store(name_of(half.current), b"half")
    before = list(AssetVersion.objects.order_by("pk").values())

    out = StringIO()
    with pytest.raises(CommandError) as caught:
        call_command("reconcile", "--only", "files", "--json", "--fix", "--force", stdout=out)
    assert caught.value.returncode == 1
    assert "2 originals are lost" in str(caught.value)
    assert "upload the same files again" in str(caught.value)
    told = {row["asset"]: row for row in json.loads(out.getvalue())["files"]["lost_originals"]}
    assert set(told) == {str(lost.public_id), str(half.public_id)}
    assert told[str(lost.public_id)] == {
        "asset": str(lost.public_id),
        "title": "a",
        "version": 1,
        "file": name_of(lost.current),
        "sha256": lost.current.sha256,
        "size": lost.current.size,
        "stored_size": None,
    }
    assert told[str(half.public_id)]["stored_size"] == 4
    assert AssetVersion.objects.count() == 3

    # Nobody gets another file by it, and nothing else changes.
    for number, asset in enumerate((lost, half, whole)):
        again = AssetFactory(title="Another title", file=picture(seed=number))
        assert again == asset
        with default_storage.open(name_of(asset.current)) as file:
            assert file.read() == picture(seed=number)
    assert list(AssetVersion.objects.order_by("pk").values()) == before
    entries = AuditEntry.objects.filter(action="asset.file_restored").order_by("pk")
    assert [entry.target_id for entry in entries] == [str(lost.public_id), str(half.public_id)]
    assert compare_files().clean


def test_a_lost_version_goes_back_to_its_asset(any_age: None, staff_api: APIClient) -> None:
    asset, other = AssetFactory(file=picture(seed=1)), AssetFactory(file=picture(seed=3))
    add_version(asset, picture(seed=2), filename="second.jpg", actor=None)
    address = f"/api/v1/assets/{asset.public_id}/versions/"

    def send(seed: int) -> Any:
        return staff_api.post(address, {"file": ContentFile(picture(seed=seed), name="photo.jpg")})

    lose(*AssetVersion.objects.values_list("file", flat=True))
    assert compare_files().missing_originals == 3
    answers = [send(1), send(2), send(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 422]
    assert [answer.json().get("number") for answer in answers[:2]] == [1, 2]
    assert "in the library already" in answers[2].json()["detail"]
    assert compare_files().clean
    assert [send(1).status_code, send(2).status_code] == [422, 422]
    asset.refresh_from_db()
    assert asset.current.number == 2
    assert set(other.versions.values_list("number", flat=True)) == {1}


def test_a_wrong_database_or_an_empty_disk_is_not_mended_by_deleting(any_age: None) -> None:
    asset = AssetFactory()
    rendition_for(asset.current, BUILT_IN["web"])
    for number in range(4):
        store(f"originals/ab/{number}.jpg")
    refused = compare_files(fix=True)
    assert "No row names 4 of 7 stored files" in refused.problem
    assert (refused.mended, len(stored_files())) == (False, 7)
    with pytest.raises(CommandError, match="Is this the right database"):
        call_command("reconcile", "--only", "files", "--fix", stdout=StringIO())
    assert len(stored_files()) == 7
    assert compare_files(fix=True, force=True).mended
    assert len(stored_files()) == 3

    lose(*stored_files())
    refused = compare_files(fix=True)
    assert "1 of 1 originals are missing" in refused.problem
    assert Rendition.objects.count() == 2
    compare_files(fix=True, force=True)
    assert (Rendition.objects.count(), AssetVersion.objects.count()) == (0, 1)


def test_what_the_storage_does_not_delete_is_noted_told_and_goes_later(
    stubborn: type[StubbornStorage], django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    kept, asset = AssetFactory(), AssetFactory()
    of_kept = {name_of(kept.current), name_of(thumbnail(kept))}
    with django_capture_on_commit_callbacks(execute=True):
        editing.delete_forever([asset], actor=None)
    assert not Asset.objects.filter(pk=asset.pk).exists()
    assert len(stored_files()) == 4
    assert set(PendingRemoval.objects.values_list("attempts", "last_error")) == {
        (1, "OSError: [Errno 5] Input/output error")
    }

    # Young as they are: no row will ever name them.
    assert counts(compare_files()) == {"orphaned": 2}
    failed = compare_files(fix=True)
    assert "The storage did not delete 2 files (OSError: [Errno 5] Input/output error)" in failed.problem
    assert len(stored_files()) == 4

    stubborn.asked.clear()
    tasks.remove_files()
    assert stubborn.asked == []  # not yet: it has just failed
    stubborn.stubborn = False
    due_again()
    tasks.remove_files()
    assert stored_files() == of_kept
    assert not PendingRemoval.objects.exists()
    assert compare_files().clean


def test_a_storage_that_is_away_is_not_asked_for_every_file(stubborn: type[StubbornStorage]) -> None:
    PendingRemoval.objects.bulk_create(PendingRemoval(name=f"originals/{number}.jpg") for number in range(50))
    tasks.remove_files()
    assert len(stubborn.asked) == 3
    assert PendingRemoval.objects.filter(attempts=0).count() == 47


def test_what_a_row_names_again_is_not_removed(any_age: None) -> None:
    asset = AssetFactory()
    names = [name_of(asset.current), name_of(thumbnail(asset))]
    PendingRemoval.objects.bulk_create(PendingRemoval(name=name) for name in names)
    assert compare_files().clean
    tasks.remove_files()
    assert stored_files() == set(names)
    assert not PendingRemoval.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_process_that_dies_after_the_commit_leaves_its_files_to_the_sweep() -> None:
    kept, asset = AssetFactory(), AssetFactory()
    of_kept = {name_of(kept.current), name_of(thumbnail(kept))}
    location = default_storage.location  # type: ignore[attr-defined]
    program = f"""
        import os, signal, django
        django.setup()
        from django.core.files.storage import default_storage
        from dam import editing
        from dam.models import Asset
        default_storage.delete = lambda name: os.kill(os.getpid(), signal.SIGKILL)
        editing.delete_forever(Asset.objects.filter(pk={asset.pk}), actor=None)
    """
    died = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        cwd=site.BASE_DIR,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert died.returncode == -9, died.stderr
    assert (default_storage.location, Asset.objects.get()) == (location, kept)  # type: ignore[attr-defined]
    assert len(stored_files()) == 4
    assert compare_files().orphaned == 2
    tasks.remove_files()
    assert stored_files() == of_kept
    assert compare_files().clean


@pytest.mark.django_db(transaction=True)
def test_a_rendition_that_is_made_while_its_asset_is_deleted_leaves_no_file(
    settings: Settings, tmp_path: Path
) -> None:
    backend = {"BACKEND": "tests.dam.storages.BusyStorage", "OPTIONS": {"location": str(tmp_path / "busy")}}
    settings.STORAGES = {**settings.STORAGES, "default": backend}
    asset = AssetFactory()
    BusyStorage.meanwhile = lambda: editing.delete_forever([asset], actor=None)
    with pytest.raises(FileNotFoundError, match="was deleted while its rendition was made"):
        rendition_for(asset.current, BUILT_IN["web"])
    assert not Rendition.objects.exists()
    assert stored_files() == set()


def test_what_comes_or_goes_while_it_is_compared_is_no_drift(
    any_age: None, settings: Settings, tmp_path: Path
) -> None:
    backend = {
        "BACKEND": "tests.dam.storages.RestlessStorage",
        "OPTIONS": {"location": str(tmp_path / "restless")},
    }
    settings.STORAGES = {**settings.STORAGES, "default": backend}
    deleted, kept = AssetFactory(), AssetFactory()

    def people_go_on() -> None:
        editing.delete_forever([deleted], actor=None)
        tasks.remove_files()
        AssetFactory()

    RestlessStorage.meanwhile = people_go_on
    drift = compare_files(fix=True, force=True)
    assert RestlessStorage.meanwhile is None
    assert counts(drift) == {}
    assert Rendition.objects.count() == 2
    assert len(stored_files()) == 4
    assert name_of(kept.current) in stored_files()


def test_spooled_files_and_their_uploads_are_compared_too(any_age: None, stranger: Any) -> None:
    AssetFactory()
    going_on, lost = (uploads.open_upload(stranger, name="photo.jpg", length=10) for _number in range(2))
    upload_spool.remove(lost.public_id)
    nobodys = uuid4()
    upload_spool.create(nobodys)
    drift = compare_files()
    assert counts(drift) == {"orphaned_uploads": 1, "missing_uploads": 1}
    assert not drift.clean
    assert compare_files(fix=True).mended
    assert not upload_spool.path_of(nobodys).exists()
    assert upload_spool.path_of(going_on.public_id).exists()
    assert UploadSession.objects.count() == 2
    assert compare_files().clean


def test_a_storage_that_does_not_answer_is_a_sentence(settings: Settings, tmp_path: Path) -> None:
    AssetFactory()
    options = {
        "bucket_name": "atelier",
        "endpoint_url": "http://127.0.0.1:9",
        "access_key": "a",
        "secret_key": "b",
    }
    backend = {"BACKEND": "dam.s3_storage.Bucket", "OPTIONS": options}
    settings.STORAGES = {**settings.STORAGES, "default": backend}
    with pytest.raises(CommandError, match="The file storage cannot be listed") as caught:
        call_command("reconcile", "--only", "files", "--fix", stdout=StringIO())
    assert caught.value.returncode == 1
    assert Rendition.objects.count() == 1


def test_the_sweep_is_scheduled() -> None:
    assert {"task": "dam.tasks.remove_files", "schedule": 60.0} in site.CELERY_BEAT_SCHEDULE.values()
