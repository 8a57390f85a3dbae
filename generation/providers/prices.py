"""What vendors' picture models cost and take, from a table with dates and sources that settings override."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal, InvalidOperation
from functools import cache
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

_TABLE = Path(__file__).with_suffix(".toml")
_MILLION = Decimal(1_000_000)
SETTING = "GENERATION_PRICES"
_AMOUNTS = frozenset(("input", "input_pictures", "text_output", "picture_output", "batch"))


class PriceUnknown(LookupError):
    """No price of this picture was published, and none was given; the message says what to set."""


@dataclass(frozen=True)
class Usage:
    """What a call took, in tokens."""

    pictures_out: int = 0
    words_out: int = 0
    words_in: int = 0
    pictures_in: int = 0


@dataclass(frozen=True)
class PictureModel:
    """A model's prices for a million tokens, or `flat`: what a picture costs whatever it takes.

    Attributes:
        picture_tokens: what a picture takes, by size, or by quality and size; the first is the default.
        input_picture_tokens: what a picture that goes in takes; 0 where the vendor does not say.
        batch: the share of the price that the vendor's batches cost.
    """

    name: str
    vendor: str
    as_of: str
    source: str
    currency: str
    input: Decimal = Decimal(0)
    input_pictures: Decimal = Decimal(0)
    text_output: Decimal = Decimal(0)
    picture_output: Decimal = Decimal(0)
    input_picture_tokens: int = 0
    batch: Decimal = Decimal(1)
    max_inputs: int = 1
    aspect_ratios: tuple[str, ...] = ()
    picture_tokens: Mapping[str, int] = field(default_factory=dict)
    flat: Decimal | None = None

    @property
    def price_is_known(self) -> bool:
        return self.flat is not None or bool(self.picture_tokens)

    @property
    def sizes(self) -> tuple[str, ...]:
        """What may be asked for as size."""
        return tuple(dict.fromkeys(key.rpartition(" ")[2] for key in self.picture_tokens))

    @property
    def qualities(self) -> tuple[str, ...]:
        """What may be asked for as quality; none where the model has but one."""
        return tuple(dict.fromkeys(key.rpartition(" ")[0] for key in self.picture_tokens if " " in key))

    def price(self, key: str = "", *, inputs: int = 0) -> Decimal:
        """The forecast of a picture of this size (or quality and size) made from so many pictures.

        What the model thinks and what the prompt says is not in it.

        Raises:
            PriceUnknown: none was published, and none was given.
        """
        if self.flat is not None:
            return self.flat
        tokens = self.picture_tokens.get(key) if key else next(iter(self.picture_tokens.values()), None)
        if tokens is None:
            raise PriceUnknown(unknown_price(self.name))
        return self.cost(Usage(pictures_out=tokens, pictures_in=inputs * self.input_picture_tokens))

    def cost(self, usage: Usage, *, pictures: int = 1) -> Decimal:
        """What a call cost that took so much and gave so many pictures."""
        if self.flat is not None:
            return self.flat * pictures
        return (
            usage.pictures_out * self.picture_output
            + usage.words_out * self.text_output
            + usage.words_in * self.input
            + usage.pictures_in * self.input_pictures
        ) / _MILLION


def picture_model(vendor: str, name: str) -> PictureModel:
    """The entry whose name this one begins with (versions and “-preview” follow it), as settings change it.

    A model that is in neither has no price and the capabilities of its vendor's first entry.
    """
    bare = name.removeprefix("models/")
    offered = [model for model in _table() if model.vendor == vendor]
    listed = [model for model in offered if bare.startswith(model.name)]
    if listed:
        found = max(listed, key=lambda model: len(model.name))
    elif offered:
        found = replace(offered[0], name=bare, picture_tokens={}, as_of="", source="")
    else:
        found = PictureModel(name=bare, vendor=vendor, as_of="", source="", currency="USD")
    given = settings.GENERATION_PRICES.get(bare)
    return found if given is None else _overridden(found, given)


def picture_models() -> list[PictureModel]:
    """Every entry of the table, as settings change it."""
    return [picture_model(model.vendor, model.name) for model in _table()]


def unknown_price(model: str) -> str:
    """What to do about a model without a price."""
    return _(
        "No price of %(model)s is known. Set %(setting)s, for example to "
        '{"%(model)s": {"picture": 0.05, "currency": "USD"}}.'
    ) % {"model": model, "setting": SETTING}


def exchanged(amount: Decimal, currency: str, into: str) -> Decimal | None:
    """The amount in another currency by the table's rate; None where the table has none."""
    if currency == into:
        return amount
    for rate in _rates():
        if (rate.base, rate.quote) == (currency, into):
            return amount * rate.rate
        if (rate.quote, rate.base) == (currency, into):
            return amount / rate.rate
    return None


def _overridden(model: PictureModel, given: Any) -> PictureModel:
    """With the price that settings give; without any where what they give is no price."""
    try:
        amount = Decimal(str(given["picture"]))
        currency, as_of = (str(given.get(name, "")) for name in ("currency", "as_of"))
        batch = Decimal(str(given.get("batch", model.batch)))
    except (KeyError, TypeError, InvalidOperation):
        return replace(model, picture_tokens={}, source=SETTING, as_of="")
    return replace(
        model, flat=amount, batch=batch, source=SETTING, as_of=as_of, currency=currency or model.currency
    )


@dataclass(frozen=True)
class _Rate:
    base: str
    quote: str
    rate: Decimal
    as_of: str
    source: str


@cache
def _table() -> tuple[PictureModel, ...]:
    return tuple(
        PictureModel(
            **{name: Decimal(value) if name in _AMOUNTS else value for name, value in entry.items()}
            | {"aspect_ratios": tuple(entry["aspect_ratios"])}
        )
        for entry in _entries("model")
    )


@cache
def _rates() -> tuple[_Rate, ...]:
    """The latest first."""
    return tuple(_Rate(**entry) for entry in reversed(_entries("exchange")))


def _entries(kind: str) -> list[dict[str, Any]]:
    with _TABLE.open("rb") as file:
        return list(tomllib.load(file, parse_float=Decimal)[kind])
