"""What pictures cost: the table of vendors' prices, what settings change in it, and currencies."""

from __future__ import annotations

import datetime
import tomllib
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from generation.providers import prices
from generation.providers.prices import PriceUnknown, Usage, exchanged, picture_model

if TYPE_CHECKING:
    from pytest_django.fixtures import SettingsWrapper

TABLE = tomllib.loads(Path(prices.__file__).with_suffix(".toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("entry", [*TABLE["model"], *TABLE["exchange"]], ids=lambda entry: entry["as_of"])
def test_every_price_has_its_date_and_its_source(entry: dict[str, str]) -> None:
    assert datetime.date.fromisoformat(entry["as_of"]) <= datetime.date.today()
    assert entry["source"].startswith(("https://", "China Foreign Exchange Trade System"))
    assert entry.get("currency", entry.get("base")) in ("USD", "CNY")


@pytest.mark.parametrize(
    ("vendor", "name", "key", "inputs", "price"),
    [
        ("gemini", "gemini-nano-banana-2.1", "", 0, "0.0336"),
        ("gemini", "gemini-nano-banana-2.1", "2K", 0, "0.0504"),
        ("gemini", "gemini-nano-banana-2.1", "4K", 0, "0.1134"),
        ("gemini", "gemini-nano-banana-2.1", "1K", 3, "0.0385545"),
        ("gemini", "gemini-3-pro-image-preview", "4K", 0, "0.24"),
        ("gemini", "models/gemini-3.1-flash-lite-image", "", 0, "0.0336"),
        ("openai", "gpt-image-2-2026-04-21", "medium 1024x1536", 0, "0.04116"),
        ("openai", "gpt-image-2", "high 1536x1024", 0, "0.16464"),
        ("openai", "gpt-image-2", "low 1024x1536", 0, "0.00549"),
    ],
)
def test_a_picture_costs_what_its_model_size_quality_and_inputs_say(
    vendor: str, name: str, key: str, inputs: int, price: str
) -> None:
    assert picture_model(vendor, name).price(key, inputs=inputs) == Decimal(price)


@pytest.mark.parametrize(
    ("vendor", "name", "key"),
    [
        ("gemini", "gemini-9-unheard-of", ""),
        ("gemini", "gemini-nano-banana-2.1", "8K"),
        ("openai", "gpt-image-2.6-sunburst", "medium 1024x1024"),
        ("vertex", "virtual-try-on-001", ""),
    ],
)
def test_a_price_that_nobody_published_is_not_guessed(vendor: str, name: str, key: str) -> None:
    with pytest.raises(PriceUnknown, match=rf"No price of {name} is known\. Set GENERATION_PRICES"):
        picture_model(vendor, name).price(key)


def test_settings_give_a_price_and_change_one(settings: SettingsWrapper) -> None:
    settings.GENERATION_PRICES = {
        "virtual-try-on-001": {"picture": 0.43, "currency": "CNY", "as_of": "2026-11-26"},
        "gemini-nano-banana-2.1": {"picture": "0.03", "batch": "0.4"},
    }
    tryon = picture_model("vertex", "virtual-try-on-001")
    assert (tryon.price(), tryon.currency, tryon.as_of) == (Decimal("0.43"), "CNY", "2026-11-26")
    assert tryon.source == "GENERATION_PRICES"
    gemini = picture_model("gemini", "gemini-nano-banana-2.1")
    assert (gemini.price("4K", inputs=3), gemini.batch, gemini.currency) == (
        Decimal("0.03"),
        Decimal("0.4"),
        "USD",
    )
    assert gemini.cost(Usage(pictures_out=99_999), pictures=2) == Decimal("0.06")
    settings.GENERATION_PRICES = {"gemini-nano-banana-2.1": {"price": 1}}
    with pytest.raises(PriceUnknown, match="Set GENERATION_PRICES"):
        picture_model("gemini", "gemini-nano-banana-2.1").price()


def test_an_amount_in_dollars_is_so_much_in_yuan_by_the_table_s_rate() -> None:
    (rate,) = [Decimal(str(one["rate"])) for one in TABLE["exchange"]]
    assert exchanged(Decimal(2), "USD", "CNY") == 2 * rate
    assert exchanged(2 * rate, "CNY", "USD") == 2
    assert exchanged(Decimal(2), "CNY", "CNY") == 2
    assert exchanged(Decimal(2), "USD", "EUR") is None
