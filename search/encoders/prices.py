"""What vendors charge, from a table with dates and sources that settings.SEARCH_PRICES overrides."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from functools import cache
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from search.encoders.base import EncoderError

_TABLE = Path(__file__).with_suffix(".toml")
_MILLION = Decimal(1_000_000)
_NUMBERS = ("input", "pictures", "output")


@dataclass(frozen=True)
class Price:
    """Of a model: for a million tokens of words, of pictures, and of what the model writes.

    Attributes:
        picture_tokens: the most that one picture takes.
        batch: how many pictures or texts one call takes.
    """

    name: str
    vendor: str
    as_of: str
    source: str
    currency: str
    input: Decimal
    pictures: Decimal
    output: Decimal
    picture_tokens: int
    batch: int

    def cost(self, *, words: int = 0, pictures: int = 0, output: int = 0) -> Decimal:
        """What so many tokens cost."""
        return (words * self.input + pictures * self.pictures + output * self.output) / _MILLION


def price_of(model: str, vendor: str) -> Price:
    """The entry whose name this one begins with (versions follow it), or the dearest of the vendor.

    Raises:
        EncoderError: SEARCH_PRICES is not what it should be.
    """
    offered = [price for price in _table() if price.vendor == vendor]
    known = [price for price in offered if model.startswith(price.name)]
    if known:
        found = max(known, key=lambda price: len(price.name))
    else:
        found = max(offered, key=lambda price: price.input + price.pictures + price.output)
    return _overridden(found, settings.SEARCH_PRICES.get(model))


def _overridden(price: Price, given: dict[str, Any] | None) -> Price:
    if given is None:
        return price
    try:
        numbers = {name: Decimal(str(given[name])) for name in _NUMBERS if name in given}
        whole: dict[str, int] = {
            name: int(given[name]) for name in ("picture_tokens", "batch") if name in given
        }
    except (InvalidOperation, TypeError, ValueError) as error:
        raise EncoderError(
            _('SEARCH_PRICES holds no numbers. It looks like {"%(model)s": {"input": 0.2, "batch": 8}}.')
            % {"model": price.name}
        ) from error
    words: dict[str, str] = {name: str(given[name]) for name in ("currency", "as_of") if name in given}
    changes: dict[str, Any] = dict(numbers)
    changes.update(whole)
    changes.update(words)
    return replace(price, source="SEARCH_PRICES", **changes)


@cache
def _table() -> tuple[Price, ...]:
    with _TABLE.open("rb") as file:
        entries = tomllib.load(file, parse_float=Decimal)["model"]
    return tuple(Price(**{**entry, **{name: Decimal(entry[name]) for name in _NUMBERS}}) for entry in entries)
