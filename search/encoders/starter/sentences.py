"""Sentences as the frozen text tower sees them, each encoded once and kept between runs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from search.encoders.starter.pictures import CACHE
from search.encoders.starter.towers import TextTower

Floats = NDArray[np.float32]


def text_features(texts: list[str]) -> Floats:
    """Vectors of the text tower, each sentence encoded once and kept between runs."""
    path = CACHE / "texts.npz"
    known: dict[str, Floats] = {}
    if path.is_file():
        with np.load(path) as kept:
            known = dict(zip(kept["texts"].tolist(), kept["vectors"], strict=True))
    missing = sorted(set(texts) - known.keys(), key=len)
    if missing:
        from tqdm import tqdm

        CACHE.mkdir(parents=True, exist_ok=True)
        tower = TextTower()
        for start in tqdm(range(0, len(missing), 256), desc="texts", mininterval=5):
            chunk = missing[start : start + 256]
            known |= dict(zip(chunk, tower.features(chunk), strict=True))
            if start % 2560 == 0 or start + 256 >= len(missing):
                np.savez(path, texts=np.array(list(known)), vectors=np.stack(list(known.values())))
    return np.stack([known[text] for text in texts])
