"""Cursor pages: stable while assets are added, and no COUNT(*) over the table."""

from rest_framework.pagination import CursorPagination


class NewestFirst(CursorPagination):
    """Newest first, by primary key."""

    ordering = "-id"
    page_size = 50
    page_size_query_param = "limit"
    max_page_size = 200
