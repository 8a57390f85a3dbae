"""Whichever way a picture comes in, a worker indexes it and search finds it, without anyone doing more."""

from __future__ import annotations

import json
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
import requests
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from PIL import Image
from rest_framework.authtoken.models import Token

from dam.models import Asset
from search.models import IndexEntry, IndexState
from search.query import SearchRequest, search
from tests.pictures import picture
from tests.services.processes import Process, Web, eventually, manage


def drawing(seed: int) -> bytes:
    """A picture unlike the others: its colour and its mark depend on the seed."""
    return picture(format="PNG", size=(320, 320), colour=f"hsl({seed * 67 % 360}, 80%, 50%)", seed=seed)


def found_by_its_picture(asset: Asset, file: bytes) -> bool:
    """Indexed, and the first answer to its own picture."""
    with Image.open(BytesIO(file)) as image:
        results = search(SearchRequest(image=image.convert("RGB"), limit=1), user=None)
    return [hit.asset for hit in results.hits] == [asset]


def indexed(asset: Asset) -> bool:
    return IndexEntry.objects.filter(asset_key=asset.pk, state=IndexState.INDEXED).exists()


def test_an_upload_by_rest_is_found_by_rest(web: Web, worker: Callable[[], Process], editor: User) -> None:
    process = worker()
    token = Token.objects.create(user=editor)
    file = drawing(1)
    api = f"{web.url}/api/v1"
    with requests.Session() as client:
        client.headers["Authorization"] = f"Token {token.key}"
        answer = client.post(
            f"{api}/assets/",
            data={"title": "Striped umbrella", "title_zh": "条纹雨伞"},
            files={"file": ("umbrella.png", file, "image/png")},
        )
        assert answer.status_code == 201, answer.text
        public_id = answer.json()["id"]

        def ids(query: str) -> list[str]:
            answer = client.get(f"{api}/search/", params={"q": query})
            assert answer.status_code == 200, answer.text
            return [row["id"] for row in answer.json()["results"]]

        asset = Asset.objects.get(public_id=public_id)
        eventually(lambda: indexed(asset), "the upload is indexed", process=process)
        eventually(lambda: public_id in ids("umbrella"), "the English title finds it", process=process)
        eventually(lambda: public_id in ids("雨伞"), "the Chinese title finds it", process=process)
        by_picture = client.post(f"{api}/search/", files={"image": ("any.png", file, "image/png")})
        assert by_picture.json()["results"][0]["id"] == public_id


def test_an_upload_in_the_admin_is_found(
    worker: Callable[[], Process], client: Client, reviewer: User
) -> None:
    process = worker()
    client.force_login(reviewer)
    files = [drawing(2), drawing(3)]
    answer = client.post(
        "/admin/dam/asset/upload/",
        {
            "pictures": [
                SimpleUploadedFile(f"{number}.png", file, "image/png") for number, file in enumerate(files)
            ],
            "kind": "prop",
            "state": "approved",
        },
    )
    assert answer.status_code == 200
    assets = list(Asset.objects.order_by("pk"))
    assert [asset.current.original_name for asset in assets if asset.current] == ["0.png", "1.png"]
    for asset, file in zip(assets, files, strict=True):
        eventually(lambda a=asset, f=file: found_by_its_picture(a, f), "it is found", process=process)


def test_imported_files_are_found(worker: Callable[[], Process], tmp_path: Path) -> None:
    process = worker()
    folder = tmp_path / "shoot"
    folder.mkdir()
    files = {f"look-{number}.png": drawing(number) for number in (4, 5, 6)}
    for name, file in files.items():
        (folder / name).write_bytes(file)
    done = manage("import_assets", str(folder), "--kind", "garment", "--json")
    assert (done.returncode, json.loads(done.stdout)["imported"]) == (0, 3), done.stderr
    for name, file in files.items():
        asset = Asset.objects.get(current__original_name=name)
        eventually(lambda a=asset, f=file: found_by_its_picture(a, f), "it is found", process=process)


@pytest.mark.django_db(transaction=True)
def test_what_is_thrown_away_is_found_no_more(worker: Callable[[], Process], editor: User) -> None:
    from dam.editing import trash
    from tests.factories import AssetFactory

    process = worker()
    file = drawing(7)
    asset = AssetFactory(file=file)
    eventually(lambda: found_by_its_picture(asset, file), "it is found", process=process)
    trash([asset], actor=editor)
    eventually(
        lambda: IndexEntry.objects.filter(asset_key=asset.pk, state=IndexState.REMOVED).exists(),
        "its vector is removed",
        process=process,
    )
