"""Words of a text in two languages, for keyword ranking on any server's analyser.

Latin and other spaced scripts give lower-case words, with a plain plural beside its singular;
Chinese, which has no spaces, gives overlapping pairs of characters (the classic CJK bigram analysis,
e.g. Lucene's CJKAnalyzer), and single characters so that a query of one character finds something.
"""

from __future__ import annotations

import re

_RUNS = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]+|[^\W_]+(?:[-'][^\W_]+)*")
_CHINESE = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]")
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
    for run in _RUNS.findall(text.lower()):
        if _CHINESE.match(run):
            pairs = [run[i : i + 2] for i in range(len(run) - 1)]
            found += pairs if query and pairs else [*run, *pairs]
        else:
            found.append(_singular(run))
            if not query and "-" in run:
                found += [_singular(part) for part in run.split("-")]
    return [lexeme for lexeme in dict.fromkeys(found) if lexeme not in _STOP]


def _singular(word: str) -> str:
    """`dresses` and `dress`, `shoes` and `shoe` meet; codes with digits stay as they are."""
    if len(word) <= 3 or not word.isascii() or not word.isalpha():
        return word
    if word.endswith("ies"):
        return word[:-3] + "y"
    if word.endswith(("sses", "xes", "ches", "shes")):
        return word[:-2]
    if word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word
