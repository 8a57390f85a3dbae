"""What picture models cost: data with a date and a source, since vendors change both."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True)
class PicturePrice:
    """USD. A picture is billed by its output tokens; `per_picture` is the estimate for one of 1K."""

    per_picture: Decimal
    per_million_output_tokens: Decimal
    per_million_input_tokens: Decimal
    as_of: str
    source: str


_SOURCE = "https://ai.google.dev/gemini-api/docs/pricing"
_AS_OF = "2026-03"

# Model names are matched by their longest prefix here; an unknown model is estimated as the dearest.
GEMINI = {
    "gemini-2.5-flash-image": PicturePrice(Decimal("0.039"), Decimal(30), Decimal("0.30"), _AS_OF, _SOURCE),
    "gemini-3.1-flash-image": PicturePrice(Decimal("0.067"), Decimal(60), Decimal("0.50"), _AS_OF, _SOURCE),
    "gemini-3-pro-image": PicturePrice(Decimal("0.134"), Decimal(120), Decimal(2), _AS_OF, _SOURCE),
}


def gemini_price(model: str) -> PicturePrice:
    """The price of a Gemini picture model."""
    known = [name for name in GEMINI if model.startswith(name)]
    if known:
        return GEMINI[max(known, key=len)]
    return max(GEMINI.values(), key=lambda price: price.per_picture)
