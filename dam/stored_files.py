"""Comparing the file storage with the rows that name its files, and mending what differs.

Both sides are walked once, ascending by name, so that memory does not grow with the library. What the walk
finds is written down on disk and asked about once more before it is told or mended: people go on working
meanwhile.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from heapq import merge
from itertools import chain, groupby, islice
from operator import itemgetter
from typing import Any, NamedTuple

from django.conf import settings
from django.core.files.storage import default_storage
from django.db import connection, transaction
from django.db.models import BigIntegerField, F, Value
from django.db.models.functions import Collate
from django.utils import timezone
from django.utils.translation import gettext as _
from tqdm import tqdm

from dam import removal, uploads
from dam.file_names import FileColumn, file_columns, is_text, names_in_use
from dam.models import AssetVersion, PendingRemoval, Rendition
from dam.storage_listing import StoredFile, stored_files

__all__ = ["FileDrift", "LostOriginal", "compare_files"]

BATCH = 1_000
NAMED = 20
ORIGINALS_NAMED = 1_000
PROBES = "doctor"  # what the doctor writes to see whether the storage takes files
TO_BE_REMOVED = -1  # in place of the column, where a row names a file because it has to go


@dataclass
class LostOriginal:
    """A version whose file is not in the storage, or not in its full length (bytes; None: not at all)."""

    asset: str
    title: str
    version: int
    file: str
    sha256: str
    size: int
    stored_size: int | None


@dataclass
class FileDrift:
    """How storage and database differ; sizes in bytes. The lists name examples, the counts count all."""

    stored: int = 0
    stored_bytes: int = 0
    young: int = 0
    orphaned: int = 0
    orphaned_bytes: int = 0
    missing_originals: int = 0
    missing_renditions: int = 0
    missing_others: int = 0
    orphaned_uploads: int = 0
    missing_uploads: int = 0
    """Whose bytes are gone: their clients begin them anew, and the sweep removes them after their time."""
    orphaned_files: list[str] = field(default_factory=list)
    lost_originals: list[LostOriginal] = field(default_factory=list)
    missing_files: list[str] = field(default_factory=list)
    mended: bool = False
    problem: str = ""
    """Why not all of it was mended although that was asked for, or empty."""

    @property
    def clean(self) -> bool:
        missing = self.missing_originals + self.missing_renditions + self.missing_others
        return not (missing or self.orphaned or self.orphaned_uploads)

    def as_json(self) -> dict[str, Any]:
        return {"clean": self.clean, **asdict(self)}


class _Row(NamedTuple):
    """A row that names a file: of which column, its key, and the file's size as it remembers it."""

    column: int
    pk: int
    size: int | None


class _Orphan(NamedTuple):
    name: str
    size: int
    is_removed: bool
    """Its asset was deleted, and the storage failed."""


class _Missing(NamedTuple):
    name: str
    column: int
    pk: int
    stored_size: int | None


def compare_files(*, fix: bool = False, force: bool = False, progress: bool = False) -> FileDrift:
    """Compare the storage with all rows that name files in it, and the spool with the uploads.

    Orphaned: no row names the file, and it is older than `DAM_UNNAMED_FILE_HOURS` (younger ones may be
    about to get their row), or its asset was deleted and the storage failed. Missing: a row names a file
    that is not there, or not in its full length. With `fix`, orphaned files are deleted, and so are the
    rows of missing renditions, which are made again on demand. A lost original stays lost: its asset needs
    the file from somewhere else, and `Arrival.put_back` takes it.

    Args:
        force: mend also where most of what is there would go.
        progress: show a bar on standard error.

    Raises:
        StorageUnavailable: the storage cannot be listed; nothing was mended.
    """
    drift = FileDrift()
    with _Notes() as orphans, _Notes() as missing:
        originals = _walk(drift, orphans, missing, progress)
        unexplained = _confirm_orphans(drift, orphans)
        _confirm_missing(drift, missing)
        drift.orphaned_uploads, drift.missing_uploads = uploads.compare_spool()
        if fix and not force:
            drift.problem = _why_not(drift, unexplained, originals)
        if fix and not drift.problem:
            _mend(drift, orphans, missing)
    return drift


# ── The walk ──────────────────────────────────────────────────────────────────────────────────────


def _walk(drift: FileDrift, orphans: _Notes, missing: _Notes, progress: bool) -> int:
    """Write down what only one side knows; how many rows name an original."""
    columns = file_columns()
    originals = 0
    old = timezone.now() - timedelta(hours=settings.DAM_UNNAMED_FILE_HOURS)
    with tqdm(desc=_("Files"), unit=" files", disable=None if progress else True) as bar:
        for name, file, rows in _in_step(columns):
            owners = [row for row in rows if row.column != TO_BE_REMOVED]
            originals += sum(columns[row.column].model is AssetVersion for row in owners)
            for row in owners:
                if file is None or row.size not in (None, file.size):
                    missing.add(_Missing(name, row.column, row.pk, file.size if file else None))
            if file is None:
                continue
            drift.stored += 1
            drift.stored_bytes += file.size
            bar.update()
            if not owners and (rows or file.modified < old):
                orphans.add(_Orphan(name, file.size, is_removed=bool(rows)))
            elif not owners:
                drift.young += 1
    return originals


def _in_step(columns: Sequence[FileColumn]) -> Iterator[tuple[str, StoredFile | None, list[_Row]]]:
    """Each name with its file and the rows that have it."""
    sides: Iterator[tuple[str, Any]] = merge(_stored(columns), _named(columns), key=itemgetter(0))
    for name, found in groupby(sides, key=itemgetter(0)):
        things = [thing for _name, thing in found]
        file = next((thing for thing in things if isinstance(thing, StoredFile)), None)
        yield name, file, [thing for thing in things if isinstance(thing, _Row)]


def _stored(columns: Sequence[FileColumn]) -> Iterator[tuple[str, Any]]:
    """Only in the library's own folders: a bucket may hold other people's things too."""
    folders = sorted({column.folder for column in columns} | {PROBES})
    for file in chain.from_iterable(stored_files(default_storage, folder) for folder in folders):
        yield file.name, file


def _named(columns: Sequence[FileColumn]) -> Iterator[tuple[str, Any]]:
    sides = [_rows(number, column) for number, column in enumerate(columns)]
    return merge(*sides, _to_be_removed(), key=itemgetter(0))


def _rows(number: int, column: FileColumn) -> Iterator[tuple[str, _Row]]:
    has_size = any(each.name == "size" for each in column.model._meta.concrete_fields)
    size = F("size") if has_size else Value(None, output_field=BigIntegerField())
    rows = column.rows().order_by(_by_bytes(column.name)).values_list(column.name, "pk", size)
    for name, pk, in_bytes in rows.iterator(BATCH):
        yield name, _Row(number, pk, in_bytes)


def _to_be_removed() -> Iterator[tuple[str, _Row]]:
    rows = PendingRemoval.objects.order_by(_by_bytes("name")).values_list("name", "pk")
    for name, pk in rows.iterator(BATCH):
        yield name, _Row(TO_BE_REMOVED, pk, None)


def _by_bytes(name: str) -> Collate:
    """In the order in which storages list, whatever language the database sorts in."""
    return Collate(F(name), "C" if connection.vendor == "postgresql" else "BINARY")


class _Notes:
    """What the walk found, on disk: a lost disk makes a long list."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile("w+", encoding="ascii")  # noqa: SIM115  closed by __exit__

    def __enter__(self) -> _Notes:
        return self

    def __exit__(self, *_error: object) -> None:
        self._file.close()

    def add(self, note: _Orphan | _Missing) -> None:
        self._file.write(json.dumps(note) + "\n")

    def batches(self) -> Iterator[list[list[Any]]]:
        self._file.seek(0)
        notes = map(json.loads, self._file)
        while batch := list(islice(notes, BATCH)):
            yield batch

    def orphans(self) -> Iterator[list[_Orphan]]:
        for batch in self.batches():
            orphans = [_Orphan(*note) for note in batch]
            used = names_in_use([orphan.name for orphan in orphans])
            yield [orphan for orphan in orphans if orphan.name not in used]

    def missing(self, columns: Sequence[FileColumn]) -> Iterator[tuple[FileColumn, list[_Missing]]]:
        for batch in self.batches():
            for number, column in enumerate(columns):
                mine = [note for note in map(_Missing._make, batch) if note.column == number]
                if mine:
                    yield column, _still_named(column, mine)


def _still_named(column: FileColumn, notes: Sequence[_Missing]) -> list[_Missing]:
    """Those whose row is there and has that name."""
    rows = column.model._base_manager.filter(pk__in=[note.pk for note in notes])
    now = dict(rows.values_list("pk", column.name))
    return [note for note in notes if now.get(note.pk) == note.name]


# ── What it found ─────────────────────────────────────────────────────────────────────────────────


def _confirm_orphans(drift: FileDrift, orphans: _Notes) -> int:
    """Count them; how many of them no deletion explains."""
    unexplained = 0
    for batch in orphans.orphans():
        drift.orphaned += len(batch)
        drift.orphaned_bytes += sum(orphan.size for orphan in batch)
        drift.orphaned_files += [orphan.name for orphan in batch[: NAMED - len(drift.orphaned_files)]]
        unexplained += sum(not orphan.is_removed for orphan in batch)
    return unexplained


def _confirm_missing(drift: FileDrift, missing: _Notes) -> None:
    for column, notes in missing.missing(file_columns()):
        if column.model is AssetVersion:
            drift.missing_originals += len(notes)
            drift.lost_originals += _lost(notes[: ORIGINALS_NAMED - len(drift.lost_originals)])
            continue
        if column.model is Rendition:
            drift.missing_renditions += len(notes)
        else:
            drift.missing_others += len(notes)
        drift.missing_files += [note.name for note in notes[: NAMED - len(drift.missing_files)]]


def _lost(notes: Iterable[_Missing]) -> list[LostOriginal]:
    stored_size = {note.pk: note.stored_size for note in notes}
    versions = AssetVersion.objects.filter(pk__in=stored_size).select_related("asset").order_by("file")
    return [
        LostOriginal(
            asset=str(version.asset.public_id),
            title=version.asset.display_title,
            version=version.number,
            file=str(version.file.name),
            sha256=version.sha256,
            size=version.size,
            stored_size=stored_size[version.pk],
        )
        for version in versions
    ]


# ── Mending ───────────────────────────────────────────────────────────────────────────────────────


def _why_not(drift: FileDrift, unexplained: int, originals: int) -> str:
    """A wrong database, an old copy of it, or a disk that is not mounted is not mended by deleting."""
    if 2 * unexplained > drift.stored:
        return _(
            "No row names %(count)s of %(stored)s stored files. Is this the right database, and no old copy "
            "of it? Nothing was deleted; --force deletes them."
        ) % {"count": unexplained, "stored": drift.stored}
    if 2 * drift.missing_originals > originals:
        return _(
            "%(count)s of %(all)s originals are missing. Is this the right storage, and is it mounted? "
            "Nothing was deleted; --force deletes orphaned files and the rows of missing renditions."
        ) % {"count": drift.missing_originals, "all": originals}
    return ""


def _mend(drift: FileDrift, orphans: _Notes, missing: _Notes) -> None:
    for column, notes in missing.missing(file_columns()):
        if column.model is Rendition:
            with transaction.atomic():
                Rendition.objects.filter(pk__in=[note.pk for note in notes]).delete()
                removal.note(note.name for note in notes if note.stored_size is not None)
    odd = 0
    for batch in orphans.orphans():
        names = [orphan.name for orphan in batch if is_text(orphan.name)]
        removal.note(names)
        odd += len(batch) - len(names)
    uploads.compare_spool(fix=True)
    drift.mended = not drift.clean
    drift.problem = removal.remove_all()
    if odd and not drift.problem:
        drift.problem = _("%(count)s files have names that are no text. Delete them by hand.") % {
            "count": odd
        }
