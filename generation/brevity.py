"""Few words: how many tokens a prompt is to a CLIP text model, and how much of it fits.

Counted without the model's vocabulary, on the safe side: a word of Latin letters is one token for each six
letters begun, a digit or a mark is one, and any other character is its bytes.
"""

from __future__ import annotations

import math
import re

_PIECES = re.compile(r"[a-z]+|[^\sa-z]")
_LETTERS_A_TOKEN = 6
# Where a text may end, the best first: behind a sentence, a part of one, a word.
_ENDS = (
    re.compile(r"[.!?](?=\s|$)|[。！？\n]"),
    re.compile(r"[,;:](?=\s|$)|[，；：、]"),
    re.compile(r"\S(?=\s|$)|[\u3400-\u9fff]"),
)
_LOOSE_ENDS = " \n,;:，；：、"


def tokens_in(text: str) -> int:
    """About how many tokens this is, rather too many than too few."""
    return sum(
        math.ceil(len(piece) / _LETTERS_A_TOKEN) if piece.isascii() else len(piece.encode())
        for piece in _PIECES.findall(text.lower())
    )


def fitted(text: str, most: int) -> tuple[str, str]:
    """What of this text fits into `most` tokens, ended at a sentence where one does; and what is left out."""
    if tokens_in(text) <= most:
        return text, ""
    for ends in _ENDS:
        fitting = [end.end() for end in ends.finditer(text) if tokens_in(text[: end.end()]) <= most]
        if fitting:
            return text[: fitting[-1]].rstrip(_LOOSE_ENDS), text[fitting[-1] :].strip()
    return "", text
