"""The command line: what stands in the way is told in a sentence, not in a traceback."""

from __future__ import annotations

import os
import sys

from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line
from django.db import OperationalError, ProgrammingError

_NOT_SET_UP = ("no such table", "no such column", "does not exist")


def run(arguments: list[str]) -> None:
    """Run one management command; `--traceback` shows where an error came from, as Django has it.

    Raises:
        SystemExit: the command failed, and says why.
    """
    if "_ARGCOMPLETE" in os.environ:
        from atelier.completion import complete

        complete()
    try:
        execute_from_command_line(arguments)
    except (ImproperlyConfigured, OperationalError, ProgrammingError) as error:
        if "--traceback" in arguments:
            raise
        sys.exit(_sentence(error))


def _sentence(error: Exception) -> str:
    reason = str(error).strip()
    if isinstance(error, ImproperlyConfigured):
        return reason
    if any(words in reason for words in _NOT_SET_UP):
        return f"The database is not set up ({reason.splitlines()[0]}). Set it up with: manage.py migrate"
    return database_away(error)


def database_away(error: Exception) -> str:
    """What to do about a database that does not answer, on one line; drivers write several."""
    reason = "; ".join(line.strip() for line in str(error).strip().splitlines())
    stop = "" if reason.endswith((".", "?", "!")) else "."
    return f"The database does not answer: {reason}{stop} Check DATABASE_URL, or unset it for SQLite."
