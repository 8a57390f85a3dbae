"""Back up database and files into a folder, or list what it holds."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError
from django.template.defaultfilters import filesizeformat

from atelier.backup import KEEP, BackupReport, back_up
from atelier.backup_folder import BackupError, BackupFolder
from dam.management.base import AtelierCommand

USAGE = 2


class Command(AtelierCommand):
    help = (
        "Back up the library into FOLDER: its database, and the files that it names. Run again, it copies "
        "what is new, or finishes what was interrupted. Exit code 1 where a file is lost or damaged; the "
        "rest is backed up. docs/backup.md says what is in it and what is not."
    )
    examples = (
        ("every night, into the same folder", "backup /srv/backups/atelier"),
        ("which backups there are", "backup /srv/backups/atelier --list"),
        ("before an upgrade, the database alone", "backup /srv/backups/atelier --no-files"),
    )
    exit_codes = {1: "a file is lost or damaged, or the backup could not be made"}

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", metavar="FOLDER", type=Path)
        parser.add_argument("--no-files", action="store_true", help="the database alone")
        parser.add_argument(
            "--renditions",
            action="store_true",
            help="renditions too, which are otherwise made again on demand",
        )
        parser.add_argument(
            "--keep", type=int, default=KEEP, metavar="N", help=f"the newest N backups stay (default: {KEEP})"
        )
        parser.add_argument("--list", action="store_true", help="only say which backups there are")
        parser.add_argument("--json", action="store_true", help="one JSON document on standard output")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["keep"] < 1:
            raise CommandError("--keep is at least 1.", returncode=USAGE)
        if options["no_files"] and options["renditions"]:
            raise CommandError("--no-files and --renditions contradict each other.", returncode=USAGE)
        folder = options["folder"].expanduser().absolute()
        try:
            if options["list"]:
                self._list(folder, options["json"])
                return
            report = back_up(
                folder,
                files=not options["no_files"],
                renditions=options["renditions"],
                keep=options["keep"],
                progress=not options["json"],
            )
        except (BackupError, OSError) as error:
            raise CommandError(str(error), returncode=1) from error
        if options["json"]:
            self.stdout.write(json.dumps(report.as_json(), ensure_ascii=False, indent=2))
        else:
            self._say(report)
        if report.problem_count:
            raise CommandError(
                f"{report.problem_count} file(s) are lost or damaged; see above.", returncode=1
            )

    def _list(self, folder: Path, as_json: bool) -> None:
        manifests = [(each.name, each.manifest) for each in BackupFolder(folder).generations()]
        if as_json:
            rows = [{"generation": name, **manifest} for name, manifest in manifests]
            self.stdout.write(json.dumps(rows, ensure_ascii=False, indent=2))
            return
        for name, manifest in manifests:
            files = manifest["files"]
            what = f"{files['count']} files ({_size(files['bytes'])})" if files else "no files"
            kind = f"{manifest['database']['kind']} {manifest['database']['version']}"
            size = _size(manifest["database"]["size"])
            problems = f", {len(manifest['problems'])} problems" if manifest["problems"] else ""
            self.stdout.write(f"{name}  Atelier {manifest['atelier']}, {kind}, {size}, {what}{problems}")

    def _say(self, report: BackupReport) -> None:
        for problem in report.problems:
            self.stdout.write(f"  {problem}")
        self.stdout.write(
            f"{report.generation}: database {_size(report.database)}, {report.files} files "
            f"({_size(report.bytes)}), {report.copied} of them copied now ({_size(report.copied_bytes)})"
        )
        for name in report.removed_generations:
            self.stdout.write(f"  {name} is removed")


def _size(size: int) -> str:
    return str(filesizeformat(size)).replace("\xa0", " ")
