"""Letting go of a space that is not searched any more, and dropping it: collection, entries, vectors."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from django.db.models import Model, QuerySet
from django.utils.translation import gettext as _

from dam import audit
from search.models import OPEN_REINDEX, Space, SpaceState
from search.reindex import ReindexError, spaces_change
from search.spaces import index_of

SLICE = 5_000


def let_go(space: Space, *, actor: User | None = None) -> None:
    """Write to a space beside the live one no more; it has to catch up before it can be switched to.

    Raises:
        ReindexError: it is not kept up to date beside the live one.
    """
    with spaces_change():
        kept = Space.objects.filter(pk=space.pk, state=SpaceState.STANDBY).exclude(
            reindexes__state__in=OPEN_REINDEX
        )
        if not kept.update(state=SpaceState.RETIRED):
            raise ReindexError(_("This space is not kept up to date beside the live one."))
        audit.record(actor, "space.let_go", space, encoder=space.encoder)
    space.refresh_from_db()


def drop(space: Space, *, vectors: bool, actor: User | None = None) -> None:
    """Mark a space to be dropped; `finish`, of the worker or here, does it.

    Args:
        vectors: the computed vectors go too: using this encoder again means encoding everything anew.

    Raises:
        ReindexError: it is searched, or a reindex into it is open.
    """
    with spaces_change():
        idle = Space.objects.filter(pk=space.pk, state__in=(SpaceState.STANDBY, SpaceState.RETIRED)).exclude(
            reindexes__state__in=OPEN_REINDEX
        )
        if not idle.update(state=SpaceState.DROPPING, drop_vectors=vectors):
            raise ReindexError(_("Only a space that is neither searched nor being built can be dropped."))
        audit.record(actor, "space.dropped", space, encoder=space.encoder, vectors=vectors)


def finish() -> int:
    """Drop what is marked, in slices that can be repeated; how many spaces.

    Raises:
        IndexUnavailable: Milvus does not answer; the next sweep goes on.
    """
    marked = list(Space.objects.filter(state=SpaceState.DROPPING))
    for space in marked:
        index_of(space).drop()
        _delete_all(space.entries.all())
        if space.drop_vectors:
            _delete_all(space.embeddings.all())
            space.delete()
        else:
            Space.objects.filter(pk=space.pk).update(state=SpaceState.RETIRED)
    return len(marked)


def _delete_all(rows: QuerySet[Any]) -> None:
    model: type[Model] = rows.model
    while keys := list(rows.order_by("pk").values_list("pk", flat=True)[:SLICE]):
        model._default_manager.filter(pk__in=keys).delete()
