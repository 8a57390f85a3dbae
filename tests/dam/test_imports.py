"""Imports in the background: archives, S3 and folders, dry runs, error sheets, stops and crashes."""

from __future__ import annotations

import base64
import os
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import boto3
import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.db import OperationalError
from django.test import Client
from django.utils import timezone
from openpyxl import load_workbook
from pytest_django import Settings
from rest_framework.test import APIClient

from dam import api_keys, import_runs, tasks, upload_spool
from dam.models import (
    Asset,
    AssetKind,
    AssetState,
    Import,
    ImportState,
    Scope,
    UploadSession,
    UploadState,
)
from dam.signals import assets_changed
from tests.archive_files import tar_of, zip_of
from tests.clients import api_of
from tests.dam.storages import full_disk
from tests.factories import AssetFactory
from tests.pictures import picture, text_as_jpg
from tests.services.processes import Process, eventually
from tests.services.servers import S3

pytestmark = [pytest.mark.django_db]
NEW = "/admin/dam/import/add/"
UPLOADS, IMPORTS = "/api/v1/uploads/", "/api/v1/imports/"
MANIFEST = "file,title_en,kind\na.jpg,Red dress,garment\nb.jpg,Blue hat,hat\nc.jpg,Gone,garment\n"


@pytest.fixture
def contributor_api(stranger: User) -> APIClient:
    return api_of(stranger)


@pytest.fixture
def administrator_api(administrator: User) -> APIClient:
    return api_of(administrator)


def uploaded(api: APIClient, content: bytes, name: str = "photos.zip", purpose: str = "import") -> str:
    """Id of a complete upload."""
    pairs = {"filename": name, "purpose": purpose}
    said = ",".join(f"{key} {base64.b64encode(text.encode()).decode()}" for key, text in pairs.items())
    answer = api.generic(
        "POST", UPLOADS, content, content_type="application/offset+octet-stream",
        headers={"Tus-Resumable": "1.0.0", "Upload-Length": str(len(content)), "Upload-Metadata": said},
    )  # fmt: skip
    assert answer.status_code == 201, answer.content
    return str(answer["Location"].split("/")[-2])


def create(api: APIClient, **given: Any) -> Import:
    answer = api.post(IMPORTS, given, format="json")
    assert answer.status_code == 201, answer.content
    return Import.objects.get(public_id=answer.json()["id"])


def worked(run: Import) -> Import:
    """The import after a worker's turn at it."""
    tasks.run_import(run.pk)
    run.refresh_from_db()
    return run


def counts(run: Import) -> tuple[str, int, int, int]:
    return run.state, run.imported, run.duplicates, run.rejected


def archive_of(count: int) -> bytes:
    return zip_of({f"look-{number:04}.jpg": picture(seed=number) for number in range(count)})


class TestArchives:
    @pytest.mark.parametrize(("pack", "name"), [(zip_of, "photos.zip"), (tar_of, "photos.tar")])
    def test_an_archive_is_checked_and_then_taken_in(
        self, staff_api: APIClient, editor: User, pack: Callable[..., bytes], name: str
    ) -> None:
        AssetFactory(file=picture(seed=2))
        files = {"a.jpg": picture(seed=1), "b.jpg": picture(seed=2), "notes.jpg": text_as_jpg()}
        run = create(
            staff_api, upload=uploaded(staff_api, pack(files), name), kind="garment", tags=["summer"]
        )

        assert counts(worked(run)) == (ImportState.READY, 1, 1, 1)
        assert Asset.objects.count() == 1
        assert staff_api.post(f"{IMPORTS}{run.public_id}/start/").json()["state"] == "running"
        assert counts(worked(run)) == (ImportState.DONE, 1, 1, 1)

        asset = Asset.objects.get(owner=editor)
        assert (asset.kind, asset.state, asset.title) == (AssetKind.GARMENT, AssetState.DRAFT, "A")
        assert [tag.slug for tag in asset.tags.all()] == ["summer"]
        assert not UploadSession.objects.exists()
        assert list(upload_spool.files()) == []
        rows = staff_api.get(f"{IMPORTS}{run.public_id}/rows/?outcome=imported").json()["results"]
        assert rows == [
            {"file": "a.jpg", "row": 0, "outcome": "imported", "problem": "", "asset": str(asset.public_id)}
        ]

    def test_a_dry_run_shows_every_problem_by_row(self, staff_api: APIClient) -> None:
        content = zip_of(
            {"manifest.csv": MANIFEST.encode(), "a.jpg": text_as_jpg(), "b.jpg": picture(seed=2)}
        )
        run = worked(create(staff_api, upload=uploaded(staff_api, content)))

        assert counts(run) == (ImportState.READY, 0, 0, 3)
        rows = staff_api.get(f"{IMPORTS}{run.public_id}/rows/").json()["results"]
        problems = {row["row"]: row["problem"] for row in rows}
        assert problems.keys() == {2, 3, 4}
        assert "“hat” is no kind" in problems[3]
        assert problems[4] == "There is no such picture in the archive."
        assert Asset.objects.count() == 0

        sheet = staff_api.get(f"{IMPORTS}{run.public_id}/errors.csv")
        lines = b"".join(sheet.streaming_content).decode("utf-8-sig").splitlines()
        assert lines[0] == "file,title_en,kind,problem"
        assert lines[2].startswith('b.jpg,Blue hat,hat,"“hat” is no kind')
        book = staff_api.get(f"{IMPORTS}{run.public_id}/errors.xlsx")
        assert "errors-" in book["Content-Disposition"]
        values = load_workbook(BytesIO(b"".join(book.streaming_content))).active.values
        assert [row[0] for row in values] == ["file", "a.jpg", "b.jpg", "c.jpg"]

    def test_a_table_of_its_own_says_what_the_pictures_are(self, staff_api: APIClient) -> None:
        archive = uploaded(staff_api, zip_of({"a.jpg": picture(seed=1), "z.jpg": picture(seed=2)}))
        table = uploaded(staff_api, b"file,title_en\na.jpg,Red dress\n", "list.csv")
        run = worked(create(staff_api, upload=archive, manifest=table, dry_run=False))
        assert counts(run) == (ImportState.DONE, 1, 0, 0)
        assert Asset.objects.get().title == "Red dress"
        assert len(run.notices) == 1

    def test_what_cannot_be_imported_is_refused_or_fails_with_a_sentence(
        self, staff_api: APIClient, contributor_api: APIClient
    ) -> None:
        no_archive = uploaded(staff_api, picture(seed=1), "a.jpg")
        wrong = [
            {"upload": no_archive},
            {"upload": uploaded(staff_api, picture(seed=2), purpose="asset")},
            {"upload": uploaded(contributor_api, archive_of(1))},
            {"upload": no_archive, "s3": "s3://bucket/"},
            {},
            {"upload": no_archive, "state": "approved"},
        ]
        for given in wrong:
            answer = staff_api.post(IMPORTS, given, format="json")
            assert answer.status_code == 400
            assert answer.json()["errors"]
        empty = worked(create(staff_api, upload=uploaded(staff_api, zip_of({"notes.txt": b"hello"}))))
        assert (empty.state, empty.problem) == (ImportState.FAILED, "There are no pictures in photos.zip.")

    def test_everybody_sees_their_own(
        self, staff_api: APIClient, contributor_api: APIClient, administrator_api: APIClient, api: APIClient
    ) -> None:
        run = create(contributor_api, upload=uploaded(contributor_api, archive_of(1)))
        address = f"{IMPORTS}{run.public_id}/"
        assert [who.get(address).status_code for who in (contributor_api, staff_api, administrator_api)] == [
            200, 404, 200,
        ]  # fmt: skip
        assert api.get(IMPORTS).status_code == 401


class TestGoingOn:
    def test_stopped_and_resumed(self, staff_api: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
        run = create(staff_api, upload=uploaded(staff_api, archive_of(250)), dry_run=False)
        address = f"{IMPORTS}{run.public_id}/"

        def stop_at_once(**kwargs: Any) -> None:
            Import.objects.filter(pk=run.pk).update(state=ImportState.STOPPED)

        with heard(assets_changed, stop_at_once):
            worked(run)
        assert counts(run) == (ImportState.STOPPED, 100, 0, 0)
        assert staff_api.post(f"{address}start/").status_code == 409
        assert staff_api.post(f"{address}resume/").status_code == 200
        assert counts(worked(run)) == (ImportState.DONE, 250, 0, 0)
        assert run.rows.count() == Asset.objects.count() == 250

    def test_a_slice_ends_and_the_next_one_goes_on(
        self, staff_api: APIClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(tasks, "SLICE_SECONDS", 0.0)
        run = create(staff_api, upload=uploaded(staff_api, archive_of(210)), dry_run=False)
        seen = [counts(worked(run))[:2] for _slice in range(3)]
        assert seen == [("running", 100), ("running", 200), ("done", 210)]

    def test_cut_off_between_taking_in_and_noting(self, staff_api: APIClient) -> None:
        """A hundred are in the library and not in the report; the next worker finds that they are its own."""
        run = create(staff_api, upload=uploaded(staff_api, archive_of(120)), dry_run=False)

        def lose_the_claim(**kwargs: Any) -> None:
            Import.objects.filter(pk=run.pk).update(claim=None)

        with heard(assets_changed, lose_the_claim):
            worked(run)
        assert counts(run) == (ImportState.RUNNING, 0, 0, 0)
        assert Asset.objects.count() == 100
        Import.objects.update(leased_until=timezone.now() - timedelta(seconds=1))
        assert counts(worked(run)) == (ImportState.DONE, 120, 0, 0)
        assert Asset.objects.count() == 120

    @pytest.mark.parametrize("dry_run", [True, False])
    @pytest.mark.parametrize("source", ["archive", "folder"])
    def test_our_full_disk_rejects_nothing(
        self, administrator_api: APIClient, settings: Settings, tmp_path: Path, source: str, dry_run: bool
    ) -> None:
        sizes = {"small.bmp": (64, 48), "large.bmp": (800, 600)}
        files = {name: picture(size=size, format="BMP") for name, size in sizes.items()}
        settings.DAM_IMPORT_FOLDERS = [str(tmp_path)]
        for name, content in files.items():
            (tmp_path / name).write_bytes(content)
        given = (
            {"folder": str(tmp_path)}
            if source == "folder"
            else {"upload": uploaded(administrator_api, tar_of(files))}
        )
        run = create(administrator_api, dry_run=dry_run, **given)
        with full_disk():
            at_work = ImportState.CHECKING if dry_run else ImportState.RUNNING
            assert counts(worked(run)) == (at_work, 0, 0, 0)
            assert "goes on by itself: " in run.problem
            assert "does not take files (No space left on device)" in run.problem
            assert run.pk not in import_runs.due(), "it does not try again at once"
        Import.objects.update(leased_until=timezone.now() - timedelta(seconds=1))
        assert import_runs.due() == [run.pk]
        assert counts(worked(run)) == (ImportState.READY if dry_run else ImportState.DONE, 2, 0, 0)

    def test_one_import_has_one_worker(self, staff_api: APIClient) -> None:
        run = create(staff_api, upload=uploaded(staff_api, archive_of(1)), dry_run=False)
        Import.objects.update(leased_until=timezone.now() + timedelta(seconds=60))
        assert counts(worked(run)) == (ImportState.RUNNING, 0, 0, 0)

    def test_a_failure_holds_the_import_up_no_longer_than_the_next_turn(self, staff_api: APIClient) -> None:
        run = create(staff_api, upload=uploaded(staff_api, archive_of(2)), dry_run=False)

        def fail(**kwargs: Any) -> None:
            raise OperationalError("deadlock detected")

        with heard(assets_changed, fail), pytest.raises(OperationalError):
            worked(run)
        assert not Asset.objects.exists()
        assert counts(worked(run)) == (ImportState.DONE, 2, 0, 0)

    def test_what_fails_again_and_again_is_given_up(self, staff_api: APIClient) -> None:
        run = create(staff_api, upload=uploaded(staff_api, archive_of(1)), dry_run=False)
        Import.objects.update(attempts=5)
        assert worked(run).state == ImportState.FAILED
        assert run.problem.endswith("You can resume it.")
        assert staff_api.post(f"{IMPORTS}{run.public_id}/resume/").status_code == 200
        assert counts(worked(run)) == (ImportState.DONE, 1, 0, 0)

    def test_the_archive_outlives_other_uploads(self, staff_api: APIClient) -> None:
        run = create(staff_api, upload=uploaded(staff_api, archive_of(1)))
        tasks.sweep_uploads()
        assert UploadSession.objects.get().state == UploadState.KEPT
        UploadSession.objects.update(expires=timezone.now() - timedelta(seconds=1))
        tasks.sweep_uploads()
        assert worked(run).problem == "The archive is not kept any more. Upload it again."


@pytest.mark.django_db(transaction=True)
def test_a_worker_is_killed_in_the_middle(worker: Callable[[], Process], editor: User) -> None:
    api = api_of(editor)
    names = {f"{n:04}.jpg": picture(size=(900, 700), seed=n) for n in range(400)}
    first = worker()
    run = create(api, upload=uploaded(api, zip_of(names)), dry_run=False)
    eventually(lambda: run.rows.count() >= 100, "a hundred are taken in", process=first)
    first.kill()
    run.refresh_from_db()
    assert run.state == ImportState.RUNNING
    assert 0 < Asset.objects.count() < len(names)

    Import.objects.update(leased_until=timezone.now() - timedelta(seconds=1))
    second = worker()
    tasks.sweep_imports.delay()
    done = Import.objects.filter(pk=run.pk, state=ImportState.DONE)
    eventually(done.exists, "the import is done", process=second)
    run.refresh_from_db()
    assert counts(run) == (ImportState.DONE, 400, 0, 0)
    assert Asset.objects.count() == 400
    assert max(Counter(run.rows.values_list("key", flat=True)).values()) == 1


class TestRightsOfToday:
    """What somebody might do when the import was made counts no longer."""

    SAID = "You may not bring in assets in that state. Choose another one."

    def checked(self, reviewer: User, pictures: int = 1) -> Import:
        api = api_of(reviewer)
        return worked(create(api, upload=uploaded(api, archive_of(pictures)), state="approved"))

    def test_who_is_no_reviewer_any_more_starts_nothing_approved(
        self, reviewer: User, client: Client, administrator: User
    ) -> None:
        run = self.checked(reviewer)
        assert run.state == ImportState.READY
        reviewer.groups.clear()
        editor = User.objects.get(pk=reviewer.pk)
        address = f"{IMPORTS}{run.public_id}/"

        refused = api_of(editor).post(f"{address}start/")
        client.force_login(editor)
        page = client.post(f"/admin/dam/import/{run.public_id}/start/", follow=True)

        assert (refused.status_code, refused.json()["detail"]) == (403, self.SAID)
        assert self.SAID in page.content.decode()
        run.refresh_from_db()
        assert run.state == ImportState.READY
        # An administrator may start it, and then it is still the owner's.
        assert api_of(administrator).post(f"{address}start/").status_code == 200
        assert counts(worked(run)) == (ImportState.FAILED, 0, 0, 0)
        assert run.problem == self.SAID
        assert api_of(editor).post(f"{address}resume/").status_code == 403
        assert not Asset.objects.exists()

    def test_a_key_that_may_not_review_starts_nothing_approved(self, reviewer: User) -> None:
        run = self.checked(reviewer)
        answers = []
        for scopes in ([Scope.CONTRIBUTE], [Scope.CONTRIBUTE, Scope.REVIEW]):
            _key, secret = api_keys.create("importer", reviewer, scopes, actor=None)
            program = APIClient()
            program.credentials(HTTP_AUTHORIZATION=f"Bearer {secret}")
            answers.append(program.post(f"{IMPORTS}{run.public_id}/start/").status_code)
        assert answers == [403, 200]

    def test_every_slice_asks_anew(self, reviewer: User, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(tasks, "SLICE_SECONDS", 0.0)
        api = api_of(reviewer)
        upload = uploaded(api, archive_of(120))
        run = worked(create(api, upload=upload, state="approved", dry_run=False))
        assert counts(run) == (ImportState.RUNNING, 100, 0, 0)

        User.objects.filter(pk=reviewer.pk).update(is_active=False)
        assert counts(worked(run)) == (ImportState.FAILED, 100, 0, 0)
        assert (run.problem, Asset.objects.count()) == (self.SAID, 100)

        User.objects.filter(pk=reviewer.pk).update(is_active=True)
        assert api.post(f"{IMPORTS}{run.public_id}/resume/").status_code == 200
        assert counts(worked(run)) == (ImportState.DONE, 120, 0, 0)


class TestFolders:
    def test_administrators_import_below_the_folders_of_the_site(
        self, administrator_api: APIClient, staff_api: APIClient, settings: Settings, tmp_path: Path
    ) -> None:
        settings.DAM_IMPORT_FOLDERS = [str(tmp_path / "photos")]
        (tmp_path / "photos" / "spring").mkdir(parents=True)
        (tmp_path / "photos" / "spring" / "a.jpg").write_bytes(picture(seed=1))
        (tmp_path / "photos-of-others").mkdir()
        wanted = str(tmp_path / "photos" / "spring")
        for api, folder, status in (
            (staff_api, wanted, 403),
            (administrator_api, str(tmp_path / "photos-of-others"), 400),
            (administrator_api, f"{wanted}/../../photos-of-others", 400),
        ):
            assert api.post(IMPORTS, {"folder": folder}, format="json").status_code == status
        run = worked(create(administrator_api, folder=wanted, dry_run=False))
        assert counts(run) == (ImportState.DONE, 1, 0, 0)

    def test_odd_names_and_cells_are_rejected_and_stop_nothing(
        self, administrator_api: APIClient, settings: Settings, tmp_path: Path
    ) -> None:
        settings.DAM_IMPORT_FOLDERS = [str(tmp_path)]
        (tmp_path / "good.jpg").write_bytes(picture(seed=1))
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.jpg")).write_bytes(picture(seed=2))
        (tmp_path / "circle.jpg").symlink_to(tmp_path / "circle.jpg")
        run = worked(create(administrator_api, folder=str(tmp_path), dry_run=False))
        assert counts(run) == (ImportState.DONE, 1, 0, 2)
        told = dict(run.rows.filter(outcome="rejected").values_list("name", "problem"))
        assert told["caf\ufffd.jpg"] == "The name of the file is no text in UTF-8. Rename it."
        assert told["circle.jpg"].startswith("The file cannot be read")

        rows = ["good.jpg,Good", f"{'x' * 300}.jpg,Long", "go\0od.jpg,Zero", "other.jpg,Ze\0ro"]
        (tmp_path / "photos").mkdir()
        (tmp_path / "photos" / "good.jpg").write_bytes(picture(seed=3))
        table = uploaded(administrator_api, "\n".join(["file,title", *rows]).encode(), "list.csv")
        folder = str(tmp_path / "photos")
        run = worked(create(administrator_api, folder=folder, manifest=table, dry_run=False))
        assert counts(run) == (ImportState.DONE, 1, 0, 3)
        problems = dict(run.rows.filter(outcome="rejected").values_list("number", "problem"))
        assert problems[3] == "There is no such file."
        assert "zero byte" in problems[4] and "zero byte" in problems[5]
        assert r"\x00" not in str(list(run.rows.values_list("name", "cells")))


class TestS3:
    @pytest.fixture
    def bucket(self, tmp_path: Path, settings: Settings) -> Iterator[Any]:
        server = S3(tmp_path / "s3")
        server.start()
        settings.S3_CONNECTION = {
            "endpoint_url": server.endpoint, "access_key": server.key, "secret_key": server.key,
            "region_name": server.region,
        }  # fmt: skip
        settings.DAM_IMPORT_S3 = ["atelier/inbox"]
        client = boto3.client(
            "s3", endpoint_url=server.endpoint, region_name=server.region,
            aws_access_key_id=server.key, aws_secret_access_key=server.key,
        )  # fmt: skip
        for name, content in {
            "inbox/a.jpg": picture(seed=1), "inbox/below/b": picture(seed=2), "inbox/.hidden.jpg": b"x",
            "inbox/list.jpg": text_as_jpg(), "inbox/notes.txt": b"x", "outbox/c.jpg": picture(seed=3),
            "inboxes/x.jpg": picture(seed=4),
        }.items():  # fmt: skip
            client.put_object(Bucket="atelier", Key=name, Body=content)
        yield server, client
        server.stop()

    def test_a_prefix_is_imported_once(self, staff_api: APIClient, bucket: Any) -> None:
        run = worked(create(staff_api, s3="s3://atelier/inbox/", dry_run=False))
        assert counts(run) == (ImportState.DONE, 2, 0, 1)
        assert set(Asset.objects.values_list("current__original_name", flat=True)) == {"a.jpg", "b"}
        again = worked(create(staff_api, s3="s3://atelier/inbox", dry_run=False))
        assert counts(again) == (ImportState.DONE, 0, 2, 1)

    def test_one_that_was_noted_without_the_slash_takes_no_sibling(
        self, staff_api: APIClient, bucket: Any
    ) -> None:
        run = create(staff_api, s3="s3://atelier/inbox", dry_run=False)
        Import.objects.update(location="s3://atelier/inbox")
        run.refresh_from_db()
        assert counts(worked(run)) == (ImportState.DONE, 2, 0, 1)

    def test_a_place_that_the_site_allows_no_more_is_not_gone_on_with(
        self, staff_api: APIClient, bucket: Any, settings: Settings
    ) -> None:
        run = create(staff_api, s3="s3://atelier/inbox/", dry_run=False)
        settings.DAM_IMPORT_S3 = ["atelier/outbox"]
        assert worked(run).state == ImportState.FAILED
        assert "imports from no such place" in run.problem

    def test_a_whole_bucket_is_imported_where_the_site_says_so(
        self, staff_api: APIClient, bucket: Any, settings: Settings
    ) -> None:
        settings.DAM_IMPORT_S3 = ["atelier"]
        run = worked(create(staff_api, s3="s3://atelier", dry_run=False))
        assert counts(run) == (ImportState.DONE, 4, 0, 1)
        begins_alike = worked(create(staff_api, s3="s3://atelier/inb", dry_run=False))
        assert counts(begins_alike) == (ImportState.DONE, 0, 3, 1)

    def test_with_a_manifest_beside_the_pictures(self, staff_api: APIClient, bucket: Any) -> None:
        _server, client = bucket
        client.put_object(Bucket="atelier", Key="inbox/manifest.csv", Body=MANIFEST.encode())
        run = worked(create(staff_api, s3="s3://atelier/inbox/"))
        assert counts(run) == (ImportState.READY, 1, 0, 2)

    def test_only_from_the_prefixes_of_the_site(
        self, staff_api: APIClient, contributor_api: APIClient, bucket: Any
    ) -> None:
        for api, address, status in (
            (staff_api, "s3://atelier/outbox/", 400),
            (staff_api, "s3://atelier/", 400),
            (staff_api, "s3://atelier/inboxes/", 400),
            (staff_api, "https://example.com/", 400),
            (contributor_api, "s3://atelier/inbox/", 403),
        ):
            assert api.post(IMPORTS, {"s3": address}, format="json").status_code == status

    def test_it_goes_on_when_the_bucket_answers_again(self, staff_api: APIClient, bucket: Any) -> None:
        server, _client = bucket
        run = create(staff_api, s3="s3://atelier/inbox/", dry_run=False)
        server.stop()
        assert worked(run).state == ImportState.FAILED
        assert "cannot be read" in run.problem

    def test_by_command(self, bucket: Any, editor: User) -> None:
        with pytest.raises(CommandError, match="1 file was rejected"):
            call_command("import_assets", "s3://atelier/inbox/", owner=editor.username)
        assert Asset.objects.filter(owner=editor).count() == 2


class TestPages:
    def test_an_import_by_form_alone(self, client: Client, editor: User) -> None:
        """As a browser without script sends it: file and manifest whole, then start, then the error sheet."""
        client.force_login(editor)
        archive = SimpleUploadedFile("photos.zip", zip_of({"a.jpg": picture(seed=1), "b.jpg": text_as_jpg()}))
        table = SimpleUploadedFile("list.csv", b"file,title_en\na.jpg,Red dress\nb.jpg,Blue hat\n")
        page = client.get(NEW)
        assert b'data-endpoint="/api/v1/uploads/"' in page.content
        assert b'name="folder"' not in page.content
        answer = client.post(
            NEW,
            {"archive": archive, "manifest": table, "kind": "garment", "state": "draft", "dry_run": "on"},
        )
        run = worked(Import.objects.get())
        assert answer["Location"] == f"/admin/dam/import/{run.public_id}/"
        page = client.get(answer["Location"])
        assert "Nothing has been written yet." in page.content.decode()
        assert "b.jpg" in page.content.decode()
        client.post(f"{answer['Location']}start/")
        assert counts(worked(run)) == (ImportState.DONE, 1, 0, 1)
        assert client.get(f"{answer['Location']}errors.xlsx").status_code == 200
        assert client.get(f"{answer['Location']}errors.exe").status_code == 404
        listed = client.get("/admin/dam/import/").content.decode()
        assert "photos.zip" in listed
        assert "2 / 2" in listed

    def test_what_is_wrong_is_said_on_the_form(self, client: Client, editor: User) -> None:
        client.force_login(editor)
        for given, sentence in (
            ({}, "Choose one source"),
            ({"archive": SimpleUploadedFile("a.jpg", picture(seed=1))}, "no zip or tar archive"),
            ({"upload": "01a20b47-fd90-7b0b-a478-f16370a5c6b3"}, "no such upload"),
        ):
            page = client.post(NEW, {"kind": "other", "state": "draft", **given})
            assert page.status_code == 422
            assert sentence in page.content.decode()
        assert not Import.objects.exists()

    def test_others_do_not_see_it(self, client: Client, staff_api: APIClient, reviewer: User) -> None:
        run = create(staff_api, upload=uploaded(staff_api, archive_of(1)))
        client.force_login(reviewer)
        assert client.get(f"/admin/dam/import/{run.public_id}/").status_code == 404
        assert client.post(f"/admin/dam/import/{run.public_id}/stop/").status_code == 404


class heard:  # noqa: N801  reads as a verb
    """Calls the receiver when the signal is sent, the first time."""

    def __init__(self, signal: Any, receiver: Callable[..., None]) -> None:
        self._signal, self._receiver = signal, receiver

    def _once(self, **kwargs: Any) -> None:
        self._signal.disconnect(self._once)
        self._receiver(**kwargs)

    def __enter__(self) -> None:
        self._signal.connect(self._once, weak=False)

    def __exit__(self, *error: Any) -> None:
        self._signal.disconnect(self._once)
