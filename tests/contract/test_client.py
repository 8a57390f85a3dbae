"""A client generated from the API's description, with nothing written by hand, lives by it."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import UUID

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import call_command
from rest_framework.authtoken.models import Token

from dam.models import AssetKind, Collection
from generation.models import GenerationJob
from tests.factories import AssetFactory
from tests.pictures import picture

CONFIG = Path(settings.BASE_DIR) / "docs" / "openapi-python-client.yml"


@pytest.fixture(scope="session")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], ModuleType]:
    """The client's modules by name; a warning of its generator is an error."""
    folder = tmp_path_factory.mktemp("client")
    call_command("spectacular", "--format", "openapi-json", "--file", str(folder / "schema.json"))
    program = Path(sys.executable).with_name("openapi-python-client")
    made = subprocess.run(
        [
            str(program), "generate", "--path", "schema.json", "--config", str(CONFIG), "--meta", "none",
            "--output-path", "atelier_client", "--fail-on-warning",
        ],
        cwd=folder, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    said = made.stdout + made.stderr
    assert made.returncode == 0 and "warning" not in said.lower(), said
    sys.path.insert(0, str(folder))
    return lambda name: importlib.import_module(f"atelier_client.{name}" if name else "atelier_client")


@pytest.mark.once
def test_a_generated_client_lives_by_the_api(
    live_server: Any, generated: Callable[[str], ModuleType], index_now: Callable[[], Any], reviewer: User
) -> None:
    people = [
        AssetFactory(kind=AssetKind.MODEL, title=f"Ada {n}", picture={"seed": 70 + n}) for n in range(2)
    ]
    dress = AssetFactory(kind=AssetKind.GARMENT, title="Red dress", picture={"colour": "red"})
    key = Token.objects.create(user=reviewer).key
    package, types, models = generated(""), generated("types"), generated("models")
    client = package.AuthenticatedClient(base_url=live_server.url, token=key, prefix="Token")

    def ask(operation: str, expected: int, *of: Any, **given: Any) -> Any:
        """The answer, as the client reads it."""
        answer = generated(f"api.{operation}").sync_detailed(*of, client=client, **given)
        assert answer.status_code == expected, answer.content
        return answer.parsed

    # Pages of a list, one after the other.
    first = ask("assets.assets_list", 200, limit=2)
    assert [asset.title for asset in first.results] == ["Red dress", "Ada 1"]
    cursor = str(first.next_).rpartition("cursor=")[2].partition("&")[0]
    assert cursor

    # A picture is taken in, described and found.
    file = types.File(payload=BytesIO(picture(seed=9)), file_name="hat.jpg", mime_type="image/jpeg")
    sent = models.UploadRequest(
        file=file,
        title="Straw hat",
        kind=models.AssetKindEnum.ACCESSORY,
        state=models.AssetStateEnum.APPROVED,
    )
    hat = ask("assets.assets_create", 201, body=sent)
    assert (hat.title, hat.kind.value, hat.file_name) == ("Straw hat", "accessory", "hat.jpg")
    change = models.PatchedAssetRequest(title="Straw hat with a ribbon", tags=["summer"])
    hat = ask("assets.assets_partial_update", 200, hat.id, body=change)
    assert (hat.title, [tag.slug for tag in hat.tags]) == ("Straw hat with a ribbon", ["summer"])
    index_now()
    found = ask("search.search_retrieve", 200, q="straw hat")
    assert found.results[0].id == hat.id
    alike = ask("assets.assets_similar_retrieve", 200, hat.id, limit=2)
    assert len(alike.results) == 2 and hat.id not in [hit.id for hit in alike.results]
    asked = ask("search.search_create", 200, body=models.AssetQueryRequest(like=[dress.public_id]))
    assert asked.total >= 3

    # Collected; and planned, without anything being made.
    look = ask("collections.collections_create", 201, body=models.CollectionRequest(name="Look"))
    put = models.CollectionItemsRequest(assets=[hat.id, dress.public_id])
    assert ask("collections.collections_items_create", 200, look.id, body=put).added == 2
    collection = Collection.objects.get(pk=look.id)
    assert [asset.title for asset in collection.assets.order_by("collection_links__position")] == [
        "Straw hat with a ribbon", "Red dress",
    ]  # fmt: skip
    order = models.PlanOrderRequest(
        kind=models.JobKindEnum.OUTFITS,
        models=",".join(str(person.public_id) for person in people),
        garments=str(dress.public_id),
    )
    plan = ask("generation.generation_plan", 200, body=order)
    assert plan.picture_count == 2 and GenerationJob.objects.count() == 0

    # What is refused is a problem, and read as one.
    nameless = ask("collections.collections_create", 400, body=models.CollectionRequest(name=""))
    assert (nameless.status, "name" in nameless.errors) == (400, True)
    missing = ask("assets.assets_retrieve", 404, UUID(int=0))
    assert missing.detail and Collection.objects.count() == 1
