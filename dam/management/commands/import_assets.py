"""Import a folder of pictures from the command line."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from dam.imports import ImportProblem, ImportReport, import_pictures
from dam.models import AssetKind, AssetState

USAGE, REJECTED, INTERRUPTED = 2, 1, 130


class Command(BaseCommand):
    help = (
        "Import a picture, or a folder of pictures and the folders below it. What the library has already "
        "is left as it is, so an interrupted import is simply run again. Exit code 1: files were rejected."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("path", type=Path, help="a picture or a folder")
        parser.add_argument(
            "--manifest",
            type=Path,
            help="CSV with the columns file, title_en, title_zh, tags (a;b), skus (CODE:role;…), kind, "
            "licence, rights_holder, rights_expire_on; only the files that it lists are imported",
        )
        parser.add_argument("--kind", choices=AssetKind.values, default=AssetKind.OTHER.value)
        parser.add_argument("--tag", action="append", default=[], help="for all of them; may be repeated")
        parser.add_argument("--owner", metavar="USERNAME", help="whose assets they become")
        states = [state for state in AssetState.values if state != AssetState.TRASHED]
        parser.add_argument("--state", choices=states, default=AssetState.DRAFT.value)
        parser.add_argument("--json", action="store_true", help="print one JSON document on standard output")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            report = import_pictures(
                options["path"],
                manifest=options["manifest"],
                kind=options["kind"],
                tags=options["tag"],
                owner=_owner(options["owner"]),
                state=options["state"],
            )
        except ImportProblem as problem:
            raise CommandError(str(problem), returncode=USAGE) from problem
        except DatabaseError as error:
            raise CommandError(
                f"The database cannot be used ({str(error).strip()}). Set it up with: manage.py migrate",
                returncode=USAGE,
            ) from error
        except KeyboardInterrupt as interrupt:
            raise CommandError(
                "Interrupted. What was imported so far is complete; run the same command again to go on.",
                returncode=INTERRUPTED,
            ) from interrupt
        self._print(report, as_json=options["json"])
        if report.stopped:
            raise CommandError(f"The import was stopped. {report.stopped}", returncode=REJECTED)
        if report.rejected:
            count = len(report.rejected)
            raise CommandError(
                f"{count} file was rejected." if count == 1 else f"{count} files were rejected.",
                returncode=REJECTED,
            )

    def _print(self, report: ImportReport, *, as_json: bool) -> None:
        for notice in report.notices:
            self.stderr.write(notice, self.style.WARNING)
        if as_json:
            document = {
                "imported": report.imported,
                "duplicates": report.duplicates,
                "rejected": report.rejected,
            }
            self.stdout.write(json.dumps(document, ensure_ascii=False, indent=2))
            return
        for rejection in report.rejected:
            self.stderr.write(f"{rejection['file']}: {rejection['reason']}", self.style.WARNING)
        self.stdout.write(f"{report.imported:,} imported, {report.duplicates:,} in the library already.")


def _owner(username: str | None) -> User | None:
    if username is None:
        return None
    owner = User.objects.filter(username=username).first()
    if owner is None:
        raise ImportProblem(f"There is no user “{username}”.")
    return owner
