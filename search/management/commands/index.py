"""Work off the outbox, rebuild the index with another encoder, or say how it stands."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from search.encoders.base import EncoderError
from search.index import IndexMismatch, IndexUnavailable
from search.outbox import DrainReport, drain, enqueue_missing, go_on_within_budget, status
from search.reindex import ReindexError, reindex
from search.tasks import SWEEP_NEWEST


class Command(BaseCommand):
    help = "Index what is pending. --reindex ENCODER builds a new space beside the live one and switches."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--reindex", metavar="ENCODER", help="e.g. openclip:ViT-B-32/openai, or starter")
        parser.add_argument("--status", action="store_true", help="only say how the index stands")
        parser.add_argument("--json", action="store_true", help="one JSON document on standard output")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            report = None if options["status"] else self._work(options)
            standing = status()
        except (EncoderError, IndexMismatch, IndexUnavailable, ReindexError) as error:
            raise CommandError(str(error), returncode=1) from error
        if options["json"]:
            document = {"report": asdict(report) if report else None, **standing}
            self.stdout.write(json.dumps(document, ensure_ascii=False, indent=2))
        else:
            self._say(report, standing)
        if report and report.postponed:
            raise CommandError(report.postponed, returncode=1)

    def _work(self, options: dict[str, Any]) -> DrainReport:
        if options["reindex"]:
            return reindex(options["reindex"], progress=True)[1]
        go_on_within_budget()
        enqueue_missing(SWEEP_NEWEST)
        return drain(progress=True)

    def _say(self, report: DrainReport | None, standing: dict[str, Any]) -> None:
        if report:
            self.stdout.write(
                f"{report.indexed} indexed, {report.removed} removed, {report.failed} failed in "
                f"{report.seconds:.1f} s; "
                f"{report.encoded} encoded at {report.pictures_per_second:.1f} a second"
            )
        for space in standing["spaces"]:
            self.stdout.write(
                f"{space['encoder']} ({space['dimension']}, {space['state']}): {space['indexed']} indexed, "
                f"{space['pending'] + space['working']} pending, {space['failed']} failed"
            )
        for account in standing["spend"]:
            self.stdout.write(
                f"  {account['encoder']} has cost {account['spent']} {account['currency']} "
                f"(budget {account['budget']}), today {account['today']} (budget {account['budget_day']}); "
                f"{account['waiting']} entries wait for the budget"
            )
        for row in standing["errors"]:
            self.stdout.write(f"  asset {row['asset']} ({row['state']}): {row['error']}")
