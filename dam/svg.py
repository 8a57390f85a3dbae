"""Drawings (SVG) to pixels, in a renderer that runs no script and opens no other file.

A drawing of a few bytes can ask for hours: those of strangers go through `dam.pictures.rendered`.
"""

from __future__ import annotations

import pyvips

MAX_SVG_BYTES = 5 * 1024 * 1024
LONG_SIDE = 1536


class SVGError(Exception):
    """The drawing cannot be rendered."""


def rasterise(drawing: bytes, long_side: int = LONG_SIDE) -> bytes:
    """Render as PNG with its transparency; the same drawing always gives the same bytes.

    Raises:
        SVGError: it is not a drawing that can be rendered.
    """
    try:
        # From a buffer there is no base address, so librsvg resolves no reference outside the drawing.
        natural = pyvips.Image.svgload_buffer(drawing)
        scale = long_side / max(natural.width, natural.height)
        image = pyvips.Image.svgload_buffer(drawing, scale=scale)
        return image.pngsave_buffer(compression=6, strip=True)
    except pyvips.Error as error:
        raise SVGError(str(error)) from error
