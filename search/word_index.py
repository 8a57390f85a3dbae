"""Keyword search in the database, by index: for servers that rank no words, and for when Milvus is away.

The library's own index of words (`dam.words`) finds an asset by the beginnings of words; of assets that have
only some of them no more than BOUND are looked at, however common the words are.
"""

from __future__ import annotations

import math
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from django.db import connection, transaction
from django.db.models import CharField, Expression, Q, QuerySet, Value
from django.db.models.functions import Lower

from dam import words
from dam.models import Asset, AssetSKU, AssetWords
from search import negation, telemetry
from search.candidates import Candidate
from search.index import IndexHit
from search.index.lexemes import beginnings
from search.prepared import Given, Prepared
from search.request import forms_of
from search.vocabulary import current
from search.where import Where

MOST_WORDS = 12
BOUND = 1_000
NAMED = 1_000
LEAST_SHARE = 0.4


@dataclass(frozen=True)
class ByWords:
    """What words find.

    Attributes:
        asked: the beginnings of words that were looked for.
        written: the words of what was found, by key.
        typed: how many of those asked for were typed; the others are other words for the same.
    """

    asked: Sequence[str] = ()
    written: dict[int, str] = field(default_factory=dict)
    typed: int = 0

    def ranked(self) -> list[IndexHit]:
        """Best first; the score is the share of the words that each has, in which a rare one counts more."""
        return _ranked(self.written, self.asked)

    def covers(self, key: int) -> bool:
        """Whether it has so many of the words that it counts whatever it shows: LEAST_SHARE of those that
        were typed. Other words for the same count as well, and ask for no more of them.
        """
        written = self.written.get(key, "")
        return sum(f" {word}" in written for word in self.asked) >= LEAST_SHARE * self.typed

    def beside(self, words: Mapping[int, str]) -> ByWords:
        """The same with these assets' words, however few of those asked for they have."""
        return replace(self, written={**self.written, **words}) if self.asked else self


@telemetry.LEG_SECONDS.labels("words in the database").time()
def by_words(text: str, also: Sequence[str], where: Where, *, limit: int, telling: bool = False) -> ByWords:
    """Assets with some of the words, and all that have all of them.

    Args:
        also: other words for the same.
        telling: none with a single one of so many words that it tells nothing (`ByWords.covers`): however
            many have that one, no more than BOUND are looked at, which would be any of them.
    """
    by = looked_for(text, also)
    if not by.asked:
        return by
    at_least = 2 if telling and LEAST_SHARE * by.typed > 1 else 1
    admitted = where.assets().values("pk")
    some = words.having_some(by.asked, where.user, at_least=at_least)
    with _by_index(of_many=len(by.asked) > 2):
        found = _rows(some, admitted, BOUND)
        if len(found) == BOUND:  # of those with all the words some may not be among them
            typed = by.asked[: by.typed] or by.asked
            found |= _rows(words.having(" ".join(typed), where.user), admitted, limit)
    return replace(by, written=found)


def looked_for(text: str, also: Sequence[str]) -> ByWords:
    """The beginnings of words that are looked for; nothing is found yet."""
    typed = _beginnings(text)[:MOST_WORDS]
    others = [word for word in _beginnings(" ".join(also)) if word not in typed]
    return ByWords([*typed, *others[: MOST_WORDS - len(typed)]], typed=len(typed))


def _beginnings(text: str) -> list[str]:
    return words.asked(" ".join(beginnings(text)))


@contextmanager
def _by_index(*, of_many: bool) -> Iterator[None]:
    """PostgreSQL knows how frequent a word is only of the most frequent ones. Of any other it expects so many
    that it starts helpers, or reads the whole table until it has BOUND. Measured at a million assets for
    words that few or none have: 4 to 180 ms, and .3 ms with this; words that many have take what they took.
    Of many words it knows still less: twelve at 100,000 assets took 6 to 490 ms through the table's key, and
    take 1 to 5 ms through the index of words alone.
    """
    if connection.vendor != "postgresql":
        yield
        return
    ways = ["enable_seqscan TO off", "max_parallel_workers_per_gather TO 0"]
    if of_many:
        ways.append("enable_indexscan TO off")
    within_another = connection.in_atomic_block
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("; ".join(f"SET LOCAL {way}" for way in ways))
        yield
        if within_another:
            cursor.execute("; ".join(f"SET LOCAL {way.split()[0]} TO DEFAULT" for way in ways))


def _rows(rows: QuerySet[AssetWords], admitted: QuerySet[Asset, Any], limit: int) -> dict[int, str]:
    return dict(rows.filter(asset__in=admitted).values_list("asset_id", "words")[:limit])


def _ranked(found: dict[int, str], asked: Sequence[str]) -> list[IndexHit]:
    """Most of some hundred assets have the same few of the words: each such set is weighed once."""
    bits = [(f" {word}", 1 << place) for place, word in enumerate(asked)]
    has = {key: sum(bit for beginning, bit in bits if beginning in written) for key, written in found.items()}
    times = Counter(has.values())
    weights = [
        1 + math.log((1 + len(found)) / (1 + sum(count for held, count in times.items() if held & bit)))
        for _, bit in bits
    ]
    whole = sum(weights)
    score = {
        held: sum(weight for weight, (_, bit) in zip(weights, bits, strict=True) if held & bit) / whole
        for held in times
    }
    ranked = sorted((-score[held], -key) for key, held in has.items() if held)
    return [IndexHit(-key, -negative) for negative, key in ranked]


def naming(phrases: Sequence[str], candidates: Iterable[Candidate]) -> set[int]:
    """Those of the assets that have all the words of one of the phrases, and do not say that they are
    without it; one query at most.
    """
    asked = [phrase for phrase in map(_beginnings, phrases) if phrase]
    if not asked:
        return set()
    named = [
        one.key for one in candidates if any(all(f" {word}" in one.words for word in each) for each in asked)
    ]
    titles = Asset.objects.filter(pk__in=named).values_list("pk", "title", "title_zh")
    return {key for key, *written in titles if not any(map(_says_without, written))}


def _says_without(title: str) -> bool:
    vocabulary = current()
    written = " ".join(unicodedata.normalize("NFKC", title).split())
    return bool(negation.split(written, lambda phrase: vocabulary.knows(phrase, True)).unwanted)


def exact(text: str, where: Where, *, limit: int) -> list[int]:
    """Keys of assets whose SKU code or whole title is what was typed, in letters of any case, the newest
    first; one query, in which each of the three is looked up in an index of its own (titles by two at once).

    Whether the caller may open them is not asked here (`candidates.admitted` does), except where they are
    more than NAMED: among those would be none that the caller may.
    """
    forms = forms_of(text)
    typed, plain = forms[0], forms[-1]
    rows = _NAMED.rows(typed=typed, plain=plain)
    if len(rows) <= NAMED:
        return [key for (key,) in rows]
    return list(_named(where, Value(typed), Value(plain))[:limit])


def _named(where: Where | None, typed: Expression, plain: Expression) -> QuerySet[Asset, Any]:
    """Keys, the newest first.

    Args:
        plain: the same in plain width, as codes are written.
    """
    forms = [Lower(typed), Lower(plain)]
    assets = Asset.objects.all() if where is None else where.assets()
    titled = assets.alias(en=Lower("title"), zh=Lower("title_zh")).filter(Q(en__in=forms) | Q(zh__in=forms))
    first = titled.order_by().values_list("pk", flat=True)
    coded = AssetSKU.objects.alias(code=Lower("sku__code")).filter(code=Lower(plain)).order_by()
    shown: QuerySet[Any, Any] = coded.values_list("asset_id", flat=True)
    if where is not None:
        shown = assets.filter(pk__in=shown).order_by().values_list("pk", flat=True)
    return first.union(shown).order_by("-pk")


def _named_at_all() -> QuerySet[Asset, Any]:
    text = CharField()
    return _named(None, Given("typed", text), Given("plain", text))[: NAMED + 1]


_NAMED = Prepared(_named_at_all)
