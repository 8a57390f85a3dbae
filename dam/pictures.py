"""Pictures as the site and its workers get them: a stranger's file from another process, a known one here.

Whatever comes in goes through `read`, in a process that may crash over it. What was read so before may be
decoded in this one, by the same library, at another size: by `pixels` and `glance`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import IO

from django.conf import settings
from PIL import Image, ImageFile

from dam import decoders, sniffing
from dam.decoder.pixels import Picture, decoded, upright
from dam.errors import Undecodable
from dam.refusals import refusal
from dam.sniffing import Header
from dam.workload import pixel_budget

__all__ = ["Picture", "glance", "on_white", "open_header", "pixels", "read", "rendered"]


def read(file: IO[bytes], at_most: int, patience: float | None = None) -> Picture:
    """Decode the first frame to its end, turned upright, converted to sRGB, no side above `at_most`.

    The metadata of its file includes what a manifest (C2PA) says.

    Args:
        patience: seconds to wait while other pictures are in memory; None: as long as it takes.

    Raises:
        IngestError: not a picture, out of bounds, damaged or incomplete; or its decoder crashed over it, or
            needs more than `DAM_DECODER_SECONDS` or `DAM_DECODER_MEGABYTES`.
        Busy: patience ran out.
    """
    with _in_words():
        return decoders.picture(file, at_most, patience)


def rendered(drawing: IO[bytes]) -> bytes:
    """A stranger's drawing (SVG) as a PNG file.

    Raises:
        IngestError: it cannot be rendered, or not within the bounds of `read`.
    """
    with _in_words():
        return decoders.drawing(drawing)


def pixels(file: IO[bytes], at_most: int, patience: float | None = None) -> Image.Image:
    """The pixels as `read` gives them, of a file that it has read before.

    Raises:
        IngestError: it can no longer be decoded.
        Busy: patience ran out.
    """
    with _decoded_here(file, at_most, patience) as (header, image):
        return upright(header, image, at_most)


def glance(file: IO[bytes], shorter: int) -> Image.Image:
    """As `pixels`, the shorter side reduced to `shorter`.

    Raises:
        IngestError: it can no longer be decoded.
    """
    with _decoded_here(file, shorter, None) as (header, image):
        at_most = -(-shorter * max(image.size) // min(image.size))
        return upright(header, image, at_most)


def open_header(file: IO[bytes]) -> tuple[Header, ImageFile.ImageFile]:
    """The header of a file that `read` has read before; the picture is open but not decoded.

    Raises:
        IngestError: it can no longer be read.
    """
    with _in_words():
        return sniffing.open_header(file, settings.DAM_MAX_PIXELS)


def on_white(image: Image.Image) -> Image.Image:
    """Transparent pixels hold arbitrary colours; two copies of a drawing must hash alike."""
    if image.mode != "RGBA":
        return image
    paper = Image.new("RGB", image.size, "white")
    paper.paste(image, mask=image.getchannel("A"))
    return paper


@contextmanager
def _decoded_here(
    file: IO[bytes], enough: int, patience: float | None
) -> Iterator[tuple[Header, ImageFile.ImageFile]]:
    room: Callable = partial(pixel_budget.take, patience=patience)
    with _in_words(), decoded(file, enough, settings.DAM_MAX_PIXELS, room) as opened:
        yield opened


@contextmanager
def _in_words() -> Iterator[None]:
    """What a decoder says in a word becomes a sentence."""
    try:
        yield
    except Undecodable as error:
        raise refusal(error) from error
