"""Milvus boolean expressions for what a caller may see and what they asked for."""

from __future__ import annotations

import json
from collections.abc import Iterable


def quoted(value: str) -> str:
    """A string literal that no input can leave."""
    return json.dumps(value, ensure_ascii=False)


def all_of(conditions: Iterable[str]) -> str:
    """Conditions joined by `and`; empty ones are left out."""
    return " and ".join(f"({condition})" for condition in conditions if condition)


def any_of(conditions: Iterable[str]) -> str:
    """Conditions joined by `or`."""
    return " or ".join(f"({condition})" for condition in conditions)


def equals(field: str, value: str) -> str:
    return f"{field} == {quoted(value)}" if value else ""


def differs(field: str, value: str) -> str:
    return f"{field} != {quoted(value)}"


def contains(field: str, value: str | int) -> str:
    """The array `field` holds `value`."""
    literal = quoted(value) if isinstance(value, str) else str(int(value))
    return f"array_contains({field}, {literal})"


def lacks(field: str, value: str) -> str:
    """The array `field` does not hold `value`."""
    return f"not {contains(field, value)}"


def storefront(today: int) -> str:
    """Approved, with rights that have not run out. `today` in days since 1970-01-01."""
    return f'state == "approved" and rights_expire >= {int(today)}'


def storefront_or_own(today: int, owner: int) -> str:
    return f"({storefront(today)}) or owner == {int(owner)}"


def not_id(key: int) -> str:
    return f"id != {int(key)}"
