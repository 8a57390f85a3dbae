"""The training pictures and what is true of each: rendered, seen by the frozen tower once, and kept."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageOps

from search.encoders.starter import drawing, towers
from search.encoders.starter.captions import WIDER, colour_need
from search.encoders.starter.corpus import Drawing, Photo

Floats = NDArray[np.float32]

CACHE = Path(__file__).resolve().parents[3] / "var" / "starter-cache"
SEED = 20261123
PHOTO_VARIANTS = 6
_CHUNK = 256
# Raise it when what this module, the drawings, the split or what the tower takes and gives changes.
_RECIPE = 3
_SIDED = (
    "left",
    "right",
    "clockwise",
    "arrow",
    "button",
    "keycap",
    "o'clock",
    "thirty",
    "pointing",
    "sign",
    "japanese",
    "input",
    "letter",
    "question",
    "back",
    "end",
    "soon",
    "top",
)
# A drawing that is the same thing as one of the photographed classes, in both directions.
GARMENT_DRAWINGS = {
    "dress": "dress",
    "t-shirt": "t-shirt",
    "jeans": "pants",
    "shorts": "shorts",
    "coat": "outwear",
    "lab coat": "outwear",
    "running shoe": "shoes",
    "man's shoe": "shoes",
    "high-heeled shoe": "shoes",
    "woman's sandal": "shoes",
    "woman's boot": "shoes",
    "hiking boot": "shoes",
    "flat shoe": "shoes",
    "thong sandal": "shoes",
    "billed cap": "hat",
    "woman's hat": "hat",
    "top hat": "hat",
}


@dataclass(frozen=True)
class Pictures:
    """Tower features of pictures, and the tags that are true of each."""

    features: Floats
    tags: tuple[frozenset[str], ...]

    def __len__(self) -> int:
        return len(self.tags)

    @classmethod
    def joined(cls, parts: Sequence[Pictures]) -> Pictures:
        """All parts as one."""
        features = np.concatenate([part.features for part in parts])
        return cls(features, tuple(tags for part in parts for tags in part.tags))


def drawing_tag(item: Drawing) -> str:
    """The tag of one drawing."""
    return f"drawing:{item.code}"


def garment_tags(label: str) -> frozenset[str]:
    """The class and every wider word that holds for it."""
    return frozenset(
        {f"garment:{label}", *(f"wider:{wide}" for wide, (labels, _) in WIDER.items() if label in labels)}
    )


def _identity(item: Drawing) -> frozenset[str]:
    label = GARMENT_DRAWINGS.get(item.en)
    return frozenset({drawing_tag(item)}) | (garment_tags(label) if label else frozenset())


def library(items: tuple[Drawing, ...], style: str = "colour") -> Pictures:
    """Drawings on white: in colour as the library stores them, or in one of the other styles."""
    styles = {
        "colour": drawing.Style(),
        "line": drawing.Style(fills=False),
        "flat": drawing.Style(lines=False),
    }
    made = ((drawing.on_white(drawing.render(item, styles[style])), _identity(item)) for item in items)
    return _seen(f"library-{style}", len(items), made)


def drawing_variants(items: tuple[Drawing, ...]) -> Pictures:
    """Training drawings turned and moved on all grounds, in other hues, and dyed."""
    return _seen("drawing-variants", len(items), _drawing_variants(items))


def _drawing_variants(items: tuple[Drawing, ...]) -> Iterator[tuple[Image.Image, frozenset[str]]]:
    for item in items:
        draw = random.Random(f"{SEED}|{item.code}")  # noqa: S311
        mirror = not item.is_flag and not any(word in item.en.lower() for word in _SIDED)
        hue = 0.0 if item.is_flag else 25.0
        lines, fills = draw.random() < 0.7, draw.random() < 0.9
        style = drawing.Style(
            lines=lines and not (fills and item.split == "style"),
            fills=fills or not lines,
            recolour=drawing.shift(draw.uniform(-hue, hue), draw.choice((0.0, 0.6, 0.9, 1.2))),
        )
        picture = drawing.render(item, style)
        yield drawing.place(picture, drawing.ground(draw), draw, mirror=mirror), _identity(item)
        if drawing.can_be_dyed(item):
            for name in draw.sample(sorted(drawing.DYES), 2):
                lines = draw.random() < 0.7 and item.split != "style"
                style = drawing.Style(lines=lines, recolour=drawing.dye(name))
                white = Image.new("RGB", (drawing.SIZE, drawing.SIZE), (255, 255, 255))
                ground = white if draw.random() < 0.7 and name != "white" else drawing.ground(draw)
                picture = drawing.place(drawing.render(item, style), ground, draw, mirror=mirror)
                yield picture, _identity(item) | {colour_need(name)}


def scenes(
    items: tuple[Drawing, ...], count: int = 1200
) -> tuple[Pictures, tuple[tuple[Drawing, Drawing], ...]]:
    """Two drawings in one picture, and which two."""
    draw = random.Random(f"{SEED}|scenes")  # noqa: S311
    things = [item for item in items if not item.is_flag]
    pairs = tuple(tuple(draw.sample(things, 2)) for _ in range(count))

    def made() -> Iterator[tuple[Image.Image, frozenset[str]]]:
        for first, second in pairs:
            picture = drawing.side_by_side(
                drawing.render(first), drawing.render(second), drawing.ground(draw), draw
            )
            yield picture, _identity(first) | _identity(second)

    return _seen("scenes", count, made()), pairs


def photo_originals(items: tuple[Photo, ...], split: str) -> Pictures:
    """Photos as they are."""
    made = ((_open(item), garment_tags(item.label)) for item in items)
    return _seen(f"photos-{split}", len(items), made)


def photo_variants(items: tuple[Photo, ...]) -> Pictures:
    """Training photos as they are, mirrored, cropped, turned and in other light."""
    return _seen("photo-variants", len(items), _photo_variants(items))


def _photo_variants(items: tuple[Photo, ...]) -> Iterator[tuple[Image.Image, frozenset[str]]]:
    for item in items:
        draw = random.Random(f"{SEED}|{item.path.name}")  # noqa: S311
        photo, tags = _open(item), garment_tags(item.label)
        yield photo, tags
        yield ImageOps.mirror(photo), tags
        for _ in range(PHOTO_VARIANTS - 2):
            yield _shaken(photo, draw), tags


def _open(item: Photo) -> Image.Image:
    return ImageOps.exif_transpose(Image.open(item.path)).convert("RGB")


def _shaken(photo: Image.Image, draw: random.Random) -> Image.Image:
    width, height = photo.size
    share = draw.uniform(0.72, 1.0)
    left, top = draw.uniform(0, 1 - share) * width, draw.uniform(0, 1 - share) * height
    photo = photo.crop((round(left), round(top), round(left + share * width), round(top + share * height)))
    if draw.random() < 0.5:
        photo = ImageOps.mirror(photo)
    if draw.random() < 0.5:
        photo = photo.rotate(
            draw.choice((-90, 90, -12, -6, 6, 12)), expand=True, fillcolor=photo.getpixel((0, 0))
        )
    for enhance in (ImageEnhance.Brightness, ImageEnhance.Contrast):
        photo = enhance(photo).enhance(draw.uniform(0.8, 1.2))
    return photo


def _seen(name: str, items: int, made: Iterator[tuple[Image.Image, frozenset[str]]]) -> Pictures:
    """Run the tower over pictures, or read what an earlier run of the same recipe saw."""
    path = CACHE / f"{name}-{items}-recipe{_RECIPE}.npz"
    if path.is_file():
        with np.load(path) as kept:
            tags = tuple(frozenset(line.split("|")) for line in kept["tags"].tolist())
            return Pictures(kept["features"], tags)
    seen = _run_tower(name, made)
    CACHE.mkdir(parents=True, exist_ok=True)
    np.savez(path, features=seen.features, tags=np.array(["|".join(sorted(tags)) for tags in seen.tags]))
    return seen


@cache
def _tower() -> towers.PictureTower:
    return towers.PictureTower()


def _run_tower(name: str, made: Iterator[tuple[Image.Image, frozenset[str]]]) -> Pictures:
    from tqdm import tqdm

    tower = _tower()
    features: list[Floats] = []
    tags: list[frozenset[str]] = []
    waiting: list[Image.Image] = []
    for picture, true in tqdm(made, desc=name, mininterval=5):
        waiting.append(picture)
        tags.append(true)
        if len(waiting) == _CHUNK:
            features.append(tower.features(waiting))
            waiting = []
    if waiting:
        features.append(tower.features(waiting))
    return Pictures(np.concatenate(features), tuple(tags))
