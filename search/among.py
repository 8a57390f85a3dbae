"""Conditions on many keys that reach PostgreSQL as one parameter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import F
from django.db.models.lookups import In
from django.db.models.sql.compiler import SQLCompiler


class Among(In):
    """As `name__in=keys`. Of hundreds of keys each would be a parameter there, and putting them in takes
    longer than the query.
    """

    def __init__(self, name: str, keys: Sequence[int]) -> None:
        super().__init__(F(name), list(keys))

    def as_postgresql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> tuple[str, list[Any]]:
        column, parameters = self.process_lhs(compiler, connection)
        return f"{column} = ANY(%s)", [*parameters, self.rhs]
