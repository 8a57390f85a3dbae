"""The one typeface for pictures with words: both scripts in one design, carried by a package."""

from __future__ import annotations

from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from PIL import ImageFont

# Noto Sans CJK (SIL Open Font License 1.1), variable weight, Latin and Chinese in one design.
PACKAGE, FILE = "manimgx_fonts_cjk", "NotoSansCJK-VF.otf.ttc"
SIMPLIFIED_CHINESE = 2  # the face's place in the collection
REGULAR, MEDIUM, BOLD = 400, 500, 700
PROBE_SIZE = 32
UNASSIGNED = "\U0010ffff"  # no typeface has a glyph for it


def font_path() -> Path:
    """
    Raises:
        FileNotFoundError: the package is not installed.
    """
    spec = find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise FileNotFoundError(PACKAGE)
    return Path(spec.origin).parent / FILE


def has_typeface() -> bool:
    """Whether words can be drawn on pictures here."""
    try:
        return font_path().is_file()
    except FileNotFoundError:
        return False


@lru_cache(maxsize=64)
def font(size: int, weight: int) -> ImageFont.FreeTypeFont:
    """The face in this size (pixels) and weight.

    Raises:
        OSError: the typeface is not there.
    """
    face = ImageFont.truetype(str(font_path()), size, index=SIMPLIFIED_CHINESE)
    face.set_variation_by_axes([weight])
    return face


def missing_characters(text: str) -> str:
    """The characters of a text that the typeface cannot draw, each once."""
    face = font(PROBE_SIZE, REGULAR)
    box = bytes(face.getmask(UNASSIGNED))
    seen = dict.fromkeys(character for character in text if not character.isspace())
    return "".join(character for character in seen if bytes(face.getmask(character)) == box)
