"""Providers, prompt templates and style sets that a command line is completed with."""

from __future__ import annotations

from django.conf import settings

from generation.models import PromptTemplate, StyleSet
from generation.prompts import BUILT_IN


def providers(prefix: str) -> dict[str, str]:
    """Names of providers; which of them can work is what `manage.py doctor` says."""
    return {name: "" for name in sorted(settings.GENERATION_PROVIDERS) if name.startswith(prefix)}


def templates(prefix: str) -> dict[str, str]:
    """Keys of prompt templates: those that there are always, and those that the studio wrote."""
    written = PromptTemplate.objects.order_by("key", "version").values_list("key", "name")
    every = {**dict.fromkeys(BUILT_IN, ""), **dict(written)}
    return {key: name for key, name in every.items() if key.startswith(prefix)}


def styles(prefix: str) -> dict[str, str]:
    """Slugs of style sets."""
    return dict(StyleSet.objects.filter(slug__startswith=prefix).order_by("slug").values_list("slug", "name"))
