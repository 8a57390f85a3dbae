"""Judging results: what is shown to be judged, the grades, and their tables (as TREC's qrels)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import IO
from uuid import UUID

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _

from dam.models import Asset
from dam.tables import TableError, read_table
from search.evaluation_models import Grade, Language
from search.models import EvaluationQuery, Judgement
from search.rankings import comparable_spaces, ranked

POOL_DEPTH = 20
COLUMNS = ("query_id", "iteration", "asset", "relevance", "query", "language", "judged_by", "judged_at")
SLICE = 1_000


class BadTable(ValueError):
    """The table cannot be taken; the message names the line, what is wrong and what to do."""


def pool(query: EvaluationQuery, user: User | None, *, depth: int = POOL_DEPTH) -> list[Asset]:
    """The first results of every space together, in an order that shows neither rank nor space.

    Raises:
        NoRanking: a space does not answer.
    """
    found: dict[int, Asset] = {}
    for space in comparable_spaces():
        found |= {hit.asset.pk: hit.asset for hit in ranked(query, space, limit=depth, user=user)}
    return sorted(found.values(), key=lambda asset: _shuffled(query, asset))


def _shuffled(query: EvaluationQuery, asset: Asset) -> str:
    """Arbitrary, and the same at every visit."""
    return hashlib.sha256(f"{query.pk}/{asset.pk}".encode()).hexdigest()


def judge(query: EvaluationQuery, asset: Asset, grade: Grade | None, *, actor: User | None) -> None:
    """Give a grade, or take it back with None."""
    if grade is None:
        query.judgements.filter(asset_key=asset.pk).delete()
        return
    query.judgements.update_or_create(
        asset_key=asset.pk, defaults={"grade": grade, "by": actor, "judged": timezone.now()}
    )


def rows() -> Iterator[list[str]]:
    """The table: a header, then every judgement. The first four columns are those of TREC's qrels
    (topic, iteration, document, relevance: 2 right, 1 partly, 0 wrong); the others say them in words.
    """
    yield list(COLUMNS)
    judgements = Judgement.objects.select_related("query", "by").order_by("pk")
    after = 0
    while chunk := list(judgements.filter(pk__gt=after)[:SLICE]):
        after = chunk[-1].pk
        keys = [judgement.asset_key for judgement in chunk]
        names = dict(Asset.objects.filter(pk__in=keys).values_list("pk", "public_id"))
        for one in chunk:
            if one.asset_key in names and one.query.text:
                by = one.by.get_username() if one.by else ""
                yield [
                    str(one.query_id), "0", str(names[one.asset_key]), str(one.grade), one.query.text,
                    one.query.language, by, one.judged.isoformat(),
                ]  # fmt: skip


@transaction.atomic
def take_table(file: IO[bytes], *, actor: User | None) -> tuple[int, int]:
    """Take judgements from a table as `rows` writes it; asset, relevance, query and language are needed.
    Queries that are missing are made; a judgement that is there is replaced.

    Returns:
        how many judgements, and how many new queries.

    Raises:
        BadTable: nothing was taken.
    """
    parsed = _rows(file)
    wanted = {text_language for _number, text_language, *_rest in parsed}
    queries, made = _queries(wanted)
    keys: dict[UUID, int] = {}
    names = list({name for _number, _query, name, *_rest in parsed})
    for start in range(0, len(names), SLICE):
        chunk = Asset.objects.in_library().filter(public_id__in=names[start : start + SLICE])
        keys |= dict(chunk.values_list("public_id", "pk"))
    judgements = {}
    for number, asked, name, grade, when in parsed:
        if name not in keys:
            raise BadTable(
                _("Line %(number)d: there is no asset %(asset)s.") % {"number": number, "asset": name}
            )
        judgements[queries[asked].pk, keys[name]] = Judgement(
            query=queries[asked], asset_key=keys[name], grade=grade, by=actor, judged=when
        )
    Judgement.objects.bulk_create(
        judgements.values(),
        update_conflicts=True,
        unique_fields=["query", "asset_key"],
        update_fields=["grade", "by", "judged"],
        batch_size=SLICE,
    )
    return len(judgements), made


_Parsed = tuple[int, tuple[str, str], UUID, Grade, datetime]


def _rows(file: IO[bytes]) -> list[_Parsed]:
    try:
        table = list(read_table(file))
    except TableError as error:
        raise BadTable(str(error)) from error
    names = [cell.strip() for cell in table[0].cells] if table else []
    if absent := {"asset", "relevance", "query", "language"} - set(names):
        raise BadTable(_("The table lacks the columns %(names)s.") % {"names": ", ".join(sorted(absent))})
    nothing = dict.fromkeys(names, "")
    found = []
    for row in table[1:]:
        if row.problem:
            raise BadTable(_("Row %(number)d: %(problem)s") % {"number": row.number, "problem": row.problem})
        found.append(_parsed(row.number, nothing | dict(zip(names, row.cells, strict=False))))
    return found


def _parsed(number: int, row: Mapping[str, str]) -> _Parsed:
    def wrong(column: str, hint: str) -> BadTable:
        words = {"number": number, "value": row[column], "column": column, "hint": hint}
        return BadTable(_("Line %(number)d: “%(value)s” is no %(column)s; %(hint)s.") % words)

    text = row["query"].strip()
    if not 0 < len(text) <= 400:
        raise wrong("query", _("give 1 to 400 characters"))
    if row["language"] not in Language.values:
        raise wrong("language", _("give en, zh or other"))
    try:
        name = UUID(row["asset"])
    except ValueError as error:
        raise wrong("asset", _("give an asset's id")) from error
    try:
        grade = Grade(int(row["relevance"]))
    except ValueError as error:
        raise wrong("relevance", _("give 2 (right), 1 (partly) or 0 (wrong)")) from error
    try:
        when = parse_datetime(row.get("judged_at", ""))
    except ValueError as error:
        raise wrong("judged_at", _("give a time like 2026-11-25T12:00:00+00:00")) from error
    if when is not None and timezone.is_naive(when):
        when = timezone.make_aware(when)
    return number, (text, row["language"]), name, grade, when or timezone.now()


def _queries(wanted: set[tuple[str, str]]) -> tuple[dict[tuple[str, str], EvaluationQuery], int]:
    """The queries of these words and languages, and how many had to be made."""
    known = EvaluationQuery.objects.filter(picture_key=None)
    texts = {text for text, _language in wanted}
    found = {(one.text, one.language): one for one in known.filter(text__in=texts)}
    new = [EvaluationQuery(text=text, language=language) for text, language in sorted(wanted - set(found))]
    EvaluationQuery.objects.bulk_create(new)
    return found | {(one.text, one.language): one for one in new}, len(new)
