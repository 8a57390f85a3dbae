"""What was meant by words that nobody knows: misspelt ones, pinyin, initials, Chinese of the same sound.

Only towards words that the library has for whoever asks, and only where one was clearly meant. A word that is
known in English or Chinese, or to the library, a code and a number stay as they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from rapidfuzz import process
from rapidfuzz.distance import DamerauLevenshtein

from dam.chinese import CHINESE
from dam.models import SKU
from dam.organising import shown_to
from search.known_words import is_chinese, is_english, is_plain_english
from search.terms import pinyin_of
from search.vocabulary import Vocabulary, is_stranger, is_word, shown

SHORTEST_MISSPELT, SHORTEST_INITIALS, SHORTEST_PINYIN = 4, 3, 4
MOST_CHUNKS = 8
LONGEST_HOMOPHONE = 6
MOST_CORRECTIONS = 5

_RUN = re.compile(rf"[{CHINESE}]+")
_QUOTED = re.compile('"[^"]*"|“[^”]*”')
# What stands between spaces and Chinese, without the punctuation around it.
_CHUNK = re.compile(rf"[^\s{CHINESE}，。、；：！？“”\"()（）,;:!?]+")
_LETTERS = re.compile(r"[a-z]+", re.IGNORECASE)
_VOWELS = frozenset("aeiou")
# Misspelt, they would turn what is not wanted into what is.
_NEGATING = ("without", "except", "excluding")


def corrections(text: str, vocabulary: Vocabulary, user: Any) -> dict[str, str]:
    """What was typed → what was meant by it, for at most five parts of the text, in its order.

    At most five queries, and none where every word is known.
    """
    strangers = is_stranger(user)
    plain = _QUOTED.sub(" ", text)
    found = [*_latin(plain, vocabulary, strangers), *_same_sound(plain, vocabulary, strangers)]
    found = [(typed, meant) for typed, meant in found if typed.lower() != meant.lower()]
    if not found:
        return {}
    codes = _codes({typed for typed, _meant in found}, user)
    names = {meant: [name for name in meant.split(" ") if name] for _typed, meant in found}
    told = shown(vocabulary, {name for some in names.values() for name in some} | names.keys(), user)
    certain = {
        typed: meant
        for typed, meant in found
        if typed.lower() not in codes and (meant in told or all(name in told for name in names[meant]))
    }
    return dict(list(certain.items())[:MOST_CORRECTIONS])


def negations(text: str) -> dict[str, str]:
    """Misspelt words of negation → how they are written."""
    found = {}
    for typed in dict.fromkeys(_LETTERS.findall(_QUOTED.sub(" ", text))):
        word = typed.lower()
        if word in _NEGATING or is_english(word):
            continue
        near = process.extractOne(word, _NEGATING, scorer=DamerauLevenshtein.distance, score_cutoff=1)
        if near is not None and len(word) >= len("except"):
            found[typed] = near[0]
    return found


def apply(text: str, corrected: dict[str, str]) -> str:
    """The text with these parts replaced, outside of quotes."""
    if not corrected:
        return text
    longest_first = sorted(corrected, key=len, reverse=True)
    parts = "|".join(_whole(typed) for typed in longest_first)
    return re.sub(f"{_QUOTED.pattern}|{parts}", lambda found: corrected.get(found[0], found[0]), text)


def _whole(typed: str) -> str:
    """As a word of its own if it is Latin."""
    escaped = re.escape(typed)
    return escaped if _RUN.search(typed) else rf"(?<![A-Za-z0-9]){escaped}(?![A-Za-z0-9])"


def _codes(typed: set[str], user: Any) -> set[str]:
    """Those that are codes of SKUs, in whichever case, of SKUs that this caller may see."""
    forms = {form for word in typed for form in (word, word.upper(), word.lower())}
    found = shown_to(user, SKU, "skus").filter(code__in=forms).values_list("code", flat=True)
    return {code.lower() for code in found}


# ── Latin ─────────────────────────────────────────────────────────────────────────────────────────


def _latin(text: str, vocabulary: Vocabulary, strangers: bool) -> Iterator[tuple[str, str]]:
    for run in _runs_of_chunks(text):
        place = 0
        while place < len(run):
            width, meant = _joined_pinyin(run[place:], vocabulary, strangers)
            if width:
                yield " ".join(run[place : place + width]), meant
            else:
                yield from _one_chunk(run[place], vocabulary, strangers)
            place += width or 1


def _runs_of_chunks(text: str) -> Iterator[list[str]]:
    """Latin words that only spaces part; a code or a number parts them too."""
    run: list[str] = []
    end = 0
    for found in _CHUNK.finditer(text):
        word = found[0].strip(".'’-_/")
        if text[end : found.start()].strip(" ") and run:
            yield run
            run = []
        end = found.end()
        if word and all(_LETTERS.fullmatch(part) for part in word.split("-")):
            run.append(word)
        elif run:
            yield run
            run = []
    if run:
        yield run


def _joined_pinyin(chunks: list[str], vocabulary: Vocabulary, strangers: bool) -> tuple[int, str]:
    """How many of the chunks are together read as one name, and that name: lian yi qun → 连衣裙."""
    for width in range(min(len(chunks), MOST_CHUNKS), 1, -1):
        some = [chunk.lower() for chunk in chunks[:width]]
        if all(is_plain_english(chunk) or vocabulary.knows(chunk, strangers) for chunk in some):
            continue
        if name := vocabulary.by_pinyin("".join(some), strangers):
            return width, name
    return 0, ""


def _one_chunk(chunk: str, vocabulary: Vocabulary, strangers: bool) -> Iterator[tuple[str, str]]:
    for part in chunk.split("-"):
        word = part.lower()
        if vocabulary.knows(word, strangers):
            continue
        if meant := _meant(word, vocabulary, strangers):
            yield part, meant


def _meant(word: str, vocabulary: Vocabulary, strangers: bool) -> str:
    readable = len(word) >= SHORTEST_PINYIN and not is_plain_english(word)
    if readable and (names := _names_read(word, vocabulary, strangers)):
        return " ".join(names) if len(names) > 2 else "".join(names)
    if is_word(word, vocabulary, strangers):
        return ""
    initials = len(word) >= SHORTEST_INITIALS and _VOWELS.isdisjoint(word)
    if initials and (name := vocabulary.by_initials(word, strangers)):
        return name
    if len(word) < SHORTEST_MISSPELT:
        return ""
    return vocabulary.nearest(word, strangers) or (
        vocabulary.near_pinyin(word, strangers) if len(word) > SHORTEST_PINYIN + 1 else ""
    )


def _names_read(word: str, vocabulary: Vocabulary, strangers: bool) -> list[str]:
    """The fewest known names that are read so in a row: hongselianyiqun → 红色, 连衣裙."""

    @cache
    def best(place: int) -> tuple[str, ...] | None:
        if place == len(word):
            return ()
        found: tuple[str, ...] | None = None
        for end in range(len(word), place + SHORTEST_PINYIN - 1, -1):
            name = vocabulary.by_pinyin(word[place:end], strangers)
            rest = best(end) if name else None
            if rest is not None and (found is None or len(rest) + 1 < len(found)):
                found = (name, *rest)
        return found

    return list(best(0) or ())


# ── Chinese ───────────────────────────────────────────────────────────────────────────────────────


def _same_sound(text: str, vocabulary: Vocabulary, strangers: bool) -> Iterator[tuple[str, str]]:
    """Parts of Chinese text in which a pair of characters is unknown and that sound as a known name."""
    for run in _RUN.findall(text):
        place = 0
        while place < len(run) - 1:
            found = _homophone(run, place, vocabulary, strangers)
            if found:
                yield found
                part, _name = found
                place = run.index(part, max(0, place + 2 - len(part))) + len(part)  # the one that was found
            else:
                place += 1


def _homophone(run: str, place: int, vocabulary: Vocabulary, strangers: bool) -> tuple[str, str] | None:
    """The longest part around an unknown pair that sounds as a known name, and the name."""
    if not _is_odd(run[place : place + 2], vocabulary, strangers):
        return None
    for length in range(min(LONGEST_HOMOPHONE, len(run)), 1, -1):
        for start in range(max(0, place + 2 - length), min(place, len(run) - length) + 1):
            part = run[start : start + length]
            if is_chinese(part):
                continue
            name = vocabulary.by_pinyin(pinyin_of(part), strangers)
            if len(name) == length and _share(part, name) >= max(1, length // 2) and name != part:
                return part, name
    return None


def _is_odd(pair: str, vocabulary: Vocabulary, strangers: bool) -> bool:
    return not vocabulary.knows_pair(pair, strangers) and not is_chinese(pair)


def _share(one: str, other: str) -> int:
    return sum(a == b for a, b in zip(one, other, strict=True))
