"""Pictures in work: bounded by pixels, in turn, and none of them twice."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from django.db import connection
from django.test import Client
from PIL import Image
from pytest_django import Settings

from dam import pictures
from dam.addresses import rendition_url
from dam.errors import IngestError
from dam.models import Asset, Rendition
from dam.presets import BUILT_IN
from dam.workload import Busy, OneAtATime, PixelBudget, pixel_budget, renditions_in_work
from tests.factories import AssetFactory
from tests.pictures import picture

TEN_AT_ONCE = 10


class Meter:
    """Counts the pixels that are being decoded, and the most there ever were."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.now = self.most = self.decoded = 0

    def around(self, decode: Callable) -> Callable:
        def measured(header: object, image: Image.Image, at_most: int) -> Image.Image:
            pixels = image.width * image.height
            with self.lock:
                self.now += pixels
                self.decoded += 1
                self.most = max(self.most, self.now)
            try:
                return decode(header, image, at_most)
            finally:
                with self.lock:
                    self.now -= pixels

        return measured


@pytest.fixture
def meter(monkeypatch: pytest.MonkeyPatch) -> Meter:
    meter = Meter()
    monkeypatch.setattr(pictures, "upright", meter.around(pictures.upright))
    return meter


def at_once(work: Callable[[int], object]) -> list[object]:
    """Ten threads do it, each with a database connection of its own."""
    together = threading.Barrier(TEN_AT_ONCE)

    def one(number: int) -> object:
        together.wait()
        try:
            return work(number)
        finally:
            connection.close()

    with ThreadPoolExecutor(TEN_AT_ONCE) as pool:
        return list(pool.map(one, range(TEN_AT_ONCE)))


@pytest.mark.django_db(transaction=True)
def test_ten_requests_at_once_stay_within_the_budget(settings: Settings, meter: Meter) -> None:
    assets = [
        AssetFactory(picture={"format": "PNG", "size": (2000, 1200), "seed": number})
        for number in range(TEN_AT_ONCE)
    ]
    settings.DAM_PIXELS_AT_ONCE = 5_000_000
    settings.DAM_MAKE_WAIT_SECONDS = 60
    meter.most = meter.decoded = 0
    statuses = at_once(lambda number: status(assets[number]))
    assert statuses == [200] * TEN_AT_ONCE
    assert meter.decoded == TEN_AT_ONCE
    assert meter.most <= 5_000_000
    assert Rendition.objects.filter(preset="web").count() == TEN_AT_ONCE


@pytest.mark.django_db(transaction=True)
def test_ten_requests_for_one_picture_make_it_once(meter: Meter) -> None:
    asset = AssetFactory(picture={"format": "PNG", "size": (2000, 1200)})
    meter.decoded = 0
    assert at_once(lambda _number: status(asset)) == [200] * TEN_AT_ONCE
    assert meter.decoded == 1


def status(asset: Asset) -> int:
    return Client().get(rendition_url(asset, "web")).status_code


@pytest.mark.django_db
def test_whose_patience_ends_is_told_when_to_come_back(settings: Settings, client: Client) -> None:
    asset = AssetFactory(picture={"size": (2000, 1200)})
    settings.DAM_MAKE_WAIT_SECONDS = 0
    with pixel_budget.take(settings.DAM_PIXELS_AT_ONCE):
        response = client.get(rendition_url(asset, "web"))
    assert response.status_code == 503
    assert int(response["Retry-After"]) > 0
    assert response.json()["code"] == "busy"
    assert client.get(rendition_url(asset, "web")).status_code == 200


@pytest.mark.django_db
def test_who_waits_for_the_same_picture_is_told_too(settings: Settings, client: Client) -> None:
    asset = AssetFactory(picture={"size": (2000, 1200)})
    settings.DAM_MAKE_WAIT_SECONDS = 0
    thing = (asset.current.pk, BUILT_IN["web"].recipe())
    entered, done = threading.Event(), threading.Event()

    def occupy() -> None:
        with renditions_in_work.making(thing):
            entered.set()
            done.wait(30)

    with ThreadPoolExecutor(1) as pool:
        pool.submit(occupy)
        entered.wait(30)
        assert client.get(rendition_url(asset, "web")).status_code == 503
        done.set()
    assert client.get(rendition_url(asset, "web")).status_code == 200


def test_a_picture_larger_than_the_budget_goes_alone(settings: Settings) -> None:
    settings.DAM_PIXELS_AT_ONCE = 10
    budget = PixelBudget()
    with budget.take(1000), pytest.raises(Busy), budget.take(1, patience=0):
        pass
    with budget.take(4), budget.take(6):
        with pytest.raises(Busy), budget.take(1000, patience=0):
            pass
        with pytest.raises(Busy), budget.take(1, patience=0):
            pass
    with budget.take(1000, patience=0):
        pass


def test_the_first_in_the_queue_is_not_overtaken(settings: Settings) -> None:
    settings.DAM_PIXELS_AT_ONCE = 10
    budget = PixelBudget()
    waiting: Future[None]

    def large() -> None:
        with budget.take(10):
            pass

    with ThreadPoolExecutor(1) as pool:
        with budget.take(5):
            waiting = pool.submit(large)
            while not budget._queue:
                pass
            with pytest.raises(Busy), budget.take(1, patience=0):
                pass
        waiting.result(30)
    with budget.take(10, patience=0):
        pass


def test_a_failure_frees_what_it_held() -> None:
    works = OneAtATime()
    with pytest.raises(ValueError, match="broken"), works.making("this"):
        raise ValueError("broken")
    with works.making("this", patience=0):
        pass


@pytest.mark.django_db
def test_a_damaged_picture_frees_the_budget() -> None:
    with pytest.raises(IngestError):
        pictures.read(io.BytesIO(picture()[:700]), 10)
    assert pixel_budget._taken == 0
    assert not pixel_budget._queue
