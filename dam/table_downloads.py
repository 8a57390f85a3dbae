"""Tables as files that a browser saves."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path

from django.http import FileResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase

from dam.tables import csv_lines, write_table


def csv_download(table: Iterable[list[str]], name: str) -> StreamingHttpResponse:
    """The rows as a CSV file of this name, sent while they are read."""
    return StreamingHttpResponse(
        csv_lines(table),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def table_download(table: Iterable[list[str]], stem: str, kind: str) -> HttpResponseBase:
    """The rows as a workbook if the kind is "xlsx", and as CSV otherwise."""
    if kind != "xlsx":
        return csv_download(table, f"{stem}.csv")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{stem}.xlsx"
        write_table(table, path)
        file = path.open("rb")  # stays readable after its name is gone
    return FileResponse(file, as_attachment=True, filename=f"{stem}.xlsx")
