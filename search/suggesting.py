"""What somebody may be typing: tags, SKUs, collections, words, and what others searched for and found."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db.models import Q, QuerySet
from django.utils.translation import gettext_lazy as _

from dam.models import SKU, Collection
from dam.organising import shown_to
from dam.roles import Role, has_role, sees_library
from search.terms import shown_to_strangers
from search.vocabulary import QUERY, Entry, current, is_stranger
from search.word_models import TermKind

MOST = 10
MOST_CODES = MOST_COLLECTIONS = 4
LONGEST = 80
# Of so many the best are shown: strangers are not told of those that left the storefront a moment ago.
LOOKED_AT = 60
CODES_LOOKED_AT = 200
SHORTEST_WITH_TYPO = 4
COLLECTION, SKU_CODE = "collection", "sku_code"
LABELS = {
    SKU_CODE: _("SKU"),
    TermKind.SKU: _("SKU"),
    TermKind.TAG: _("Tag"),
    COLLECTION: _("Collection"),
    QUERY: _("Often searched"),
    TermKind.WORD: _("Word"),
}
# Names before words, where as many assets have them.
_ORDER = list(LABELS)


@dataclass(frozen=True)
class Suggestion:
    """Something to search for.

    Attributes:
        count: how many assets of those that this caller may see have it, or people asked for it (queries);
            None where nobody counted.
        detail: what a code stands for.
        collection: the primary key of one.
    """

    text: str
    kind: str
    count: int | None = None
    detail: str = ""
    collection: int | None = None

    @property
    def label(self) -> str:
        return str(LABELS[self.kind])


def suggest(typed: str, *, user: Any) -> list[Suggestion]:
    """At most ten, the best first; at most eight queries.

    Found by the beginning of one of its words, of its pinyin or its initials, and with one letter wrong where
    nothing begins so.
    """
    text = " ".join(unicodedata.normalize("NFKC", typed).lower().split())[:LONGEST]
    if not text:
        return []
    found = [*_codes(text, user), *_collections(text, user)]
    vocabulary, strangers = current(), is_stranger(user)
    entries = _told(vocabulary.beginning(text, strangers, LOOKED_AT), strangers)
    if not entries and not found and len(text) >= SHORTEST_WITH_TYPO:
        entries = _told(vocabulary.almost_beginning(text, strangers, LOOKED_AT), strangers)
    best_first = sorted(
        entries,
        key=lambda entry: (not _is_whole(entry, text), -entry.weight(strangers), _ORDER.index(entry.kind)),
    )
    named = (Suggestion(entry.text, entry.kind, entry.weight(strangers)) for entry in best_first)
    return _once([*found, *named])[:MOST]


def _is_whole(entry: Entry, text: str) -> bool:
    return entry.text.lower() == text


def _told(entries: list[Entry], strangers: bool) -> list[Entry]:
    """Without what strangers may not be told at this moment."""
    if not strangers:
        return entries
    shown = shown_to_strangers([entry.key for entry in entries if entry.key])
    return [entry for entry in entries if not entry.key or entry.key in shown]


def _codes(text: str, user: Any) -> list[Suggestion]:
    """Codes that begin so in any of the usual cases: of each the first few, and of these what may be told."""
    forms = dict.fromkeys((text, text.upper(), text.capitalize()))
    found = {sku.pk: sku for form in forms for sku in _first_codes(form)}
    if found and not sees_library(user):
        shown: QuerySet[SKU] = shown_to(user, SKU, "skus").filter(pk__in=found)
        found = {key: found[key] for key in shown.values_list("pk", flat=True)}
    best = sorted(found.values(), key=lambda sku: sku.code)[:MOST_CODES]
    return [Suggestion(sku.code, SKU_CODE, detail=sku.display_name) for sku in best]


def _first_codes(beginning: str) -> QuerySet[SKU]:
    """The index is entered where they begin: from its start, all codes before them would be passed over."""
    skus = SKU.objects.filter(code__startswith=beginning, code__gte=beginning)
    return skus.order_by("code")[:CODES_LOOKED_AT]


def _collections(text: str, user: Any) -> Iterator[Suggestion]:
    """Collections that this account may open: all for editors, for contributors their own."""
    if not has_role(user, Role.CONTRIBUTOR):
        return
    collections = Collection.objects.filter(Q(name__icontains=text) | Q(name_zh__icontains=text))
    if not sees_library(user):
        collections = collections.filter(owner=user)
    for collection in collections.order_by("name", "pk")[:MOST_COLLECTIONS]:
        yield Suggestion(str(collection), COLLECTION, collection=collection.pk)


def _once(suggestions: list[Suggestion]) -> list[Suggestion]:
    """The first of those that read alike."""
    found: dict[str, Suggestion] = {}
    for suggestion in suggestions:
        found.setdefault(suggestion.text.lower(), suggestion)
    return list(found.values())
