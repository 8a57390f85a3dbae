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
from dam.manifest import Fault, ImportProblem, Manifest, in_row, read_manifest
from dam.models import Asset, AssetKind, AssetOrigin, AssetState
from dam.s3_source import S3Source
from dam.tables import Row, write_errors

__all__ = [
    "Answer",
    "ImportProblem",
    "ImportReport",
    "Wanted",
    "answers",
    "checking",
    "find_wanted",
    "import_pictures",
    "taking",
    "write_error_sheet",
]


@dataclass
class ImportReport:
    """What an import did, or would do.

    Attributes:
        rejected: `{"file", "reason"}` of each file that was not taken.
        notices: sentences about what was left out on purpose.
        drafts: `{"file", "reason"}` of each file that came in as a draft, since it lacks required fields.
        refusals: the same with the number of the manifest's row (0: none), and without it in the sentence.
        stopped: why the import ended before its end; empty if it did not.
        table: the manifest's rows as they were read, the one with the names of the columns first.
        faults: number of a row → what is wrong with it, or with its picture.
    """

    imported: int = 0
    duplicates: int = 0
    rejected: list[dict[str, str]] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    drafts: list[dict[str, str]] = field(default_factory=list)
    stopped: str = ""
    refusals: list[Fault] = field(default_factory=list)
    table: Sequence[Row] = ()
    faults: dict[int, str] = field(default_factory=dict)

    def reject(self, file: str, reason: str, row: int = 0) -> None:
        """Note why a file, or a row of the manifest, was not taken."""
        self.refusals.append(Fault(row, file, reason))
        self.rejected.append({"file": file, "reason": in_row(row, reason) if row else reason})
        if row:
            self.faults[row] = reason

    def note(self, answer: Answer) -> None:
        """Count what became of a picture."""
        if answer.reason:
            self.reject(answer.name, answer.reason, answer.row)
            return
        if answer.notice:
            self.drafts.append({"file": answer.name, "reason": answer.notice})
        if answer.is_new:
            self.imported += 1
        else:
            self.duplicates += 1


@dataclass(frozen=True)
class Wanted:
    """What is known about a picture that shall be imported; row 0: no manifest says it."""

    metadata: AssetMetadata
    row: int = 0


def import_pictures(
    path: Path | str,
    *,
    manifest: Path | None = None,
    kind: str = AssetKind.OTHER,
    tags: Sequence[str] = (),
    owner: User | None = None,
    state: str = AssetState.DRAFT,
    dry_run: bool = False,
) -> ImportReport:
    """Take in one file, or all pictures of a folder and those below it, of an archive or of an S3 prefix.

    A file counts as a picture by its name or by its content; others are left alone. Doing it again adds
    nothing twice, so an interrupted import is simply done again.

    Args:
        path: a file, a folder, or an address like s3://bucket/prefix as text.
        manifest: a table (see `dam.manifest`); only the files that it lists are taken. An archive may
            hold its own as manifest.csv or manifest.xlsx.
        kind: of files for which the manifest gives none.
        tags: that every file gets, beside those of the manifest.
        dry_run: decode everything, find every problem, and write nothing.

    Raises:
        ImportProblem: nothing can be imported from there; nothing was.
    """
    report = ImportReport()
    source = S3Source(path) if isinstance(path, str) else open_source(path)
    defaults = AssetMetadata(kind=kind, tags=tuple(tags), state=state)
    wanted = find_wanted(source, manifest, defaults, report)
    if not wanted and not report.rejected:
        raise ImportProblem(_("There are no pictures in %(path)s.") % {"path": path})
    found = answers(source, wanted, checking if dry_run else taking(owner))
    for answer in tqdm(found, _("Import"), len(wanted), unit=" files", disable=None):
        report.note(answer)
        if answer.ends_import:
            report.stopped = answer.reason
            break
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


def find_wanted(
    source: PictureSource, manifest: Path | None, defaults: AssetMetadata, report: ImportReport
) -> dict[str, Wanted]:
    """Key of each picture → what is known about it; what is wrong already goes into the report."""
    table = _manifest(source, manifest, defaults)
    if table is None:
        wanted = {key: Wanted(defaults) for key in source.names}
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


def _listed(table: Manifest, source: PictureSource, report: ImportReport) -> dict[str, Wanted]:
    """The manifest's files; its problems and what it leaves out go into the report."""
    report.table = table.table
    refused = dict(source.problems)
    named = set()
    for fault in table.faults:
        named.add(source.key(fault.file))
        report.reject(fault.file, fault.sentence, fault.number)
    wanted: dict[str, Wanted] = {}
    for number, name, metadata in table.rows:
        key = source.key(name)
        repeated = _("An earlier row names the same file.") if key in wanted else ""
        if reason := repeated or refused.get(key, "") or source.why_not(key):
            report.reject(name, reason, number)
        else:
            wanted[key] = Wanted(metadata, number)
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
                "%(count)s picture is not in the manifest and was left out.",
                "%(count)s pictures are not in the manifest and were left out.",
                pictures,
            )
            % {"count": pictures}
        )


# ── Taking them in ────────────────────────────────────────────────────────────────────────────────

# Asset, whether it is new, or why not; and the notice of ingest.
Verdict = tuple[IngestItem, Asset | None, bool, IngestError | None, str]
Verdicts = Callable[[Iterable[IngestItem]], Iterator[Verdict]]


@dataclass(frozen=True)
class Answer:
    """What became, or would become, of one picture.

    Attributes:
        key: what the source calls it.
        row: of the manifest; 0: none.
        asset: None for what is refused, or only checked.
        notice: why it came in as a draft although another state was asked for.
        code: of the refusal; empty for what was not refused, "entry" where the source could not give it.
    """

    key: str
    name: str
    row: int
    asset: Asset | None = None
    is_new: bool = False
    reason: str = ""
    code: str = ""
    notice: str = ""

    @property
    def ends_import(self) -> bool:
        """Whether the next thousand pictures would meet the same."""
        return self.code in ("storage", "source")


def taking(owner: User | None) -> Verdicts:
    """Verdicts by taking the pictures in."""

    def take(items: Iterable[IngestItem]) -> Iterator[Verdict]:
        for outcome in ingest_many(items, owner=owner, origin=AssetOrigin.IMPORTED):
            result = outcome.result
            asset = result.asset if result else None
            notice = result.notice if result else ""
            yield outcome.item, asset, bool(result and result.created), outcome.error, notice

    return take


def checking(items: Iterable[IngestItem]) -> Iterator[Verdict]:
    """Verdicts without writing anything."""
    for check in check_many(items):
        yield check.item, None, not check.is_known, check.error, check.notice


def answers(source: PictureSource, wanted: Mapping[str, Wanted], verdicts: Verdicts) -> Iterator[Answer]:
    """What becomes of each wanted picture of a source, a hundred at a time or fewer."""
    under_way: deque[tuple[str, str, int]] = deque()  # key, name and row of the items not yet answered
    refused: deque[Answer] = deque()

    def items() -> Iterator[IngestItem]:
        for found in source.pictures(wanted):
            known = wanted[found.key]
            if found.problem:
                refused.append(Answer(found.key, found.name, known.row, reason=found.problem, code="entry"))
                continue
            under_way.append((found.key, found.name, known.row))
            yield IngestItem(found.source, Path(found.name).name, known.metadata, size=found.size)

    for item, asset, is_new, error, notice in verdicts(items()):
        while refused:
            yield refused.popleft()
        key, name, row = under_way.popleft()
        _close(item)
        reason, code = (str(error), error.code) if error else ("", "")
        yield Answer(key, name, row, asset, is_new, reason, code, notice)
    yield from refused


def _close(item: IngestItem) -> None:
    if isinstance(item.source, IOBase):
        item.source.close()
