"""Import pictures from the command line: one, a folder, or an archive."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import CommandError
from django.db import DatabaseError

from dam.imports import ImportProblem, ImportReport, import_pictures, write_error_sheet
from dam.management import completion
from dam.management.base import AtelierCommand
from dam.models import AssetKind, AssetState
from dam.s3_source import SCHEME
from dam.tables import TableError, require_table_name

USAGE, REJECTED, INTERRUPTED = 2, 1, 130


class Command(AtelierCommand):
    help = (
        "Import a picture, a folder of pictures and the folders below it, or a zip or tar archive. What the "
        "library has already is left as it is, so an interrupted import is simply run again."
    )
    examples = (
        ("a folder and those below it", "import_assets ~/photos --kind garment --tag summer"),
        (
            "what would happen to an archive, and its bad rows as a table",
            "import_assets photos.zip --dry-run --errors bad-rows.xlsx",
        ),
        ("what a table lists, with its titles and SKUs", "import_assets ~/photos --manifest spring.csv"),
        ("all pictures of a bucket, below a prefix", "import_assets s3://bucket/2027/spring --owner ada"),
    )
    exit_codes = {REJECTED: "files were rejected; the others are in", INTERRUPTED: "stopped by Ctrl-C"}
    values = {"tag": completion.tags, "owner": completion.accounts}

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "path", help="a picture, a folder, an archive, or all pictures below s3://bucket/prefix"
        )
        parser.add_argument(
            "--manifest",
            type=Path,
            help="CSV or XLSX with the columns file, title_en, title_zh, tags (a;b), skus (CODE:role;…), "
            "kind, licence, rights_holder, rights_expire_on, territories (DE;CN), custom.SLUG (your own "
            "fields); only the files that it lists are imported; an archive may hold it as manifest.csv or "
            "manifest.xlsx",
        )
        parser.add_argument("--dry-run", action="store_true", help="show every problem and write nothing")
        parser.add_argument(
            "--errors",
            type=Path,
            metavar="FILE",
            help="write the bad rows of the manifest with what is wrong to this file (.csv or .xlsx)",
        )
        parser.add_argument(
            "--kind",
            choices=AssetKind.values,
            default=AssetKind.OTHER.value,
            help="of all of them (default: %(default)s)",
        )
        parser.add_argument("--tag", action="append", default=[], help="for all of them; may be repeated")
        parser.add_argument("--owner", metavar="USERNAME", help="whose assets they become")
        states = [state for state in AssetState.values if state != AssetState.TRASHED]
        parser.add_argument(
            "--state", choices=states, default=AssetState.DRAFT.value, help="default: %(default)s"
        )
        parser.add_argument("--json", action="store_true", help="print one JSON document on standard output")

    def handle(self, *args: Any, **options: Any) -> None:
        sheet: Path | None = options["errors"]
        place: str = options["path"]
        try:
            if sheet:
                require_table_name(sheet)
            report = import_pictures(
                place if place.startswith(SCHEME) else Path(place),
                manifest=options["manifest"],
                kind=options["kind"],
                tags=options["tag"],
                owner=_owner(options["owner"]),
                state=options["state"],
                dry_run=options["dry_run"],
            )
        except (ImportProblem, TableError) as problem:
            raise CommandError(str(problem), returncode=USAGE) from problem
        except DatabaseError as error:
            raise CommandError(
                f"The database cannot be used ({str(error).strip()}). Set it up with: manage.py migrate",
                returncode=USAGE,
            ) from error
        except KeyboardInterrupt as interrupt:
            raise CommandError(
                "Interrupted. What was imported so far is complete; run the same command again to go on.",
                returncode=INTERRUPTED,
            ) from interrupt
        self._print(report, as_json=options["json"], dry_run=options["dry_run"])
        if sheet:
            _write_sheet(report, sheet)
        if report.stopped:
            raise CommandError(f"The import was stopped. {report.stopped}", returncode=REJECTED)
        if report.rejected:
            count = len(report.rejected)
            raise CommandError(
                f"{count} file was rejected." if count == 1 else f"{count} files were rejected.",
                returncode=REJECTED,
            )

    def _print(self, report: ImportReport, *, as_json: bool, dry_run: bool) -> None:
        for notice in report.notices:
            self.stderr.write(notice, self.style.WARNING)
        if as_json:
            document: dict[str, Any] = {
                "imported": report.imported,
                "duplicates": report.duplicates,
                "rejected": report.rejected,
            }
            if report.drafts:
                document["drafts"] = report.drafts
            self.stdout.write(json.dumps(document, ensure_ascii=False, indent=2))
            return
        for rejection in report.rejected:
            self.stderr.write(f"{rejection['file']}: {rejection['reason']}", self.style.WARNING)
        for draft in report.drafts:
            self.stderr.write(f"{draft['file']}: {draft['reason']}", self.style.WARNING)
        imported = "would be imported" if dry_run else "imported"
        self.stdout.write(f"{report.imported:,} {imported}, {report.duplicates:,} in the library already.")


def _write_sheet(report: ImportReport, to: Path) -> None:
    try:
        write_error_sheet(report, to)
    except TableError as error:
        raise CommandError(str(error), returncode=USAGE) from error


def _owner(username: str | None) -> User | None:
    if username is None:
        return None
    owner = User.objects.filter(username=username).first()
    if owner is None:
        raise ImportProblem(f"There is no user “{username}”.")
    return owner
