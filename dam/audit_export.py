"""The audit log as a table, read in pieces so that a long one needs no more memory than a short one."""

from __future__ import annotations

import json
from collections.abc import Iterator

from django.db.models import QuerySet
from django.http import StreamingHttpResponse

from dam.models import AuditEntry
from dam.tables import csv_lines

COLUMNS = ("id", "at", "actor", "action", "type", "target", "details")
CHUNK = 2000


def audit_download(entries: QuerySet[AuditEntry]) -> StreamingHttpResponse:
    """The entries as a file."""
    response = StreamingHttpResponse(as_csv(entries), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = 'attachment; filename="audit.csv"'
    return response


def as_csv(entries: QuerySet[AuditEntry]) -> Iterator[str]:
    """The lines of a CSV file in UTF-8 (RFC 4180), the oldest entry first; times are ISO 8601 in UTC."""
    return csv_lines(_rows(entries))


def _rows(entries: QuerySet[AuditEntry]) -> Iterator[list[str]]:
    yield list(COLUMNS)
    for entry in entries.order_by("pk").iterator(CHUNK):
        details = json.dumps(entry.details, ensure_ascii=False, sort_keys=True)
        what = [entry.actor_name, entry.action, entry.target_type, entry.target_id, details]
        yield [str(entry.pk), entry.at.isoformat(), *what]
