"""The whole site in one command: web, worker and beat, stopped by one Ctrl-C."""

from __future__ import annotations

import os
import shlex
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError
from django.utils import translation
from honcho.manager import Manager

from atelier.politeness import POLITELY
from atelier.setup import Administrator, SetupError, ensure_administrator, prepare, require_free_port
from dam.management.base import AtelierCommand
from dam.models import Asset
from search.encoders.base import EncoderError
from search.index import IndexUnavailable
from search.index.connection import milvus_uri
from search.spaces import encoder_of, live_space


class Command(AtelierCommand):
    help = "Serve Atelier with a worker. Runs the demo first if the library is empty. Ctrl-C stops all of it."
    examples = (
        ("the site on http://127.0.0.1:8000 with a worker", "serve"),
        (
            "another port, for the whole network, without the sample library",
            "serve --host 0.0.0.0 --port 9000 --no-demo",
        ),
    )
    exit_codes = {1: "it cannot start, or one of its processes ended"}

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
        parser.add_argument(
            "--port", type=int, default=int(os.environ.get("PORT", "8000")), help="default: PORT, or 8000"
        )
        parser.add_argument("--no-demo", action="store_true", help="leave an empty library empty")

    def handle(self, *args: Any, **options: Any) -> None:
        host, port = options["host"], options["port"]
        try:
            require_free_port(host, port)
            prepare()
            administrator = ensure_administrator()
            milvus_uri()  # held by this process for as long as the site runs
        except (SetupError, IndexUnavailable) as error:
            raise CommandError(str(error)) from error
        if not options["no_demo"] and not Asset.objects.exists():
            from django.core.management import call_command

            call_command("demo")
        self._say_what_search_needs()
        self._welcome(host, port, administrator)
        sys.exit(_supervise(host, port))

    def _say_what_search_needs(self) -> None:
        """The site comes up without search by meaning, but whoever starts it reads why and what to do."""
        try:
            encoder_of(live_space())
        except EncoderError as error:
            self.stderr.write(self.style.WARNING(f"Search by meaning does not work: {error}"))

    def _welcome(self, host: str, port: int, administrator: Administrator | None) -> None:
        with translation.override("en"):
            self.stdout.write(self.style.SUCCESS(f"\nAtelier: http://{host}:{port}/"))
            if administrator:
                self.stdout.write(
                    f"Login:   {administrator.username}   Password: {administrator.password}   (shown once)\n"
                )
            else:
                self.stdout.write(
                    "Login:   as before. Forgotten? .venv/bin/python manage.py changepassword admin\n"
                )
            self.stdout.write("Ctrl-C stops everything.\n\n")
            self.stdout.flush()


def _supervise(host: str, port: int) -> int:
    """Run web, worker and beat until one of them ends or Ctrl-C; the exit code of the first to end."""
    python = shlex.quote(sys.executable)
    # Threads, not forks: gRPC and torch do not survive a fork after they were used.
    processes = {
        "web": f"exec {python} -m gunicorn atelier.wsgi --bind {host}:{port} --threads 8 --timeout 120 "
        "--graceful-timeout 3 --no-control-socket --log-level warning",
        "worker": f"{POLITELY} {python} -m celery --app atelier --quiet worker --pool threads "
        "--concurrency 4 --loglevel warning --without-gossip --without-mingle",
        "beat": f"exec {python} -m celery --app atelier --quiet beat --loglevel warning --pidfile=",
    }
    manager = Manager()
    for name, command in processes.items():
        manager.add_process(name, command, env={**os.environ, "PYTHONUNBUFFERED": "1"})
    manager.loop()
    interrupted = 130  # honcho's code after Ctrl-C: that is how it is meant to be stopped
    return 0 if manager.returncode in (None, interrupted) else int(manager.returncode)
