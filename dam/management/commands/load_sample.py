"""Load the sample library from the command line."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from dam.management.base import AtelierCommand
from dam.sample.library import load_sample


class Command(AtelierCommand):
    help = (
        "Load the sample library: OpenMoji drawings (CC BY-SA 4.0) titled in English and Chinese, garments "
        "in several colours, and backdrops. Loading it again adds nothing twice."
    )
    examples = (
        ("some of every kind, within seconds", "load_sample --limit 60"),
        ("all of it, people in five skin tones too", "load_sample --all"),
    )
    exit_codes = {1: "a drawing was rejected"}

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--limit", type=int, help="only so many pictures, a mixture of all kinds")
        parser.add_argument("--all", action="store_true", help="also people and hands in five skin tones")
        parser.add_argument("--json", action="store_true", help="print one JSON document on standard output")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["limit"] is not None and options["limit"] < 1:
            raise CommandError("--limit takes a number of pictures, 1 or more.", returncode=2)
        report = load_sample(options["limit"], skin_tones=options["all"])
        if options["json"]:
            document = {
                "imported": report.imported,
                "duplicates": report.duplicates,
                "rejected": report.rejected,
                "seconds": round(report.seconds, 2),
                "pictures_per_second": round(report.pictures_per_second, 1),
            }
            self.stdout.write(json.dumps(document, ensure_ascii=False, indent=2))
        else:
            self.stdout.write(
                f"{report.imported:,} new, {report.duplicates:,} in the library already, "
                f"{len(report.rejected):,} rejected; {report.pictures_per_second:.0f} pictures per second."
            )
        if report.rejected:
            first = report.rejected[0]
            raise CommandError(f"{first['file']}: {first['reason']}", returncode=1)
