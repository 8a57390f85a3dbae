"""Set up and show all of Atelier on the sample library."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from atelier.demo import DemoError, run_demo
from atelier.setup import SetupError, prepare
from dam.management.base import AtelierCommand
from search.encoders.base import EncoderError
from search.index import IndexUnavailable


class Command(AtelierCommand):
    help = (
        "Set up the database, load the sample library, encode and index it, search it in Chinese and "
        "English, generate a batch of boards and find one of them again. Running it twice adds nothing twice."
    )
    examples = (
        ("set everything up and show it", "demo"),
        ("what came of each step, for a program to read", "demo --json"),
    )
    exit_codes = {1: "a step failed; a sentence says which, and what to do"}

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON document on standard output")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            prepare()
            report = run_demo(self.stderr.write if options["json"] else self.stdout.write)
        except (DemoError, SetupError, IndexUnavailable, EncoderError) as error:
            raise CommandError(str(error)) from error
        if options["json"]:
            self.stdout.write(json.dumps(report.as_json(), ensure_ascii=False, indent=2))
            return
        self.stdout.write(self.style.SUCCESS(f"Done in {report.seconds:.0f} s. The site: make run"))
