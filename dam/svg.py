"""Drawings (SVG) to pixels, in a renderer that runs no script and opens no other file.

`rasterise` is for drawings that we ship. `rasterise_untrusted` is for anybody's: it runs this file
as a process of its own with bounds on time and memory, since a drawing of a few bytes can ask for hours.
"""

from __future__ import annotations

import resource
import subprocess
import sys

import pyvips

MAX_SVG_BYTES = 5 * 1024 * 1024
LONG_SIDE = 1536
SECONDS = 20
MEMORY_BYTES = 2 * 1024**3


class SVGError(Exception):
    """The drawing could not be rendered within the bounds."""


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


def rasterise_untrusted(drawing: bytes) -> bytes:
    """Render somebody's drawing in a process of its own.

    Raises:
        SVGError: it is too large, cannot be rendered, or needs too much time or memory.
    """
    if len(drawing) > MAX_SVG_BYTES:
        raise SVGError("too large")
    try:
        done = subprocess.run(
            [sys.executable, "-I", __file__], input=drawing, capture_output=True, timeout=SECONDS, check=True
        )
    except (subprocess.TimeoutExpired, subprocess.CalledProcessError) as error:
        raise SVGError(str(error)) from error
    return done.stdout


def _main() -> int:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    try:
        sys.stdout.buffer.write(rasterise(sys.stdin.buffer.read()))
    except SVGError as error:
        sys.stderr.write(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(_main())
