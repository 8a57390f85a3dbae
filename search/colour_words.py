"""Words of colour in a query, English and Chinese, and the colour family that each names."""

from __future__ import annotations

import re

_ENGLISH = {
    "red": "red", "crimson": "red", "scarlet": "red", "burgundy": "red", "maroon": "red",
    "orange": "orange", "amber": "orange",
    "yellow": "yellow", "gold": "yellow", "golden": "yellow", "lemon": "yellow",
    "green": "green", "olive": "green", "khaki": "green", "emerald": "green",
    "cyan": "cyan", "turquoise": "cyan", "teal": "cyan", "aqua": "cyan",
    "blue": "blue", "navy": "blue", "azure": "blue", "indigo": "blue",
    "purple": "purple", "violet": "purple", "lilac": "purple", "lavender": "purple",
    "pink": "pink", "rose": "pink", "magenta": "pink",
    "brown": "brown", "tan": "brown", "beige": "brown", "chocolate": "brown",
    "black": "black", "white": "white", "ivory": "white", "cream": "white",
    "grey": "grey", "gray": "grey", "silver": "grey",
}  # fmt: skip
_CHINESE = {
    "红": "red", "橙": "orange", "橘": "orange", "黄": "yellow", "金色": "yellow", "金黄": "yellow",
    "绿": "green", "青": "cyan", "蓝": "blue", "紫": "purple", "粉": "pink", "棕": "brown", "褐": "brown",
    "咖啡色": "brown", "米色": "brown", "黑": "black", "白": "white", "灰": "grey", "银色": "grey",
}  # fmt: skip


def colour_families(text: str) -> set[str]:
    """The colour families named in `text`."""
    words = set(re.findall(r"[a-z]+", text.lower()))
    english = {family for word, family in _ENGLISH.items() if word in words}
    return english | {family for word, family in _CHINESE.items() if word in text}
