"""Settings are what `.env` says, read as Compose reads it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from django.conf import settings

from atelier.settings import environment

# What `env` makes of each name, in an installation of this file and `.env` alone.
READ = """
import json, runpy, sys
env = runpy.run_path(sys.argv[1])["env"]
json.dump({name: getattr(env, kind)(name) for name, kind in json.loads(sys.argv[2]).items()}, sys.stdout)
"""


def read(folder: Path, lines: str, kinds: dict[str, str]) -> dict[str, Any]:
    """The settings of an installation in `folder` with such an `.env`, of these kinds."""
    source = Path(environment.__file__)
    copy = folder / source.relative_to(settings.BASE_DIR)
    copy.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, copy)
    (folder / ".env").write_text(lines, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", READ, str(copy), json.dumps(kinds)],
        env={"ATELIER_DATA": str(folder / "data")}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_each_line_of_the_example_can_be_uncommented_as_it_stands(tmp_path: Path) -> None:
    example = (settings.BASE_DIR / ".env.example").read_text(encoding="utf-8")
    # Switches are on in this one, so that one that is not understood is told from one that is off.
    lines = re.sub(r"=false\b", "=true", "\n".join(re.findall(r"(?m)^# ([A-Z][A-Z0-9_]+=.*)$", example)))
    pairs = (line.split("=", 1) for line in lines.split("\n"))
    meant = {name: value.split(" #")[0].strip() for name, value in pairs}
    meant.pop("ATELIER_DATA")
    assert len(meant) > 100
    assert any("#" in line for line in lines.split("\n"))
    assert read(tmp_path, lines, dict.fromkeys(meant, "str")) == meant
    on = [name for name, value in meant.items() if value == "true"]
    assert {"HTTPS", "BEHIND_PROXY", "REQUIRE_TWO_FACTOR"} <= set(on)
    assert set(read(tmp_path, lines, dict.fromkeys(on, "bool")).values()) == {True}
    numbers = {name: int(value) for name, value in meant.items() if value.isdecimal()}
    assert read(tmp_path, lines, dict.fromkeys(numbers, "int")) == numbers


def test_what_begins_no_comment_is_part_of_the_value(tmp_path: Path) -> None:
    lines = {
        "PLAIN=a#b": "a#b",
        "DOUBLE=\"a # b\"  # a comment, with a 'quote'": "a # b",
        "SINGLE='a # b'": "a # b",
        'ESCAPED="a \\" # b" # a comment': 'a " # b',
        "EMPTY=   # a comment": "",
        "export ADDRESS=redis://:p#w@127.0.0.1:6379/0\t# a comment": "redis://:p#w@127.0.0.1:6379/0",
    }
    meant = {line.removeprefix("export ").partition("=")[0]: value for line, value in lines.items()}
    assert read(tmp_path, "\n".join(lines), dict.fromkeys(meant, "str")) == meant
