"""Cursor pages: stable while assets are added, and no COUNT(*) over the table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.exceptions import ValidationError as Invalid
from django.db import DataError
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request
from rest_framework.views import APIView


class CursorPages(CursorPagination):
    """Pages whose cursor, when it is none of ours, is an error of the request."""

    page_size = 50
    page_size_query_param = "limit"
    max_page_size = 200

    def paginate_queryset(
        self, queryset: QuerySet[Any] | Sequence[Any], request: Request, view: APIView | None = None
    ) -> list[Any] | None:
        """
        Raises:
            ValidationError: the cursor cannot be read, or names no position in these rows.
        """
        if "cursor" not in request.query_params:
            return super().paginate_queryset(queryset, request, view)
        try:
            return super().paginate_queryset(queryset, request, view)
        except (NotFound, ValueError, Invalid, OverflowError, DataError) as error:
            sentence = _("This is no cursor of this list: take “next” or “previous” of one of its pages.")
            raise ValidationError({self.cursor_query_param: [sentence]}) from error


class NewestFirst(CursorPages):
    """Newest first, by primary key."""

    ordering: str | tuple[str, ...] = "-id"


class InPlace(NewestFirst):
    """In the order of what holds them: assets that know their `place` in it, and the `link` to it."""

    ordering = ("place", "link")
