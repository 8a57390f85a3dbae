"""The suite's own tools: pictures that are what they say, people with the rights they should have."""

from __future__ import annotations

from io import BytesIO

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from PIL import Image

from tests import pictures
from tests.environment import TestEnvironment


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF", "HEIF"])
def test_a_picture_has_the_format_asked_for(format: str) -> None:
    made = pictures.picture(format=format, size=(80, 60), colour="blue")
    with Image.open(BytesIO(made)) as image:
        assert (image.format, image.size) == (format, (80, 60))
        red, green, blue = image.convert("RGB").getpixel((60, 45))
    assert blue > 200
    assert max(red, green) < 60


def test_seeds_make_different_files() -> None:
    assert len({pictures.picture(seed=seed) for seed in range(50)}) == 50


def test_the_pixel_bomb_is_small_and_wide() -> None:
    bomb = pictures.pixel_bomb_png()
    assert 80_000 < len(bomb) < 150_000
    assert bomb[16:24] == (30_000).to_bytes(4, "big") * 2


def test_everything_lies_in_the_suites_own_folder(environment: TestEnvironment) -> None:
    places = [settings.MEDIA_ROOT, settings.MILVUS_LITE_DIR, settings.BROKER_DIR, settings.STATIC_ROOT]
    assert all(place.is_relative_to(environment.data) for place in places)


def test_people_have_their_rights(editor: User, administrator: User, stranger: User) -> None:
    may = [person.has_perm("dam.change_asset") for person in (editor, administrator, stranger)]
    assert may == [True, True, False]
    assert [person.is_staff for person in (editor, administrator, stranger)] == [True, True, False]
    assert not editor.is_superuser
