"""Runs: every judged query is asked in a space, and measured."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict
from datetime import timedelta
from typing import Any

import numpy as np
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Max, Q
from django.utils.translation import gettext as _

from dam import clock
from search.evaluation_models import RunState
from search.metrics import RELEVANT, Scores, scores
from search.models import EvaluationQuery, EvaluationRun, Judgement, QueryResult, Space
from search.rankings import NoRanking, comparable_spaces, ranked
from search.where import findable

DEPTH = 100
KEPT = 20
LEASE = timedelta(minutes=30)
ALL = "all"
MEASURES = ("map", "recall", "ndcg", "p_at_10", "unjudged")


class NothingJudged(Exception):
    """No result has been called right yet; the message says what to do."""


def start(*, actor: User | None, k: int = 10, spaces: Iterable[Space] | None = None) -> list[EvaluationRun]:
    """Note a run for each space that can be compared; a worker does them.

    Raises:
        NothingJudged: there is nothing to measure with.
    """
    if not Judgement.objects.filter(grade__gte=RELEVANT).exists():
        raise NothingJudged(_nothing_judged())
    count = Judgement.objects.count()
    return [
        EvaluationRun.objects.create(space=space, encoder=space.encoder, k=k, by=actor, judgements=count)
        for space in (comparable_spaces() if spaces is None else spaces)
    ]


def _nothing_judged() -> str:
    return _("Nothing is judged as right yet. Add a query and mark its results first.")


def start_if_changed() -> list[EvaluationRun]:
    """A run for each space whose last one knew other judgements; cheap where there is none."""
    newest = Judgement.objects.aggregate(newest=Max("judged"))["newest"]
    if newest is None:
        return []
    count = Judgement.objects.count()
    outdated = []
    for space in comparable_spaces():
        last = space.runs.exclude(state=RunState.FAILED).order_by("-created").first()
        if last is None or last.created < newest or last.judgements != count:
            outdated.append(space)
    try:
        return start(actor=None, spaces=outdated)
    except NothingJudged:
        return []


def due() -> list[int]:
    """Runs that nobody works on: just noted, or left behind by a worker that was killed."""
    clock.mend(EvaluationRun.objects.filter(state=RunState.RUNNING), "leased_until", LEASE)
    left = Q(state=RunState.QUEUED) | Q(state=RunState.RUNNING, leased_until__lt=clock.Now())
    return list(EvaluationRun.objects.filter(left).order_by("pk").values_list("pk", flat=True))


def work(key: int) -> None:
    """Do one run, unless another worker has it. Repeating it changes nothing but the figures."""
    claimed = EvaluationRun.objects.filter(pk=key).filter(
        Q(state=RunState.QUEUED) | Q(state=RunState.RUNNING, leased_until__lt=clock.Now())
    )
    if not claimed.update(state=RunState.RUNNING, leased_until=clock.after(LEASE)):
        return
    run = EvaluationRun.objects.select_related("space").get(pk=key)
    try:
        if run.space is None:
            raise NoRanking(_("Its space was dropped."))
        judged = _judged()
        if not judged:
            raise NoRanking(_nothing_judged())
        results = [_ask(run, run.space, query, grades) for query, grades in judged]
    except NoRanking as error:
        EvaluationRun.objects.filter(pk=key).update(
            state=RunState.FAILED, problem=str(error), leased_until=None
        )
        return
    with transaction.atomic():
        run.results.all().delete()
        QueryResult.objects.bulk_create(results, batch_size=500)
        run.metrics, run.state, run.leased_until = _means(results), RunState.DONE, None
        run.save(update_fields=["metrics", "state", "leased_until"])


def _judged() -> list[tuple[EvaluationQuery, dict[int, int]]]:
    """Queries of which something right is known; without that, no measure says anything. What lies in the
    trash, or was rejected, no encoder can find, and none is blamed for it.
    """
    grades: dict[int, dict[int, int]] = defaultdict(dict)
    told = Judgement.objects.filter(asset_key__in=findable().values("pk"))
    for query, asset, grade in told.values_list("query_id", "asset_key", "grade"):
        grades[query][asset] = grade
    queries = EvaluationQuery.objects.in_bulk(list(grades))
    asked_with = [query.picture_key for query in queries.values() if query.picture_key and not query.text]
    pictures = set(findable().filter(pk__in=asked_with).values_list("pk", flat=True))
    return [
        (query, grades[key])
        for key, query in queries.items()
        if max(grades[key].values()) >= RELEVANT and (query.text or query.picture_key in pictures)
    ]


def _ask(run: EvaluationRun, space: Space, query: EvaluationQuery, grades: dict[int, int]) -> QueryResult:
    ranking = [hit.asset.pk for hit in ranked(query, space, limit=DEPTH)]
    measured = scores(ranking, grades, run.k)
    return QueryResult(
        run=run, query=query, scores=_rounded(measured), ndcg=measured.ndcg, first=ranking[:KEPT]
    )


def _rounded(measured: Scores) -> dict[str, float]:
    return {name: round(value, 4) for name, value in asdict(measured).items()}


def _means(results: list[QueryResult]) -> dict[str, dict[str, Any]]:
    """Per language, and over all: the mean over queries, so that each query counts alike."""
    groups: dict[str, list[dict[str, float]]] = defaultdict(list)
    for result in results:
        groups[ALL].append(result.scores)
        groups[result.query.language].append(result.scores)
    return {
        name: {measure: round(float(np.mean([row[measure] for row in rows])), 4) for measure in MEASURES}
        | {"queries": len(rows), "judged": int(sum(row["judged"] for row in rows))}
        for name, rows in groups.items()
    }
