"""Restore database, files and index from a folder of backups."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from atelier.backup_folder import BackupError
from atelier.restore import RestoreReport, restore
from dam.management.base import AtelierCommand

USAGE = 2


class Command(AtelierCommand):
    help = (
        "Restore the newest backup of FOLDER, or one of before: database, files, and the index from the "
        "vectors that the database keeps. Everything is checked first; interrupted, the same command "
        "finishes. Stop the site and its workers before. Exit code 1 where something is not as the "
        "backup has it."
    )
    examples = (
        ("the newest backup, into an empty library", "restore /srv/backups/atelier"),
        (
            "what there was that evening, in place of what is there",
            "restore /srv/backups/atelier --at 2026-11-26T18:00 --replace",
        ),
    )
    exit_codes = {1: "something is not as the backup has it"}
    requires_system_checks: list[str] = []  # it must run where there is no database yet
    requires_migrations_checks = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", metavar="FOLDER", type=Path)
        parser.add_argument(
            "--at",
            metavar="TIME",
            help="the newest backup not after this moment: 2026-11-26, 2026-11-26T18:00 (UTC), or its name",
        )
        parser.add_argument(
            "--replace", action="store_true", help="also where there is a library; it is gone then"
        )
        parser.add_argument("--json", action="store_true", help="one JSON document on standard output")

    def handle(self, *args: Any, **options: Any) -> None:
        folder = options["folder"].expanduser().absolute()
        try:
            report = restore(
                folder,
                at=_moment(options["at"]) if options["at"] else None,
                replace=options["replace"],
                progress=not options["json"],
            )
        except (BackupError, OSError) as error:
            raise CommandError(str(error), returncode=1) from error
        if options["json"]:
            self.stdout.write(json.dumps(report.as_json(), ensure_ascii=False, indent=2))
        else:
            self._say(report)
        if not report.is_equal:
            raise CommandError("The library differs from the backup; see above.", returncode=1)
        if report.index_problem:
            raise CommandError(
                f"Database and files are back; the index is not: {report.index_problem} Then run "
                "`manage.py reconcile --fix --only index`.",
                returncode=1,
            )

    def _say(self, report: RestoreReport) -> None:
        width = max(len(each.what) for each in report.comparisons)
        rows = [each for each in report.comparisons if each.backup or each.here]
        self.stdout.write(f"{'':<{width}}  {'backup':>12}  {'here':>12}")
        for each in rows:
            line = f"{each.what:<{width}}  {each.backup:>12}  {each.here:>12}"
            self.stdout.write(line if each.backup == each.here else self.style.ERROR(f"{line}  differs"))
        for name in report.differing:
            self.stdout.write(self.style.ERROR(f"  {name} differs"))
        self.stdout.write(
            f"{report.generation}: {report.files} files, {report.put_back} of them put back; "
            f"{report.indexed} assets indexed, {report.encoded} of them encoded"
        )


def _moment(text: str) -> datetime:
    """A day means its end.

    Raises:
        CommandError: it is no moment.
    """
    try:
        if len(text) == len("2026-11-26"):
            text += "T23:59:59"
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise CommandError(f"{text} is no time such as 2026-11-26T18:00.", returncode=USAGE) from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
