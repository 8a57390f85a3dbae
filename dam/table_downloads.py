"""Tables as files that a browser saves."""

from __future__ import annotations

from collections.abc import Iterable

from django.http import StreamingHttpResponse

from dam.tables import csv_lines


def csv_download(table: Iterable[list[str]], name: str) -> StreamingHttpResponse:
    """The rows as a CSV file of this name, sent while they are read."""
    return StreamingHttpResponse(
        csv_lines(table),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )
