"""Compare database and index; mend both with --fix."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from search.encoders.base import EncoderError
from search.index import IndexMismatch, IndexUnavailable
from search.outbox import drain
from search.reconcile import reconcile


class Command(BaseCommand):
    help = "Report where database and index differ. Exit code 1 where they do and --fix was not given."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--fix", action="store_true", help="index what is missing, delete what is orphaned"
        )
        parser.add_argument("--json", action="store_true", help="one JSON document on standard output")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            drifts = reconcile(fix=options["fix"])
            report = drain(progress=not options["json"]) if options["fix"] else None
        except (EncoderError, IndexMismatch, IndexUnavailable) as error:
            raise CommandError(str(error), returncode=1) from error
        clean = all(drift.clean for drift in drifts)
        if options["json"]:
            document = {
                "clean": clean,
                "fixed": options["fix"],
                "spaces": [drift.as_json() for drift in drifts],
            }
            self.stdout.write(json.dumps(document, indent=2))
        else:
            for drift in drifts:
                self.stdout.write(
                    f"{drift.space}: {drift.assets} assets, {drift.missing} missing, "
                    f"{drift.orphaned} orphaned, "
                    f"{drift.outdated} outdated, {drift.pending} pending, {drift.failed} failed"
                )
        if report and report.postponed:
            raise CommandError(report.postponed, returncode=1)
        if not clean and not options["fix"]:
            raise CommandError("Database and index differ; run again with --fix.", returncode=1)
