# ruff: noqa: E501  a row of a table is a line
"""The permission matrix of the admin's pages: each address, about what, and what each role is answered."""

from __future__ import annotations

from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver, reverse

from tests.permissions.world import World

PAGES = """
"""


def names() -> dict[str, list[str]]:
    """The names of all addresses below the admin, with the parts that each takes."""
    (site,) = (
        entry
        for entry in get_resolver().url_patterns
        if isinstance(entry, URLResolver) and entry.namespace == "admin"
    )
    return {
        pattern.name: list(pattern.pattern.converters) or list(pattern.pattern.regex.groupindex)
        for pattern in _below(site)
        if pattern.name
    }


def _below(resolver: URLResolver) -> list[URLPattern]:
    found: list[URLPattern] = []
    for entry in resolver.url_patterns:
        if isinstance(entry, URLResolver):
            found += _below(entry)
        else:
            found.append(entry)
    return found


def address(world: World, name: str, what: str) -> str:
    """Where a page about this thing lies."""
    thing = world.assets.get(what) or world.things.get(what) or world.people.get(what)
    takes = names()[name]
    fixed: dict[str, Any] = {
        "ending": "csv", "verb": "start", "name": "review", "app_label": what, "number": 1,
        "content_type_id": 1, "key": getattr(thing, "pk", None), "object_id": getattr(thing, "pk", None),
        "id": getattr(thing, "pk", None), "public_id": getattr(thing, "public_id", None),
    }  # fmt: skip
    if what in NUMBERED:
        holder, numbered = NUMBERED[what]
        fixed |= {
            "key": (world.assets.get(holder) or world.things[holder]).pk,
            "number": world.things[numbered].pk,
        }
    if name == "dam_finish":
        fixed["number"] = thing.pk
    return reverse(f"admin:{name}", kwargs={part: fixed[part] for part in takes})


# What lies below something else: that, and the thing itself.
NUMBERED = {
    "owner's comment": ("shown", "owner's comment"),
    "comment on hidden": ("hidden", "comment on hidden"),
    "own link": ("own collection", "own link"),
    "their link": ("their collection", "their link"),
}
