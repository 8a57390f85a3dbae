"""Which layout a set of inputs gets, and how each is composed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from PIL import Image, ImageDraw

from generation.providers.board import canvas
from generation.providers.board.canvas import Box, Palette
from generation.providers.board.cutout import cut_out
from generation.providers.board.figure import dress
from generation.providers.board.typography import BOLD, MEDIUM, REGULAR, Style, font, write

FOOTER = "Board by Atelier · arranged from library assets"
LONG_EDGE = 1536
UNIT = 1536  # the long edge for which the sizes below are given


@dataclass(frozen=True)
class Part:
    """One input: its role, RGBA picture and what its caption says."""

    role: str
    picture: Image.Image = field(repr=False)
    title: str
    title_zh: str
    sku_codes: tuple[str, ...] = ()

    @cached_property
    def cutout(self) -> Image.Image | None:
        """The subject without its background, or None for a picture that stays a framed photo."""
        return cut_out(self.picture)


def lay_out(parts: Sequence[Part], size: tuple[int, int] | None, *, note: str = "") -> Image.Image:
    """The sheet for these parts: a character, a scene, or a look sheet; RGB."""
    roles = {part.role for part in parts}
    if "character" in roles:
        sheet = _character(parts, size or (1536, 1536))
    elif (
        "scene" in roles and roles <= {"scene", "product", "garment", "accessory", "prop"} and len(parts) > 1
    ):
        sheet = _scene(parts, size or (1536, 1024))
    else:
        sheet = _look(parts, size or (1536, 1152), note)
    return sheet.convert("RGB")


class _Sheet:
    """A canvas with its palette and a scale, so that layouts are written once for all sizes."""

    def __init__(self, parts: Sequence[Part], size: tuple[int, int]) -> None:
        colourful = [part.cutout or part.picture for part in parts if part.role != "scene"]
        self.palette: Palette = canvas.palette_of(colourful or [part.picture for part in parts])
        self.image = canvas.paper(size, self.palette)
        self.scale = max(size) / UNIT
        self.margin = self.px(64)

    def px(self, units: float) -> int:
        return max(1, round(units * self.scale))

    @property
    def draw(self) -> ImageDraw.ImageDraw:
        return ImageDraw.Draw(self.image)

    def style(self, size: float, weight: int = REGULAR, *, muted: bool = False) -> Style:
        return Style(self.px(size), weight, self.palette.muted if muted else self.palette.ink)

    def caption(self, part: Part, at: tuple[int, int], width: int, size: float = 24) -> int:
        """Title, the other language's title, SKU; the y below."""
        first, second = (part.title, part.title_zh) if part.title else (part.title_zh, "")
        y = write(self.draw, at, first, self.style(size, MEDIUM), width, 2)
        if second and second != first:
            y = write(self.draw, (at[0], y), second, self.style(size * 0.86, muted=True), width)
        if part.sku_codes:
            y = self._pill(part.sku_codes[0], (at[0], y + self.px(6)), size * 0.7, width)
        return y

    def _pill(self, text: str, at: tuple[int, int], size: float, width: int) -> int:
        face = font(self.px(size), MEDIUM)
        pad = self.px(size * 0.55)
        length = min(round(face.getlength(text)) + 2 * pad + 2, width)
        height = round(face.size * 1.7)
        canvas.panel(self.image, (*at, at[0] + length, at[1] + height), self.palette.panel, height // 2)
        write(
            self.draw,
            (at[0] + pad, at[1] + height // 2),
            text,
            self.style(size, MEDIUM),
            length - 2 * pad,
            1,
            "lm",
        )
        return at[1] + height

    def heading(self, english: str, chinese: str) -> int:
        """The line at the top; the y below."""
        write(self.draw, (self.margin, self.px(56)), english.upper(), self.style(22, BOLD), self.px(500))
        start = self.margin + round(font(self.px(22), BOLD).getlength(english.upper())) + self.px(14)
        write(self.draw, (start, self.px(56)), chinese, self.style(22, REGULAR, muted=True), self.px(300))
        return self.px(108)

    def footer(self) -> None:
        at = (self.image.width - self.margin, self.image.height - self.px(30))
        self.draw.text(at, FOOTER, font=font(self.px(15), REGULAR), fill=self.palette.muted, anchor="rm")

    def tile(self, part: Part, box: Box) -> None:
        """A part on a white tile: cut out with a soft shadow, or as a photo that fills the tile."""
        radius = self.px(22)
        canvas.panel(self.image, box, (255, 255, 255), radius)
        width, height = box[2] - box[0], box[3] - box[1]
        if part.cutout is None:
            photo = canvas.rounded(canvas.cover(part.picture, width, height), radius)
            self.image.alpha_composite(photo, box[:2])
            return
        inner = canvas.fit(part.cutout, round(width * 0.80), round(height * 0.80))
        at = box[0] + (width - inner.width) // 2, box[1] + (height - inner.height) // 2
        canvas.drop_shadow(self.image, inner, at, self.px(14), 0.20)
        canvas.place(self.image, inner, at)


def _look(parts: Sequence[Part], size: tuple[int, int], note: str) -> Image.Image:
    """One large picture and the others as tiles with captions: a lookbook sheet."""
    sheet = _Sheet(parts, size)
    top = sheet.heading("Look", "造型")
    hero = next((part for part in parts if part.role == "model"), parts[0])
    others = [part for part in parts if part is not hero]
    bottom = size[1] - sheet.px(64)
    wide = size[0] >= size[1]
    if not others:
        box = (sheet.margin, top, size[0] - sheet.margin, bottom - sheet.px(110))
    elif wide:
        box = (sheet.margin, top, sheet.margin + round(size[0] * 0.40), bottom - sheet.px(110))
    else:
        box = (sheet.margin, top, size[0] - sheet.margin, top + round((bottom - top) * 0.46))
    _hero(sheet, hero, box)
    below = sheet.caption(hero, (box[0], box[3] + sheet.px(18)), box[2] - box[0], 28)
    if note:
        write(sheet.draw, (box[0], below), note, sheet.style(20, muted=True), box[2] - box[0], 2)
    if others and wide:
        _tiles(sheet, others, (box[2] + sheet.px(56), top, size[0] - sheet.margin, bottom))
    elif others:
        _tiles(sheet, others, (sheet.margin, below + sheet.px(28), size[0] - sheet.margin, bottom))
    sheet.footer()
    return sheet.image


def _hero(sheet: _Sheet, part: Part, box: Box) -> None:
    """The main picture on a toned panel, standing on its ground, or as a photo that fills the panel."""
    width, height = box[2] - box[0], box[3] - box[1]
    radius = sheet.px(32)
    if part.cutout is None:
        photo = canvas.rounded(canvas.cover(part.picture, width, height), radius)
        sheet.image.alpha_composite(photo, box[:2])
        return
    canvas.panel(sheet.image, box, sheet.palette.panel, radius)
    figure = canvas.fit(part.cutout, round(width * 0.82), round(height * 0.84))
    base = box[1] + (height + figure.height) // 2
    centre = (box[0] + box[2]) // 2
    canvas.ground_shadow(sheet.image, centre, base - sheet.px(4), round(figure.width * 0.72))
    canvas.place(sheet.image, figure, (centre - figure.width // 2, base - figure.height))


def _tiles(sheet: _Sheet, parts: Sequence[Part], box: Box) -> None:
    """A grid with captions; the number of columns that makes the tiles largest."""
    width, height = box[2] - box[0], box[3] - box[1]
    gap, text = sheet.px(32), sheet.px(132)

    def edge(columns: int) -> int:
        rows = -(-len(parts) // columns)
        across = (width - gap * (columns - 1)) // columns
        down = (height - gap * (rows - 1)) // rows - text
        return max(1, min(across, down))

    columns = max(range(1, len(parts) + 1), key=edge)
    side = edge(columns)
    rows = -(-len(parts) // columns)
    across = (width - gap * (columns - 1)) // columns
    # One column of few tiles would leave the right empty: let the tile be wider than high.
    tile_width = min(across, round(side * 1.25)) if columns == 1 else across
    start = box[1] + (height - rows * (side + text) - gap * (rows - 1)) // 2
    for place, part in enumerate(parts):
        left = box[0] + (place % columns) * (across + gap)
        top = start + (place // columns) * (side + text + gap)
        sheet.tile(part, (left, top, left + tile_width, top + side))
        sheet.caption(part, (left + sheet.px(4), top + side + sheet.px(14)), tile_width - sheet.px(8))


def _scene(parts: Sequence[Part], size: tuple[int, int]) -> Image.Image:
    """Products standing on a scene that fills the sheet, with a caption strip."""
    sheet = _Sheet(parts, size)
    scene = next(part for part in parts if part.role == "scene")
    products = [part for part in parts if part is not scene]
    _background(sheet, scene, size)
    base = round(size[1] * 0.80)
    slot = (size[0] - 2 * sheet.margin) // len(products)
    for place, part in enumerate(products):
        centre = sheet.margin + slot * place + slot // 2
        subject = part.cutout or canvas.rounded(part.picture, sheet.px(24))
        subject = canvas.fit(subject, round(slot * 0.72), round(size[1] * 0.50))
        canvas.ground_shadow(sheet.image, centre, base - sheet.px(3), round(subject.width * 0.86), 0.42)
        canvas.place(sheet.image, subject, (centre - subject.width // 2, base - subject.height))
    _strip(sheet, scene, products, size)
    return sheet.image


def _opaque(picture: Image.Image) -> bool:
    return np.asarray(picture.getchannel("A")).min() == 255


def _background(sheet: _Sheet, scene: Part, size: tuple[int, int]) -> None:
    """A photograph covers the sheet; a drawing on transparency stands on a horizon of toned panels."""
    if _opaque(scene.picture):
        sheet.image.alpha_composite(canvas.cover(scene.picture, *size))
        return
    floor = Image.new("RGBA", (size[0], size[1] - round(size[1] * 0.66)), (*sheet.palette.panel, 255))
    sheet.image.alpha_composite(floor, (0, size[1] - floor.height))
    drawing = canvas.fit(scene.cutout or scene.picture, round(size[0] * 0.8), round(size[1] * 0.58))
    pale = drawing.copy()
    pale.putalpha(drawing.getchannel("A").point(lambda value: round(value * 0.55)))
    at = (size[0] - drawing.width) // 2, round(size[1] * 0.66) - drawing.height
    canvas.place(sheet.image, pale, at)


def _strip(sheet: _Sheet, scene: Part, products: Sequence[Part], size: tuple[int, int]) -> None:
    """Captions on a light panel along the bottom: they read on any scene."""
    height = sheet.px(124)
    box = (sheet.px(28), size[1] - height - sheet.px(28), size[0] - sheet.px(28), size[1] - sheet.px(28))
    canvas.panel(sheet.image, box, (255, 255, 255), sheet.px(24), opacity=236)
    shown = [*products[:3], scene]
    column = (box[2] - box[0] - sheet.px(56)) // len(shown)
    for place, part in enumerate(shown):
        at = box[0] + sheet.px(32) + place * column, box[1] + sheet.px(18)
        sheet.caption(part, at, column - sheet.px(24), 20)
    at_right = (box[2] - sheet.px(20), box[3] - sheet.px(16))
    sheet.draw.text(at_right, FOOTER, font=font(sheet.px(13), REGULAR), fill=sheet.palette.muted, anchor="rm")


def _character(parts: Sequence[Part], size: tuple[int, int]) -> Image.Image:
    """One figure that wears and holds its props, with the parts named along the bottom."""
    sheet = _Sheet(parts, size)
    scene = next((part for part in parts if part.role == "scene"), None)
    character = next(part for part in parts if part.role == "character")
    props = [part for part in parts if part is not character and part is not scene]
    strip = sheet.px(250)
    stage = (sheet.margin, sheet.px(108), size[0] - sheet.margin, size[1] - strip - sheet.px(40))
    sheet.heading("Character", "角色")
    _stage(sheet, scene, stage)
    figure = dress(
        character.cutout or character.picture,
        [(p.title + " " + p.title_zh, p.role, p.cutout or p.picture) for p in props],
    )
    figure = canvas.fit(figure, round((stage[2] - stage[0]) * 0.86), round((stage[3] - stage[1]) * 0.88))
    centre = (stage[0] + stage[2]) // 2
    base = stage[3] - round((stage[3] - stage[1]) * 0.06)
    canvas.ground_shadow(sheet.image, centre, base - sheet.px(4), round(figure.width * 0.6))
    canvas.place(sheet.image, figure, (centre - figure.width // 2, base - figure.height))
    _parts_row(sheet, [character, *props, *([scene] if scene else [])], size[1] - strip, strip)
    sheet.footer()
    return sheet.image


def _stage(sheet: _Sheet, scene: Part | None, box: Box) -> None:
    radius = sheet.px(32)
    width, height = box[2] - box[0], box[3] - box[1]
    if scene is not None and _opaque(scene.picture):
        backdrop = canvas.rounded(canvas.cover(scene.picture, width, height), radius)
        sheet.image.alpha_composite(backdrop, box[:2])
        return
    canvas.panel(sheet.image, box, sheet.palette.panel, radius)
    if scene is not None:
        drawing = canvas.fit(scene.cutout or scene.picture, round(width * 0.9), round(height * 0.8))
        pale = drawing.copy()
        pale.putalpha(drawing.getchannel("A").point(lambda value: round(value * 0.30)))
        canvas.place(
            sheet.image, pale, (box[0] + (width - pale.width) // 2, box[3] - pale.height - sheet.px(60))
        )


def _parts_row(sheet: _Sheet, parts: Sequence[Part], top: int, height: int) -> None:
    """Small tiles with captions beside them, in one row."""
    column = (sheet.image.width - 2 * sheet.margin + sheet.px(24)) // max(len(parts), 3)
    side = min(sheet.px(116), column // 2)
    for place, part in enumerate(parts):
        left = sheet.margin + place * column
        sheet.tile(part, (left, top, left + side, top + side))
        sheet.caption(part, (left + side + sheet.px(16), top + sheet.px(6)), column - side - sheet.px(40), 20)
