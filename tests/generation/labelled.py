"""Pictures of which it is known what is wrong with them: boards and photographs put together, and altered.

The garments are photographs, people and backdrops are drawings of the sample library. A `photo` stands for
what a picture model makes: the cut-out garment, turned, tilted and relit, on another ground.
"""

from __future__ import annotations

import csv
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageOps

from dam import matting
from dam.sample import openmoji
from dam.sample.backdrops import BACKDROPS
from dam.svg import rasterise
from generation.providers.base import ProviderInput, ProviderRequest
from generation.providers.board import BoardProvider
from generation.providers.board.typography import MEDIUM, font
from generation.quality.judgement import Asked, Case, Source

GOOD = "good"
PHOTO = (900, 1200)
WORDS = (
    *(
        "SUMMER SALE",
        "Lorem ipsum dolor",
        "NEW COLLECTION",
        "FASHlON WEFK",
        "Rnoew Tasihn",
        "www.example.com",
    ),
    *("限时优惠 全场五折", "时尚新品上市"),
)
INKS = ((255, 255, 255), (0, 0, 0), (220, 30, 30), (250, 220, 60))

Picture = Image.Image
Chance = random.Random


@dataclass(frozen=True)
class Labelled:
    """A case, what was done to it (`good`: nothing), and the role of the source that it touches, if any."""

    family: str
    alteration: str
    case: Case
    role: str = ""


@dataclass(frozen=True)
class Stock:
    """What cases are made of: labelled garments, people, backdrops."""

    garments: list[tuple[str, Picture]]
    people: list[Picture]
    backdrops: list[Picture]

    def another(self, label: str, than: Picture, chance: Chance) -> Picture:
        """Another garment of the same label."""
        return chance.choice([one for name, one in self.garments if name == label and one is not than])


def stock(clothing: Path, seed: int) -> Stock:
    """Garments in an order of their own for each seed, and all people and backdrops."""
    with (clothing / "labels.csv").open(newline="", encoding="utf-8-sig") as handle:
        rows = list(csv.DictReader(handle))
    chance = Chance(seed)
    chance.shuffle(rows)
    garments = [(row["label"], Image.open(clothing / row["file"]).convert("RGB")) for row in rows[:300]]
    people = [one for one in openmoji.drawings() if one.group.kind == "model"]
    chance.shuffle(people)
    return Stock(
        garments,
        [_drawn(one.svg, 618) for one in people[:40]],
        [_drawn(one.svg, 1200).convert("RGB") for one in BACKDROPS],
    )


def _drawn(svg: bytes, side: int) -> Picture:
    return Image.open(BytesIO(rasterise(svg, side)))


# --- Families -------------------------------------------------------------------------------------


def outfits(stock: Stock, count: int, chance: Chance) -> Iterator[Labelled]:
    """Boards of a person and a garment."""
    for number in range(count):
        label, garment = stock.garments[number]
        person, other = chance.sample(stock.people, 2)
        given = {"model": person, "garment": garment}
        good = _case(given, board(given, "3:4"), "3:4", photograph=False)
        yield from _altered("outfit", good, chance)
        for name, changed in (
            ("swapped", stock.another(label, garment, chance)),
            ("recoloured", recoloured_photo(garment, chance)),
        ):
            result = board({**given, "garment": changed}, "3:4")
            yield Labelled("outfit", name, replace(good, result=result), "garment")
        result = board({**given, "model": other}, "3:4")
        yield Labelled("outfit", "swapped", replace(good, result=result), "model")
        half = good.result.crop((0, 0, good.result.width, good.result.height // 2))
        yield Labelled("outfit", "cropped", replace(good, result=half), "garment")


def scenes(stock: Stock, count: int, chance: Chance) -> Iterator[Labelled]:
    """Boards of a garment on a backdrop."""
    for number in range(count):
        label, garment = stock.garments[-1 - number]
        backdrop, other = chance.sample(stock.backdrops, 2)
        given = {"product": garment, "scene": backdrop}
        good = _case(given, board(given, "1:1"), "1:1", photograph=False)
        yield from _altered("scene", good, chance)
        for name, role, changed in (
            ("swapped", "product", stock.another(label, garment, chance)),
            ("recoloured", "product", recoloured_photo(garment, chance)),
            ("swapped", "scene", other),
        ):
            result = board({**given, role: changed}, "1:1")
            yield Labelled("scene", name, replace(good, result=result), role)


def photos(stock: Stock, count: int, chance: Chance) -> Iterator[Labelled]:
    """What stands for photographs."""
    for number in range(count):
        label, garment = stock.garments[100 + number]
        ground = stock.backdrops[number % len(stock.backdrops)]
        if number % 2:
            ground = chance.choice(stock.garments)[1].filter(ImageFilter.GaussianBlur(14))
        subject, other = cut(garment), cut(stock.another(label, garment, chance))
        shot = Shot(chance)
        result, box = shot.of(subject, ground)
        good = _case({"garment": garment}, result, "3:4")
        yield from _altered("photo", good, chance)
        yield Labelled("photo", "lettered", replace(good, result=lettered(result, chance)))
        for name, changed in (
            ("swapped", shot.of(other, ground)[0]),
            ("recoloured", shot.of(recoloured(subject, chance), ground)[0]),
            ("cropped", _beside(result, box)),
        ):
            yield Labelled("photo", name, replace(good, result=changed), "garment")


def styles(stock: Stock, count: int, chance: Chance) -> Iterator[Labelled]:
    """Photographs beside references that are graded alike, or otherwise."""
    for number in range(count):
        mine, other = chance.sample(sorted(GRADES), 2)
        shown = [one for _label, one in chance.sample(stock.garments, 4)]
        result, _box = Shot(chance).of(cut(stock.garments[200 + number][1]), stock.backdrops[number % 11])
        sources = [
            Source("reference", place, GRADES[mine](one), f"{mine}{id(one)}")
            for place, one in enumerate(shown)
        ]
        for name, grade in ((GOOD, mine), ("regraded", other)):
            graded = GRADES[grade](result)
            yield Labelled("style", name, Case(graded, sources, Asked(graded.size)))


def _case(given: dict[str, Picture], result: Picture, ratio: str, *, photograph: bool = True) -> Case:
    sources = [Source(role, place, one, str(id(one))) for place, (role, one) in enumerate(given.items())]
    return Case(result, sources, Asked(result.size, ratio, photograph=photograph))


def _altered(family: str, good: Case, chance: Chance) -> Iterator[Labelled]:
    """The good one, and what can be done to any picture."""
    yield Labelled(family, GOOD, good)
    for name, alter in ALTERATIONS.items():
        result = alter(good.result, chance)
        yield Labelled(
            family, name, replace(good, result=result, asked=replace(good.asked, size=result.size))
        )


# --- Making pictures ------------------------------------------------------------------------------


def board(given: dict[str, Picture], ratio: str) -> Picture:
    """The sheet that the `board` provider makes of these."""
    inputs = [_input(role, one) for role, one in given.items()]
    made = BoardProvider().generate(ProviderRequest("", inputs, {"aspect_ratio": ratio}, "cell"))
    return Image.open(BytesIO(made.image)).convert("RGB")


def _input(role: str, picture: Picture) -> ProviderInput:
    content = BytesIO()
    picture.save(content, "PNG")
    return ProviderInput(role, content.getvalue, "image/png", "asset", "Thing", "东西", ("SKU-1",))


def cut(picture: Picture) -> Picture:
    """The subject on transparency, trimmed."""
    cut = matting.without_background(picture)
    return cut.crop(cut.getchannel("A").point(lambda value: 255 if value > 100 else 0).getbbox())


class Shot:
    """One way to photograph: size, place, turn, tilt and light; the same for whatever is put before it."""

    def __init__(self, chance: Chance) -> None:
        self.share = chance.uniform(0.4, 0.75)
        self.turn = chance.uniform(-8, 8)
        self.tilt = [chance.uniform(-0.06, 0.06) for _corner in range(8)]
        self.at = chance.uniform(0.05, 0.95), chance.uniform(0.1, 0.9)
        self.light, self.contrast = chance.uniform(0.82, 1.15), chance.uniform(0.9, 1.15)
        self.warmth = np.array((chance.uniform(0.95, 1.05), 1, chance.uniform(0.95, 1.05)))

    def of(self, subject: Picture, ground: Picture) -> tuple[Picture, tuple[int, int, int, int]]:
        """The photograph of a cut-out, and where it shows it."""
        photo = ImageOps.fit(ground.convert("RGB"), PHOTO).filter(ImageFilter.GaussianBlur(1.2))
        turned = self._turned(subject)
        left = round(self.at[0] * max(1, photo.width - turned.width))
        top = round(self.at[1] * max(1, photo.height - turned.height))
        photo.paste(self._lit(turned), (left, top), turned.getchannel("A"))
        content = BytesIO()
        photo.save(content, "JPEG", quality=88)
        return Image.open(content).convert("RGB"), (left, top, left + turned.width, top + turned.height)

    def _turned(self, subject: Picture) -> Picture:
        scale = min(PHOTO[0] * self.share * 1.1 / subject.width, PHOTO[1] * self.share / subject.height)
        size = max(8, round(subject.width * scale)), max(8, round(subject.height * scale))
        width, height = size
        corners = np.array((0, 0, 0, height, width, height, width, 0), dtype=float)
        corners += np.array(self.tilt) * np.array((width, height) * 4)
        tilted = subject.resize(size, Image.Resampling.LANCZOS).transform(
            size, Image.Transform.QUAD, tuple(corners), Image.Resampling.BICUBIC
        )
        return tilted.rotate(self.turn, Image.Resampling.BICUBIC, expand=True)

    def _lit(self, subject: Picture) -> Picture:
        lit = ImageEnhance.Brightness(subject.convert("RGB")).enhance(self.light)
        lit = ImageEnhance.Contrast(lit).enhance(self.contrast)
        return Image.fromarray(np.uint8(np.clip(np.asarray(lit) * self.warmth, 0, 255)))


# --- Altering them --------------------------------------------------------------------------------


def blurred(picture: Picture, chance: Chance) -> Picture:
    """Out of focus, by 2 to 6 thousandths of the longer side."""
    return picture.filter(ImageFilter.GaussianBlur(max(picture.size) * chance.uniform(0.0015, 0.006)))


def flat(picture: Picture, chance: Chance) -> Picture:
    """One colour, or a smooth gradient."""
    mean = tuple(int(value) for value in np.asarray(picture).reshape(-1, 3).mean(axis=0))
    gradient = Image.linear_gradient("L").resize(picture.size).point(lambda value: 100 + value // 8)
    plain = [Image.new("RGB", picture.size, colour) for colour in (mean, "white", "black")]
    return chance.choice([*plain, gradient.convert("RGB")])


def noisy(picture: Picture, chance: Chance) -> Picture:
    """Mostly noise."""
    noise = np.random.default_rng(chance.randrange(2**32)).normal(80, 90, (picture.height, picture.width, 3))
    return Image.fromarray(np.uint8(np.clip(np.asarray(picture) * 0.35 + noise, 0, 255)))


def stretched(picture: Picture, chance: Chance) -> Picture:
    """Of another shape than asked for."""
    return picture.resize((picture.width, round(picture.height * chance.choice((0.55, 0.75, 1.35)))))


def lettered(picture: Picture, chance: Chance) -> Picture:
    """Written over, in one to three lines."""
    words, ink = chance.choice(WORDS), chance.choice(INKS)
    face = font(round(picture.height * chance.uniform(0.03, 0.08)), MEDIUM)
    left = max(4, (picture.width - face.getlength(words)) * chance.uniform(0.1, 0.9))
    top = chance.uniform(0.05, 0.85) * picture.height
    written = picture.copy()
    for line in range(chance.choice((1, 1, 2, 3))):
        at = left, min(picture.height - 1.3 * face.size, top + 1.3 * line * face.size)
        ImageDraw.Draw(written).text(at, words, ink, face)
    return written


def recoloured(subject: Picture, chance: Chance) -> Picture:
    """The same cut-out in another colour: its hue turned, or a grey one dyed."""
    hue, saturation, value = subject.convert("RGB").convert("HSV").split()
    opaque = np.asarray(subject.getchannel("A")) > 128
    turn, dye = chance.choice((70, 110, 150, 190)), chance.choice((10, 60, 100, 150, 220))
    if np.asarray(saturation)[opaque].mean() < 50:
        hue, saturation = hue.point(lambda _hue: dye), saturation.point(lambda grey: min(255, grey + 130))
    else:
        hue = hue.point(lambda angle: (angle + turn) % 256)
    changed = Image.merge("HSV", (hue, saturation, value)).convert("RGB")
    changed.putalpha(subject.getchannel("A"))
    return changed


def recoloured_photo(picture: Picture, chance: Chance) -> Picture:
    """A photograph whose subject alone is recoloured."""
    subject = matting.without_background(picture)
    changed = picture.copy()
    changed.paste(recoloured(subject, chance).convert("RGB"), mask=subject.getchannel("A"))
    return changed


def _beside(picture: Picture, box: tuple[int, int, int, int]) -> Picture:
    """The larger part of the picture beside its subject, of which a sixth stays."""
    left, top, right, bottom = box
    across, down = (right - left) // 6, (bottom - top) // 6
    parts = (
        (0, 0, max(64, left + across), picture.height),
        (min(picture.width - 64, right - across), 0, picture.width, picture.height),
        (0, 0, picture.width, max(64, top + down)),
        (0, min(picture.height - 64, bottom - down), picture.width, picture.height),
    )
    return picture.crop(max(parts, key=lambda part: (part[2] - part[0]) * (part[3] - part[1])))


def _mixed(picture: Picture, tint: tuple[float, float, float], contrast: float, colour: float) -> Picture:
    graded = ImageEnhance.Color(ImageEnhance.Contrast(picture.convert("RGB")).enhance(contrast)).enhance(
        colour
    )
    return Image.fromarray(np.uint8(np.clip(np.asarray(graded) * np.array(tint), 0, 255)))


ALTERATIONS: dict[str, Callable[[Picture, Chance], Picture]] = {
    "blurred": blurred,
    "flat": flat,
    "noisy": noisy,
    "stretched": stretched,
}
GRADES: dict[str, Callable[[Picture], Picture]] = {
    "grey": lambda picture: _mixed(picture, (1, 1, 1), 1.2, 0),
    "sepia": lambda picture: _mixed(picture, (1.07, 0.95, 0.75), 0.9, 0.25),
    "cold": lambda picture: _mixed(picture, (0.85, 0.97, 1.15), 1.0, 0.8),
    "warm": lambda picture: _mixed(picture, (1.15, 1.0, 0.82), 1.1, 1.3),
    "dark": lambda picture: _mixed(picture, (0.5, 0.5, 0.55), 1.3, 0.9),
    "pale": lambda picture: ImageEnhance.Brightness(_mixed(picture, (1, 1, 1), 0.5, 0.6)).enhance(1.35),
}
