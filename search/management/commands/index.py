"""Work off the outbox, rebuild the index with another encoder, or say how it stands."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandError

from dam.management.base import AtelierCommand
from search import reindex, terms
from search.calibration import calibrate_due
from search.encoders.base import EncoderError
from search.index import IndexMismatch, IndexUnavailable
from search.management import completion
from search.models import Reindex
from search.outbox import DrainReport, drain, enqueue_missing, go_on_within_budget, status
from search.tasks import SWEEP_NEWEST
from search.upgrade import upgrade_outdated

USAGE = 2


class Command(AtelierCommand):
    help = (
        "Index what is pending. --reindex ENCODER builds a new space beside the live one and switches to it; "
        "interrupted, the same command goes on. A space that is kept up to date is switched to at once."
    )
    examples = (
        ("encode what is pending", "index"),
        ("how it stands", "index --status"),
        (
            "build the index of another encoder and search in it",
            "index --reindex openclip:xlm-roberta-base-ViT-B-32/laion5b_s13b_b90k",
        ),
        ("build it, and leave the switch to somebody who compares", "index --reindex starter --no-switch"),
        ("stop for the night; --resume goes on", "index --pause"),
    )
    exit_codes = {1: "the index or the encoder cannot be used, or work was postponed"}
    values = {"reindex": completion.encoders}

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--reindex", metavar="ENCODER", help="e.g. openclip:ViT-B-32/openai, or starter")
        parser.add_argument(
            "--no-switch",
            action="store_true",
            help="with --reindex: leave the switch to somebody who compares",
        )
        parser.add_argument(
            "--despite-failures",
            action="store_true",
            help="with --reindex: switch although assets failed that the live space has",
        )
        deeds = parser.add_mutually_exclusive_group()
        deeds.add_argument("--pause", action="store_true", help="pause the reindex that is open")
        deeds.add_argument("--resume", action="store_true", help="let it go on, here")
        deeds.add_argument("--cancel", action="store_true", help="give it up; what was computed is kept")
        parser.add_argument("--status", action="store_true", help="only say how the index stands")
        parser.add_argument("--json", action="store_true", help="one JSON document on standard output")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            report = None if options["status"] else self._work(options)
            standing = status()
        except (EncoderError, IndexMismatch, IndexUnavailable, reindex.ReindexError) as error:
            raise CommandError(str(error), returncode=1) from error
        run = Reindex.objects.select_related("space").order_by("-pk").first()
        standing["reindex"] = _document(run) if run else None
        if options["json"]:
            document = {"report": asdict(report) if report else None, **standing}
            self.stdout.write(json.dumps(document, ensure_ascii=False, indent=2))
        else:
            self._say(report, standing)
        if report and report.postponed:
            raise CommandError(report.postponed, returncode=1)

    def _work(self, options: dict[str, Any]) -> DrainReport | None:
        encoder_id, switch_over = options["reindex"], not options["no_switch"]
        if options["pause"] or options["resume"] or options["cancel"]:
            run = _open(encoder_id)
            if options["pause"] or options["cancel"]:
                (reindex.pause if options["pause"] else reindex.cancel)(run)
                return None
            encoder_id, switch_over = run.encoder, switch_over and run.switch_when_complete
        if encoder_id:
            report = reindex.reindex(
                encoder_id,
                progress=True,
                switch_over=switch_over,
                despite_failures=options["despite_failures"],
            )[1]
            calibrate_due()
            return report
        go_on_within_budget()
        enqueue_missing(SWEEP_NEWEST)
        report = drain(progress=True)
        if not report.postponed:
            upgrade_outdated()
            calibrate_due()
        terms.note_missing()
        terms.refresh()
        return report

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
        if run := standing["reindex"]:
            self.stdout.write(
                f"reindex to {run['encoder']}: {run['state']}, {run['done']} of {run['total']}"
                + (f", {run['failed']} failed" if run["failed"] else "")
                + (f" ({run['error']})" if run["error"] else "")
            )
        for account in standing["spend"]:
            self.stdout.write(
                f"  {account['encoder']} has cost {account['spent']} {account['currency']} "
                f"(budget {account['budget']}), today {account['today']} (budget {account['budget_day']}), "
                f"searches {account['queries']} (budget {account['budget_queries']}); "
                f"{account['waiting']} entries wait for the budget"
            )
        for row in standing["errors"]:
            self.stdout.write(f"  asset {row['asset']} ({row['state']}): {row['error']}")


def _open(encoder_id: str | None) -> Reindex:
    run = reindex.open_reindex()
    if run is None or (encoder_id and encoder_id != run.encoder):
        raise CommandError("No such reindex is open; `--reindex ENCODER` starts one.", returncode=USAGE)
    return run


def _document(run: Reindex) -> dict[str, Any]:
    now = reindex.progress(run)
    return {
        "encoder": run.encoder,
        "state": run.state,
        "done": now.done,
        "total": now.total,
        "failed": now.failed,
        "per_second": now.rate,
        "seconds_left": now.seconds_left,
        "error": run.last_error,
    }
