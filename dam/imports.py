"""Importing a folder: find the pictures, pair them with the manifest, take them in."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from django.contrib.auth.models import User
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from tqdm import tqdm

from dam import sniffing
from dam.ingest import AssetMetadata, IngestItem, ingest_many
from dam.manifest import ImportProblem, in_row, read_manifest
from dam.models import AssetKind, AssetOrigin, AssetState

__all__ = ["ImportProblem", "ImportReport", "import_pictures"]

PICTURE_SUFFIXES = {
    ".jpg", ".jpeg", ".jpe", ".png", ".webp", ".gif", ".tif", ".tiff", ".bmp",
    ".avif", ".heic", ".heif", ".svg",
}  # fmt: skip


@dataclass
class ImportReport:
    """What an import did.

    Attributes:
        rejected: `{"file", "reason"}` of each file that was not taken.
        notices: sentences about what was left out on purpose.
        stopped: why the import ended before its end; empty if it did not.
    """

    imported: int = 0
    duplicates: int = 0
    rejected: list[dict[str, str]] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    stopped: str = ""


def import_pictures(
    path: Path,
    *,
    manifest: Path | None = None,
    kind: str = AssetKind.OTHER,
    tags: Sequence[str] = (),
    owner: User | None = None,
    state: str = AssetState.DRAFT,
) -> ImportReport:
    """Take in one file, or all pictures of a folder and those below it; again adds nothing twice.

    In a folder, a file counts as a picture by its name or by its content; others are left alone.

    Args:
        manifest: a CSV table (see `dam.manifest`); only the files that it lists are taken.
        kind: of files for which the manifest gives none.
        tags: that every file gets, beside those of the manifest.

    Raises:
        ImportProblem: nothing can be imported from there; nothing was.
    """
    report = ImportReport()
    found = list(_pictures(path, report))
    base = path if path.is_dir() else path.parent
    defaults = AssetMetadata(kind=kind, tags=tuple(tags), state=state)
    if manifest is None:
        items = [IngestItem(file, file.name, defaults) for file in found]
    else:
        items = list(_listed(manifest, base, found, defaults, report))
    if not items and not report.rejected:
        raise ImportProblem(_("There are no pictures in %(path)s.") % {"path": path})
    _take(items, base, owner, report)
    return report


def _take(items: list[IngestItem], base: Path, owner: User | None, report: ImportReport) -> None:
    outcomes = ingest_many(items, owner=owner, origin=AssetOrigin.IMPORTED)
    for outcome in tqdm(outcomes, _("Import"), len(items), unit=" files", disable=None):
        if outcome.error:
            report.rejected.append({"file": _shown(outcome.item, base), "reason": str(outcome.error)})
            if outcome.error.code == "storage":  # the next thousand files would meet the same
                report.stopped = str(outcome.error)
                break
        elif outcome.result and outcome.result.created:
            report.imported += 1
        else:
            report.duplicates += 1


def _listed(
    manifest: Path, base: Path, found: list[Path], defaults: AssetMetadata, report: ImportReport
) -> Iterator[IngestItem]:
    """The manifest's files; its problems and what it leaves out go into the report."""
    table = read_manifest(manifest, defaults)
    report.rejected += [{"file": file, "reason": reason} for file, reason in table.problems]
    root = base.resolve()
    taken: set[Path] = set()
    for number, name, metadata in table.rows:
        file = (base / name.replace("\\", "/")).resolve()
        if reason := _why_not(file, root, taken):
            report.rejected.append({"file": name, "reason": in_row(number, reason)})
            continue
        taken.add(file)
        yield IngestItem(file, file.name, metadata)
    if table.ignored:
        names = ", ".join(f"“{name}”" for name in table.ignored)
        report.notices.append(
            _("Columns of the manifest that mean nothing here: %(names)s.") % {"names": names}
        )
    named = {(base / file.replace("\\", "/")).resolve() for file, _reason in table.problems} | taken
    if left := sum(file.resolve() not in named for file in found):
        report.notices.append(
            ngettext(
                "%(count)s picture in the folder is not in the manifest and was left out.",
                "%(count)s pictures in the folder are not in the manifest and were left out.",
                left,
            )
            % {"count": left}
        )


def _why_not(file: Path, root: Path, taken: set[Path]) -> str:
    if not file.is_relative_to(root):
        return _("The file lies outside the folder that is imported.")
    if file in taken:
        return _("An earlier row names the same file.")
    return "" if file.is_file() else _("There is no such file.")


def _pictures(path: Path, report: ImportReport) -> Iterator[Path]:
    """The file itself, or the pictures below the folder, in a fixed order."""
    if path.is_file():
        yield path
        return
    if not path.is_dir():
        raise ImportProblem(_("There is no file or folder %(path)s. Check the path.") % {"path": path})
    if not os.access(path, os.R_OK | os.X_OK):
        raise ImportProblem(
            _("The folder %(path)s cannot be read (no permission). Give this user read permission there.")
            % {"path": path}
        )

    def note(error: OSError) -> None:
        reason = _("The folder cannot be read (%(reason)s).") % {"reason": error.strerror}
        report.rejected.append({"file": str(error.filename), "reason": reason})

    for folder, subfolders, names in os.walk(path, onerror=note):
        # Hidden ones belong to the system that wrote the folder: .git, .DS_Store, __MACOSX.
        subfolders[:] = sorted(name for name in subfolders if not name.startswith((".", "__MACOSX")))
        for name in sorted(name for name in names if not name.startswith(".")):
            file = Path(folder) / name
            if file.suffix.lower() in PICTURE_SUFFIXES or _looks_like_picture(file):
                yield file


def _looks_like_picture(file: Path) -> bool:
    try:
        with file.open("rb") as stream:
            head = stream.read(sniffing.HEAD_BYTES)
    except OSError:
        return False
    return sniffing.is_accepted(head)


def _shown(item: IngestItem, base: Path) -> str:
    """The path below the folder that is imported."""
    assert isinstance(item.source, Path)  # noqa: S101  made here from paths
    file = item.source
    for root in (base, base.resolve()):
        if file.is_relative_to(root):
            return str(file.relative_to(root))
    return str(file)
