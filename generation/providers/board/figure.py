"""Putting props on a character: hats on heads, glasses on eyes, the rest into hands and behind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from generation.providers.board import canvas

EDGE = 900  # pixels of the figure's height while it is dressed

HEAD_WORDS = (
    *("crown", "hat", "cap", "helmet", "tiara", "halo", "cowboy", "fire", "flame"),
    *("冠", "帽", "盔", "光环", "火"),
)
EYE_WORDS = ("glasses", "goggles", "sunglasses", "eyewear", "mask", "眼镜", "墨镜", "护目镜", "面具")
NECK_WORDS = ("scarf", "necklace", "tie", "beads", "medal", "围巾", "项链", "领带", "念珠", "奖牌")
BACK_WORDS = (
    *("wing", "cape", "cloak", "backpack", "bag", "umbrella", "rainbow"),
    *("翅膀", "披风", "斗篷", "背包", "伞", "彩虹"),
)


@dataclass(frozen=True)
class Anatomy:
    """Where things go, in pixels of the figure."""

    width: int
    height: int
    head_top: int
    head_centre: int
    head_width: int


def dress(character: Image.Image, props: Sequence[tuple[str, str, Image.Image]]) -> Image.Image:
    """One RGBA picture of the character with its props.

    Args:
        character: RGBA, trimmed to the figure.
        props: (title in any language, role, RGBA picture) in order of importance.
    """
    figure = canvas.fit(character, EDGE, EDGE)
    anatomy = _anatomy(figure)
    margin = EDGE // 2
    stage = Image.new("RGBA", (figure.width + 2 * margin, figure.height + 2 * margin), (0, 0, 0, 0))
    behind: list[Placed] = []
    front: list[Placed] = []
    hands: list[Image.Image] = []
    for title, _role, picture in props:
        place = _place(title.lower())
        if place == "hand":
            hands.append(picture)
        elif place == "back":
            behind.append(_behind(picture, anatomy))
        else:
            front.append(_worn(picture, place, anatomy, len(front)))
    front += [_held(picture, number, anatomy) for number, picture in enumerate(hands)]
    for picture, (left, top) in behind:
        canvas.place(stage, picture, (left + margin, top + margin))
    canvas.place(stage, figure, (margin, margin))
    for picture, (left, top) in front:
        canvas.place(stage, picture, (left + margin, top + margin))
    box = stage.getchannel("A").getbbox()
    return stage.crop(box) if box else stage


def _place(title: str) -> str:
    for place, words in (
        ("eyes", EYE_WORDS),
        ("neck", NECK_WORDS),
        ("back", BACK_WORDS),
        ("head", HEAD_WORDS),
    ):
        if any(word in title for word in words):
            return place
    return "hand"


def _anatomy(figure: Image.Image) -> Anatomy:
    """The head as the widest part of the figure's upper quarter."""
    solid = np.asarray(figure.getchannel("A")) > 100
    rows = np.flatnonzero(solid.any(axis=1))
    top = int(rows[0]) if len(rows) else 0
    upper = solid[top : top + max(1, figure.height // 4)]
    columns = np.flatnonzero(upper.any(axis=0))
    widths = upper.sum(axis=1)
    centre = int((columns[0] + columns[-1]) / 2) if len(columns) else figure.width // 2
    head = int(np.percentile(widths, 80)) if len(widths) else figure.width // 3
    return Anatomy(figure.width, figure.height, top, centre, max(head, figure.width // 6))


Placed = tuple[Image.Image, tuple[int, int]]


def _worn(picture: Image.Image, place: str, anatomy: Anatomy, already: int) -> Placed:
    if place == "eyes":
        worn = canvas.fit(picture, round(anatomy.head_width * 0.86), anatomy.height)
        top = anatomy.head_top + round(anatomy.head_width * 0.52) - worn.height // 2
    elif place == "neck":
        worn = canvas.fit(picture, round(anatomy.head_width * 0.8), anatomy.height // 4)
        top = anatomy.head_top + round(anatomy.head_width * 1.02)
    else:
        worn = canvas.fit(picture, round(anatomy.head_width * 1.02), round(anatomy.height * 0.42))
        # The brim sits a little below the top of the head; a second one is stacked on the first.
        top = anatomy.head_top - round(worn.height * (0.74 + 0.62 * already))
    return worn, (anatomy.head_centre - worn.width // 2, top)


def _held(picture: Image.Image, number: int, anatomy: Anatomy) -> Placed:
    """Alternately at the right and the left, at the height of the hands."""
    held = canvas.fit(picture, round(anatomy.height * 0.46), round(anatomy.height * 0.52))
    row = number // 2
    top = round(anatomy.height * (0.60 - 0.30 * row)) - held.height // 2
    overlap = round(held.width * 0.26)
    left = anatomy.width - overlap if number % 2 == 0 else overlap - held.width
    return held, (left, top)


def _behind(picture: Image.Image, anatomy: Anatomy) -> Placed:
    behind = canvas.fit(picture, round(anatomy.width * 1.25), round(anatomy.height * 0.7))
    return behind, ((anatomy.width - behind.width) // 2, round(anatomy.height * 0.16))
