"""Money and time as people read them."""

from __future__ import annotations

from decimal import Decimal

from django.utils.translation import gettext as _


def money(amount: Decimal, currency: str) -> str:
    """“0.48 USD”, without the zeros that storage adds."""
    shown = f"{amount.quantize(Decimal('0.0001')):f}".rstrip("0").rstrip(".")
    return f"{shown or '0'} {currency}"


def duration(seconds: float) -> str:
    """“8 s”, “12 min”, “3 h 20 min”: as exact as a forecast is."""
    if seconds < 90:
        return _("%(count)s s") % {"count": max(1, round(seconds)) if seconds else 0}
    minutes = round(seconds / 60)
    if minutes < 90:
        return _("%(count)s min") % {"count": minutes}
    return _("%(hours)s h %(minutes)s min") % {"hours": minutes // 60, "minutes": minutes % 60}
