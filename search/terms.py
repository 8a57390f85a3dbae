"""Keeping the library's terms: each change of an asset is noted, and its terms are counted again later.

A change only adds a row (`TermChange`) in its transaction. `refresh` takes those rows in batches, compares
what an asset has now with what it had (`AssetTerms`), and changes the numbers by the difference; so a million
assets are never read at once. Until it has, `shown_to_strangers` takes every asset that waits for hidden.
"""

from __future__ import annotations

import re
import uuid
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from django.db import transaction
from django.db.models import Exists, F, OuterRef, QuerySet
from django.utils import timezone
from pypinyin import Style, lazy_pinyin

from dam.chinese import CHINESE
from dam.models import Asset, AssetSKU, AssetState
from search.word_models import AssetTerms, Term, TermChange, TermKind, VocabularyState

BATCH = 1_000
PAGE = 5_000
MOST_PER_ASSET = 60
LONGEST = 120
SHORTEST_WORD, LONGEST_WORD = 2, 40
SHORTEST_NAME, LONGEST_NAME = 2, 8
# More assets at once than these are taken for hidden altogether.
MOST_WAITING = 2_000

_LATIN = re.compile(r"[a-z]+(?:['’][a-z]+)?")
_CHINESE_RUN = re.compile(rf"[{CHINESE}]+")
# Where a Chinese title falls into names: 一位穿红色连衣裙的女孩 → 红色连衣裙, 女孩.
_PARTICLES = re.compile("一位|一个|一只|一件|一条|一双|一名|以及|或者|穿着|戴着|拿着|[的了和与及或在是穿]")
Key = tuple[str, str]  # kind, text


def words_of(text: str) -> Iterator[str]:
    """The words that a title adds: Latin ones in lower case, Chinese names of two to eight characters."""
    for word in _LATIN.findall(text.lower()):
        if SHORTEST_WORD <= len(word) <= LONGEST_WORD:
            yield word
    for run in _CHINESE_RUN.findall(text):
        for name in _PARTICLES.split(run):
            if SHORTEST_NAME <= len(name) <= LONGEST_NAME:
                yield name


def note(asset_keys: Iterable[int]) -> None:
    """These assets have changed; to be called in the transaction that changed them."""
    TermChange.objects.bulk_create((TermChange(asset_key=key) for key in asset_keys), batch_size=5_000)


def note_missing() -> None:
    """Note assets that came past the signals, went past them, or whose last day on the storefront is over,
    a page at a time; those that wait anyway are not noted again.
    """
    noted = TermChange.objects.filter(asset_key=OuterRef("pk"))
    uncounted = Asset.objects.in_library().filter(
        ~Exists(AssetTerms.objects.filter(asset_key=OuterRef("pk")))
    )
    gone = AssetTerms.objects.filter(~Exists(Asset.objects.filter(pk=OuterRef("asset_key"))))
    for rows in (uncounted, gone, _over()):
        for keys in _pages(rows.filter(~Exists(noted))):
            note(keys)


def refresh() -> int:
    """Count the assets again that were noted.

    Returns:
        How many that were. One process does it at a time; what it has done so far stays done.
    """
    count = 0
    while done := _refresh_batch():
        count += done
    return count


def touch() -> None:
    """Let every process read terms and synonyms again."""
    VocabularyState.objects.update_or_create(pk=1, defaults={"mark": uuid.uuid4().hex})


def shown_to_strangers(term_keys: Iterable[int]) -> set[int]:
    """Those of the terms that certainly stand on the storefront at this moment; at most three queries.

    An asset that waits to be counted may have been hidden. So a term is shown if more assets have it than
    wait, however many of these have it.
    """
    keys = list(term_keys)
    if not keys:
        return set()
    waiting = AssetTerms.objects.filter(
        Exists(TermChange.objects.filter(asset_key=OuterRef("pk"))), on_storefront=True
    )
    limited = [rows.values_list("pk", flat=True)[: MOST_WAITING + 1] for rows in (waiting, _over())]
    unsure = len({key for rows in limited for key in rows})
    if unsure > MOST_WAITING:
        return set()
    return set(Term.objects.filter(pk__in=keys, storefront__gt=unsure).values_list("pk", flat=True))


def _over() -> QuerySet[AssetTerms]:
    return AssetTerms.objects.filter(on_storefront=True, until__lt=timezone.localdate())


def _pages(rows: QuerySet[Any]) -> Iterator[list[int]]:
    """Their primary keys in ascending pages, so that memory stays flat."""
    after = -1
    while keys := list(rows.filter(pk__gt=after).order_by("pk").values_list("pk", flat=True)[:PAGE]):
        yield keys
        after = keys[-1]


@transaction.atomic
def _refresh_batch() -> int:
    VocabularyState.objects.get_or_create(pk=1)
    VocabularyState.objects.select_for_update().get(pk=1)
    noted = list(TermChange.objects.order_by("pk").values_list("pk", "asset_key")[:BATCH])
    if not noted:
        return 0
    TermChange.objects.filter(pk__in=[pk for pk, _key in noted]).delete()
    _recount(sorted({key for _pk, key in noted}))
    touch()
    return len(noted)


@dataclass
class _Found:
    """What an asset has now."""

    on_storefront: bool
    until: date | None
    terms: dict[Key, None] = field(default_factory=dict)

    def add(self, kind: str, *texts: str) -> None:
        for text in texts:
            if text and len(self.terms) < MOST_PER_ASSET:
                self.terms[kind, text[:LONGEST]] = None
            if kind != TermKind.SLUG:
                for word in words_of(text):
                    if len(self.terms) < MOST_PER_ASSET:
                        self.terms[TermKind.WORD, word] = None


def _recount(asset_keys: Sequence[int]) -> None:
    found = _found(asset_keys)
    before = AssetTerms.objects.in_bulk(asset_keys)
    ids = _ids({key for one in found.values() for key in one.terms})
    everywhere, storefront = Counter[int](), Counter[int]()
    for row in before.values():
        everywhere.subtract(row.terms)
        if row.on_storefront:
            storefront.subtract(row.terms)
    rows = []
    for asset_key, one in found.items():
        terms = [ids[key] for key in one.terms]
        everywhere.update(terms)
        if one.on_storefront:
            storefront.update(terms)
        rows.append(AssetTerms(asset_key, terms, one.on_storefront, one.until))
    AssetTerms.objects.filter(pk__in=before.keys() - found.keys()).delete()
    AssetTerms.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["asset_key"],
        update_fields=["terms", "on_storefront", "until"],
    )
    _apply(everywhere, storefront)


def _found(asset_keys: Sequence[int]) -> dict[int, _Found]:
    """What these assets have now; four queries. Those in the trash have nothing and are left out."""
    today = timezone.localdate()
    found: dict[int, _Found] = {}
    assets = Asset.objects.in_library().filter(pk__in=asset_keys)
    titles: list[tuple[int, str, str]] = []
    for key, title, title_zh, state, until in assets.values_list(
        "pk", "title", "title_zh", "state", "usable_until"
    ):
        shown = state == AssetState.APPROVED and (until is None or until >= today)
        found[key] = _Found(shown, until if shown else None)
        titles.append((key, title, title_zh))
    tags = Asset.tags.through.objects.filter(asset__in=found).order_by("tag_id")
    for key, slug, label, label_zh, synonyms in tags.values_list(
        "asset_id", "tag__slug", "tag__label", "tag__label_zh", "tag__synonyms"
    ):
        found[key].add(TermKind.SLUG, slug)
        found[key].add(TermKind.TAG, label, label_zh, *map(str, synonyms))
    links = AssetSKU.objects.filter(asset__in=found).order_by("sku_id")
    for key, name, name_zh in links.values_list("asset_id", "sku__name", "sku__name_zh"):
        found[key].add(TermKind.SKU, name, name_zh)
    for key, *written in titles:
        for text in written:
            for word in words_of(text):
                found[key].add(TermKind.WORD, word)
    return found


def _ids(keys: set[Key]) -> dict[Key, int]:
    """The primary keys of these terms; unknown ones are created."""
    by_kind: dict[str, list[str]] = defaultdict(list)
    for kind, text in sorted(keys):
        by_kind[kind].append(text)
    known = _known(by_kind)
    if missing := sorted(keys - known.keys()):
        Term.objects.bulk_create([_term(kind, text) for kind, text in missing], ignore_conflicts=True)
        known = _known(by_kind)
    return known


def _known(by_kind: dict[str, list[str]]) -> dict[Key, int]:
    return {
        (kind, text): pk
        for kind, texts in by_kind.items()
        for pk, text in Term.objects.filter(kind=kind, text__in=texts).values_list("pk", "text")
    }


def _term(kind: str, text: str) -> Term:
    if not _CHINESE_RUN.search(text):
        return Term(kind=kind, text=text, language="en")
    chinese = "".join(_CHINESE_RUN.findall(text))
    return Term(
        kind=kind,
        text=text,
        language="zh",
        pinyin=pinyin_of(chinese)[:400],
        initials="".join(lazy_pinyin(chinese, style=Style.FIRST_LETTER))[:120],
    )


def pinyin_of(chinese: str) -> str:
    """Syllables without tones in a row: 红色 → hongse."""
    return "".join(lazy_pinyin(chinese))


def _apply(everywhere: Counter[int], storefront: Counter[int]) -> None:
    """Change the numbers; terms that change alike, in one query."""
    alike: dict[tuple[int, int], list[int]] = defaultdict(list)
    for key in everywhere.keys() | storefront.keys():
        if change := (everywhere[key], storefront[key]):
            alike[change].append(key)
    emptied = []
    for (more, more_shown), keys in alike.items():
        if (more, more_shown) == (0, 0):
            continue
        Term.objects.filter(pk__in=keys).update(
            everywhere=F("everywhere") + more, storefront=F("storefront") + more_shown
        )
        emptied += keys if more < 0 else []
    Term.objects.filter(pk__in=emptied, everywhere__lte=0).delete()
