"""The contract of an encoder: pictures and sentences in, L2-normalised vectors of one space out."""

from __future__ import annotations

import hashlib
import threading
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Vectors = NDArray[np.float32]


class EncoderError(Exception):
    """An encoder cannot be loaded or refused its input; the message says what to do about it."""


@dataclass(frozen=True)
class SpaceSpec:
    """What makes two vectors comparable: the encoder, the exact weights and the dimension."""

    encoder: str
    weights: str
    dimension: int

    @property
    def slug(self) -> str:
        """A name that is safe in a Milvus collection name and differs whenever the space does."""
        digest = hashlib.sha256(f"{self.encoder}|{self.weights}|{self.dimension}".encode()).hexdigest()
        stem = "".join(c if c.isalnum() else "_" for c in self.encoder.lower()).strip("_")[:40]
        return f"{stem}_{digest[:8]}"


class Encoder(ABC):
    """One vector space.

    The public methods load the weights once, lazily and under a lock, and check what comes
    out; a new encoder writes only the underscored hooks. Constructing an encoder is cheap.

    Attributes:
        paid: whether a vendor bills each picture and text (`search.encoders.paid`).
    """

    paid = False

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loaded = False

    @property
    @abstractmethod
    def space(self) -> SpaceSpec:
        """The space that the vectors lie in. Reading it may look at files, never load weights."""

    @abstractmethod
    def _load(self) -> None:
        """Bring the weights into memory. Called once per process."""

    @abstractmethod
    def _encode_images(self, images: Sequence[Image.Image]) -> Vectors:
        """RGB pictures of any size to float32 [n, d]."""

    @abstractmethod
    def _encode_texts(self, texts: Sequence[str]) -> Vectors:
        """Sentences in any language to float32 [n, d]."""

    def encode_images(self, images: Sequence[Image.Image]) -> Vectors:
        """Encode pictures, orientation already applied, to unit vectors, float32 [n, d]."""
        if not images:
            return np.zeros((0, self.space.dimension), dtype=np.float32)
        self._ensure_loaded()
        return self._checked(self._encode_images([flatten(image) for image in images]), len(images))

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        """Encode sentences to unit vectors, float32 [n, d]."""
        if not texts:
            return np.zeros((0, self.space.dimension), dtype=np.float32)
        self._ensure_loaded()
        return self._checked(self._encode_texts(list(texts)), len(texts))

    def _ensure_loaded(self) -> None:
        if self._loaded:
            return
        with self._lock:
            if not self._loaded:
                self._load()
                self._loaded = True

    def _checked(self, vectors: Vectors, count: int) -> Vectors:
        expected = (count, self.space.dimension)
        if vectors.shape != expected:
            raise EncoderError(
                f"{self.space.encoder} returned an array of shape {vectors.shape} where {expected} was "
                "expected; the weights and the declared dimension differ."
            )
        if not np.isfinite(vectors).all():
            raise EncoderError(f"{self.space.encoder} returned values that are not finite numbers.")
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        return (vectors / np.maximum(norms, 1e-12)).astype(np.float32, copy=False)


def flatten(image: Image.Image) -> Image.Image:
    """RGB on white: encoders see what a person sees on a page, not what lies under transparency."""
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        ground = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
        return Image.alpha_composite(ground, rgba).convert("RGB")
    return image.convert("RGB")
