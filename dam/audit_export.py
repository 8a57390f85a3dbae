"""The audit log as a table, read in pieces so that a long one needs no more memory than a short one."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator

from django.db.models import QuerySet

from dam.models import AuditEntry
from dam.tables import disarmed

COLUMNS = ("id", "at", "actor", "action", "type", "target", "details")
CHUNK = 2000


class _Echo:
    """What `csv` takes for a file: it gives each row back."""

    def write(self, row: str) -> str:
        return row


def as_csv(entries: QuerySet[AuditEntry]) -> Iterator[str]:
    """The rows of a CSV file in UTF-8 (RFC 4180), the oldest entry first; times are ISO 8601 in UTC."""
    writer = csv.writer(_Echo())
    yield "\ufeff" + writer.writerow(COLUMNS)
    for entry in entries.order_by("pk").iterator(CHUNK):
        details = json.dumps(entry.details, ensure_ascii=False, sort_keys=True)
        cells = (entry.actor_name, entry.action, entry.target_type, entry.target_id, details)
        yield writer.writerow([entry.pk, entry.at.isoformat(), *map(disarmed, cells)])
