"""The contract of an encoder: pictures and sentences in, L2-normalised vectors of one space out."""

from __future__ import annotations

import hashlib
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.conf import settings
from numpy.typing import NDArray
from PIL import Image

Vectors = NDArray[np.float32]

AGAIN_SECONDS = 20.0  # after loading failed; each search waits for a hub that does not answer, else
ENOUGH = 576  # pixels of the shorter side: more than twice what most encoders look at


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


@dataclass(frozen=True)
class Runtime:
    """Who computes the vectors here. `cosine`: that of the worst sample to torch, where it was compared."""

    engine: str
    precision: str
    cosine: float | None = None
    exported: bool = True
    problem: str = ""
    """Why it is not what was asked for, or empty."""


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
        self._failed: tuple[float, str] | None = None  # when it was to be loaded in vain, and why

    @property
    @abstractmethod
    def space(self) -> SpaceSpec:
        """The space that the vectors lie in. Reading it may look at files, never load weights."""

    @abstractmethod
    def _load(self) -> None:
        """Bring the weights into memory. Called once per process."""

    @property
    def pixels(self) -> int:
        """How long the shorter side of a picture has to be at most; a larger one is reduced to that."""
        return ENOUGH

    @property
    def batch(self) -> int:
        """How many prepared pictures are encoded at once by whoever has many."""
        return 2 * settings.SEARCH_BATCH_SIZE

    def runtime(self) -> Runtime | None:
        """Who computes the vectors here, where that is a choice; reading it loads no weights."""
        return None

    def _prepare(self, image: Image.Image) -> Any:
        """What `_encode_images` takes of an RGB picture of any size. Runs in several threads at once."""
        return image

    @abstractmethod
    def _encode_images(self, prepared: Sequence[Any]) -> Vectors:
        """What `_prepare` returned to float32 [n, d]."""

    @abstractmethod
    def _encode_texts(self, texts: Sequence[str]) -> Vectors:
        """Sentences in any language to float32 [n, d]."""

    def encode_images(self, images: Sequence[Image.Image]) -> Vectors:
        """Encode pictures, orientation already applied, to unit vectors, float32 [n, d]."""
        return self.encode_prepared([self.prepare(image) for image in images])

    def prepare(self, image: Image.Image) -> Any:
        """The part of encoding that can be done for each picture alone, in any thread: what it returns
        is small where the encoder looks at few pixels, and is for `encode_prepared`.
        """
        self._ensure_loaded()
        return self._prepare(flatten(image))

    def encode_prepared(self, prepared: Sequence[Any]) -> Vectors:
        """Encode what `prepare` returned to unit vectors, float32 [n, d]."""
        if not prepared:
            return np.zeros((0, self.space.dimension), dtype=np.float32)
        self._ensure_loaded()
        return self._checked(self._encode_images(prepared), len(prepared))

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
            if self._loaded:
                return
            if self._failed is not None and time.monotonic() - self._failed[0] < AGAIN_SECONDS:
                raise EncoderError(self._failed[1])
            try:
                self._load()
            except EncoderError as error:
                self._failed = (time.monotonic(), str(error))
                raise
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
