"""Queries that every search makes, of which Django makes the SQL once in a process.

Making it takes about as long as PostgreSQL takes to answer, and all that differs from search to search is
what is looked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import BigIntegerField, Expression, Field, QuerySet
from django.db.models.sql.compiler import SQLCompiler


class Given(Expression):
    """Stands in a prepared query for what is put in when it is asked."""

    def __init__(self, name: str, output_field: Field[Any, Any] | None = None) -> None:
        super().__init__(output_field or BigIntegerField())
        self.name = name

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> tuple[str, Any]:
        return "%s", [self]


class Prepared:
    """A queryset of plain rows (`values_list`), without Django's conversions of what the driver gives.

    Args:
        build: makes it, with `Given` in the places of what differs.
    """

    def __init__(self, build: Callable[[], QuerySet[Any, Any]]) -> None:
        self._build = build
        self._made: dict[str, tuple[str, tuple[Any, ...]]] = {}

    def rows(self, **given: Any) -> list[tuple[Any, ...]]:
        """
        Args:
            given: what is put in, by the names of `Given`; lists of keys are for `search.among.Among`.
        """
        sql, parameters = self._sql()
        given = {
            name: as_text(value, connection) if isinstance(value, list | tuple) else value
            for name, value in given.items()
        }
        with connection.cursor() as cursor:
            cursor.execute(sql, [given[one.name] if isinstance(one, Given) else one for one in parameters])
            return cursor.fetchall()

    def _sql(self) -> tuple[str, tuple[Any, ...]]:
        made = self._made.get(connection.vendor)
        if made is None:
            made = self._made[connection.vendor] = self._build().query.sql_with_params()
        return made


def as_text(keys: Iterable[int], connection: BaseDatabaseWrapper) -> str:
    """A list of keys as the database reads it: an array of PostgreSQL, a JSON list for SQLite."""
    listed = ",".join(map(str, keys))
    return f"{{{listed}}}" if connection.vendor == "postgresql" else f"[{listed}]"
