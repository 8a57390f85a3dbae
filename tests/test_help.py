"""`--help` and the shell's completion: examples that work, and what may come next."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import call_command, get_commands, load_command_class
from django.core.management.base import BaseCommand, CommandError

from tests.factories import AdministratorFactory, CollectionFactory, SKUFactory, TagFactory
from tests.services.processes import environment

pytestmark = pytest.mark.timeout(600)

OURS = {"atelier", "dam", "search", "generation"}
DOCUMENTS = ["README.md", *(f"docs/{path.name}" for path in Path(settings.BASE_DIR, "docs").glob("*.md"))]
# `--help` of Django's own commands is Django's; and what a worker starts for itself nobody looks up.
LISTED_NOWHERE = {"courier"}
# One process, which has loaded everything, answers each line as `manage.py` would.
ANSWER = """
import os, sys, django
django.setup()
from django.core.management import get_commands, load_command_class
from atelier.completion import complete
for name in ("search", "index", "generate", "import_assets"):
    load_command_class(get_commands()[name], name)
before, *lines = sys.argv[1:]
for number, line in enumerate(lines):
    if not os.fork():
        os.environ.update(
            COMP_LINE=line, COMP_POINT=str(len(line)), _ARGCOMPLETE=before,
            _ARGCOMPLETE_IFS="\\n", _ARGCOMPLETE_STDOUT_FILENAME=f"{number}.txt",
        )
        complete()
    os.wait()
"""


def commands() -> dict[str, BaseCommand]:
    """Atelier's own commands, by name."""
    ours = {name: app for name, app in get_commands().items() if app in OURS}
    return {name: load_command_class(app, name) for name, app in sorted(ours.items())}


def understood(line: str) -> None:
    """Read the line of a command, up to where the shell's own part begins.

    Raises:
        CommandError: it is not understood.
    """
    name, *words = shlex.split(re.split(r" [|>]|&& ", line)[0], comments=True)
    parser = commands()[name].create_parser("manage.py", name)
    try:
        parser.parse_args(words)
    except SystemExit as end:
        if end.code:  # else it was `--help`
            raise CommandError(f"manage.py {line}: {end}") from end


@pytest.mark.once
def test_every_command_shows_what_it_is_for_and_examples_that_it_understands() -> None:
    for name, command in commands().items():
        shown = command.create_parser("manage.py", name).format_help()
        assert command.help and command.examples, name
        for does, line in command.examples:
            assert f"  # {does}\n  manage.py {line}\n" in shown, f"{name}: {line}"
            assert line.split()[0] == name
            understood(line)
        assert "\nexit codes:\n  0    done\n" in shown
    with pytest.raises(CommandError):
        understood("search dress --kid garment")


@pytest.mark.once
def test_a_part_of_a_command_shows_the_examples_of_that_part() -> None:
    parser = commands()["generate"].create_parser("manage.py", "generate")
    (parts,) = (action.choices for action in parser._actions if action.dest == "job")
    assert parts is not None
    shown = parts["scenes"].format_help()
    assert "manage.py generate scenes --products" in shown
    assert "generate outfits" not in shown and "generate edit" not in shown


def documented() -> Iterator[tuple[str, str]]:
    """Every command line in an indented block of a document, with the document's name."""
    for name in DOCUMENTS:
        text = Path(settings.BASE_DIR, name).read_text(encoding="utf-8")
        for line in re.findall(r"^ {4}(?:.*python )?manage\.py ([a-z_]+.*)$", text, re.MULTILINE):
            if get_commands().get(line.split()[0]) in OURS:
                yield name, line.replace("…", "x")


@pytest.mark.once
def test_every_command_line_of_the_documents_is_understood() -> None:
    lines = list(documented())
    assert len(lines) > 30
    for _name, line in lines:
        understood(line)


@pytest.mark.once
def test_the_list_of_commands_is_whole() -> None:
    text = Path(settings.BASE_DIR, "docs", "commands.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `([a-z_]+)` \|", text, re.MULTILINE)
    assert sorted(listed) == sorted(set(commands()) - LISTED_NOWHERE)


def completed(folder: Path, *lines: str, before: int = 1) -> list[list[str]]:
    """What may follow on each of these lines."""
    subprocess.run(
        [sys.executable, "-c", ANSWER, str(before), *lines],
        cwd=folder,
        env={**environment(), "PYTHONPATH": str(settings.BASE_DIR)},
        timeout=500,
        check=True,
    )
    answers = [(folder / f"{number}.txt").read_text() for number in range(len(lines))]
    return [[word.strip() for word in answer.split("\n") if word] for answer in answers]


@pytest.mark.once
@pytest.mark.django_db(transaction=True)
def test_a_shell_completes_commands_options_and_values(tmp_path: Path) -> None:
    AdministratorFactory(username="ada")
    TagFactory(slug="summer", label="Summer")
    SKUFactory(code="TS-RED-M")
    look = CollectionFactory(name="Look")
    names, options, kinds, tags, families, parts, makers, given, people, nothing, articles, looks = completed(
        tmp_path,
        "manage.py import_",
        "atelier search dress --colo",
        "atelier search dress --kind gar",
        "atelier search dress --not-tag s",
        "atelier index --reindex open",
        "atelier generate sc",
        "atelier generate outfits --provider gemini-",
        "atelier generate outfits --garments ",
        "atelier import_assets photos --owner a",
        "atelier no_command --",
        "atelier generate scenes --products sku:TS",
        "atelier generate edit --accessories collection:",
    )
    assert names == ["import_assets"]
    assert options == ["--colour"]
    assert kinds == ["garment"] and tags == ["summer"]
    assert sorted(families) == ["openai", "openclip:"]
    assert parts == ["scenes"] and makers == ["gemini-batch"]
    assert given == ["collection:", "sku:"] and people == ["ada"] and nothing == []
    (helped,) = completed(tmp_path, "python manage.py search --like ID --no", before=2)
    assert "--not-tag" in helped and "--no-color" in helped
    assert (articles, looks) == (["sku:TS-RED-M"], [f"collection:{look.pk}"])


@pytest.mark.once
@pytest.mark.django_db(transaction=True)
def test_bash_completes_what_it_was_told_to(tmp_path: Path) -> None:
    code = StringIO()
    call_command("completion", "bash", stdout=code)
    (tmp_path / "code.sh").write_text(code.getvalue())
    script = """
        source code.sh
        type -t atelier; complete -p atelier
        COMP_LINE='atelier reco' COMP_POINT=12 COMP_TYPE=9; _python_argcomplete atelier
        printf '%s\\n' "${COMPREPLY[@]}"
        atelier sync_skus --help | head -1
    """
    told = subprocess.run(
        ["bash", "--norc", "-c", script], cwd=tmp_path, env=environment(), capture_output=True, text=True,
        timeout=500,
    )  # fmt: skip
    made, registered, found, usage = told.stdout.splitlines()
    assert made == "function" and "-F _python_argcomplete atelier" in registered
    assert found.strip() == "reconcile" and usage.startswith("usage: manage.py sync_skus")
    for shell in ("zsh", "fish"):
        code = StringIO()
        call_command("completion", shell, stdout=code)
        assert "manage.py" in code.getvalue() and "atelier" in code.getvalue()
