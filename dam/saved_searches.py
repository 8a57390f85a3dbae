"""Filters of the list of assets, kept under a name."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import parse_qsl, urlencode

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from dam import audit
from dam.models import SavedSearch
from dam.roles import Role, has_role

LONGEST = 2000
# Where in the list one was, and how it was drawn, are not part of the search.
NOT_KEPT = frozenset({"after", "before", "view", "_popup", "_to_field", "p", "all", "e"})


class SearchNotSaved(ValueError):
    """The search cannot be saved; `str()` says why and what to do."""


def for_user(user: User) -> QuerySet[SavedSearch]:
    """One's own searches and those for everybody, by name."""
    return SavedSearch.objects.filter(Q(owner=user) | Q(shared=True)).select_related("owner")


@transaction.atomic
def save(user: User, *, name: str, query: str, shared: bool = False) -> tuple[SavedSearch, bool]:
    """Keep the filters; one's own search of the same name is replaced. Returns it, and whether it is new.

    Raises:
        SearchNotSaved: no name, no filter, too long, or shared by somebody who is no editor.
    """
    name, kept = " ".join(name.split()), meaning(query)
    if not 0 < len(name) <= 120:
        raise SearchNotSaved(_("Give the search a name of 1 to 120 characters."))
    if not kept:
        raise SearchNotSaved(_("There is nothing to save: choose a filter or type a word first."))
    if len(kept) > LONGEST:
        raise SearchNotSaved(_("The filters are too long to save; remove some."))
    if shared and not has_role(user, Role.EDITOR):
        raise SearchNotSaved(_("Only editors save searches for everybody."))
    search, created = SavedSearch.objects.update_or_create(
        owner=user, name=name, defaults={"query": kept, "shared": shared}
    )
    audit.record(user, "search.saved", search, label=name, query=kept, shared=shared)
    return search, created


@transaction.atomic
def delete(search: SavedSearch, *, actor: User) -> None:
    """Forget it."""
    audit.record(actor, "search.deleted", search, label=search.name)
    search.delete()


def replace(name: str, old: Iterable[int], new: int) -> None:
    """Let searches by one of these keys under this name search by the new one: two queries."""
    values = {str(key) for key in old}
    changed = []
    for search in SavedSearch.objects.filter(query__contains=f"{name}="):
        pairs = parse_qsl(search.query)
        query = urlencode(
            [(key, str(new) if key == name and value in values else value) for key, value in pairs]
        )
        if query != search.query:
            search.query = query
            changed.append(search)
    SavedSearch.objects.bulk_update(changed, ["query"])


def may_delete(user: User, search: SavedSearch) -> bool:
    """One's own; those for everybody by administrators too."""
    return search.owner_id == user.pk or (search.shared and has_role(user, Role.ADMINISTRATOR))


def meaning(query: str) -> str:
    """A query string without what is no filter."""
    pairs = [(name, value) for name, value in parse_qsl(query.lstrip("?")) if name not in NOT_KEPT and value]
    return urlencode(sorted(pairs))
