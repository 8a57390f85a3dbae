"""Providers by name, as settings declare them."""

from __future__ import annotations

from functools import cache
from typing import Any

from django.conf import settings
from django.utils.module_loading import import_string

from generation.providers.base import Provider


class UnknownProvider(LookupError):
    """No provider of that name is declared."""


@cache
def get_provider(name: str) -> Provider:
    """The provider declared under this name, one instance per process."""
    try:
        declared: dict[str, Any] = settings.GENERATION_PROVIDERS[name]
    except KeyError:
        known = ", ".join(sorted(settings.GENERATION_PROVIDERS))
        raise UnknownProvider(f"There is no provider “{name}”. Known: {known}.") from None
    provider_class: type[Provider] = import_string(declared["CLASS"])
    return provider_class(**declared["OPTIONS"])
