"""Words of a text in two languages, for keyword ranking on any server's analyser.

Latin and other spaced scripts give lower-case words, with a plain plural beside its singular;
Chinese, which has no spaces, gives overlapping pairs of characters (the classic CJK bigram analysis,
e.g. Lucene's CJKAnalyzer), and single characters so that a query of one character finds something.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from dam.chinese import CHINESE, IS_CHINESE

# Chinese ends a word: "T恤", "2024夏季".
_WORD = rf"[^\W_{CHINESE}]+"
_RUNS = re.compile(rf"[{CHINESE}]+|{_WORD}(?:[-']{_WORD})*")
LONG = 8  # letters; the singular of a longer plural in -ies hardly ends in -ie
_STOP = frozenset(
    [
        "a",
        "an",
        "and",
        "are",
        "as",
        "at",
        "by",
        "for",
        "from",
        "in",
        "is",
        "it",
        "of",
        "on",
        "or",
        "the",
        "to",
        "with",
        "的",
        "一",
        "了",
        "和",
        "与",
        "在",
        "是",
        "个",
        "位",
        "只",
        "件",
        "条",
        "双",
    ]
)


def lexemes(text: str, *, query: bool = False) -> list[str]:
    """Cut `text` into lexemes.

    Args:
        text: titles, tags, codes and descriptions, or what somebody searches for.
        query: single Chinese characters count only if they stand alone.
    """
    found: list[str] = []
    for run in _runs(text):
        if IS_CHINESE.match(run):
            pairs = [run[i : i + 2] for i in range(len(run) - 1)]
            found += pairs if query and pairs else [*run, *pairs]
        else:
            found.append(_singular(run))
            if not query and "-" in run:
                found += [_singular(part) for part in run.split("-")]
    return _telling(found)


def spelling(text: str) -> dict[str, str]:
    """The Latin words of a text by their lexemes: `{"hoody": "hoodies"}`; of several the first."""
    found: dict[str, str] = {}
    for run in _runs(text):
        for word in (run, *run.split("-")):
            found.setdefault(_singular(word), word)
    return found


def beginnings(text: str) -> list[str]:
    """As `lexemes` of what somebody searches for, for an index that has whole words and finds them by their
    beginnings: that of a Latin word is what its singular and its plural have in common.
    """
    return _telling(run if IS_CHINESE.match(run) else _common(run) for run in _runs(text))


def _runs(text: str) -> list[str]:
    return _RUNS.findall(unicodedata.normalize("NFKC", text).lower())


def _telling(words: Iterable[str]) -> list[str]:
    return [word for word in dict.fromkeys(words) if word not in _STOP]


def _common(word: str) -> str:
    """`accessor` of `accessories` and `accessory`, `hoodie` of `hoodies`."""
    if not word.isascii() or not word.isalpha():
        return word
    if word.endswith("ies"):
        return word[:-3] if len(word) > LONG else word[:-1]
    if word.endswith("y") and len(word) >= LONG:
        return word[:-1]
    return word if word.endswith("ie") else _singular(word)


def _singular(word: str) -> str:
    """`dresses` and `dress`, `shoes` and `shoe` meet; codes with digits stay as they are."""
    if len(word) <= 3 or not word.isascii() or not word.isalpha():
        return word
    if word.endswith("ies"):
        return word[:-3] + "y" if len(word) > len("ties") else word[:-1]
    if word.endswith("ie") and len(word) > len("tie"):
        return word[:-2] + "y"  # hoodies are of a hoodie, accessories of an accessory: both end so here
    if word.endswith(("sses", "xes", "ches", "shes")):
        return word[:-2]
    if word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word
