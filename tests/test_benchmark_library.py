"""The library that benchmarks and the load fill by statements of their own still fits its tables."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import connection
from rest_framework.test import APIClient

from dam.models import Asset, AssetVersion
from search.models import IndexEntry, IndexState
from search.spaces import live_space
from tests.benchmarks.library import dress, fill
from tests.benchmarks.search_library import enter
from tests.factories import AssetFactory

FILLED = 300


@pytest.fixture
def ids_go_on(transactional_db: None) -> Iterator[None]:
    """Rows of later tests get ids that no earlier test had, though the benchmarks begin at 1."""
    sequences = [f"{model._meta.db_table}_id_seq" for model in (Asset, AssetVersion, IndexEntry)]
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval(%s), nextval(%s), nextval(%s)", sequences)
        reached = cursor.fetchone()
        yield
        for name, number in zip(sequences, reached, strict=True):
            cursor.execute("SELECT setval(%s, %s)", [name, max(number, FILLED)])


@pytest.mark.services
@pytest.mark.usefixtures("ids_go_on")
def test_assets_filled_in_are_listed_found_and_followed_by_those_of_people(staff_api: APIClient) -> None:
    fill(FILLED)
    dress()
    enter(live_space())

    page = staff_api.get("/api/v1/assets/?kind=scene&limit=100").json()
    assert {asset["title"] for asset in page["results"]} == {f"Asset {n}" for n in range(2, FILLED + 1, 6)}
    assert "Asset 7" in {hit["title"] for hit in staff_api.get("/api/v1/search/?q=Asset 7").json()["results"]}
    entries = IndexEntry.objects.filter(space=live_space(), state=IndexState.INDEXED)
    assert set(entries.values_list("asset_key", flat=True)) == set(Asset.objects.values_list("pk", flat=True))
    assert not IndexEntry.objects.claimable().exists()
    assert AssetFactory().pk == FILLED + 1
