"""Two spaces side by side: the same query, what each finds, and which of them people prefer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from django.contrib.auth.models import User
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy

from search.evaluation_models import Preference
from search.evaluation_runs import DEPTH
from search.metrics import Scores, overlap_at, scores
from search.models import EncoderVote, EvaluationQuery, Space
from search.query import Hit
from search.rankings import ranked
from search.where import findable

SHOWN = 12
K = 10
SUGGESTED = 30


def _saved() -> list[str]:
    saved = EvaluationQuery.objects.exclude(text="").order_by("-pk")
    return list(saved.values_list("text", flat=True)[:SUGGESTED])


# Where queries to compare by come from: a heading, and the words, the most telling first.
SOURCES: list[tuple[str | Promise, Callable[[], list[str]]]] = [
    (gettext_lazy("Evaluation queries"), _saved),
]


@dataclass(frozen=True)
class Column:
    """One space's answer, and its measures where the query is judged."""

    space: Space
    hits: list[Hit]
    scores: Scores | None


@dataclass(frozen=True)
class SideBySide:
    """Both answers and how much of the first K they share, from 0 to 1."""

    left: Column
    right: Column
    overlap: float


def compare(text: str, left: Space, right: Space, *, user: User) -> SideBySide:
    """Ask both.

    Raises:
        NoRanking: one of them does not answer.
    """
    query = EvaluationQuery.objects.filter(text=text, picture_key=None).first() or EvaluationQuery(text=text)
    told = query.judgements.filter(asset_key__in=findable().values("pk")) if query.pk else None
    grades = dict(told.values_list("asset_key", "grade")) if told is not None else {}
    columns = []
    for space in (left, right):
        hits = ranked(query, space, limit=DEPTH, user=user)
        ranking = [hit.asset.pk for hit in hits]
        measured = scores(ranking, grades, K) if any(grades.values()) else None
        columns.append(Column(space, hits[:SHOWN], measured))
    one, other = ([hit.asset.pk for hit in column.hits] for column in columns)
    return SideBySide(columns[0], columns[1], overlap_at(one, other, K))


def vote(text: str, left: Space, right: Space, preferred: Preference, *, actor: User) -> None:
    """Note which answer is better to this person; a later vote replaces theirs."""
    EncoderVote.objects.update_or_create(
        text=text, left=left.encoder, right=right.encoder, by=actor,
        defaults={"preferred": preferred, "given": timezone.now()},
    )  # fmt: skip


def votes(left: Space, right: Space) -> Counter[str]:
    """How many votes each of the two has, whichever way round they were shown."""
    counted: Counter[str] = Counter()
    turned = {Preference.LEFT: Preference.RIGHT, Preference.RIGHT: Preference.LEFT}
    for one, other, swap in ((left, right, False), (right, left, True)):
        given = EncoderVote.objects.filter(left=one.encoder, right=other.encoder)
        for preferred in given.values_list("preferred", flat=True):
            counted[turned.get(Preference(preferred), preferred) if swap else preferred] += 1
    return counted
