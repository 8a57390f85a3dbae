"""What Unfold writes into its pages, but for what the policy of contents takes from files alone."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest


def look(request: HttpRequest) -> dict[str, Any]:
    """No colours: they would be a style within the page, and stand in static/atelier/colours.css."""
    return {"colors": None}
