"""What a typed sentence asks for: what is wanted, what is not, and other words for it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from dam.chinese import CHINESE
from search import correcting, negation
from search.colour_words import colour_names, coloured
from search.terms import shown_to_strangers
from search.vocabulary import STRANGER, Vocabulary, current, is_stranger

MOST_ALSO = 16
LONGEST_PHRASE = 4  # words of an English phrase that may have synonyms
LONGEST_NAME = 8  # characters of a Chinese one

_LATIN = re.compile(r"[a-z0-9]+(?:['’-][a-z0-9]+)*")
_RUN = re.compile(rf"[{CHINESE}]+")


@dataclass(frozen=True)
class Understanding:
    """A sentence taken apart.

    Attributes:
        wanted: what is looked for, corrected, without what is not wanted.
        unwanted: phrases that must not be shown ("logo" of "t-shirt without logo", "不要logo的T恤").
        also: other words for the same (synonyms, labels in the other language, what pinyin stands for);
            they help to match words and are not encoded.
        corrections: what was typed → what was taken for it.
    """

    wanted: str
    unwanted: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    corrections: dict[str, str] = field(default_factory=dict)


def understand(text: str, *, user: Any = STRANGER, correct: bool = True) -> Understanding:
    """Take a sentence in English or Chinese apart.

    Args:
        user: who asks; nothing is corrected to, or told as a synonym, that they may not see. None is the
            command line, which sees the whole library.
        correct: false where somebody wants it exactly as it is written.
    """
    vocabulary = current()
    strangers = is_stranger(user)
    written = " ".join(unicodedata.normalize("NFKC", text).split())
    turned = correcting.negations(written) if correct else {}
    taken = negation.split(
        correcting.apply(written, turned), lambda phrase: vocabulary.knows(phrase, strangers)
    )
    said = [taken.wanted, *taken.unwanted]
    corrected = correcting.corrections(" \n ".join(said), vocabulary, user) if correct else {}
    wanted, *unwanted = (correcting.apply(part, corrected) for part in said)
    return Understanding(
        wanted=wanted,
        unwanted=tuple(unwanted),
        also=tuple(_also(wanted, vocabulary, strangers)),
        corrections=turned | corrected,
    )


def _also(wanted: str, vocabulary: Vocabulary, strangers: bool) -> list[str]:
    """What its colours are called otherwise, and words that mean the same as a part of the text; for
    strangers those of tags that they may see.
    """
    groups = {group for phrase in _phrases(wanted) for group in vocabulary.alike(phrase)}
    if strangers:
        shown = shown_to_strangers({key for key, _words in groups if key})
        groups = {group for group in groups if not group[0] or group[0] in shown}
    said = wanted.lower()
    alike = (word for _key, words in sorted(groups) for word in words)
    words = (word for word in (*colour_names(wanted), *alike) if word.lower() not in said)
    return list(dict.fromkeys(words))[:MOST_ALSO]


def _phrases(text: str) -> Iterator[str]:
    """Every part that could have synonyms: up to four words in a row, up to eight Chinese characters."""
    words = _LATIN.findall(text.lower())
    for start in range(len(words)):
        for end in range(start + 1, min(start + LONGEST_PHRASE, len(words)) + 1):
            yield " ".join(words[start:end])
    for run in _RUN.findall(text):
        for start in range(len(run)):
            for end in range(start + 1, min(start + LONGEST_NAME, len(run)) + 1):
                yield run[start:end]
    # 红裙 is 红 and 裙: what stands behind a colour as one character is a word of its own, 裙子.
    yield from (f"{thing}子" for thing in coloured(text) if len(thing) == 1)
