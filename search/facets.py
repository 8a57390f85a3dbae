"""How many of the found assets are of each sort."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from django.db.models import Count
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from dam import tag_tree
from dam.languages import reads_chinese
from dam.models import Asset, AssetKind, AssetOrigin, AssetState
from dam.roles import Role, has_role, sees_library
from search.among import Among
from search.candidates import Candidate
from search.request import FacetCount

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

MOST_TAGS = 30
LABELS: dict[str, dict[str, object]] = {
    "kind": dict(AssetKind.choices),
    "state": dict(AssetState.choices),
    "origin": dict(AssetOrigin.choices),
    "aspect": {
        "portrait": gettext_lazy("Portrait"),
        "landscape": gettext_lazy("Landscape"),
        "square": gettext_lazy("Square"),
    },
}


def facets(candidates: Sequence[Candidate], user: User | AnonymousUser | None) -> dict[str, list[FacetCount]]:
    """Counts by filter, the most frequent first; one query for the tags, the rest is at hand.

    Args:
        candidates: what the caller may open, and nothing else.
        user: those without a role in the library see no states.
    """
    names = ["kind", "colour", "origin", "aspect"]
    if has_role(user, Role.CONTRIBUTOR):
        names.append("state")
    found = {name: _by_value(name, candidates) for name in names}
    keys = [candidate.key for candidate in candidates]
    found["tag"] = _tags(keys) if sees_library(user) else _own_tags(keys)
    return found


def _by_value(name: str, candidates: Sequence[Candidate]) -> list[FacetCount]:
    counts = Counter(getattr(candidate, name) for candidate in candidates)
    labels = LABELS.get(name, {})
    return [
        FacetCount(value, str(labels.get(value) or _(value.capitalize())), count)
        for value, count in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
        if value
    ]


def _tags(keys: Sequence[int]) -> list[FacetCount]:
    """As the filter takes them: with those below."""
    return [_tag_count(*row) for row in tag_tree.numbers_among(keys, MOST_TAGS)]


def _own_tags(keys: Sequence[int]) -> list[FacetCount]:
    """For those who may not know what tags there are above."""
    rows = (
        Asset.tags.through.objects.filter(Among("asset", keys))
        .order_by()
        .values_list("tag__slug", "tag__label", "tag__label_zh")
        .annotate(count=Count("asset"))
        .order_by("-count", "tag__slug")[:MOST_TAGS]
    )
    return [_tag_count(*row) for row in rows]


def _tag_count(slug: str, label: str, label_zh: str, count: int) -> FacetCount:
    return FacetCount(slug, (label_zh if reads_chinese() else label) or label or label_zh or slug, count)
