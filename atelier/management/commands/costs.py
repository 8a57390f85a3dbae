"""Say what a library of a size takes: storage, memory, hours of encoding, each with its formula."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandError

from atelier.costs import ORIGINAL_BYTES, RENDITION_BYTES, Library, estimate
from dam.management.base import AtelierCommand

USAGE = 2


class Command(AtelierCommand):
    help = "Say what a library of this size takes, each figure with its formula. docs/costs.md has examples."
    examples = (
        ("a million assets", "costs --assets 1000000"),
        (
            "large originals, vectors of 1536 dimensions",
            "costs --assets 100000 --original-kb 5000 --dimension 1536",
        ),
    )
    requires_system_checks: list[str] = []
    requires_migrations_checks = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--assets", type=int, required=True, metavar="N")
        parser.add_argument(
            "--original-kb", type=float, default=ORIGINAL_BYTES / 1000, help="mean size of an original, in kB"
        )
        parser.add_argument(
            "--rendition-kb",
            type=float,
            default=RENDITION_BYTES / 1000,
            help="of an asset's renditions together",
        )
        parser.add_argument("--dimension", type=int, default=512, help="of the encoder's vectors")
        parser.add_argument("--spaces", type=int, default=1, help="encoders that every asset goes through")
        parser.add_argument("--json", action="store_true", help="one JSON document on standard output")

    def handle(self, *args: Any, **options: Any) -> None:
        numbers = ("assets", "original_kb", "rendition_kb", "dimension", "spaces")
        if any(options[name] <= 0 for name in numbers):
            raise CommandError("All numbers are above nought.", returncode=USAGE)
        lines = estimate(
            Library(
                assets=options["assets"],
                original_bytes=options["original_kb"] * 1000,
                rendition_bytes=options["rendition_kb"] * 1000,
                dimension=options["dimension"],
                spaces=options["spaces"],
            )
        )
        if options["json"]:
            self.stdout.write(json.dumps([asdict(line) for line in lines], indent=2))
            return
        width = max(len(line.what) for line in lines)
        for line in lines:
            self.stdout.write(f"{line.what:<{width}}  {line.value:>12,.1f} {line.unit:<5}  = {line.formula}")
