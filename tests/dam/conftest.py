"""What tests of the library share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

# Django's models are imported inside the fixtures: settings are chosen in `pytest_configure`.
if TYPE_CHECKING:
    from search.models import Space


@pytest.fixture
def space(db: None) -> Space:
    """A live space that is there already: the outbox gets its rows, and no encoder is loaded for them."""
    from search.models import Space, SpaceState

    return Space.objects.create(
        slug="none", encoder="none", weights="none", dimension=8, collection="none", state=SpaceState.LIVE
    )
