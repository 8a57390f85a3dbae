"""A contributor's own program over HTTP: brings in, describes, hands over, shares; and meets its bounds."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from io import BytesIO
from typing import Any

import requests
from django.contrib.auth.models import User
from django.utils import timezone
from rest_framework.authtoken.models import Token
from tusclient.client import TusClient

from dam.models import Asset, AssetState, Collection, Tag
from tests.archive_files import zip_of
from tests.factories import AssetFactory, CollectionFactory, ReviewerFactory, UserFactory
from tests.pictures import picture, text_as_jpg
from tests.services.processes import Process, Web, eventually


class Program:
    """Speaks to the API in somebody's name, or in nobody's."""

    def __init__(self, web: Web, user: User | None = None) -> None:
        self.root = f"{web.url}/api/v1/"
        self.headers = {"Authorization": f"Token {Token.objects.create(user=user).key}"} if user else {}

    def ask(self, method: str, path: str, expected: int, **given: Any) -> Any:
        """The answer's JSON; any other status than the expected one is an error."""
        answer = requests.request(method, self.root + path, headers=self.headers, timeout=60, **given)
        assert answer.status_code == expected, f"{method} {path}: {answer.status_code} {answer.text[:500]}"
        is_json = "json" in answer.headers.get("Content-Type", "")
        return answer.json() if is_json else answer.content

    def upload(self, content: bytes, name: str, purpose: str = "asset") -> str:
        """By tus, with its public client, in pieces; the id of the upload."""
        client = TusClient(f"{self.root}uploads/", headers=self.headers)
        metadata = {"filename": name, "purpose": purpose}
        uploader = client.uploader(file_stream=BytesIO(content), chunk_size=2000, metadata=metadata)
        uploader.upload()
        return str(uploader.url).rstrip("/").rsplit("/", 1)[-1]


def test_a_contributor_lives_by_the_api(web: Web, worker: Callable[[], Process]) -> None:
    process = worker()
    cleo, other = UserFactory(username="cleo"), UserFactory(username="other")
    mine, theirs, shop = Program(web, cleo), Program(web, other), Program(web)
    reviewer = Program(web, ReviewerFactory())

    # Brought in, described, handed over; approving is not theirs.
    dress = mine.ask(
        "POST", "assets/", 201, files={"file": ("dress.jpg", picture(seed=1))}, data={"kind": "garment"}
    )
    path = f"assets/{dress['id']}/"
    assert (dress["state"], dress["owner"]) == ("draft", "cleo")
    told = mine.ask("PATCH", path, 200, json={"title": "Red dress", "title_zh": "红裙", "tags": ["summer"]})
    assert (told["title"], [tag["slug"] for tag in told["tags"]]) == ("Red dress", ["summer"])
    assert mine.ask("PATCH", path, 200, json={"state": "in_review"})["state"] == "in_review"
    mine.ask("PATCH", path, 400, json={"state": "approved"})
    assert Asset.objects.get().state == AssetState.IN_REVIEW
    mine.ask("POST", f"{path}comments/", 201, json={"text": "Ready, I think."})
    shop.ask("GET", path, 404)
    theirs.ask("GET", path, 404)
    reviewer.ask("PATCH", path, 200, json={"state": "approved"})
    assert shop.ask("GET", path, 200)["title"] == "Red dress"

    # Collected and shared with somebody who has no account.
    collection = mine.ask("POST", "collections/", 201, json={"name": "Look book"})
    inside = f"collections/{collection['id']}/"
    assert mine.ask("POST", f"{inside}items/", 200, json={"assets": [dress["id"]]}) == {"added": 1}
    ends = (timezone.now() + timedelta(days=30)).isoformat()
    link = mine.ask("POST", f"{inside}links/", 201, json={"expires_at": ends, "max_downloads": 3})
    shown = requests.get(link["url"], timeout=30)
    assert shown.status_code == 200 and "Red dress" in shown.text
    mine.ask("DELETE", f"{inside}links/{link['id']}/", 204)
    assert requests.get(link["url"], timeout=30).status_code == 410

    # In pieces by tus; an archive, checked and then taken in by the worker.
    upload = mine.ask("GET", f"uploads/{mine.upload(picture(seed=2, size=(300, 200)), 'hat.jpg')}/", 200)
    assert upload["state"] == "created"
    assert mine.ask("GET", f"assets/{upload['asset']}/", 200)["file_name"] == "hat.jpg"
    files = {f"bag-{number}.jpg": picture(seed=10 + number) for number in range(4)} | {
        "list.jpg": text_as_jpg()
    }
    archive = mine.upload(zip_of(files), "bags.zip", "import")
    run = f"imports/{mine.ask('POST', 'imports/', 201, json={'upload': archive, 'kind': 'product'})['id']}/"
    eventually(lambda: mine.ask("GET", run, 200)["state"] == "ready", "it is checked", process=process)
    assert Asset.objects.count() == 2
    mine.ask("POST", f"{run}start/", 200)
    eventually(lambda: mine.ask("GET", run, 200)["state"] == "done", "it is taken in", process=process)
    rows = mine.ask("GET", f"{run}rows/", 200)["results"]
    assert sorted(row["outcome"] for row in rows) == ["imported"] * 4 + ["rejected"]
    assert b"list.jpg" in mine.ask("GET", f"{run}errors.csv", 200)
    assert mine.ask("GET", "assets/?kind=product", 200)["results"][0]["state"] == "draft"
    assert theirs.ask("GET", "assets/?kind=product", 200)["results"] == []

    # Bounds: what is not theirs is not there, or is not theirs to change; and nothing has happened to it.
    hidden = AssetFactory(title="Secret", state=AssetState.DRAFT, owner=other, picture={"seed": 31})
    sold = AssetFactory(title="Sold", owner=other, picture={"seed": 32})
    private = CollectionFactory(name="Private", owner=other)
    foreign = theirs.upload(picture(seed=33), "cap.jpg")
    before = list(Asset.objects.order_by("pk").values_list("title", "state"))
    for method, what, expected, given in (
        ("GET", f"assets/{hidden.public_id}/", 404, None),
        ("PATCH", f"assets/{hidden.public_id}/", 404, {"title": "Mine"}),
        ("DELETE", f"assets/{hidden.public_id}/", 404, None),
        ("GET", f"assets/{sold.public_id}/", 200, None),
        ("PATCH", f"assets/{sold.public_id}/", 403, {"title": "Mine"}),
        ("DELETE", f"assets/{sold.public_id}/", 403, None),
        ("DELETE", path, 403, None),  # what the shop shows is not for its uploader to withdraw
        ("GET", f"collections/{private.pk}/", 404, None),
        ("POST", f"collections/{private.pk}/items/", 404, {"assets": [dress["id"]]}),
        ("POST", f"collections/{private.pk}/links/", 404, {}),
        ("POST", f"{inside}items/", 400, {"assets": [str(hidden.public_id)]}),
        ("GET", f"uploads/{foreign}/", 404, None),
        ("POST", "imports/", 400, {"upload": foreign}),
        ("POST", "imports/", 403, {"folder": "/etc"}),
        ("POST", "tags/", 403, {"slug": "mine", "label": "Mine"}),
        ("POST", "skus/", 403, {"code": "MINE"}),
        ("GET", "audit/", 403, None),
        ("GET", "webhooks/", 403, None),
        ("POST", "rendition-presets/", 403, {"slug": "mine"}),
    ):  # fmt: skip
        mine.ask(method, what, expected, **({"json": given} if given is not None else {}))
    theirs.ask("GET", run, 404)
    theirs.ask("POST", f"{run}stop/", 404)
    for method, what in (("POST", "assets/"), ("PATCH", path), ("DELETE", path), ("POST", "imports/")):
        shop.ask(method, what, 401)
    assert list(Asset.objects.order_by("pk").values_list("title", "state")) == before
    assert not Tag.objects.filter(slug="mine").exists()
    assert list(Collection.objects.get(pk=collection["id"]).assets.values_list("title", flat=True)) == [
        "Red dress"
    ]
