"""What is known of Google's picture models: prices, sizes, inputs, from a table with dates and sources."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path

_TABLE = Path(__file__).with_suffix(".toml")
_MILLION = Decimal(1_000_000)
CURRENCY = "USD"


@dataclass(frozen=True)
class PictureModel:
    """Prices are USD a million tokens; `picture_tokens` is what a picture of the first size takes."""

    name: str
    as_of: str
    source: str
    input: Decimal
    text_output: Decimal
    picture_output: Decimal
    picture_tokens: int
    sizes: tuple[str, ...]
    max_inputs: int

    @property
    def price_per_picture(self) -> Decimal:
        """The estimate for a picture of the first size, without what goes in and without thoughts."""
        return self.cost(picture_tokens=self.picture_tokens)

    def cost(self, *, picture_tokens: int, text_tokens: int = 0, input_tokens: int = 0) -> Decimal:
        """What these tokens cost."""
        return (
            picture_tokens * self.picture_output + text_tokens * self.text_output + input_tokens * self.input
        ) / _MILLION


def picture_model(name: str) -> PictureModel:
    """The entry whose name this one begins with (versions and “-preview” follow it), or the dearest."""
    models = _models()
    known = [model for model in models if name.removeprefix("models/").startswith(model.name)]
    if known:
        return max(known, key=lambda model: len(model.name))
    return max(models, key=lambda model: model.price_per_picture)


@cache
def _models() -> tuple[PictureModel, ...]:
    with _TABLE.open("rb") as file:
        entries = tomllib.load(file, parse_float=Decimal)["model"]
    return tuple(PictureModel(**{**entry, "sizes": tuple(entry["sizes"])}) for entry in entries)
