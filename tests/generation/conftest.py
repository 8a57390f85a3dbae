"""Assets to generate from, and the painter as provider."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.test import Client
    from pytest_django.fixtures import SettingsWrapper
    from rest_framework.test import APIClient

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
def staff(client: Client, reviewer: User) -> Client:
    """The reviewer's browser."""
    client.force_login(reviewer)
    return client


@pytest.fixture
def reviewer_api(reviewer: User) -> APIClient:
    """The reviewer's program."""
    from tests.clients import api_of

    return api_of(reviewer)


@pytest.fixture
def away_storage(settings: SettingsWrapper, tmp_path: Path) -> Iterator[None]:
    """A storage that is away while `AwayStorage.away`."""
    from tests.dam.storages import AwayStorage

    backend = {"BACKEND": "tests.dam.storages.AwayStorage", "OPTIONS": {"location": str(tmp_path)}}
    settings.STORAGES = {**settings.STORAGES, "default": backend}
    yield
    AwayStorage.away = False


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
