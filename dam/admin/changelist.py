"""Lists that count once."""

from __future__ import annotations

from django.http import HttpRequest
from unfold.views import ChangeList


class PlainChangeList(ChangeList):
    """Says how many there are under these filters, and does not count the whole table beside that."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.full_result_count = self.result_count
