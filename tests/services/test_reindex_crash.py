"""A reindex whose processes are killed, again and again: the same command, or the sweep, finishes it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.db import connection
from pymilvus import MilvusClient
from pytest_django import Settings

from dam.models import Asset
from search import reindex
from search.index.connection import milvus_uri
from search.models import Embedding, IndexEntry, IndexState, Reindex, ReindexState, Space, SpaceState
from search.outbox import drain
from search.spaces import live_alias, live_space
from search.tasks import sweep
from tests.encoders import DIRECTORY
from tests.factories import AssetFactory
from tests.services.processes import Process, eventually, manage
from tests.services.test_crash import let_leases_run_out

pytestmark = pytest.mark.services

PICTURES = 60
OTHER = "colours:12"


@pytest.fixture
def library(transactional_db: None, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> list[Asset]:
    """Pictures in the live space; processes that are started know the encoder, and take their time."""
    settings.SEARCH_ENCODERS = {**settings.SEARCH_ENCODERS, **DIRECTORY}
    settings.SEARCH_ENCODER = "colours:8"
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "tests.services.colour_settings")
    monkeypatch.setenv("COLOURS_SECONDS", "0.02")
    assets = [AssetFactory() for _ in range(PICTURES)]
    drain()
    return assets


def new_entries() -> Iterator[str]:
    return iter(IndexEntry.objects.filter(space__encoder=OTHER).order_by().values_list("state", flat=True))


def settled() -> int:
    return sum(state == IndexState.INDEXED for state in new_entries())


def begun() -> bool:
    return Space.objects.filter(encoder=OTHER).exists()


def noted() -> bool:
    return any(new_entries())


def encoding() -> bool:
    return IndexState.WORKING in set(new_entries())


def encoded_and_not_written() -> bool:
    return Embedding.objects.filter(space__encoder=OTHER).count() > settled() > 0


def half_done() -> bool:
    return settled() > PICTURES // 2


def switching() -> bool:
    return Reindex.objects.filter(state__in=(ReindexState.COMPLETE, ReindexState.SWITCHED)).exists()


def switched() -> bool:
    return live_space().encoder == OTHER


def kill_when(ask: Callable[[], bool], process: Process) -> bool:
    """SIGKILL as soon as it is so; whether the process was still at work."""
    deadline = time.monotonic() + 60
    while process.runs and time.monotonic() < deadline and not ask():
        time.sleep(0.002)
    assert time.monotonic() < deadline, process.output
    killed = process.runs
    process.kill()
    connection.close()
    return killed


def assert_exactly_the_library(encoder: str) -> None:
    """Index and database hold the same, each asset once, and the alias means the live space."""
    live = live_space()
    assert live.encoder == encoder
    assert Space.objects.filter(state=SpaceState.LIVE).count() == 1
    keys = list(Asset.objects.in_library().order_by("pk").values_list("pk", flat=True))
    client = MilvusClient(milvus_uri())
    try:
        assert client.describe_alias(live_alias())["collection_name"] == live.collection
        for space in Space.objects.all():
            rows = client.query(
                space.collection, filter="id >= 0", output_fields=["id"], limit=10_000,
                consistency_level="Strong",
            )  # fmt: skip
            assert sorted(row["id"] for row in rows) == keys
    finally:
        client.close()
    for space in Space.objects.all():
        entries = space.entries.values_list("asset_key", "state")
        assert sorted(entries) == [(key, IndexState.INDEXED) for key in keys]
        files = Counter(Embedding.objects.filter(space=space).values_list("sha256", flat=True))
        assert len(files) == len(keys)
        assert set(files.values()) == {1}


def test_the_command_is_killed_at_every_stage_and_finishes(library: list[Asset], tmp_path: Path) -> None:
    command = ("manage", "index", "--reindex", OTHER)
    for number, stage in enumerate((begun, noted, encoding, encoded_and_not_written, half_done, switching)):
        killed = kill_when(stage, Process(*command, log=tmp_path / f"{number}.log"))
        assert killed or stage in (encoded_and_not_written, switching)  # these are over in milliseconds
        let_leases_run_out(IndexEntry.objects.all())
    assert live_space().encoder in ("colours:8", OTHER)
    done = manage("index", "--reindex", OTHER, "--json")
    assert done.returncode == 0, done.stderr
    assert Reindex.objects.get().state == ReindexState.SWITCHED
    assert_exactly_the_library(OTHER)


def test_the_worker_is_killed_the_sweep_finishes_and_the_way_back_is_killed_too(
    library: list[Asset], worker: Callable[[], Process], tmp_path: Path
) -> None:
    reindex.start(OTHER, switch_when_complete=True)
    for stage in (encoding, half_done):
        process = worker()
        sweep.delay()
        assert kill_when(stage, process)
        let_leases_run_out(IndexEntry.objects.all())
    AssetFactory()
    last = worker()
    sweep.delay()
    eventually(switched, "the worker switches", process=last)
    last.kill()  # right after the switch: the alias may be behind
    let_leases_run_out(IndexEntry.objects.all())
    sweep()
    assert_exactly_the_library(OTHER)

    back = Process("manage", "index", "--reindex", "colours:8", log=tmp_path / "back.log")
    kill_when(lambda: live_space().encoder == "colours:8", back)
    sweep()
    assert_exactly_the_library("colours:8")
