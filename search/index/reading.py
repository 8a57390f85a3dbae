"""Reading a collection by ranges of ids, however many there are and however far apart they lie."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from pymilvus import MilvusClient

from search.index.connection import CALL_SECONDS

MOST = 5_000  # rows of one answer
HIGHEST = 2**63 - 1

Row = dict[str, Any]


def rows_between(
    client: MilvusClient, name: str, low: int, high: int, fields: Sequence[str], *, consistency: str
) -> Iterator[list[Row]]:
    """All rows with an id in (low, high], in ascending pages of at most MOST.

    Milvus answers a limited query with any rows of the range. So a full answer is only used to halve the
    range, by the rows and not by the numbers: gaps between ids cost nothing.
    """
    found = client.query(
        name,
        filter=f"id > {low} and id <= {high}",
        output_fields=["id", *fields],
        limit=MOST,
        consistency_level=consistency,
        timeout=CALL_SECONDS,
    )
    rows = sorted((dict(row) for row in found), key=lambda row: int(row["id"]))
    if len(rows) < MOST:
        if rows:
            yield rows
        return
    middle = int(rows[len(rows) // 2 - 1]["id"])
    yield from rows_between(client, name, low, middle, fields, consistency=consistency)
    yield from rows_between(client, name, middle, high, fields, consistency=consistency)
