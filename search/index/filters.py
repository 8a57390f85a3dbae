"""Milvus boolean expressions for what a caller may see and what they asked for."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence

# Milvus's grammar knows no \u escapes, and no value that is stored has such characters.
_UNWRITABLE = re.compile(r"[\x00-\x1f\x7f\u2028\u2029\ud800-\udfff]")


def quoted(value: str) -> str:
    """A string literal that no input can leave."""
    return json.dumps(_UNWRITABLE.sub("\ufffd", value), ensure_ascii=False)


def all_of(conditions: Iterable[str]) -> str:
    """Conditions joined by `and`; empty ones are left out."""
    return " and ".join(f"({condition})" for condition in conditions if condition)


def is_any(field: str, values: Sequence[str | int]) -> str:
    """The field has one of these values; no condition where there are none."""
    return f"{field} in {_list(values)}" if values else ""


def is_none(field: str, values: Sequence[str | int]) -> str:
    """The field has none of these values."""
    return f"{field} not in {_list(values)}" if values else ""


def not_both(first: tuple[str, str], second: tuple[str, str]) -> str:
    """At most one of two fields has its value."""
    return " or ".join(f"{field} != {quoted(value)}" for field, value in (first, second))


def holds_any(field: str, values: Sequence[str | int]) -> str:
    """The array `field` holds one of these values."""
    return f"array_contains_any({field}, {_list(values)})" if values else ""


def holds_none(field: str, values: Sequence[str | int]) -> str:
    """The array `field` holds none of these values."""
    return f"not {holds_any(field, values)}" if values else ""


def between(field: str, least: int | None, most: int | None) -> str:
    """The number lies within these bounds, both included."""
    bounds = (
        f"{field} >= {int(least)}" if least is not None else "",
        f"{field} <= {int(most)}" if most is not None else "",
    )
    return " and ".join(bound for bound in bounds if bound)


def storefront(today: int) -> str:
    """Approved, with rights that have not run out. `today` in days since 1970-01-01."""
    return f'state == "approved" and rights_expire >= {int(today)}'


def storefront_or_own(today: int, owner: int) -> str:
    return f"({storefront(today)}) or owner == {int(owner)}"


def _list(values: Sequence[str | int]) -> str:
    return f"[{', '.join(quoted(v) if isinstance(v, str) else str(int(v)) for v in values)}]"
