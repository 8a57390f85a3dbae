"""Money and time as people read them."""

from __future__ import annotations

from decimal import Decimal

from django.utils.translation import gettext as _

from generation.providers.base import Capability
from generation.providers.prices import exchanged


def money(amount: Decimal, currency: str) -> str:
    """“0.48 USD”, without the zeros that storage adds."""
    shown = f"{amount.quantize(Decimal('0.0001')):f}".rstrip("0").rstrip(".")
    return f"{shown or '0'} {currency}"


def in_both(amount: Decimal, currency: str) -> str:
    """“0.0336 USD (about 0.2281 CNY)”: in dollars and in yuan, where the rate is known."""
    other = "USD" if currency == "CNY" else "CNY"
    exchange = exchanged(amount, currency, other)
    if exchange is None:
        return money(amount, currency)
    return _("%(price)s (about %(other)s)") % {
        "price": money(amount, currency),
        "other": money(exchange, other),
    }


def readiness(capability: Capability) -> str:
    """“ready; a picture costs 0.0336 USD (about 0.2281 CNY), as of 2026-11-06”."""
    if not capability.price_per_picture:
        return _("ready; a picture costs nothing")
    price = in_both(capability.price_per_picture, capability.currency)
    if not capability.price_as_of:
        return _("ready; a picture costs %(price)s") % {"price": price}
    return _("ready; a picture costs %(price)s, as of %(date)s") % {
        "price": price,
        "date": capability.price_as_of,
    }


def duration(seconds: float) -> str:
    """“8 s”, “12 min”, “3 h 20 min”: as exact as a forecast is."""
    if seconds < 90:
        return _("%(count)s s") % {"count": max(1, round(seconds)) if seconds else 0}
    minutes = round(seconds / 60)
    if minutes < 90:
        return _("%(count)s min") % {"count": minutes}
    return _("%(hours)s h %(minutes)s min") % {"hours": minutes // 60, "minutes": minutes % 60}
