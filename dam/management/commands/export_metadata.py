"""Write the words of assets as a table, to be edited and given back to `update_metadata`."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from dam.exports import metadata_table
from dam.management import completion
from dam.management.base import AtelierCommand
from dam.models import Asset, AssetKind, AssetState
from dam.tables import TableError, write_table


class Command(AtelierCommand):
    help = "Write title, tags, SKUs, rights … of all assets (or of some) as CSV or XLSX."
    examples = (
        ("the whole library, to be edited in a spreadsheet", "export_metadata library.xlsx"),
        (
            "approved garments of summer and of spring, as CSV",
            "export_metadata summer.csv --kind garment --state approved --tag summer --tag spring",
        ),
    )
    values = {"tag": completion.tags}

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="where to (.csv or .xlsx)")
        parser.add_argument(
            "--kind", action="append", choices=AssetKind.values, default=[], help="any of them"
        )
        parser.add_argument(
            "--state", action="append", choices=AssetState.values, default=[], help="any of them"
        )
        parser.add_argument("--tag", action="append", default=[], metavar="SLUG", help="any of them")

    def handle(self, *args: Any, **options: Any) -> None:
        chosen = Asset.objects.in_library()
        if options["state"]:
            chosen = Asset.objects.filter(state__in=options["state"])
        if options["kind"]:
            chosen = chosen.filter(kind__in=options["kind"])
        if options["tag"]:
            tagged = Asset.tags.through.objects.filter(tag__slug__in=options["tag"])
            chosen = chosen.filter(pk__in=tagged.values("asset_id"))
        try:
            write_table(metadata_table(chosen, None), options["file"])
        except TableError as error:
            raise CommandError(str(error), returncode=2) from error
