"""Redis or Milvus goes away while people work: nothing is lost, and nobody has to do anything after."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
import requests
from django.contrib.auth.models import User
from kombu.exceptions import OperationalError
from rest_framework.authtoken.models import Token

from dam.models import Asset
from search.models import IndexEntry, IndexState
from search.tasks import sweep
from tests.environment import TestEnvironment
from tests.pictures import picture
from tests.services.processes import Process, Web, eventually
from tests.services.servers import Server, Stack

pytestmark = pytest.mark.services


@pytest.fixture
def stack(environment: TestEnvironment) -> Iterator[Stack]:
    """All servers; those that a test stopped run again after it."""
    assert environment.stack is not None
    yield environment.stack
    servers: list[Server] = [environment.stack.redis, environment.stack.milvus]
    for server in servers:
        if server.process_id is None:
            server.start()


class Uploader:
    """Somebody who uploads by REST and expects it to work."""

    def __init__(self, web: Web, user: User) -> None:
        self._api = f"{web.url}/api/v1"
        self._headers = {"Authorization": f"Token {Token.objects.create(user=user).key}"}
        self._count = 0

    def upload(self, title: str) -> Asset:
        self._count += 1
        file = picture(size=(200, 200), colour=f"hsl({self._count * 47 % 360}, 80%, 45%)", seed=self._count)
        answer = requests.post(
            f"{self._api}/assets/",
            headers=self._headers,
            data={"title": title},
            files={"file": ("photo.jpg", file, "image/jpeg")},
            timeout=60,
        )
        assert answer.status_code == 201, f"{title}: {answer.status_code} {answer.text[:500]}"
        return Asset.objects.get(public_id=answer.json()["id"])

    def search(self, words: str) -> dict:
        answer = requests.get(f"{self._api}/search/", headers=self._headers, params={"q": words}, timeout=60)
        assert answer.status_code == 200, answer.text[:500]
        return dict(answer.json())


@pytest.fixture
def uploader(web: Web, editor: User) -> Uploader:
    return Uploader(web, editor)


def swept(check: Callable[[], bool]) -> Callable[[], bool]:
    """Ask `check` after a sweep, as beat sends one every half minute."""

    def ask() -> bool:
        if check():
            return True
        try:
            sweep.delay()
        except OperationalError:
            return False
        time.sleep(1)
        return check()

    return ask


def all_indexed(assets: list[Asset]) -> bool:
    keys = [asset.pk for asset in assets]
    return IndexEntry.objects.filter(asset_key__in=keys, state=IndexState.INDEXED).count() == len(keys)


def test_redis_dies_and_comes_back_during_uploads(
    stack: Stack, worker: Callable[[], Process], uploader: Uploader
) -> None:
    process = worker()
    before = [uploader.upload(f"before {number}") for number in range(4)]
    stack.redis.kill()
    without = [uploader.upload(f"without {number}") for number in range(4)]
    stack.redis.start()
    after = [uploader.upload(f"after {number}") for number in range(4)]
    uploaded = before + without + after
    eventually(swept(lambda: all_indexed(uploaded)), "every upload is indexed", process=process)
    assert Asset.objects.count() == 12
    assert IndexEntry.objects.count() == 12


def test_milvus_is_away_during_an_upload(
    stack: Stack, worker: Callable[[], Process], uploader: Uploader
) -> None:
    process = worker()
    first = uploader.upload("Paper lantern")
    eventually(lambda: all_indexed([first]), "the first upload is indexed", process=process)

    stack.milvus.stop()
    second = uploader.upload("Copper kettle")
    entry = IndexEntry.objects.get(asset_key=second.pk)
    eventually(
        lambda: IndexEntry.objects.get(pk=entry.pk).last_error, "the worker notes the outage", process=process
    )
    entry.refresh_from_db()
    assert entry.state == IndexState.PENDING
    answer = uploader.search("kettle")
    assert [row["id"] for row in answer["results"]] == [str(second.public_id)]
    assert answer["degraded"]

    stack.milvus.start()
    eventually(swept(lambda: all_indexed([first, second])), "the second is indexed too", process=process)
    # Milvus takes rows before it has loaded those that it has; nobody is kept waiting for that.
    eventually(lambda: not uploader.search("kettle")["degraded"], "search is whole again", process=process)
    answer = uploader.search("kettle")
    assert (answer["results"][0]["id"], answer["degraded"]) == (str(second.public_id), "")
