"""Measures the committed heads on what they were not trained on; the model card quotes its figures."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from search.encoders.starter import captions, corpus, judged_with, pictures, prototypes
from search.encoders.starter.heads import Head, apply_head, load_head
from search.encoders.starter.metrics import classify, recall_at
from search.encoders.starter.sentences import text_features
from search.encoders.starter.towers import POOLED_FEATURES

Floats = NDArray[np.float32]
Figures = dict[str, object]
LANGUAGES = ("en", "zh")


def assert_unseen(texts: Iterable[str]) -> None:
    """Stop a training run whose captions contain a wording that it will be judged with."""
    leaked = sorted({text for text in texts if not captions.allowed(text)})
    if leaked:
        raise ValueError(f"Training captions contain wordings kept for evaluation: {leaked[:5]}")


class Judge:
    """Both heads with the text tower, over cached picture features."""

    def __init__(self, picture: Head, text: Head) -> None:
        self._picture, self._text = picture, text

    def pictures(self, features: Floats) -> Floats:
        """Vectors of pictures."""
        return apply_head(self._picture, features)

    def texts(self, texts: list[str]) -> Floats:
        """Vectors of sentences."""
        return apply_head(self._text, text_features(texts))

    def clothing(self, folder: Path, split: str, wordings: dict[str, dict[str, tuple[str, ...]]]) -> Figures:
        """The ten classes on the photos of a split, in each language: the mean over sets of wordings."""
        photos = tuple(item for item in corpus.photos(folder) if item.split == split)
        seen = self.pictures(pictures.photo_originals(photos, split).features)
        labels = [photo.label for photo in photos]
        found: Figures = {"photos": len(photos)}
        for language in LANGUAGES:
            sets = zip(*(words[language] for words in wordings.values()), strict=True)
            judged = [classify(self.texts(list(asked)), list(wordings), seen, labels) for asked in sets]
            found[language] = {
                name: round(float(np.mean([figures[name] for figures in judged])), 4) for name in judged[0]
            }
        return found

    def drawings(self, style: str, splits: tuple[str, ...]) -> Figures:
        """Every drawing's name against all drawings of one style: is the drawing among the first five?"""
        items = corpus.drawings()
        seen = self.pictures(pictures.library(items, style).features)
        found: Figures = {}
        for language in LANGUAGES:
            hits = recall_at(self.texts([getattr(item, language) for item in items]), seen, range(len(items)))
            by_split = {split: np.array([item.split == split for item in items]) for split in splits}
            found[language] = {"all": round(float(hits.mean()), 4)} | {
                split: round(float(hits[chosen].mean()), 4) for split, chosen in by_split.items()
            }
        return found

    def classes(self, folder: Path) -> Figures:
        """Names of ImageNet classes never paired with a picture, against all thousand prototypes."""
        means, _ = prototypes.class_prototypes(folder)
        means[:, POOLED_FEATURES:] = self._picture.mean[POOLED_FEATURES:].numpy()
        seen = self.pictures(means)
        kept = [item for item in corpus.photo_classes() if item.split == "test"]
        return {"classes": len(kept)} | {
            language: round(
                float(
                    recall_at(
                        self.texts([getattr(item, language)[0] for item in kept]),
                        seen,
                        [item.index for item in kept],
                    ).mean()
                ),
                4,
            )
            for language in LANGUAGES
        }


def measure(clothing: Path) -> Figures:
    """All figures of the model card."""
    judge = Judge(load_head("picture"), load_head("text"))
    splits = ("train", "style", "test")
    counts = {split: sum(item.split == split for item in corpus.drawings()) for split in splits}
    return {
        "clothing_data_set_queries": judge.clothing(clothing, "test", judged_with.DATA_SET),
        "clothing_shoppers_wordings": judge.clothing(clothing, "test", judged_with.SHOPPERS),
        "clothing_paraphrases": judge.clothing(clothing, "test", judged_with.PARAPHRASES),
        "drawings": {"names": len(corpus.drawings()), **counts},
        "recall_at_5_colour": judge.drawings("colour", splits),
        "recall_at_5_line": judge.drawings("line", splits),
        "recall_at_5_flat": judge.drawings("flat", splits),
        "recall_at_5_unpaired_photo_classes": judge.classes(clothing),
    }


def validate(clothing: Path, picture: Head, text: Head) -> Figures:
    """What choices are made by: nothing of the test split."""
    judge = Judge(picture, text)
    return {
        "clothing": judge.clothing(clothing, "validation", captions.VALIDATION),
        "drawings": judge.drawings("colour", ("train", "validation")),
        "lines": judge.drawings("line", ("train", "validation")),
    }
