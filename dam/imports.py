"""Importing in bulk: find the pictures, pair them with the manifest, take them in."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from io import IOBase
from pathlib import Path

from django.contrib.auth.models import User
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from tqdm import tqdm

from dam.errors import IngestError
from dam.import_sources import PictureSource, open_source
from dam.ingest import AssetMetadata, IngestItem, check_many, ingest_many
from dam.manifest import ImportProblem, Manifest, in_row, read_manifest
from dam.models import AssetKind, AssetOrigin, AssetState
from dam.tables import Row, write_errors

__all__ = ["ImportProblem", "ImportReport", "import_pictures", "write_error_sheet"]


@dataclass
class ImportReport:
    """What an import did, or would do.

    Attributes:
        rejected: `{"file", "reason"}` of each file that was not taken.
        notices: sentences about what was left out on purpose.
        stopped: why the import ended before its end; empty if it did not.
        table: the manifest's rows as they were read, the one with the names of the columns first.
        faults: number of a row → what is wrong with it, or with its picture.
    """

    imported: int = 0
    duplicates: int = 0
    rejected: list[dict[str, str]] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    stopped: str = ""
    table: Sequence[Row] = ()
    faults: dict[int, str] = field(default_factory=dict)

    def reject(self, file: str, reason: str, row: int = 0) -> None:
        """Note why a file, or a row of the manifest, was not taken."""
        self.rejected.append({"file": file, "reason": in_row(row, reason) if row else reason})
        if row:
            self.faults[row] = reason


@dataclass(frozen=True)
class _Wanted:
    """What is known about a picture that shall be imported; row 0: no manifest says it."""

    metadata: AssetMetadata
    row: int = 0


def import_pictures(
    path: Path,
    *,
    manifest: Path | None = None,
    kind: str = AssetKind.OTHER,
    tags: Sequence[str] = (),
    owner: User | None = None,
    state: str = AssetState.DRAFT,
    dry_run: bool = False,
) -> ImportReport:
    """Take in one file, or all pictures of a folder and those below it, or of a zip or tar archive.

    A file counts as a picture by its name or by its content; others are left alone. Doing it again adds
    nothing twice, so an interrupted import is simply done again.

    Args:
        manifest: a table (see `dam.manifest`); only the files that it lists are taken. An archive may
            hold its own as manifest.csv or manifest.xlsx.
        kind: of files for which the manifest gives none.
        tags: that every file gets, beside those of the manifest.
        dry_run: decode everything, find every problem, and write nothing.

    Raises:
        ImportProblem: nothing can be imported from there; nothing was.
    """
    report = ImportReport()
    source = open_source(path)
    defaults = AssetMetadata(kind=kind, tags=tuple(tags), state=state)
    wanted = _wanted(source, manifest, defaults, report)
    if not wanted and not report.rejected:
        raise ImportProblem(_("There are no pictures in %(path)s.") % {"path": path})
    _Run(source, wanted, report).go(_checks if dry_run else _taking(owner))
    return report


def write_error_sheet(report: ImportReport, to: Path) -> None:
    """Write the manifest's bad rows with what is wrong (.csv or .xlsx); without one, file and problem.

    Raises:
        TableError: the file has another ending, or cannot be written.
    """
    table, faults = report.table, report.faults
    if not table:
        rejected = list(enumerate(report.rejected, start=2))
        table = [Row(1, ["file"]), *(Row(number, [entry["file"]]) for number, entry in rejected)]
        faults = {number: entry["reason"] for number, entry in rejected}
    write_errors(table, faults, to)


# ── What is wanted ────────────────────────────────────────────────────────────────────────────────


def _wanted(
    source: PictureSource, manifest: Path | None, defaults: AssetMetadata, report: ImportReport
) -> dict[str, _Wanted]:
    """Key of each picture → what is known about it; what is wrong already goes into the report."""
    table = _manifest(source, manifest, defaults)
    if table is None:
        wanted = {key: _Wanted(defaults) for key in source.names}
    else:
        wanted = _listed(table, source, report)
    in_rows = {entry["file"] for entry in report.rejected}
    for file, reason in source.problems:
        if file not in in_rows:
            report.reject(file, reason)
    return wanted


def _manifest(source: PictureSource, path: Path | None, defaults: AssetMetadata) -> Manifest | None:
    if path is not None:
        return read_manifest(path, defaults)
    if source.manifest is not None:
        name, stream = source.manifest
        return read_manifest(stream, defaults, name)
    return None


def _listed(table: Manifest, source: PictureSource, report: ImportReport) -> dict[str, _Wanted]:
    """The manifest's files; its problems and what it leaves out go into the report."""
    report.table = table.table
    refused = dict(source.problems)
    named = set()
    for fault in table.faults:
        named.add(source.key(fault.file))
        report.reject(fault.file, fault.sentence, fault.number)
    wanted: dict[str, _Wanted] = {}
    for number, name, metadata in table.rows:
        key = source.key(name)
        repeated = _("An earlier row names the same file.") if key in wanted else ""
        if reason := repeated or refused.get(key, "") or source.why_not(key):
            report.reject(name, reason, number)
        else:
            wanted[key] = _Wanted(metadata, number)
    _note_left_out(table.ignored, len(source.names.keys() - wanted.keys() - named), report)
    return wanted


def _note_left_out(columns: Iterable[str], pictures: int, report: ImportReport) -> None:
    if names := ", ".join(f"“{name}”" for name in columns):
        report.notices.append(
            _("Columns of the manifest that mean nothing here: %(names)s.") % {"names": names}
        )
    if pictures:
        report.notices.append(
            ngettext(
                "%(count)s picture in the folder is not in the manifest and was left out.",
                "%(count)s pictures in the folder are not in the manifest and were left out.",
                pictures,
            )
            % {"count": pictures}
        )


# ── Taking them in ────────────────────────────────────────────────────────────────────────────────

Verdict = tuple[IngestItem, bool, IngestError | None]  # the item, whether it is new, why it was refused
Verdicts = Callable[[Iterable[IngestItem]], Iterator[Verdict]]


def _taking(owner: User | None) -> Verdicts:
    def take(items: Iterable[IngestItem]) -> Iterator[Verdict]:
        for outcome in ingest_many(items, owner=owner, origin=AssetOrigin.IMPORTED):
            yield outcome.item, bool(outcome.result and outcome.result.created), outcome.error

    return take


def _checks(items: Iterable[IngestItem]) -> Iterator[Verdict]:
    for check in check_many(items):
        yield check.item, not check.is_known, check.error


class _Run:
    """One way through the pictures of a source."""

    def __init__(self, source: PictureSource, wanted: Mapping[str, _Wanted], report: ImportReport) -> None:
        self._source, self._wanted, self._report = source, wanted, report
        self._under_way: deque[tuple[str, int]] = deque()  # name and row of the items not yet answered

    def go(self, verdicts: Verdicts) -> None:
        total = len(self._wanted)
        for item, is_new, error in tqdm(
            verdicts(self._items()), _("Import"), total, unit=" files", disable=None
        ):
            name, row = self._under_way.popleft()
            _close(item)
            if error:
                self._report.reject(name, str(error), row)
                if error.code == "storage":  # the next thousand files would meet the same
                    self._report.stopped = str(error)
                    break
            elif is_new:
                self._report.imported += 1
            else:
                self._report.duplicates += 1

    def _items(self) -> Iterator[IngestItem]:
        for found in self._source.pictures(self._wanted):
            wanted = self._wanted[found.key]
            if found.problem:
                self._report.reject(found.name, found.problem, wanted.row)
                continue
            self._under_way.append((found.name, wanted.row))
            yield IngestItem(found.source, Path(found.name).name, wanted.metadata)


def _close(item: IngestItem) -> None:
    if isinstance(item.source, IOBase):
        item.source.close()
