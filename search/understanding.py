"""What a typed sentence asks for: what is wanted, what is not, and other words for it."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Understanding:
    """A sentence taken apart.

    Attributes:
        wanted: what is looked for, corrected, without what is not wanted.
        unwanted: phrases that must not be shown ("logo" of "t-shirt without logo", "不要logo的T恤").
        also: other words for the same (synonyms, labels in the other language, what pinyin stands for);
            they help to match words and are not encoded.
        corrections: what was typed → what was taken for it.
    """

    wanted: str
    unwanted: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    corrections: dict[str, str] = field(default_factory=dict)


def understand(text: str) -> Understanding:
    """Take a sentence in English or Chinese apart."""
    return Understanding(wanted=text.strip())
