"""From files to vectors: pictures are decoded side by side while those before them are encoded."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import numpy as np
from PIL import Image

from dam.models import AssetVersion
from search import telemetry
from search.encoders.base import Encoder
from search.pictures import PictureError, open_for_encoding

logger = logging.getLogger(__name__)

NICER = 10  # whoever waits for an answer goes first
DECODERS = max(2, os.cpu_count() or 1)


@dataclass
class Encoded:
    """Vectors, or why there is none, by file content."""

    vectors: dict[str, np.ndarray] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)


class Pipeline:
    """Threads for one drain. They touch files and the encoder, never the database.

    In memory at once are the decoded pictures of DECODERS threads (bounded by DAM_PIXELS_AT_ONCE too),
    and of the lists that were handed in and not yet encoded what `Encoder.prepare` returns.

    Args:
        encoder: gives the encoder, in the thread that encodes; its errors come out of `encode`'s future.
    """

    def __init__(self, encoder: Callable[[], Encoder]) -> None:
        self._encoder = encoder
        self._decoding = ThreadPoolExecutor(DECODERS, "decode", initializer=_give_way)
        self._encoding = ThreadPoolExecutor(1, "encode", initializer=_give_way)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._decoding.shutdown(cancel_futures=True)
        self._encoding.shutdown(cancel_futures=True)

    def open(self, versions: Sequence[AssetVersion]) -> tuple[dict[str, Image.Image], dict[str, str]]:
        """The pictures of these files, and why others cannot be read, by file content."""
        pixels = self._encoder().pixels
        opened = {
            version.sha256: self._decoding.submit(open_for_encoding, version, pixels) for version in versions
        }
        pictures: dict[str, Image.Image] = {}
        broken: dict[str, str] = {}
        for sha256, picture in opened.items():
            try:
                pictures[sha256] = picture.result()
            except PictureError as error:
                broken[sha256] = str(error)
        return pictures, broken

    def encode(self, versions: Sequence[AssetVersion]) -> Future[Encoded]:
        """Begin with these files, after those that were handed in before."""
        encoder = self._encoder()
        prepared = [self._decoding.submit(_prepare, encoder, version) for version in versions]
        hashes = [version.sha256 for version in versions]
        return self._encoding.submit(_encode, encoder, hashes, prepared)


def _prepare(encoder: Encoder, version: AssetVersion) -> Any:
    return encoder.prepare(open_for_encoding(version, encoder.pixels))


def _encode(encoder: Encoder, hashes: Sequence[str], prepared: list[Future[Any]]) -> Encoded:
    encoded = Encoded()
    pictures: dict[str, Any] = {}
    for sha256 in hashes:
        try:
            pictures[sha256] = prepared.pop(0).result()
        except PictureError as error:
            encoded.broken[sha256] = str(error)
    with _timed(encoder.space.encoder, len(pictures)):
        vectors = encoder.encode_prepared(list(pictures.values()))
    encoded.vectors = dict(zip(pictures, vectors, strict=True))
    return encoded


@contextmanager
def _timed(encoder: str, pictures: int) -> Iterator[None]:
    began = time.perf_counter()
    yield
    telemetry.ENCODE_SECONDS.labels(encoder).inc(time.perf_counter() - began)
    telemetry.ENCODED.labels(encoder).inc(pictures)


def _give_way() -> None:
    """Lower this thread's priority; threads that the encoder starts from it inherit that."""
    thread = threading.get_native_id()
    try:
        os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + NICER)
    except OSError as error:
        logger.warning("Indexing keeps its priority: %s", error)
