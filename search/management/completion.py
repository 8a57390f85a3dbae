"""Encoders that a command line is completed with: those of the library, and the families of others."""

from __future__ import annotations

from django.conf import settings

from search.models import Space

OF_A_MODEL = ("openclip", "transformers")


def encoders(prefix: str) -> dict[str, str]:
    """Ids of encoders; of families that are none without a model, up to the colon before it."""
    families = {f"{name}:" if name in OF_A_MODEL else name: "" for name in settings.SEARCH_ENCODERS}
    known = {space.encoder: str(space.get_state_display()) for space in Space.objects.order_by("pk")}
    every = {**families, settings.SEARCH_ENCODER: "SEARCH_ENCODER", **known}
    return {encoder: word for encoder, word in every.items() if encoder.startswith(prefix)}
