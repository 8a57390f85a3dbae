"""Tags and SKUs by the words that people write, created where absent."""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from operator import or_

from django.db import connection
from django.db.models import Q, QuerySet
from django.utils.text import slugify

from dam.models import SKU, Tag


def slug_of(word: str) -> str:
    """The slug of a tag written as this word; empty when it has no letter or digit."""
    return slugify(word, allow_unicode=True)[:80].strip("-")


def find_tags(words: Iterable[str], among: QuerySet[Tag] | None = None) -> dict[str, Tag]:
    """The tags that these words (slugs, labels in either language, synonyms) name, by word.

    A word that is a tag's own name is not taken for another one's synonym.

    Args:
        among: those that may be found; None: all.
    """
    among = Tag.objects.all() if among is None else among
    slugs = {word.strip(): slug_of(word) for word in words if word.strip()}
    if not slugs:
        return {}
    named = Q(slug__in=slugs.values()) | Q(label__in=slugs) | Q(label_zh__in=slugs)
    by_name: dict[str, Tag] = {}
    for tag in among.filter(named):
        for name in filter(None, (tag.label_zh, tag.label, tag.slug)):
            by_name[name] = tag
    found = {word: by_name.get(word) or by_name.get(slug) for word, slug in slugs.items()}
    unknown = {word: slugs[word] for word, tag in found.items() if tag is None}
    if unknown:
        found |= _by_synonym(unknown, among)
    return {word: tag for word, tag in found.items() if tag}


def _by_synonym(slugs: dict[str, str], among: QuerySet[Tag]) -> dict[str, Tag | None]:
    """The tags that have these words, or their slugs, among their synonyms, by word."""
    wanted = {word for pair in slugs.items() for word in pair if word}
    tags = among.exclude(synonyms=[]).order_by("pk")
    if connection.vendor == "postgresql":
        holds = (Q(synonyms__contains=[word]) for word in sorted(wanted))
        tags = tags.filter(reduce(or_, holds))
    by_synonym: dict[str, Tag] = {}
    for tag in tags:
        for synonym in wanted.intersection(map(str, tag.synonyms)):
            by_synonym.setdefault(synonym, tag)
    return {word: by_synonym.get(word) or by_synonym.get(slug) for word, slug in slugs.items()}


def names_of(tags: Iterable[Tag]) -> set[str]:
    """Everything that these tags are called: slugs, labels in both languages, and synonyms."""
    return {name for tag in tags for name in (tag.slug, tag.label, tag.label_zh, *tag.synonyms) if name}


def ensure_tags(words: Iterable[str]) -> dict[str, Tag]:
    """The tags that these words name, by word as stripped; unknown ones are created."""
    wanted = {word.strip() for word in words if slug_of(word)}
    found = find_tags(wanted)
    missing = {slug_of(word): word[:80] for word in sorted(wanted - found.keys())}
    if missing:
        # Conflicts are ignored, then read: somebody else may create the same tag at this moment.
        Tag.objects.bulk_create(
            [Tag(slug=slug, label=word) for slug, word in missing.items()], ignore_conflicts=True
        )
        found = find_tags(wanted)
    return found


def ensure_skus(codes: Iterable[str]) -> dict[str, SKU]:
    """The SKUs with these codes, by code; unknown ones are created."""
    wanted = {code.strip() for code in codes if code.strip()}
    if not wanted:
        return {}
    found = {sku.code: sku for sku in SKU.objects.filter(code__in=wanted)}
    if missing := wanted - found.keys():
        SKU.objects.bulk_create([SKU(code=code) for code in sorted(missing)], ignore_conflicts=True)
        found = {sku.code: sku for sku in SKU.objects.filter(code__in=wanted)}
    return found
