"""What Atelier's commands have in common: worked examples and exit codes under --help, values to complete."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from django.core.management.base import BaseCommand, CommandParser, DjangoHelpFormatter

# Values that begin like what was typed, each with a word about it.
Values = Callable[[str], Mapping[str, str]]


class AtelierCommand(BaseCommand):
    """A command that shows how it is used.

    Attributes:
        examples: what each does, and the line that does it, without `manage.py`.
        exit_codes: what a code of the command's own says; 0 (done) and 2 (cannot be understood) all have.
        values: of arguments, by the argument's name, for the shell's completion.
    """

    examples: tuple[tuple[str, str], ...] = ()
    exit_codes: Mapping[int, str] = {}
    values: Mapping[str, Values] = {}

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        parser = super().create_parser(prog_name, subcommand, formatter_class=_KeepsLines, **kwargs)
        for name, part in [(subcommand, parser), *_parts(parser, subcommand)]:
            part.formatter_class = _KeepsLines
            part.epilog = self._epilog(name)
            for argument in part._actions:
                if argument.dest in self.values:
                    argument.completer = _completer(self.values[argument.dest])  # type: ignore[attr-defined]
        return parser

    def _epilog(self, name: str) -> str:
        """The examples of the command, or those of a part of it (“generate outfits”), and its exit codes."""
        shown = [(does, line) for does, line in self.examples if f"{line} ".startswith(f"{name} ")]
        lines = ["examples:"]
        for does, line in shown:
            lines += [f"  # {does}", f"  manage.py {line}", ""]
        codes = {0: "done", **self.exit_codes, 2: "the command line or what it names cannot be used"}
        lines += ["exit codes:", *(f"  {code:<4} {codes[code]}" for code in sorted(codes))]
        return "\n".join(lines)


class _KeepsLines(DjangoHelpFormatter):
    """Wraps a description and leaves examples as they are."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return text if "\n" in text else super()._fill_text(text, width, indent)


def _parts(parser: argparse.ArgumentParser, name: str) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """The parsers of the command's own commands, by their full names."""
    for argument in parser._actions:
        if isinstance(argument, argparse._SubParsersAction):
            for word, part in argument.choices.items():
                yield f"{name} {word}", part


def _completer(values: Values) -> Callable[..., Mapping[str, str]]:
    """As argcomplete calls it."""
    return lambda prefix, **_given: values(prefix)
