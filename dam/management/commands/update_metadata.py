"""Change the words of assets by a table that `export_metadata` wrote and somebody edited."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from dam.management.base import AtelierCommand
from dam.manifest import ImportProblem
from dam.metadata_updates import UpdateReport, update_metadata
from dam.tables import TableError, require_table_name, write_errors


class Command(AtelierCommand):
    help = (
        "Change title, tags, SKUs, rights … of assets by a CSV or XLSX with a column “id” or “sha256”. "
        "Columns that are not there change nothing; an empty cell empties."
    )
    examples = (
        ("every change that it would make", "update_metadata library.xlsx --dry-run"),
        ("make them; rows that are bad as a table", "update_metadata library.xlsx --errors bad-rows.xlsx"),
    )
    exit_codes = {1: "rows were rejected; the others are done"}

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("table", type=Path, metavar="FILE", help="as export_metadata writes it")
        parser.add_argument(
            "--dry-run", action="store_true", help="show every change and problem, write nothing"
        )
        parser.add_argument(
            "--errors",
            type=Path,
            metavar="FILE",
            help="write the bad rows with what is wrong (.csv or .xlsx)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        sheet: Path | None = options["errors"]
        try:
            if sheet:
                require_table_name(sheet)
            report = update_metadata(options["table"], actor=None, dry_run=options["dry_run"])
            if sheet:
                faults = {fault.number: fault.sentence for fault in report.faults}
                write_errors(report.table, faults, sheet)
        except (ImportProblem, TableError) as problem:
            raise CommandError(str(problem), returncode=2) from problem
        self._print(report, dry_run=options["dry_run"])
        if report.faults:
            raise CommandError(f"{len(report.faults):,} rows were rejected.", returncode=1)

    def _print(self, report: UpdateReport, *, dry_run: bool) -> None:
        for fault in report.faults:
            self.stderr.write(f"row {fault.number}: {fault.sentence}", self.style.WARNING)
        for change in report.changes if dry_run else ():
            for column, (before, after) in change.columns.items():
                self.stdout.write(f"row {change.number}, {change.asset}: {column}: “{before}” → “{after}”")
        changed = "would be changed" if dry_run else "changed"
        self.stdout.write(f"{len(report.changes):,} {changed}, {report.unchanged:,} the same already.")
