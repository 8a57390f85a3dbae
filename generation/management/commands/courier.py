"""`manage.py courier`: makes a worker's paid calls. Workers start it; nobody else has to."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand

from generation.courier import serve


class Command(BaseCommand):
    help = "Make a worker's paid calls, and outlive it until they are answered. Started by the worker."
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        orders, answers = sys.stdin, sys.stdout
        sys.stdout = sys.stderr  # what a library prints is no answer
        serve(orders, answers)
