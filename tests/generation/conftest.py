"""Assets to generate from, and the painter as provider."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pytest_django.fixtures import SettingsWrapper

    from dam.models import Asset
    from tests.generation.painter import Painter

_numbers = itertools.count(1)


@pytest.fixture
def painter(settings: SettingsWrapper) -> Callable[..., Painter]:
    """`painter(price="0.04", …)`: the configured provider of this test, ready to be told what to do."""
    from generation.providers.registry import get_provider

    def configure(**options: Any) -> Painter:
        name = f"painter{next(_numbers)}"  # the registry keeps one instance a name
        declared = {"CLASS": "tests.generation.painter.Painter", "OPTIONS": options}
        settings.GENERATION_PROVIDERS = {**settings.GENERATION_PROVIDERS, name: declared}
        settings.GENERATION_PROVIDER = name
        return get_provider(name)

    return configure


@pytest.fixture
def assets_of(db: None) -> Callable[..., list[Asset]]:
    """`assets_of("model", 3)`: that many approved assets of a kind."""
    from tests.factories import AssetFactory

    def make(kind: str, count: int, **given: Any) -> list[Asset]:
        return [
            AssetFactory(kind=kind, title=f"{kind.title()} {number}", title_zh=f"{kind}{number}号", **given)
            for number in range(1, count + 1)
        ]

    return make
