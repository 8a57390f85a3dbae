"""Setting up what every start needs: data folder, database, static files, an administrator."""

from __future__ import annotations

import os
import secrets
import socket
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import OperationalError

from atelier.commandline import database_away


class SetupError(Exception):
    """Something outside Atelier stands in the way; the message says what and what to do."""


@dataclass(frozen=True)
class Administrator:
    """The login that was just created; `password` is known only now."""

    username: str
    password: str


def prepare() -> None:
    """Bring database and static files up to date.

    Raises:
        SetupError: the data folder cannot be written, or the database does not answer.
    """
    require_writable(settings.ATELIER_DATA)
    try:
        call_command("migrate", verbosity=0, interactive=False)
    except OperationalError as error:
        raise SetupError(database_away(error)) from error
    call_command("collectstatic", verbosity=0, interactive=False)


def require_writable(folder: Path) -> None:
    """Raise SetupError unless files can be made in `folder`."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".probe-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise SetupError(
            f"Atelier cannot write to its data folder {folder} ({error.strerror}). "
            "Give this user write permission there, or set ATELIER_DATA to another folder."
        ) from error


def ensure_administrator() -> Administrator | None:
    """Create the user `admin` with a random password unless a superuser exists."""
    users = get_user_model()
    if users.objects.filter(is_superuser=True).exists():
        return None
    password = secrets.token_urlsafe(12)
    users.objects.create_superuser(username="admin", password=password)
    return Administrator("admin", password)


def require_free_port(host: str, port: int) -> None:
    """Raise SetupError if something listens on the port already."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise SetupError(
                f"Port {port} on {host} cannot be used ({error.strerror}). If Atelier runs already, open "
                f"http://{host}:{port}/; otherwise choose another port: make run PORT={port + 1}"
            ) from error
