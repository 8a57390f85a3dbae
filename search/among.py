"""Conditions on many keys that reach the database as one parameter."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import F, Lookup
from django.db.models.sql.compiler import SQLCompiler

from search.prepared import Given, as_text


class Among(Lookup):
    """As `name__in=keys`. Of hundreds of keys each would be a parameter there, and putting them in takes
    longer than the query; here they are one text, which is read by the database.
    """

    prepare_rhs = False  # they are whole numbers

    def __init__(self, name: str, keys: Iterable[int] | Given) -> None:
        super().__init__(F(name), keys if isinstance(keys, Given) else tuple(keys))

    def as_postgresql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> tuple[str, list[Any]]:
        column, parameters = self.process_lhs(compiler, connection)
        return f"{column} = ANY(%s)", [*parameters, self._keys(connection)]

    def as_sqlite(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> tuple[str, list[Any]]:
        column, parameters = self.process_lhs(compiler, connection)
        listed = "(SELECT value FROM json_each(%s))"
        return f"{column} IN {listed}", [*parameters, self._keys(connection)]

    def _keys(self, connection: BaseDatabaseWrapper) -> Any:
        if isinstance(self.rhs, Given):
            return self.rhs
        if not self.rhs:
            raise EmptyResultSet
        return as_text(self.rhs, connection)
