"""The admin's first page: what the library holds, what waits for somebody, what runs."""

from __future__ import annotations

from collections import Counter
from typing import Any

from django.conf import settings
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _

from dam import facets
from dam.models import Asset, AssetKind, AssetOrigin, AssetState
from dam.roles import sees_library
from generation.models import FINAL_STATES, GenerationJob, JobState
from search.index.standing import LITE_LIMIT
from search.models import IndexEntry, IndexState, Space, SpaceState

RECENT = 12
WAITING = 6
JOBS = 5
STATES = (AssetState.APPROVED, AssetState.IN_REVIEW, AssetState.DRAFT)


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Called by django-unfold with the context of the index page."""
    context["title"] = _("Overview")
    context["may_look"] = request.user.has_perm("dam.view_asset")
    if not context["may_look"]:
        return context
    library = Asset.objects.visible_to(request.user)
    waiting = library.filter(state=AssetState.IN_REVIEW)
    context |= {
        **counts(request.user, library),
        "recent": library.select_related("current")[:RECENT],
        "waiting": waiting.select_related("current")[:WAITING],
        "index": index_state(),
        "may_generate": sees_library(request.user),
        "jobs": open_jobs() if sees_library(request.user) else [],
        "assets_url": reverse("admin:dam_asset_changelist"),
    }
    return context


def counts(user: Any, library: QuerySet[Asset]) -> dict[str, Any]:
    """Cards by state and measures by kind, from the sums that are kept, or one pass over what is visible."""
    by_state, by_kind, by_origin = Counter[str](), Counter[str](), Counter[str]()
    for (state, kind, origin), number in _sorts(user, library):
        by_state[state] += number
        by_kind[kind] += number
        by_origin[origin] += number
    kinds = [{"kind": kind, "label": kind.label, "number": by_kind[kind]} for kind in AssetKind]
    return {
        "total": by_state.total(),
        "states": [{"state": s, "label": s.label, "number": by_state[s]} for s in STATES],
        "generated": by_origin[AssetOrigin.GENERATED],
        "kinds": sorted((row for row in kinds if row["number"]), key=lambda row: -row["number"]),
    }


def _sorts(user: Any, library: QuerySet[Asset]) -> list[tuple[tuple[str, str, str], int]]:
    """State, kind and origin, with the number of assets that have them."""
    if sees_library(user):
        kept = facets.of_library().numbers.items()
        return [((sort[0], sort[1], sort[2]), n) for sort, n in kept if sort[0] != AssetState.TRASHED]
    rows = library.order_by().values_list("state", "kind", "origin").annotate(number=Count("pk"))
    return [((state, kind, origin), number) for state, kind, origin, number in rows]


def index_state() -> dict[str, Any]:
    """How far the live index has followed the library."""
    space = Space.objects.filter(state=SpaceState.LIVE).order_by("-pk").first()
    entries = IndexEntry.objects.filter(space=space) if space else IndexEntry.objects.none()
    numbers = dict(entries.order_by().values_list("state").annotate(number=Count("pk")))
    waiting = numbers.get(IndexState.PENDING, 0) + numbers.get(IndexState.WORKING, 0)
    indexed = numbers.get(IndexState.INDEXED, 0)
    failed = numbers.get(IndexState.FAILED, 0)
    total = indexed + waiting + failed
    return {
        "encoder": space.encoder if space else "",
        "indexed": indexed,
        "waiting": waiting,
        "failed": failed,
        "all": total,
        "too_many": not settings.MILVUS_URI and total > LITE_LIMIT,
    }


def open_jobs() -> QuerySet[GenerationJob]:
    """Jobs that are not over, each with how many of its items are."""
    return (
        GenerationJob.objects.filter(state__in=(JobState.QUEUED, JobState.RUNNING, JobState.PAUSED))
        .annotate(
            item_count=Count("items"),
            done_count=Count("items", filter=Q(items__state__in=FINAL_STATES)),
        )
        .order_by("-pk")[:JOBS]
    )
