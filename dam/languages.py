"""The two languages in which the library has its words, and which of them the reader has chosen."""

from __future__ import annotations

from django.utils import translation


def reads_chinese() -> bool:
    """Whether the reader has chosen Chinese."""
    return (translation.get_language() or "").startswith("zh")


def reader_language() -> str:
    """“zh” or “en”."""
    return "zh" if reads_chinese() else "en"


def in_language(english: str, chinese: str, language: str = "") -> str:
    """The words in this language, by default the reader's, or in the other one."""
    return (chinese or english) if (language or reader_language()) == "zh" else (english or chinese)
