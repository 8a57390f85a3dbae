"""Derived files: made once, kept, and the same for everybody."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from pytest_django import DjangoAssertNumQueries, Settings

from dam.models import AssetVersion, Rendition
from dam.presets import BUILT_IN
from dam.renditions import rendition_for
from tests.dam.storages import BusyStorage, stored_files
from tests.factories import AssetFactory
from tests.pictures import picture

pytestmark = pytest.mark.django_db


def version_of(content: bytes) -> AssetVersion:
    return AssetFactory(file=content).current


def opened(rendition: Rendition) -> Image.Image:
    with rendition.file.open() as file:
        image = Image.open(io.BytesIO(file.read()))
    image.load()
    return image


def test_ingest_makes_the_thumbnail_so_that_lists_make_none(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    version = version_of(picture(size=(900, 600)))
    kept = stored_files()

    with django_assert_num_queries(1):
        thumbnail = rendition_for(version, BUILT_IN["thumbnail"])

    assert stored_files() == kept
    assert (thumbnail.width, thumbnail.height, thumbnail.mime) == (320, 213, "image/webp")
    assert opened(thumbnail).size == (320, 213)


def test_a_rendition_is_made_on_demand_and_kept() -> None:
    version = version_of(picture(size=(2400, 1200), exif_orientation=6))

    first = rendition_for(version, BUILT_IN["web"])
    again = rendition_for(version, BUILT_IN["web"])

    assert again == first
    assert Rendition.objects.filter(version=version, preset="web").count() == 1
    image = opened(first)
    assert (image.format, image.size) == ("WEBP", (800, 1600))
    assert (first.width, first.height) == (800, 1600)
    assert first.size == first.file.size


def test_small_originals_are_not_enlarged() -> None:
    assert opened(rendition_for(version_of(picture(size=(50, 20))), BUILT_IN["web"])).size == (50, 20)


def test_transparency_is_kept() -> None:
    image = opened(
        rendition_for(version_of(picture(format="PNG", alpha=True, size=(60, 60))), BUILT_IN["web"])
    )

    assert image.mode == "RGBA"
    assert image.getpixel((58, 58))[3] == 0


def test_another_parameter_is_another_recipe() -> None:
    recipes = {preset.recipe() for preset in BUILT_IN.values()}

    assert len(recipes) == len(BUILT_IN)
    assert all(len(recipe) <= Rendition._meta.get_field("recipe").max_length for recipe in recipes)


def test_a_lost_original_is_told_as_such() -> None:
    version = version_of(picture())
    version.file.storage.delete(version.file.name)

    with pytest.raises(FileNotFoundError):
        rendition_for(version, BUILT_IN["web"])


@pytest.fixture
def busy_storage(settings: Settings, tmp_path: Path) -> Iterator[type[BusyStorage]]:
    backend = {"BACKEND": "tests.dam.storages.BusyStorage", "OPTIONS": {"location": str(tmp_path)}}
    settings.STORAGES = {**settings.STORAGES, "default": backend}
    yield BusyStorage
    BusyStorage.meanwhile = None


def test_of_two_requests_at_once_both_get_the_same_file(busy_storage: type[BusyStorage]) -> None:
    version = version_of(picture(size=(400, 300)))
    before = stored_files()
    made: list[Rendition] = []
    busy_storage.meanwhile = lambda: made.append(rendition_for(version, BUILT_IN["web"]))

    loser = rendition_for(version, BUILT_IN["web"])

    assert loser == made[0] == Rendition.objects.get(version=version, preset="web")
    assert len(stored_files() - before) == 1
    assert opened(loser).size == (400, 300)
