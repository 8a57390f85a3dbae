"""Words by which lists find assets: how text becomes words, and keeping each asset's up to date.

A Latin word is found by its beginning, Chinese by any two neighbouring characters. PostgreSQL looks the
words up in a GIN index; elsewhere (SQLite, for smaller libraries) the column is read through.

Words of fields that are not public stand there with a mark before them, and only contributors ask for those
too: a word itself has letters and digits only.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import reduce
from operator import and_, or_
from typing import TypeVar

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db import connection
from django.db.models import Q, QuerySet
from django.db.models.expressions import RawSQL
from django.db.models.fields import BooleanField

from dam import custom_fields
from dam.chinese import CHINESE, IS_CHINESE
from dam.custom_values import words_of as words_in
from dam.models import Asset, AssetSKU, AssetWords

MOST_WORDS, MOST_ASKED, LONGEST = 400, 30, 64
NOT_PUBLIC = "_"
BATCH = 2000
RUN = re.compile(rf"[{CHINESE}]+|[^\W_{CHINESE}]+")
LETTERS_OR_DIGITS = re.compile(r"\d+|\D+")

T = TypeVar("T", str, Q)


def words_of(texts: Iterable[str]) -> list[str]:
    """The words of some texts, each once, in the order in which they come; at most 400."""
    found: dict[str, None] = {}
    for run in _runs(" ".join(texts)):
        found.update(dict.fromkeys(_pairs(run) if IS_CHINESE.match(run) else _parts(run)))
        if len(found) >= MOST_WORDS:
            break
    return list(found)[:MOST_WORDS]


def asked(text: str) -> list[str]:
    """The beginnings of words that an asset must all have to match this text; at most 30 count."""
    wanted: list[str] = []
    for run in _runs(text):
        if IS_CHINESE.match(run) and len(run) > 1:
            wanted += [run[place : place + 2] for place in range(len(run) - 1)]
        else:
            wanted.append(run[:LONGEST])
    return list(dict.fromkeys(wanted))[:MOST_ASKED]


def having(text: str, user: AbstractBaseUser | AnonymousUser | None) -> QuerySet[AssetWords]:
    """The rows of the assets with these words; none for a text without any letter or digit.

    Args:
        user: who asks; without a role in the library nothing is found by fields that are not public.
    """
    beginnings = asked(text)
    return having_some(beginnings, user, at_least=len(beginnings))


def having_some(
    beginnings: Sequence[str], user: AbstractBaseUser | AnonymousUser | None, *, at_least: int = 1
) -> QuerySet[AssetWords]:
    """The rows of the assets with so many of these beginnings of words, as `asked` gives them."""
    if not 0 < at_least <= len(beginnings):
        return AssetWords.objects.none()
    marks = ("", NOT_PUBLIC) if custom_fields.sees_all(user) else ("",)
    if connection.vendor != "postgresql":
        held = [
            reduce(or_, (Q(words__contains=f" {mark}{beginning}") for mark in marks))
            for beginning in beginnings
        ]
        return AssetWords.objects.filter(_some(held, at_least, _either, _both))
    # Only letters and digits are in there, so nothing can leave the quotes; no alias, as it may change.
    either = [_one_of(f"'{mark}{beginning}':*" for mark in marks) for beginning in beginnings]
    query = _some(either, at_least, _one_of, " & ".join)
    matches = RawSQL("document @@ %s::tsquery", (query,), output_field=BooleanField())
    return AssetWords.objects.filter(matches)


def _one_of(queries: Iterable[str]) -> str:
    return f"({' | '.join(queries)})"


def _either(conditions: Iterable[Q]) -> Q:
    return reduce(or_, conditions)


def _both(conditions: Iterable[Q]) -> Q:
    return reduce(and_, conditions)


def _some(
    conditions: Sequence[T],
    at_least: int,
    either: Callable[[Iterable[T]], T],
    both: Callable[[Iterable[T]], T],
) -> T:
    """At least so many of them hold: some in the one half, the others in the other. Two of twelve name each
    about four times; all pairs would name each eleven times, and PostgreSQL weighs and reads every name.
    """
    if at_least == 1:
        return either(conditions)
    if at_least == len(conditions):
        return both(conditions)
    middle = len(conditions) // 2
    left, right = conditions[:middle], conditions[middle:]
    fewest, most = max(0, at_least - len(right)), min(at_least, len(left))
    return either(
        both(
            _some(half, number, either, both)
            for half, number in ((left, first), (right, at_least - first))
            if number
        )
        for first in range(fewest, most + 1)
    )


def rewrite(asset_ids: Sequence[int]) -> None:
    """Make the words of these assets anew: at most six queries for each two thousand of them."""
    for start in range(0, len(asset_ids), BATCH):
        _rewrite(asset_ids[start : start + BATCH])


def fill(at_most: int = 50_000) -> int:
    """Make the words of assets that have none yet; returns how many those were."""
    missing = list(Asset.objects.filter(words=None).order_by("pk").values_list("pk", flat=True)[:at_most])
    rewrite(missing)
    return len(missing)


def _rewrite(asset_ids: Sequence[int]) -> None:
    texts: dict[int, list[str]] = defaultdict(list)
    described: dict[int, list[str]] = {}
    own = Asset.objects.filter(pk__in=asset_ids).values_list(
        "pk",
        "description",
        "description_zh",
        "custom",
        "title",
        "title_zh",
        "current__original_name",
        "alt_text",
        "alt_text_zh",
    )
    customs = {}
    for key, description, description_zh, custom, *written in own:
        texts[key] += [text or "" for text in written]
        described[key] = [
            description,
            description_zh,
        ]  # last: of a long one, what is over 400 words is left out
        if custom:
            customs[key] = custom
    codes = AssetSKU.objects.filter(asset__in=asset_ids).values_list("asset_id", "sku__code", "sku__name")
    for key, *written in codes:
        texts[key] += written
    tags = Asset.tags.through.objects.filter(asset__in=asset_ids)
    for key, label, label_zh, synonyms in tags.values_list(
        "asset_id", "tag__label", "tag__label_zh", "tag__synonyms"
    ):
        texts[key] += [label, label_zh, *synonyms]
    fields = custom_fields.by_slug() if customs else {}
    public, others = ({slug: f for slug, f in fields.items() if f.public is yes} for yes in (True, False))
    marked: dict[int, list[str]] = {}
    for key, values in customs.items():
        texts[key] += words_in(values, public)
        marked[key] = [f"{NOT_PUBLIC}{word}" for word in words_of(words_in(values, others))]
    AssetWords.objects.bulk_create(
        [
            AssetWords(
                asset_id=key,
                words="".join(
                    f" {word}"
                    for word in [*words_of(texts[key] + described.get(key, [])), *marked.get(key, ())]
                ),
            )
            for key in sorted(texts)
        ],
        update_conflicts=True,
        unique_fields=["asset"],
        update_fields=["words"],
    )


def _runs(text: str) -> list[str]:
    return RUN.findall(unicodedata.normalize("NFKC", text).casefold())


def _pairs(run: str) -> Iterator[str]:
    """Neighbours, and the last character alone: any character begins one of them."""
    for place in range(len(run)):
        yield run[place : place + 2]


def _parts(run: str) -> Iterator[str]:
    """The word, and its letters and numbers apart: “IMG2034” is found by “2034” too."""
    yield run[:LONGEST]
    if len(parts := LETTERS_OR_DIGITS.findall(run)) > 1:
        yield from (part[:LONGEST] for part in parts)
