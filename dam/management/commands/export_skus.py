"""Write every SKU into a table that `sync_skus` reads."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from dam.management.base import AtelierCommand
from dam.sku_table import sku_rows
from dam.tables import TableError, csv_lines, write_table


class Command(AtelierCommand):
    help = "Write every SKU into a table, on standard output as CSV, or to FILE; sync_skus reads it back."
    examples = (
        ("a table for a spreadsheet", "export_skus skus.xlsx"),
        ("how many there are", "export_skus | tail -n +2 | wc -l"),
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", nargs="?", type=Path, metavar="FILE", help="ends in .csv or .xlsx")

    def handle(self, *args: Any, **options: Any) -> None:
        to: Path | None = options["file"]
        if to is None:
            for line in csv_lines(sku_rows()):
                self.stdout.write(line, ending="")
            return
        try:
            write_table(sku_rows(), to)
        except TableError as error:
            raise CommandError(str(error), returncode=2) from error
