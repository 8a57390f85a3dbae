"""The one clock of what a process writes for others to wait for, leases above all: the database's.

A machine that was asleep, or was set wrongly, has another time than the next one. What it wrote by that would
be taken too early by others, or be waited for until that time has come.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import DateTimeField, QuerySet, Value, functions
from django.db.models.expressions import Combinable
from django.utils import timezone


class Now(functions.Now):
    """That clock in a query."""

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        """Its function knows milliseconds alone: what was written a moment ago would not have come yet."""
        return compiler.compile(Value(timezone.now(), output_field=DateTimeField()))


def after(time: timedelta) -> Combinable:
    """So long from now, for a row that is written: the database reckons it, and is not asked before."""
    return Now() + time


def now() -> datetime:
    """That clock, for what is reckoned with it here: it costs a query.

    SQLite has its machine's, on which all its processes run.
    """
    if connection.vendor != "postgresql":
        return timezone.now()
    with connection.cursor() as cursor:
        cursor.execute("SELECT STATEMENT_TIMESTAMP()")
        moment: datetime = cursor.fetchone()[0]
    return moment


def mend(rows: QuerySet[Any], field: str, longest: timedelta) -> int:
    """Bring what lies further ahead than anybody writes it back to the furthest that may be; how many rows.

    The clock was ahead and is right again. No lease is taken away: it is left as long as a new one.

    Args:
        rows: that the database finds without reading a whole table.
        field: the end of the lease or of the wait.
        longest: none is written for longer. Twice that is taken to be impossible: others write meanwhile.
    """
    furthest = now() + longest
    ahead = rows.filter(**{f"{field}__gt": furthest + longest})
    return ahead.update(**{field: furthest}) if ahead.exists() else 0  # an update locks all of SQLite
