"""Cursor pages: stable while assets are added, and no COUNT(*) over the table."""

from rest_framework.pagination import CursorPagination


class NewestFirst(CursorPagination):
    """Newest first, by primary key."""

    ordering: str | tuple[str, ...] = "-id"
    page_size = 50
    page_size_query_param = "limit"
    max_page_size = 200


class InPlace(NewestFirst):
    """In the order of what holds them: assets that know their `place` in it, and the `link` to it."""

    ordering = ("place", "link")
