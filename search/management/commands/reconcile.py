"""Compare the database with index and stored files; mend both with --fix."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError
from django.template.defaultfilters import filesizeformat

from dam.errors import StorageUnavailable
from dam.management.base import AtelierCommand
from dam.stored_files import NAMED, FileDrift, LostOriginal, compare_files
from search.encoders.base import EncoderError
from search.index import IndexMismatch, IndexUnavailable
from search.outbox import drain
from search.reconcile import Drift, reconcile


class Command(AtelierCommand):
    help = "Report where the database differs from the index and from the stored files; mend it with --fix."
    examples = (
        ("what differs", "reconcile"),
        ("index what is missing, delete what belongs to nothing", "reconcile --fix"),
        ("the stored files alone, for a program to read", "reconcile --only files --json"),
    )
    exit_codes = {1: "they differ and --fix was not given, or could not mend it"}

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--fix",
            action="store_true",
            help="index what is missing; delete vectors and files that belong to nothing",
        )
        parser.add_argument("--only", choices=("index", "files"), help="one of the two parts")
        parser.add_argument(
            "--force",
            action="store_true",
            help="with --fix: delete files also where no row names most of them, or most are missing",
        )
        parser.add_argument("--json", action="store_true", help="one JSON document on standard output")

    def handle(self, *args: Any, **options: Any) -> None:
        fix, progress = options["fix"], not options["json"]
        drifts, postponed, files = [], "", None
        try:
            if options["only"] != "files":
                drifts = reconcile(fix=fix)
                postponed = drain(progress=progress).postponed if fix else ""
            if options["only"] != "index":
                files = compare_files(fix=fix, force=options["force"], progress=progress)
        except (EncoderError, IndexMismatch, IndexUnavailable, StorageUnavailable) as error:
            raise CommandError(str(error), returncode=1) from error
        clean = all(drift.clean for drift in drifts) and (files is None or files.clean)
        if options["json"]:
            self._print_json(clean, fix, drifts, files)
        else:
            self._print(drifts, files)
        if problem := _problem(clean, fix, postponed, files):
            raise CommandError(problem, returncode=1)

    def _print_json(self, clean: bool, fix: bool, drifts: list[Drift], files: FileDrift | None) -> None:
        document = {
            "clean": clean,
            "fixed": fix,
            "spaces": [drift.as_json() for drift in drifts],
            "files": files.as_json() if files else None,
        }
        self.stdout.write(json.dumps(document, indent=2))

    def _print(self, drifts: list[Drift], files: FileDrift | None) -> None:
        for drift in drifts:
            self.stdout.write(
                f"{drift.space}: {drift.assets} assets, {drift.missing} missing, "
                f"{drift.orphaned} orphaned, "
                f"{drift.outdated} outdated, {drift.leftover} left over, "
                f"{drift.pending} pending, {drift.failed} failed"
            )
        if files is None:
            return
        self.stdout.write(
            f"files: {files.stored} stored ({_size(files.stored_bytes)}), "
            f"{files.orphaned} orphaned ({_size(files.orphaned_bytes)}), "
            f"{files.missing_originals} originals, {files.missing_renditions} renditions and "
            f"{files.missing_others} others missing, {files.young} too young to judge"
        )
        self.stdout.write(
            f"uploads: {files.orphaned_uploads} files of no upload, "
            f"{files.missing_uploads} uploads without their file"
        )
        for name in files.orphaned_files:
            self.stdout.write(f"  orphaned: {ascii(name)[1:-1]}")
        for name in files.missing_files:
            self.stdout.write(f"  missing: {name}")
        for lost in files.lost_originals[:NAMED]:
            self.stdout.write(f"  lost: {_line(lost)}")
        if files.missing_originals > NAMED:
            self.stdout.write(f"  and {files.missing_originals - NAMED} more; --json names up to 1,000")


def _line(lost: LostOriginal) -> str:
    how = "not there" if lost.stored_size is None else f"{lost.stored_size} of {lost.size} bytes"
    return f"“{lost.title}” ({lost.asset}), version {lost.version}: {lost.file}, {how}"


def _size(size: int) -> str:
    return str(filesizeformat(size)).replace("\xa0", " ")


def _problem(clean: bool, fix: bool, postponed: str, files: FileDrift | None) -> str:
    """What keeps the two from being the same now, and what to do about it."""
    problems = []
    if postponed:
        problems.append(postponed)
    if files and files.problem:
        problems.append(files.problem)
    if not clean and not fix:
        problems.append("The database differs from index or files; run again with --fix.")
    if files and files.missing_originals:
        problems.append(
            f"{files.missing_originals} originals are lost. Restore them from a backup to the places named "
            "above, or upload the same files again: each goes back to its asset."
        )
    if files and files.missing_others:
        problems.append(f"{files.missing_others} files that were to be taken in are lost; retry their jobs.")
    return " ".join(problems)
