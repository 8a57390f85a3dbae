"""`board`: a designed sheet of library pictures. It arranges; it paints nothing, and says so."""

from __future__ import annotations

import time
from decimal import Decimal
from io import BytesIO

from PIL import Image

from generation.providers.base import Capability, Provider, ProviderRequest, ProviderResult, Refused
from generation.providers.board.layouts import Part, lay_out
from generation.providers.board.typography import font_problem

ROLES = frozenset(("model", "garment", "accessory", "product", "character", "prop", "scene", "reference"))
ASPECT_RATIOS = ("1:1", "4:5", "3:4", "4:3", "3:2", "16:9", "9:16")
LONG_EDGE = 1536
SMALLEST_EDGE, LARGEST_EDGE = 512, 4096
MODEL = "board-1"


class BoardProvider(Provider):
    """Needs no key and costs nothing; the same request gives the same bytes."""

    name = "board"

    @property
    def capability(self) -> Capability:
        return Capability(
            roles=ROLES,
            max_inputs=12,
            aspect_ratios=ASPECT_RATIOS,
            price_per_picture=Decimal(0),
            currency="USD",
            price_as_of="",
            price_source="",
            seconds_per_picture=0.5,
            parallel_calls=2,
            makes_photographs=False,
        )

    def check(self) -> str | None:
        return font_problem()

    def generate(self, request: ProviderRequest) -> ProviderResult:
        """Lay the inputs out and draw the sheet.

        Raises:
            Refused: no inputs, an input that is no picture, or an unknown size or aspect ratio.
        """
        started = time.perf_counter()
        parts = [_part(index, request) for index in range(len(request.inputs))]
        if not parts:
            raise Refused("A board needs at least one picture.")
        sheet = lay_out(parts, _size(request), note=str(request.parameters.get("instruction", "")))
        content = BytesIO()
        sheet.save(content, "PNG", compress_level=6)
        return ProviderResult(
            image=content.getvalue(),
            mime="image/png",
            model=MODEL,
            cost=Decimal(0),
            currency="USD",
            details={"seconds": round(time.perf_counter() - started, 3), "size": list(sheet.size)},
        )


def _part(index: int, request: ProviderRequest) -> Part:
    given = request.inputs[index]
    try:
        with Image.open(BytesIO(given.read())) as image:
            picture = image.convert("RGBA")
    except (OSError, ValueError, SyntaxError) as error:
        name = given.title or given.title_zh or given.asset_id
        raise Refused(f"The input “{name}” cannot be read as a picture: {error}.") from error
    return Part(given.role, picture, given.title, given.title_zh, given.sku_codes)


def _size(request: ProviderRequest) -> tuple[int, int] | None:
    """The sheet's pixels, or None where the layout may choose its own aspect ratio."""
    ratio = request.parameters.get("aspect_ratio")
    try:
        edge = int(request.parameters.get("size", LONG_EDGE))
    except (TypeError, ValueError) as error:
        raise Refused("“size” is the long edge in pixels, a whole number.") from error
    if not SMALLEST_EDGE <= edge <= LARGEST_EDGE:
        raise Refused(f"“size” must lie between {SMALLEST_EDGE} and {LARGEST_EDGE} pixels.")
    if not ratio:
        return None
    if ratio not in ASPECT_RATIOS:
        raise Refused(f"There is no aspect ratio “{ratio}”; choose one of {', '.join(ASPECT_RATIOS)}.")
    across, down = (int(number) for number in str(ratio).split(":"))
    longest = max(across, down)
    return round(edge * across / longest), round(edge * down / longest)
