"""Bring the SKUs in line with a table from the command line."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from dam.management.base import AtelierCommand
from dam.sku_sync import CHANGED, CREATED, PROBLEM, SyncReport, sync_skus
from dam.sku_table import TableProblem
from dam.tables import TableError, require_table_name, with_problems, write_table

USAGE, REJECTED = 2, 1


class Command(AtelierCommand):
    help = (
        "Create and change SKUs until they are as a table has them. Columns: code, name, name_zh, parent, "
        "status, barcode, and attr:NAME for each attribute; one that is absent is left alone, an empty cell "
        "empties the field. One bad row stops everything, unless --partial is given."
    )
    examples = (
        ("what would change", "sync_skus skus.xlsx --dry-run"),
        ("the good rows, and the bad ones as a table", "sync_skus skus.csv --partial --errors bad.csv"),
        ("the table is all that is sold", "sync_skus skus.csv --deactivate-missing"),
    )
    exit_codes = {REJECTED: "rows were bad"}

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("table", type=Path, metavar="FILE", help="CSV or XLSX")
        parser.add_argument("--dry-run", action="store_true", help="show what would change and write nothing")
        parser.add_argument(
            "--partial", action="store_true", help="take the good rows although others are bad"
        )
        parser.add_argument(
            "--deactivate-missing",
            action="store_true",
            help="SKUs that the table does not name become discontinued (not where a row is bad)",
        )
        parser.add_argument(
            "--errors",
            type=Path,
            metavar="FILE",
            help="write the bad rows with what is wrong (.csv or .xlsx)",
        )
        parser.add_argument("--json", action="store_true", help="print one JSON document on standard output")

    def handle(self, *args: Any, **options: Any) -> None:
        sheet: Path | None = options["errors"]
        try:
            if sheet:
                require_table_name(sheet)
            report = sync_skus(
                options["table"],
                actor=None,
                dry_run=options["dry_run"],
                partial=options["partial"],
                discontinue_missing=options["deactivate_missing"],
            )
            if sheet:
                write_table(with_problems(report.table, report.problems), sheet)
        except (TableProblem, TableError) as problem:
            raise CommandError(str(problem), returncode=USAGE) from problem
        self._print(report, as_json=options["json"])
        if count := report.count(PROBLEM):
            rows = "1 row has a problem" if count == 1 else f"{count:,} rows have problems"
            raise CommandError(
                f"{rows}." if report.written or options["dry_run"] else f"{rows}; nothing was changed.",
                returncode=REJECTED,
            )

    def _print(self, report: SyncReport, *, as_json: bool) -> None:
        for notice in report.notices:
            self.stderr.write(notice, self.style.WARNING)
        if as_json:
            document = {
                "created": report.count(CREATED),
                "changed": report.count(CHANGED),
                "unchanged": report.unchanged,
                "discontinued": report.discontinued,
                "written": report.written,
                "rows": [asdict(row) for row in report.rows],
            }
            self.stdout.write(json.dumps(document, ensure_ascii=False, indent=2))
            return
        for number, sentence in report.problems.items():
            self.stderr.write(f"Row {number}: {sentence}", self.style.WARNING)
        verb = "" if report.written else "would be "
        self.stdout.write(
            f"{report.count(CREATED):,} {verb}created, {report.count(CHANGED):,} {verb}changed, "
            f"{report.unchanged:,} unchanged, {len(report.discontinued):,} {verb}discontinued."
        )
