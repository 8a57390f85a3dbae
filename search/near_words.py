"""Words of one length, and which of them are written almost like another."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from rapidfuzz import process
from rapidfuzz.distance import DamerauLevenshtein


class NearWords:
    """Words with the set of letters that each has: most are ruled out by that, without comparing them.

    Args:
        words: which letters they have does not matter, nor whether they are Latin.
    """

    def __init__(self, words: Sequence[str]) -> None:
        self._words = words
        self._letters = np.fromiter(map(_letters, words), dtype=np.uint32, count=len(words))

    def near(self, word: str, most: int) -> list[tuple[str, int]]:
        """Those that at most so many letters wrong, left out, added or exchanged make of this one, and how
        many they are.
        """
        differing = np.bitwise_count(self._letters ^ np.uint32(_letters(word)))
        # One letter for another takes one out of the set and puts one in; nothing changes more.
        candidates = [self._words[place] for place in np.flatnonzero(differing <= 2 * most).tolist()]
        found = process.extract(
            word, candidates, scorer=DamerauLevenshtein.distance, score_cutoff=most, limit=None
        )
        return [(other, int(distance)) for other, distance, _place in found]


def _letters(word: str) -> int:
    letters = 0
    for sign in word:
        letters |= 1 << (ord(sign) & 31)
    return letters
