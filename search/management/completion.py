"""Encoders that a command line is completed with: those of the library, and the families of others."""

from __future__ import annotations

from django.conf import settings

from search.models import Space


def encoders(prefix: str) -> dict[str, str]:
    """Ids of encoders; a family ends in a colon, after which its model is named."""
    families = {name if name == "starter" else f"{name}:": "" for name in settings.SEARCH_ENCODERS}
    known = {space.encoder: str(space.get_state_display()) for space in Space.objects.order_by("pk")}
    every = {**families, settings.SEARCH_ENCODER: "SEARCH_ENCODER", **known}
    return {encoder: word for encoder, word in every.items() if encoder.startswith(prefix)}
