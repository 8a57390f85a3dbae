"""`manage.py courier`: makes a worker's paid calls. Workers start it; nobody else has to."""

from __future__ import annotations

import sys
from typing import Any

from dam.management.base import AtelierCommand
from generation.courier import serve


class Command(AtelierCommand):
    help = "Make a worker's paid calls, and outlive it until they are answered. Started by the worker."
    examples = (("what a worker starts for itself; orders come on standard input", "courier"),)
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        orders, answers = sys.stdin, sys.stdout
        sys.stdout = sys.stderr  # what a library prints is no answer
        serve(orders, answers)
