"""The tree of tags: what lies below a tag, in which order the tree is read, and how many assets there are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from django.db import connection

from dam.models import Asset, AssetState, Tag

# UNION, not UNION ALL: a circle that somebody made in the database ends as well.
_BELOW = """
WITH RECURSIVE below (root, id) AS (
    SELECT id, id FROM {tags} WHERE id IN ({places})
    UNION
    SELECT below.root, tag.id FROM {tags} tag JOIN below ON tag.parent_id = below.id
)
"""
_COUNT = """
SELECT below.root, COUNT(DISTINCT link.asset_id)
FROM below
JOIN {links} link ON link.tag_id = below.id
JOIN {assets} asset ON asset.id = link.asset_id AND asset.state <> %s
GROUP BY below.root
"""


def keys_below(tag_ids: Iterable[int]) -> list[int]:
    """The keys of these tags and of all below them; one query."""
    keys = list(tag_ids)
    if not keys:
        return []
    with connection.cursor() as cursor:
        cursor.execute(_query("SELECT DISTINCT id FROM below ORDER BY id", keys), keys)
        return [key for (key,) in cursor.fetchall()]


def numbers_below(tag_ids: Sequence[int]) -> dict[int, int]:
    """How many assets outside the trash carry each of these tags or one below it; one query."""
    if not tag_ids:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(_query(_COUNT, tag_ids), [*tag_ids, AssetState.TRASHED])
        return dict(cursor.fetchall())


def in_order() -> list[tuple[int, int]]:
    """Every tag's key and depth, each tag before those below it; one query."""
    below: dict[int | None, list[int]] = defaultdict(list)
    for key, parent in Tag.objects.order_by("slug").values_list("pk", "parent_id"):
        below[parent].append(key)
    ordered: list[tuple[int, int]] = []
    waiting = [(key, 0) for key in reversed(below[None])]
    while waiting:
        key, depth = waiting.pop()
        ordered.append((key, depth))
        waiting += [(child, depth + 1) for child in reversed(below[key])]
    return ordered


def _query(selected: str, keys: Sequence[int]) -> str:
    """Only names of tables and places for values are written into it."""
    names = {
        "tags": Tag._meta.db_table,
        "links": Asset.tags.through._meta.db_table,
        "assets": Asset._meta.db_table,
        "places": ", ".join(["%s"] * len(keys)),
    }
    return (_BELOW + selected).format(**names)
