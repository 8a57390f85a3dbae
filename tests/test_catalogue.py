"""The Chinese catalogue: complete, and compiled from what is written (machines have no msgfmt)."""

from __future__ import annotations

import ast
import gettext
import re
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "locale" / "zh_Hans" / "LC_MESSAGES"
FIELD = re.compile(r'^(msgctxt|msgid_plural|msgid|msgstr(?:\[\d\])?) "', re.M)
NAMED = re.compile(r"%\((\w+)\)")


def entries() -> list[dict[str, str]]:
    """Every entry of the catalogue, as its fields."""
    text = (FOLDER / "django.po").read_text(encoding="utf-8")
    found = []
    for block in text.split("\n\n")[1:]:
        lines = [line for line in block.splitlines() if not line.startswith("#")]
        fields: dict[str, str] = {}
        name = ""
        for line in lines:
            if FIELD.match(line):
                name, line = line.split(" ", 1)
            fields[name] = fields.get(name, "") + ast.literal_eval(line)
        if fields:
            found.append(fields)
    return found


def test_every_sentence_has_its_chinese() -> None:
    said = entries()
    assert len(said) > 400
    assert [entry["msgid"] for entry in said if not (entry.get("msgstr") or entry.get("msgstr[0]"))] == []


def test_the_chinese_names_no_value_that_is_not_given() -> None:
    for entry in entries():
        given = set(NAMED.findall(entry["msgid"] + entry.get("msgid_plural", "")))
        used = set(NAMED.findall(entry.get("msgstr", "") + entry.get("msgstr[0]", "")))
        assert used <= given, entry["msgid"]


def test_what_is_compiled_is_what_is_written() -> None:
    with (FOLDER / "django.mo").open("rb") as file:
        compiled = gettext.GNUTranslations(file)
    for entry in entries():
        if "msgid_plural" in entry:
            assert compiled.ngettext(entry["msgid"], entry["msgid_plural"], 2) == entry["msgstr[0]"]
        elif "msgctxt" in entry:
            assert compiled.pgettext(entry["msgctxt"], entry["msgid"]) == entry["msgstr"]
        else:
            assert compiled.gettext(entry["msgid"]) == entry["msgstr"]
