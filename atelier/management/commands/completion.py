"""Print what a shell reads to complete commands, options and values."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from typing import Any

from django.conf import settings

from atelier.completion import SHELLS, shell_code
from dam.management.base import AtelierCommand


class Command(AtelierCommand):
    help = (
        "Print the code that makes a shell complete commands, their options, and values such as tags, SKUs "
        "and encoders. It also makes `atelier`, which is this installation's manage.py from every folder."
    )
    examples = (
        (
            "bash; a line of ~/.bashrc then says: source ~/.atelier-completion.sh",
            "completion bash > ~/.atelier-completion.sh",
        ),
        ("zsh, likewise, after compinit", "completion zsh > ~/.atelier-completion.sh"),
        ("fish", "completion fish > ~/.config/fish/conf.d/atelier.fish"),
    )
    requires_system_checks: list[str] = []  # a shell that starts waits for it

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("shell", choices=SHELLS)

    def handle(self, *args: Any, **options: Any) -> None:
        program = settings.BASE_DIR / "manage.py"
        self.stdout.write(shell_code(options["shell"], sys.executable, str(program)))
