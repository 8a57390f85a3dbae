"""Bulk indexing: bounded memory, leases that outlive slow encoders, and entries that wait for broken ones."""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.utils import timezone
from PIL import Image

from dam.pictures import glance
from search import outbox
from search.encoders.base import Encoder, EncoderError, SpaceSpec, Vectors
from search.encoders.registry import get_encoder
from search.models import Embedding, IndexEntry, IndexState
from tests.factories import AssetFactory

pytestmark = pytest.mark.django_db
Drain = Callable[[], outbox.DrainReport]


class Prepared:
    """What `prepare` gives, so that a test can count how many there are."""


class WatchedEncoder(Encoder):
    """Vectors at random; counts what is in memory, and who runs it."""

    def __init__(self) -> None:
        super().__init__()
        self.alive: weakref.WeakSet[Prepared] = weakref.WeakSet()
        self.most = 0
        self.sizes: list[int] = []
        self.niceness: set[int] = set()
        self.slow = 0.0
        self.broken = ""
        self._count = threading.Lock()

    @property
    def space(self) -> SpaceSpec:
        return SpaceSpec("watched", "none", 4)

    def _load(self) -> None:
        pass

    def _prepare(self, image: Image.Image) -> Prepared:
        with self._count:
            prepared = Prepared()
            self.alive.add(prepared)
            self.most = max(self.most, len(self.alive))
        return prepared

    def _encode_images(self, prepared: Sequence[Prepared]) -> Vectors:
        if self.broken:
            raise EncoderError(self.broken)
        self.niceness.add(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
        self.sizes.append(len(prepared))
        time.sleep(self.slow)
        return np.random.default_rng(1).normal(size=(len(prepared), 4)).astype(np.float32)

    def _encode_texts(self, texts: Sequence[str]) -> Vectors:
        raise NotImplementedError


@pytest.fixture
def watched(settings: Any) -> Any:
    settings.SEARCH_ENCODERS = {**settings.SEARCH_ENCODERS, "watched": f"{__name__}.WatchedEncoder"}
    settings.SEARCH_ENCODER = "watched"
    settings.SEARCH_BATCH_SIZE = 2
    get_encoder.cache_clear()
    yield get_encoder("watched")
    get_encoder.cache_clear()


def test_pictures_in_memory_are_bounded_however_many_wait(watched: WatchedEncoder, index_now: Drain) -> None:
    for _ in range(40):
        AssetFactory()
    watched.slow = 0.02
    report = index_now()
    assert (report.indexed, report.encoded) == (40, 40)
    assert watched.most <= outbox.BATCHES_AT_ONCE * 4
    assert watched.sizes == [4] * 10


def test_a_picture_comes_as_small_as_it_is_needed() -> None:
    for size, shown in (((1600, 400), (400, 100)), ((300, 900), (100, 300)), ((90, 60), (90, 60))):
        file = BytesIO()
        Image.new("RGB", size, (200, 30, 30)).save(file, "JPEG", quality=95)
        seen = glance(file, 100)
        assert seen.size == shown
        assert np.abs(np.asarray(seen, dtype=int) - (200, 30, 30)).max() <= 3


def test_encoding_gives_way_to_whoever_waits(watched: WatchedEncoder, index_now: Drain) -> None:
    AssetFactory()
    before = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    index_now()
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) == before
    assert min(watched.niceness) > before or before >= 10


def test_a_slow_encoder_keeps_its_entries(
    watched: WatchedEncoder, index_now: Drain, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(9):
        AssetFactory()
    monkeypatch.setattr(outbox, "LEASE", timedelta(seconds=0.4))
    watched.slow = 0.6
    renewed = []
    original = outbox._renew

    def noted(entries: Sequence[IndexEntry], lease: timedelta) -> None:
        original(entries, lease)
        stolen = IndexEntry.objects.claimable().filter(pk__in=[entry.pk for entry in entries])
        renewed.append(stolen.count())

    monkeypatch.setattr(outbox, "_renew", noted)
    assert index_now().indexed == 9
    assert len(renewed) >= 3
    assert set(renewed) == {0}


def test_an_encoder_that_breaks_leaves_every_entry_pending(watched: WatchedEncoder, index_now: Drain) -> None:
    for _ in range(9):
        AssetFactory()
    watched.broken = "The weights are gone; fetch them again."
    report = index_now()
    assert (report.indexed, report.postponed) == (0, watched.broken)
    entries = IndexEntry.objects.values_list("state", "last_error")
    assert set(entries) == {(IndexState.PENDING, watched.broken)}
    assert not IndexEntry.objects.filter(leased_until__isnull=False).exists()
    assert Embedding.objects.count() == 0
    watched.broken = ""
    IndexEntry.objects.update(not_before=timezone.now())
    assert index_now().indexed == 9


@pytest.mark.parametrize("harm", ["missing", "cut off", "another model"])
def test_weights_that_cannot_be_used_leave_entries_pending(
    harm: str, checkpoint: Path, tmp_path: Path, settings: Any, index_now: Drain
) -> None:
    weights = tmp_path / "weights.pt"
    weights.write_bytes(checkpoint.read_bytes())
    model = "ViT-B-32" if harm == "another model" else "tiny-clip"
    if harm == "cut off":
        weights.write_bytes(checkpoint.read_bytes()[:2000])
    settings.SEARCH_ENCODER = f"openclip:{model}/{weights}"
    settings.SEARCH_EXPORTS = tmp_path / "exports"
    asset = AssetFactory()
    if harm == "missing":
        weights.unlink()
        get_encoder.cache_clear()
    report = index_now()
    said = "There is no checkpoint file" if harm == "missing" else "is not a checkpoint of"
    assert said in report.postponed
    assert report.indexed == report.failed == 0
    entry = IndexEntry.objects.get(asset_key=asset.pk)
    assert (entry.state, entry.attempts) == (IndexState.PENDING, 0)
    assert said in entry.last_error
