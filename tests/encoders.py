"""An encoder that is quick, has any dimension, needs no weights, and knows one thing: colours."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageColor

from search.encoders.base import Encoder, EncoderError, SpaceSpec, Vectors

WORDS = {"红": "red", "绿": "green", "蓝": "blue", "黄": "yellow"}
DIRECTORY = {"colours": "tests.encoders.ColourEncoder"}


class ColourEncoder(Encoder):
    """`colours:N`: the mean colour, thrown into N dimensions. `colours:N-broken` does not load.

    A process whose environment has COLOURS_SECONDS takes that long for each picture.
    """

    def __init__(self, argument: str = "8") -> None:
        super().__init__()
        self._argument = argument

    @property
    def space(self) -> SpaceSpec:
        return SpaceSpec(f"colours:{self._argument}", "none", int(self._argument.partition("-")[0]))

    def _load(self) -> None:
        if self._argument.endswith("broken"):
            raise EncoderError("The weights of colours are not there; put them back.")
        generator = np.random.default_rng(7)
        self._axes = generator.standard_normal((4, self.space.dimension))

    def _encode_images(self, images: Sequence[Image.Image]) -> Vectors:
        time.sleep(float(os.environ.get("COLOURS_SECONDS", "0")) * len(images))
        return self._thrown(
            [np.asarray(image.resize((1, 1), Image.Resampling.BOX))[0, 0] for image in images]
        )

    def _encode_texts(self, texts: Sequence[str]) -> Vectors:
        return self._thrown([self._colour(text) for text in texts])

    def _colour(self, text: str) -> np.ndarray:
        for word in text.split():
            try:
                return np.array(ImageColor.getrgb(WORDS.get(word, word)))
            except ValueError:
                continue
        return np.array((128, 128, 128))

    def _thrown(self, colours: Sequence[np.ndarray]) -> Vectors:
        rows = np.array([[*(colour / 127.5 - 1), 0.1] for colour in colours])
        return (rows @ self._axes).astype(np.float32)
