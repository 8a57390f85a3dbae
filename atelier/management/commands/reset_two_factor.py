"""`manage.py reset_two_factor USERNAME`: for whoever has lost the app and the recovery codes."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import CommandError, CommandParser

from atelier import second_factor
from atelier.sessions import end_sessions
from dam.management.base import AtelierCommand
from dam.management.completion import accounts


class Command(AtelierCommand):
    help = "Takes the second factor from an account and signs it out everywhere; the password stays."
    examples = (("for somebody who has lost the telephone", "reset_two_factor mei"),)
    exit_codes = {1: "there is no such account"}
    values = {"username": accounts}

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username")

    def handle(self, *args: Any, username: str, **options: Any) -> None:
        user = User.objects.filter(username=username).first()
        if user is None:
            raise CommandError(f"There is no account “{username}”. Look for its name on the page Users.")
        had = second_factor.turn_off(None, user)
        ended = end_sessions(user)
        said = "The second factor is taken away." if had else "The account had no second factor."
        self.stdout.write(f"{said} Sessions ended: {ended}.")
