"""Keys of rows in addresses and forms, where anybody may write what they like."""

from __future__ import annotations


def is_key(text: str) -> bool:
    """Whether it may be one: a number, which “²” is not, though a digit; and not longer than 64 bits take."""
    return text.isdecimal() and len(text) < 19
