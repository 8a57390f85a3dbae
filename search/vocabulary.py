"""The library's words in memory: what is known, what lies near, what pinyin stands for, what means the same.

One copy a process, read again when the mark of `VocabularyState` has changed. It holds the terms that most
assets have, at most MOST_TERMS of them, so that a million assets take no more room.
Each word knows how many assets have it for both audiences; nobody is told of a word that has none for theirs.
"""

from __future__ import annotations

import heapq
import threading
import time
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple, TypeVar

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.db import connection

from dam.models import Tag
from dam.roles import sees_library
from search.garment_words import built_in
from search.known_words import is_english
from search.near_words import NearWords
from search.terms import shown_to_strangers, words_of
from search.word_models import FrequentQuery, Synonym, Term, TermKind, VocabularyState

MOST_TERMS = 150_000
MOST_QUERIES = 5_000
# So often more assets must have a word than the next that lies as near; else nobody can tell which was meant.
CLEAR_LEAD = 3
# What begins with so few letters is kept for the next who asks.
LONGEST_KEPT = 3
# A reading that took so long is done in the background, and so much less often than it takes time.
SLOW_SECONDS, RESTING_FACTOR = 0.5, 20
# After so many terms the reading lets those go first who wait for an answer in another thread: about 2 ms.
TURN, TURN_SECONDS = 250, 0.001
STRANGER = AnonymousUser()

T = TypeVar("T")


class Entry(NamedTuple):
    """A term, or a frequent query (`key` 0), with the numbers for both audiences."""

    key: int
    kind: str
    text: str
    everywhere: int
    storefront: int

    def weight(self, strangers: bool) -> int:
        return self.storefront if strangers else self.everywhere


QUERY = "query"


@dataclass
class Vocabulary:
    """What is known. Built once, then only read; what was looked up at length is kept.

    Attributes:
        words: Latin words and Chinese names in lower case → assets that have them (everywhere, storefront).
        pairs: neighbouring Chinese characters → the same.
        groups: sets of words that mean the same; the first part is the key of the tag's slug as a term, or 0
            for the library's own synonyms.
    """

    mark: str = ""
    entries: list[Entry] = field(default_factory=list)
    words: dict[str, tuple[int, int]] = field(default_factory=dict)
    keys_of_word: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    pairs: dict[str, tuple[int, int]] = field(default_factory=dict)
    by_length: dict[int, NearWords] = field(default_factory=dict)
    pinyin: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    pinyin_by_length: dict[int, NearWords] = field(default_factory=dict)
    initials: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    # By the first letter, each list in order: one of everything would take long to sort at once.
    prefixes: dict[str, list[tuple[str, int]]] = field(default_factory=lambda: defaultdict(list))
    groups: list[tuple[int, tuple[str, ...]]] = field(default_factory=list)
    groups_of_word: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    _short: dict[tuple[str, bool, int], list[Entry]] = field(default_factory=dict)
    _beginnings: dict[tuple[str, int], NearWords] = field(default_factory=dict)

    # ── Building ──────────────────────────────────────────────────────────────────────────────────

    def add(self, entry: Entry, pinyin: str, initials: str) -> None:
        """Take in a term."""
        place = len(self.entries)
        self.entries.append(entry)
        for word in dict.fromkeys((entry.text.lower(), *words_of(entry.text))):
            have = self.words.get(word, (0, 0))
            self.words[word] = (max(have[0], entry.everywhere), max(have[1], entry.storefront))
            self.keys_of_word[word].append(entry.key)
            if len(word) > 1 and not word.isascii():
                for pair in map("".join, pairwise(word)):
                    have = self.pairs.get(pair, (0, 0))
                    self.pairs[pair] = (max(have[0], entry.everywhere), max(have[1], entry.storefront))
        if pinyin and len(entry.text) > 1:
            self.pinyin[pinyin].append(place)
            self.initials[initials].append(place)

    def finish(self) -> None:
        """Sort what is looked up by its beginning or length."""
        latin = (word for word in self.words if word.isascii() and word.isalpha())
        self.by_length = _by_length(latin)
        self.pinyin_by_length = _by_length(self.pinyin)
        for place, entry in enumerate(_in_turns(self.entries)):
            if entry.kind == TermKind.SLUG:
                continue
            text = entry.text.lower()
            begins = [0, *(at + 1 for at, sign in enumerate(text) if sign in " -/")]
            for key in (text[at:] for at in begins[:6]):
                self.prefixes[key[:1]].append((key, place))
        for readings in (self.pinyin, self.initials):
            for reading, places in _in_turns(readings.items()):
                self.prefixes[reading[:1]] += [(reading, place) for place in places]
        for keys in self.prefixes.values():
            keys.sort()
            if len(keys) > TURN:
                time.sleep(TURN_SECONDS)

    # ── Asking ────────────────────────────────────────────────────────────────────────────────────

    def knows(self, word: str, strangers: bool) -> bool:
        """Whether an asset of this audience has the word, or one that it is a form of."""
        return any(self.words.get(form, (0, 0))[strangers] > 0 for form in _forms(word.lower()))

    def knows_pair(self, pair: str, strangers: bool) -> bool:
        return self.pairs.get(pair, (0, 0))[strangers] > 0

    def nearest(self, word: str, strangers: bool) -> str:
        """The word that was certainly meant by one that is written otherwise, or nothing."""
        most = 1 if len(word) < 8 else 2
        lengths = range(len(word) - most, len(word) + most + 1)
        near = [
            (distance, weight, other)
            for other, distance in _near(self.by_length, word, lengths, most)
            if (weight := self.words[other][strangers]) > 0
        ]
        return _clear(near)

    def by_pinyin(self, reading: str, strangers: bool) -> str:
        """The Chinese name that is read so, or nothing if several are as frequent."""
        return self._one_of(self.pinyin.get(reading, ()), strangers)

    def by_initials(self, letters: str, strangers: bool) -> str:
        """The Chinese name whose syllables begin so, or nothing if several are as frequent."""
        return self._one_of(self.initials.get(letters, ()), strangers)

    def near_pinyin(self, reading: str, strangers: bool) -> str:
        """The Chinese name that is read almost so, by one letter."""
        lengths = range(len(reading) - 1, len(reading) + 2)
        near = _near(self.pinyin_by_length, reading, lengths, 1)
        found = {name for known, _distance in near if (name := self.by_pinyin(known, strangers))}
        return found.pop() if len(found) == 1 else ""

    def beginning(self, text: str, strangers: bool, most: int) -> list[Entry]:
        """Entries of which a word, the pinyin or its initials begin so, those that most assets have first."""
        asked = (text, strangers, most)
        if asked in self._short:
            return self._short[asked]
        places = self._places(text)
        found = self._heaviest(places, strangers, most)
        if places and len(text) <= LONGEST_KEPT:  # many begin so, and everybody begins so
            self._short[asked] = found
        return found

    def almost_beginning(self, text: str, strangers: bool, most: int) -> list[Entry]:
        """As `beginning`, with one letter wrong, left out, added or exchanged; not the first one."""
        near = {
            known
            for length in (len(text) - 1, len(text), len(text) + 1)
            for known, _distance in self._beginnings_of(text[0], length).near(text, 1)
        }
        places = {place for known in near for place in self._places(known)}
        return self._heaviest(places, strangers, most)

    def _places(self, text: str) -> set[int]:
        keys = self.prefixes.get(text[:1], [])
        start, end = (bisect_left(keys, (text + after,)) for after in ("", "\U0010ffff"))
        return {place for _key, place in keys[start:end]}

    def _beginnings_of(self, letter: str, length: int) -> NearWords:
        """The first letters, so many, of everything that begins with this one; cut once."""
        if letter not in self.prefixes:  # what visitors type is kept nowhere
            return NearWords([])
        if (letter, length) not in self._beginnings:
            cut = (key[:length] for key, _place in self.prefixes.get(letter, ()) if len(key) >= length)
            self._beginnings[letter, length] = NearWords(list(dict.fromkeys(cut)))
        return self._beginnings[letter, length]

    def alike(self, word: str) -> Iterator[tuple[int, tuple[str, ...]]]:
        """The groups that this word (lower case) is in."""
        for form in _forms(word):
            for place in self.groups_of_word.get(form, ()):
                yield self.groups[place]

    def keys_of(self, word: str) -> list[int]:
        """The terms in which the word stands."""
        return self.keys_of_word.get(word.lower(), [])

    def _one_of(self, places: Iterable[int], strangers: bool) -> str:
        weights: dict[str, int] = {}
        for entry in (self.entries[place] for place in places):
            if (weight := entry.weight(strangers)) > 0:
                weights[entry.text] = max(weights.get(entry.text, 0), weight)
        return _clear([(0, weight, text) for text, weight in weights.items()])

    def _heaviest(self, places: set[int], strangers: bool, most: int) -> list[Entry]:
        entries = (self.entries[place] for place in places)
        shown = (entry for entry in entries if entry.weight(strangers) > 0)
        return heapq.nlargest(most, shown, key=lambda entry: (entry.weight(strangers), entry.text))


def _in_turns(things: Iterable[T]) -> Iterator[T]:
    """All of them, with a short rest after every TURN."""
    for place, thing in enumerate(things, start=1):
        yield thing
        if place % TURN == 0:
            time.sleep(TURN_SECONDS)


def _by_length(words: Iterable[str]) -> dict[int, NearWords]:
    found: dict[int, list[str]] = defaultdict(list)
    for word in _in_turns(words):
        found[len(word)].append(word)
    return {length: NearWords(some) for length, some in found.items()}


def _near(
    known: dict[int, NearWords], word: str, lengths: Iterable[int], most: int
) -> Iterator[tuple[str, int]]:
    for length in lengths:
        if length in known:
            yield from known[length].near(word, most)


def _clear(candidates: Sequence[tuple[int, int, str]]) -> str:
    """The nearest (distance, weight, text), if it leads clearly among those that are as near."""
    if not candidates:
        return ""
    ordered = sorted(candidates, key=lambda one: (one[0], -one[1], one[2]))
    first = ordered[0]
    rivals = [other for other in ordered[1:] if other[0] == first[0]]
    return first[2] if not rivals or first[1] >= CLEAR_LEAD * rivals[0][1] else ""


def _forms(word: str) -> list[str]:
    """The word as it is, in the singular, in the plural."""
    if not word.isascii() or len(word) < 3:
        return [word]
    forms = [word, f"{word}s", f"{word}es"]
    if word.endswith("s"):
        forms.append(word[:-1])
    if word.endswith("es"):
        forms.append(word[:-2])
    if word.endswith("ies"):
        forms.append(f"{word[:-3]}y")
    return forms


def is_stranger(user: Any) -> bool:
    """Whether this caller is told only of words of the storefront."""
    return not sees_library(user)


def shown(vocabulary: Vocabulary, words: Iterable[str], user: Any) -> set[str]:
    """Those of the words that the caller may be told of at this moment."""
    asked = list(words)
    if not is_stranger(user):
        return set(asked)
    keys = {word: vocabulary.keys_of(word) for word in asked}
    safe = shown_to_strangers({key for some in keys.values() for key in some if key})
    return {word for word, some in keys.items() if not safe.isdisjoint(some)}


# ── One copy a process ────────────────────────────────────────────────────────────────────────────


class _Kept:
    """The vocabulary, as fresh as SEARCH_VOCABULARY_SECONDS says."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known = Vocabulary(mark="none")
        self._looked = self._read_at = float("-inf")
        self._took = 0.0
        self._reading = False

    def get(self) -> Vocabulary:
        now = time.monotonic()
        rest = max(settings.SEARCH_VOCABULARY_SECONDS, RESTING_FACTOR * self._took)
        if now - self._looked < settings.SEARCH_VOCABULARY_SECONDS:
            return self._known
        self._looked = now
        mark = _mark()
        if mark == self._known.mark:
            return self._known
        if self._took < SLOW_SECONDS:
            with self._lock:
                if mark != self._known.mark:
                    self._read(mark)
        elif now - self._read_at >= rest and not self._reading:
            self._reading = True
            threading.Thread(target=self._read_aside, args=(mark,), name="vocabulary", daemon=True).start()
        return self._known

    def _read(self, mark: str) -> None:
        started = time.monotonic()
        self._known = _read(mark)
        self._read_at = time.monotonic()
        self._took = self._read_at - started

    def _read_aside(self, mark: str) -> None:
        """The old copy answers until the new one is there."""
        try:
            self._read(mark)
        finally:
            self._reading = False
            connection.close()


_kept = _Kept()


def current() -> Vocabulary:
    """The vocabulary of this process."""
    return _kept.get()


def _mark() -> str:
    return VocabularyState.objects.filter(pk=1).values_list("mark", flat=True).first() or ""


def _read(mark: str) -> Vocabulary:
    """Four queries."""
    known = Vocabulary(mark)
    terms = Term.objects.filter(everywhere__gt=0).order_by("-everywhere", "pk")
    rows = terms.values_list("pk", "kind", "text", "everywhere", "storefront", "pinyin", "initials")
    slugs: dict[str, int] = {}
    for key, kind, text, everywhere, storefront, pinyin, initials in _in_turns(rows[:MOST_TERMS]):
        known.add(Entry(key, kind, text, everywhere, storefront), pinyin, initials)
        if kind == TermKind.SLUG:
            slugs[text] = key
    asked = FrequentQuery.objects.order_by("-everywhere", "pk").values_list(
        "normalised", "everywhere", "storefront"
    )
    for text, everywhere, storefront in asked[:MOST_QUERIES]:
        known.entries.append(Entry(0, QUERY, text, everywhere, storefront))
    known.finish()
    for slug, label, label_zh, synonyms in Tag.objects.values_list("slug", "label", "label_zh", "synonyms"):
        if slug in slugs:
            _add_group(known, slugs[slug], (label, label_zh, *map(str, synonyms)))
    kept = [(*words, *words_zh) for words, words_zh in Synonym.objects.values_list("words", "words_zh")]
    for group in kept:
        _add_group(known, 0, group)
    for names, kinds in built_in(tuple({word.lower() for group in kept for word in group})):
        _add_group(known, 0, (*names, *kinds), asked_by=names)
    return known


def _add_group(
    known: Vocabulary, key: int, words: Iterable[str], asked_by: Iterable[str] | None = None
) -> None:
    """
    Args:
        asked_by: those of the words that stand for all of them; None: each does.
    """
    group = tuple(dict.fromkeys(word for word in words if word))
    if len(group) < 2:
        return
    known.groups.append((key, group))
    for word in dict.fromkeys(word.lower() for word in asked_by or group):
        known.groups_of_word[word].append(len(known.groups) - 1)


def is_word(word: str, vocabulary: Vocabulary, strangers: bool) -> bool:
    """Whether a Latin word (lower case) needs no correction."""
    return vocabulary.knows(word, strangers) or is_english(word)
