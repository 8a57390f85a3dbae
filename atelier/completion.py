"""The shell's completion: commands, their options, and values of the library."""

from __future__ import annotations

import os
import shlex
from argparse import ArgumentParser
from typing import NoReturn

import argcomplete
import django
from argcomplete.lexers import split_line
from django.core.management import get_commands, load_command_class
from django.core.management.base import BaseCommand

ASKED = "_ARGCOMPLETE"  # the shell's question is in the environment
SHELLS = ("bash", "zsh", "fish")
# Completed under its own name, and under that of the function that `shell_code` makes.
NAMES = ("manage.py", "atelier")


def shell_code(shell: str, python: str, program: str) -> str:
    """What a shell reads to complete: `atelier` is this program from every folder, run by this Python."""
    run = shlex.join([python, program])
    function = (
        f"function atelier\n    {run} $argv\nend\n" if shell == "fish" else f'atelier() {{ {run} "$@"; }}\n'
    )
    return function + argcomplete.shellcode(NAMES, shell=shell)  # nosec B604  a name, not a command


def complete() -> NoReturn:
    """Answer the shell where it listens, and end the process."""
    django.setup()
    words = split_line(os.environ["COMP_LINE"], int(os.environ["COMP_POINT"]))[3]
    before = int(os.environ[ASKED])  # words up to the program's name, which “python manage.py” has two of
    command = _command(words[before]) if len(words) > before else None
    if command is None:
        argcomplete.autocomplete(_names(), always_complete_options=False)
    else:
        os.environ[ASKED] = str(before + 1)
        parser = command.create_parser("manage.py", words[before])
        argcomplete.autocomplete(parser, always_complete_options=False)
    raise SystemExit  # argcomplete has ended the process


def _command(name: str) -> BaseCommand | None:
    """None where no command is called so; `help` takes names of commands too."""
    application = get_commands().get(name)
    return load_command_class(application, name) if application else None


def _names() -> ArgumentParser:
    parser = ArgumentParser(add_help=False)
    parser.add_argument("command", choices=["help", *sorted(get_commands())])
    parser.add_argument("of", nargs="?", choices=sorted(get_commands()))
    return parser
