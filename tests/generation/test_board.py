"""The `board` provider: sheets from pictures, the same each time, honest about bad input."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from generation.providers.base import ProviderInput, ProviderRequest, ProviderResult, Refused
from generation.providers.board import BoardProvider
from generation.providers.board.cutout import cut_out
from generation.providers.board.typography import MEDIUM, Style, font, wrap

RED, BLUE, GREEN = (220, 30, 30), (30, 60, 220), (20, 140, 60)


def blob(colour: tuple[int, int, int], background: tuple[int, ...] | None = None) -> bytes:
    """An ellipse on transparency, or on a background."""
    image = Image.new("RGBA", (300, 400), (0, 0, 0, 0) if background is None else (*background, 255))
    ImageDraw.Draw(image).ellipse((60, 40, 240, 360), fill=(*colour, 255))
    content = BytesIO()
    image.save(content, "PNG")
    return content.getvalue()


def given(
    role: str, content: bytes, title: str = "Thing", title_zh: str = "东西", sku: str = ""
) -> ProviderInput:
    return ProviderInput(role, lambda: content, "image/png", "asset", title, title_zh, (sku,) if sku else ())


def board(*inputs: ProviderInput, **parameters: Any) -> ProviderResult:
    return BoardProvider().generate(ProviderRequest("", inputs, parameters, "cell"))


def opened(result: ProviderResult) -> Image.Image:
    return Image.open(BytesIO(result.image)).convert("RGB")


def share(image: Image.Image, colour: tuple[int, int, int]) -> float:
    """Share of pixels of about this colour."""
    distance = np.linalg.norm(np.asarray(image, dtype=float) - colour, axis=2)
    return float((distance < 30).mean())


OUTFIT = (
    given("model", blob(GREEN), "Anna", "安娜"),
    given("garment", blob(RED), "Red dress", "红裙", "D-1"),
    given("accessory", blob(BLUE), "Blue hat", "蓝帽"),
)


def test_a_look_shows_every_input() -> None:
    sheet = opened(board(*OUTFIT))
    assert sheet.size == (1536, 1152)
    assert min(share(sheet, colour) for colour in (GREEN, RED, BLUE)) > 0.01


def test_a_character_wears_the_crown_on_its_head() -> None:
    parts = (given("character", blob(GREEN), "Elf"), given("accessory", blob(RED), "Crown", "皇冠"))
    stage = np.asarray(opened(board(*parts)), dtype=float)[110:1240]
    green_rows = np.flatnonzero((np.linalg.norm(stage - GREEN, axis=2) < 30).sum(axis=1) > 20)
    red_rows = np.flatnonzero((np.linalg.norm(stage - RED, axis=2) < 30).sum(axis=1) > 20)
    assert red_rows.mean() < green_rows.mean()
    assert red_rows.max() > green_rows.min(), "the crown touches the head"


def test_a_product_stands_on_its_scene() -> None:
    scene = Image.new("RGB", (900, 600), (120, 170, 210))
    content = BytesIO()
    scene.save(content, "JPEG")
    sheet = opened(board(given("product", blob(RED), "Mug"), given("scene", content.getvalue(), "Sky")))
    assert sheet.size == (1536, 1024)
    assert share(sheet, (120, 170, 210)) > 0.4
    assert share(sheet, RED) > 0.02


def test_the_same_request_gives_the_same_bytes() -> None:
    assert board(*OUTFIT).image == board(*OUTFIT).image


@pytest.mark.parametrize(
    ("ratio", "size"), [("1:1", (1024, 1024)), ("16:9", (1024, 576)), ("4:5", (819, 1024))]
)
def test_aspect_ratio_and_size_are_kept(ratio: str, size: tuple[int, int]) -> None:
    assert opened(board(*OUTFIT, aspect_ratio=ratio, size=1024)).size == size


def test_a_plain_background_is_taken_away_and_a_busy_one_is_not() -> None:
    plain = Image.open(BytesIO(blob(RED, (250, 250, 248)))).convert("RGBA")
    cut = cut_out(plain)
    assert cut is not None
    assert cut.size[0] < 200 and cut.getpixel((2, 2))[3] == 0
    busy = Image.effect_noise((300, 400), 120).convert("RGBA")
    assert cut_out(busy) is None


def test_many_inputs_still_fit() -> None:
    many = [given("garment", blob(RED), f"Thing {n}", "很长的名字" * 6) for n in range(11)]
    assert opened(board(OUTFIT[0], *many)).size == (1536, 1152)


def test_captions_break_in_both_languages_and_never_run_over() -> None:
    style = Style(24, MEDIUM, (0, 0, 0))
    face = font(24, MEDIUM)
    for text in (
        "A very long title of a summer dress with flowers",
        "一条名字非常非常长的夏季碎花连衣裙还没有完",
    ):
        lines = wrap(text, style, 200, 2)
        assert len(lines) == 2
        assert all(face.getlength(line) <= 200 for line in lines)
        assert lines[-1].endswith("…")


def test_both_scripts_have_glyphs() -> None:
    face = font(40, MEDIUM)
    missing = face.getmask("\U0010ffff").getbbox(), bytes(face.getmask("\U0010ffff"))
    for character in "Az9é龙裙袖":
        assert (face.getmask(character).getbbox(), bytes(face.getmask(character))) != missing


@pytest.mark.parametrize(
    ("parameters", "words"),
    [({"aspect_ratio": "7:1"}, "7:1"), ({"size": 99}, "512"), ({"size": "big"}, "whole number")],
)
def test_parameters_that_make_no_sense_are_refused(parameters: dict[str, Any], words: str) -> None:
    with pytest.raises(Refused, match=words):
        board(*OUTFIT, **parameters)


def test_no_inputs_and_broken_inputs_are_refused() -> None:
    with pytest.raises(Refused, match="at least one"):
        board()
    with pytest.raises(Refused, match="“Torn” cannot be read"):
        board(given("garment", b"not a picture", "Torn"))


def test_it_is_ready_and_free() -> None:
    provider = BoardProvider()
    assert provider.check() is None
    assert provider.capability.price_per_picture == 0
    assert not provider.capability.makes_photographs
