"""Say what is configured, reachable and too small, and what to do."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandError

from atelier.doctor import Finding, Level, examine
from dam.management.base import AtelierCommand


class Command(AtelierCommand):
    help = (
        "Look at every part of this installation: what is configured, reachable, too small, and what to do."
    )
    examples = (
        ("how everything is", "doctor"),
        ("only what is a problem", "doctor --json | jq '.[] | select(.level == \"problem\")'"),
    )
    exit_codes = {1: "something is a problem"}
    requires_system_checks: list[str] = []  # it must run where they fail

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="one JSON document on standard output")

    def handle(self, *args: Any, **options: Any) -> None:
        findings = examine()
        if options["json"]:
            self.stdout.write(
                json.dumps([asdict(finding) for finding in findings], ensure_ascii=False, indent=2)
            )
        else:
            for finding in findings:
                self._line(finding)
        problems = sum(finding.level == Level.PROBLEM for finding in findings)
        if problems:
            raise CommandError(f"{problems} problem(s); see above.", returncode=1)

    def _line(self, finding: Finding) -> None:
        paint = {
            Level.OK: self.style.SUCCESS,
            Level.WARNING: self.style.WARNING,
            Level.PROBLEM: self.style.ERROR,
        }[finding.level]
        self.stdout.write(f"{paint(f'{finding.level:<8}')} {finding.part:<16} {finding.sentence}")
        if finding.advice:
            self.stdout.write(f"{'':<26}→ {finding.advice}")
