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

_CARRIED = """
WITH RECURSIVE carried (asset, tag) AS (
    SELECT asset_id, tag_id FROM {links} WHERE asset_id IN ({places})
    UNION
    SELECT carried.asset, tag.parent_id FROM carried
    JOIN {tags} tag ON tag.id = carried.tag AND tag.parent_id IS NOT NULL
)
SELECT tag.slug, tag.label, tag.label_zh, COUNT(*) AS assets
FROM carried JOIN {tags} tag ON tag.id = carried.tag
GROUP BY tag.id, tag.slug, tag.label, tag.label_zh ORDER BY assets DESC, tag.slug LIMIT %s
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


def numbers_among(asset_ids: Sequence[int], most: int) -> list[tuple[str, str, str, int]]:
    """Slug and labels of the tags that most of these assets carry themselves or by one below, and how many
    do, the most frequent first; one query.
    """
    if not asset_ids:
        return []
    with connection.cursor() as cursor:
        cursor.execute(_filled(_CARRIED, asset_ids), [*asset_ids, most])
        return cursor.fetchall()


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
    return _filled(_BELOW + selected, keys)


def _filled(sql: str, keys: Sequence[int]) -> str:
    """Only names of tables and places for values are written into it."""
    names = {
        "tags": Tag._meta.db_table,
        "links": Asset.tags.through._meta.db_table,
        "assets": Asset._meta.db_table,
        "places": ", ".join(["%s"] * len(keys)),
    }
    return sql.format(**names)
