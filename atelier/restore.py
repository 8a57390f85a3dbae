"""The library as a backup has it: database, files, and the index, made from the vectors in the database.

Whatever was cut off when, the same command again finishes it: a note in the data folder says which backup is
being restored.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import datetime
from functools import partial
from heapq import merge
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.contenttypes.models import ContentType
from django.core.files import File
from django.core.files.storage import default_storage
from django.core.management import call_command
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.models import F
from django.db.models.functions import Collate
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from tqdm import tqdm

from atelier import dumps, parallel
from atelier.backup import count_tables
from atelier.backup_folder import CHUNK, BackupError, BackupFolder, FileLine, Generation, digest_of, private
from dam.models import SKU, Asset, Collection, RemovalHold, Rendition
from dam.storage_listing import stored_files
from generation.models import GenerationJob
from search.encoders.base import EncoderError
from search.index import IndexMismatch, IndexUnavailable
from search.outbox import drain
from search.reconcile import reconcile

BATCH = 1_000
NAMED = 1_000


@dataclass(frozen=True)
class Comparison:
    """One line of the table at the end: the backup beside what is here now."""

    what: str
    backup: int
    here: int


@dataclass
class RestoreReport:
    """What one restore did."""

    generation: str
    files: int = 0
    put_back: int = 0
    encoded: int = 0
    indexed: int = 0
    index_problem: str = ""
    comparisons: list[Comparison] = field(default_factory=list)
    differing: list[str] = field(default_factory=list)
    """Files whose content is not that of the backup, by name, at most NAMED of them."""

    @property
    def is_equal(self) -> bool:
        return not self.differing and all(each.backup == each.here for each in self.comparisons)

    def as_json(self) -> dict[str, Any]:
        return {"equal": self.is_equal, **asdict(self)}


def restore(
    folder: Path, *, at: datetime | None = None, replace: bool = False, progress: bool = False
) -> RestoreReport:
    """Restore the newest backup, or the newest that is not after `at`.

    Everything of the backup is read and checked before anything is touched.

    Args:
        replace: also where there is a library; it is gone then.

    Raises:
        BackupError: something stands in the way; the message says what, and what to do.
    """
    place = BackupFolder(folder)
    generation = place.at(at)
    manifest = generation.manifest
    _require_same_kind(manifest)
    _require_known_migrations(manifest)
    dumps.require_programs()
    if not replace and unfinished() != manifest["id"]:
        _require_empty()
    _check(place, generation, manifest, progress)
    _note(manifest["id"])
    report = RestoreReport(generation.name)
    dumps.load(generation.path / manifest["database"]["file"])
    ContentType.objects.clear_cache()
    report.comparisons = _compare_tables(manifest)
    call_command("migrate", verbosity=0, interactive=False)
    RemovalHold.objects.all().delete()  # the backup's own, which ended with it
    if manifest["files"] is not None:
        _put_back(place, generation, manifest, report, progress)
        if not manifest["files"]["renditions"]:
            _forget_renditions()
    _index(report, progress)
    _mark().unlink(missing_ok=True)
    return report


def unfinished() -> str:
    """The id of the backup whose restore was interrupted here, or nothing."""
    try:
        return str(json.loads(_mark().read_text())["id"])
    except (OSError, ValueError, KeyError):
        return ""


# ── Before anything is touched ────────────────────────────────────────────────────────────────────


def _require_same_kind(manifest: dict[str, Any]) -> None:
    kind = manifest["database"]["kind"]
    if kind != connection.vendor:
        raise BackupError(
            _(
                "This backup is of a %(kind)s database, and DATABASE_URL leads to %(here)s. Restore it into "
                "an empty %(kind)s database."
            )
            % {"kind": kind, "here": connection.vendor}
        )


def _require_known_migrations(manifest: dict[str, Any]) -> None:
    known = set(MigrationLoader(None, ignore_no_migrations=True).disk_migrations)
    ours = {config.label for config in apps.get_app_configs()}
    newer = [
        f"{app}.{name}"
        for app, names in manifest["migrations"].items()
        for name in names
        if app in ours and (app, name) not in known
    ]
    if newer:
        raise BackupError(
            _(
                "This backup was made by a newer Atelier (%(version)s), whose migration %(name)s this one "
                "does not know. Install that version, and restore with it."
            )
            % {"version": manifest["atelier"], "name": newer[-1]}
        )


def _require_empty() -> None:
    tables = set(connection.introspection.table_names())
    counted = {
        model: model._base_manager.count()
        for model in (Asset, SKU, Collection, GenerationJob, get_user_model())
        if model._meta.db_table in tables
    }
    there = [f"{count} {model._meta.verbose_name_plural}" for model, count in counted.items() if count]
    if there:
        raise BackupError(
            _(
                "There is a library here already (%(what)s). --replace puts the backup in its place; what is "
                "here now is gone then."
            )
            % {"what": ", ".join(there)}
        )


def _check(place: BackupFolder, generation: Generation, manifest: dict[str, Any], progress: bool) -> None:
    """Read all of it.

    Raises:
        BackupError: something is missing or not what it was.
    """
    database = generation.path / manifest["database"]["file"]
    if not database.is_file() or digest_of(database) != manifest["database"]["sha256"]:
        raise BackupError(_("%(file)s is missing or damaged; use another backup.") % {"file": database})
    if manifest["files"] is None:
        return
    lines = generation.list_of_files
    if not lines.is_file() or digest_of(lines) != manifest["files"]["sha256"]:
        raise BackupError(_("%(file)s is missing or damaged; use another backup.") % {"file": lines})
    checked = parallel.each(partial(_is_sound, place), _lines(generation, manifest, _("Check"), progress))
    bad = [line.name for line, sound in checked if not sound]
    if bad:
        raise BackupError(
            ngettext(
                "%(count)d file of the backup is missing or damaged: %(names)s. Nothing was touched.",
                "%(count)d files of the backup are missing or damaged: %(names)s. Nothing was touched.",
                len(bad),
            )
            % {"count": len(bad), "names": ", ".join(bad[:20])}
        )


def _is_sound(place: BackupFolder, line: FileLine) -> bool:
    path = place.path_of(line.sha256)
    return path.is_file() and path.stat().st_size == line.size and digest_of(path) == line.sha256


# ── The restore itself ────────────────────────────────────────────────────────────────────────────


def _mark() -> Path:
    return Path(settings.ATELIER_DATA) / "restoring.json"


def _note(backup: str) -> None:
    with private(_mark(), "w") as file:
        json.dump({"id": backup}, file)


def _compare_tables(manifest: dict[str, Any]) -> list[Comparison]:
    """Before migrations of a newer version change any."""
    here = count_tables()
    return [Comparison(table, count, here.get(table, 0)) for table, count in manifest["tables"].items()]


def _put_back(
    place: BackupFolder,
    generation: Generation,
    manifest: dict[str, Any],
    report: RestoreReport,
    progress: bool,
) -> None:
    """Write what is not there in the same content, and read all of it once more."""
    to_write = _lines(generation, manifest, _("Files"), progress)
    for _line, written in parallel.each(partial(_write, place), to_write):
        report.files += 1
        report.put_back += written
    equal = 0
    for line, same in parallel.each(_is_there, _lines(generation, manifest, _("Compare"), progress)):
        equal += same
        if not same and len(report.differing) < NAMED:
            report.differing.append(line.name)
    report.comparisons.append(Comparison(_("files, by SHA-256"), manifest["files"]["count"], equal))


def _write(place: BackupFolder, line: FileLine) -> bool:
    """Whether it had to be written. In a thread without a database."""
    if _is_there(line):
        return False
    default_storage.delete(line.name)
    with place.path_of(line.sha256).open("rb") as content:
        stored = default_storage.save(line.name, File(content))
    if stored != line.name:
        default_storage.delete(stored)
        raise BackupError(_("The storage does not take %(name)s under its name.") % {"name": line.name})
    return True


def _is_there(line: FileLine) -> bool:
    """Whether the storage has the file in this very content. In a thread without a database."""
    try:
        if default_storage.size(line.name) != line.size:
            return False
        with default_storage.open(line.name) as file:
            digest = hashlib.sha256()
            for chunk in iter(partial(file.read, CHUNK), b""):
                digest.update(chunk)
    except OSError:  # what cannot be read is written, and says so if that cannot be either
        return False
    return digest.hexdigest() == line.sha256


def _lines(
    generation: Generation, manifest: dict[str, Any], title: str, progress: bool
) -> Iterable[FileLine]:
    count = manifest["files"]["count"]
    return tqdm(generation.files(), title, count, unit=" files", disable=None if progress else True)


def _forget_renditions() -> None:
    """Rows of renditions that were not backed up, and that the storage does not have either: they are made
    again when somebody wants them."""
    in_order = Collate(F("file"), "C" if connection.vendor == "postgresql" else "BINARY")
    rows = Rendition.objects.order_by(in_order).values_list("file", "pk").iterator(BATCH)
    stored = ((file.name, None) for file in stored_files(default_storage, "renditions"))
    lost: list[int] = []
    for _name, found in groupby(merge(rows, stored, key=itemgetter(0)), key=itemgetter(0)):
        keys = [key for _name, key in found]
        if None not in keys:
            lost += [key for key in keys if key is not None]
    for start in range(0, len(lost), BATCH):
        Rendition.objects.filter(pk__in=lost[start : start + BATCH]).delete()


def _index(report: RestoreReport, progress: bool) -> None:
    """Vectors are kept in the database: nothing is encoded that had been."""
    try:
        reconcile(fix=True)
        drained = drain(progress=progress)
    except (EncoderError, IndexMismatch, IndexUnavailable) as error:
        report.index_problem = str(error)
        return
    report.indexed, report.encoded = drained.indexed, drained.encoded
    report.index_problem = drained.postponed
