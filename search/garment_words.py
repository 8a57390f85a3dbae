"""What pieces of clothing are called in both languages, without anybody having written it down."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import cache
from pathlib import Path

FILE = Path(__file__).with_name("garment_words.txt")
Row = tuple[tuple[str, ...], tuple[str, ...]]


def built_in(known: Collection[str]) -> Iterator[Row]:
    """Names that mean the same, and the sorts of it that they stand for too.

    Args:
        known: words (lower case) that the library's own synonyms have; what is said of them counts alone.
    """
    for names, kinds in _rows():
        if not any(name.lower() in known for name in names):
            yield names, kinds


@cache
def _rows() -> list[Row]:
    lines = FILE.read_text(encoding="utf-8").splitlines()
    return [_row(line) for line in lines if line and not line.startswith("#")]


def _row(line: str) -> Row:
    names, _separator, kinds = line.partition(">")
    return _words(names), _words(kinds)


def _words(part: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in part.split("|") if word.strip())
