"""What a picture of each ImageNet class looks like to the frozen tower, without having one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from search.encoders.starter import corpus, pictures
from search.encoders.starter.towers import PICTURE_FEATURES, POOLED_FEATURES, classifier_rows

Floats = NDArray[np.float32]

# How far, in logits, a prototype stands out from the mean picture: as confident as a clear photo.
_CONFIDENCE = 14.0


def class_prototypes(clothing: Path) -> tuple[Floats, Floats]:
    """Features of the thousand classes, the pooled ones, and how real photos vary around their mean.

    A linear classifier's row is the class mean seen through the inverse of the covariance; going back
    through the covariance of the photos that are here gives the mean.
    """
    photos = tuple(item for item in corpus.photos(clothing) if item.split == "train")
    seen = pictures.photo_variants(photos).features[:, :POOLED_FEATURES]
    labels = np.repeat([photo.label for photo in photos], pictures.PHOTO_VARIANTS)
    spread = np.concatenate(
        [seen[labels == label] - seen[labels == label].mean(axis=0) for label in sorted(set(labels))]
    )
    rows, _ = classifier_rows()
    rows = rows - rows.mean(axis=0)
    directions = rows @ (np.cov(spread, rowvar=False) + 0.02 * np.eye(POOLED_FEATURES))
    gain = _CONFIDENCE / (rows * directions).sum(axis=1, keepdims=True)
    means = np.maximum(seen.mean(axis=0) + gain * directions, 0.0)
    unknown = np.zeros((len(means), PICTURE_FEATURES - POOLED_FEATURES))
    return np.concatenate([means, unknown], axis=1).astype(np.float32), spread
