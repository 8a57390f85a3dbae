"""Backgrounds are removed by a real network; what is missing is named."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image, ImageDraw
from pytest_django import Settings

from dam import matting
from dam.matting import MattingUnavailable, without_background
from dam.presets import Preset
from dam.renditions import rendition_for
from tests.factories import AssetFactory
from tests.pictures import picture

pytestmark = pytest.mark.django_db


@pytest.fixture
def network(settings: Settings) -> Iterator[None]:
    """The weights that the package of requirements-matting.txt carries."""
    settings.DAM_MATTING = "u2netp"
    if sentence := matting.problem():
        pytest.skip(sentence)
    yield


def scene() -> Image.Image:
    """A dark bottle before a bright wall."""
    image = Image.new("RGB", (400, 300), (225, 228, 232))
    draw = ImageDraw.Draw(image)
    draw.rounded_rectangle((150, 90, 250, 270), 24, fill=(120, 20, 30))
    draw.rectangle((180, 40, 220, 100), fill=(120, 20, 30))
    return image


def encoded(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def cut_out(content: bytes, **parameters: object) -> Image.Image:
    preset = Preset("cut", width=400, format="png", cutout=True, **parameters)  # type: ignore[arg-type]
    rendition = rendition_for(AssetFactory(file=content).current, preset)
    with rendition.file.open() as file:
        image = Image.open(io.BytesIO(file.read()))
    image.load()
    return image


@pytest.mark.usefixtures("network")
def test_the_subject_stays_and_the_wall_goes() -> None:
    image = cut_out(encoded(scene()))
    assert (image.mode, image.size) == ("RGBA", (400, 300))
    assert image.getpixel((200, 180))[3] > 220
    assert max(image.getpixel(corner)[3] for corner in ((5, 5), (395, 5), (5, 295), (395, 150))) < 30


@pytest.mark.usefixtures("network")
def test_the_background_of_the_preset_takes_its_place() -> None:
    image = cut_out(encoded(scene()), background="#00ff00")
    assert image.mode == "RGB"
    red, green, blue = image.getpixel((395, 150))
    assert green > 240
    assert max(red, blue) < 30


@pytest.mark.usefixtures("network")
def test_what_is_transparent_already_stays_as_it_is() -> None:
    content = picture(format="PNG", alpha=True, size=(400, 300))
    with Image.open(io.BytesIO(content)) as original:
        assert cut_out(content).getchannel("A").tobytes() == original.getchannel("A").tobytes()


@pytest.mark.usefixtures("network")
def test_another_model_is_another_recipe(settings: Settings) -> None:
    cut, plain = Preset("cut", width=10, cutout=True), Preset("plain", width=10)
    before = cut.recipe(), plain.recipe()
    settings.DAM_MATTING = "isnet:/models/isnet.onnx"
    assert cut.recipe() != before[0]
    assert plain.recipe() == before[1]


@pytest.mark.usefixtures("network")
def test_a_file_of_ones_own(settings: Settings) -> None:
    settings.DAM_MATTING = f"u2net:{matting._packaged_weights()}"
    assert without_background(scene()).getpixel((5, 5))[3] < 30


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("", "Set DAM_MATTING"),
        ("magic", "it can be"),
        ("isnet", "it can be"),
        ("isnet:/nowhere/isnet.onnx", "/nowhere/isnet.onnx, which is not there"),
    ],
)
def test_what_is_missing_is_named(settings: Settings, value: str, words: str) -> None:
    settings.DAM_MATTING = value
    assert words in matting.problem()
    with pytest.raises(MattingUnavailable):
        without_background(scene())


def test_a_file_that_is_no_network_is_named(settings: Settings, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    file = tmp_path / "broken.onnx"
    file.write_bytes(b"this is no network")
    settings.DAM_MATTING = f"u2net:{file}"
    assert "cannot be loaded" in matting.problem()
