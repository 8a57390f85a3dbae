"""The vectors of a request in one space: what is wanted, and what is not."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from threading import Lock

import numpy as np
from django.utils.translation import gettext as _
from numpy.typing import NDArray

from dam.errors import StorageUnavailable
from dam.models import Asset
from search import telemetry
from search.encoders.paid import PaidEncoder
from search.models import Embedding, Space, SpaceCoverage
from search.pictures import PictureError, open_for_encoding
from search.request import Part, SearchError, SearchRequest
from search.spaces import encoder_of
from search.understanding import Understanding

Vector = NDArray[np.float32]

# Measured on photos of clothing ("a top", not "t-shirt"; twenty of them in two languages): mAP .600 and 15 %
# unwanted among the first fifty without it; .671 and 1 % with it and `relevance.shows_unwanted` together;
# .657 and 0 % with a weight of .3 alone.
UNWANTED_WEIGHT = 0.15


@dataclass(frozen=True)
class QueryVectors:
    """
    Attributes:
        wanted: a unit vector.
        unwanted: unit vectors of the phrases that must not be shown.
    """

    wanted: Vector
    unwanted: tuple[Vector, ...]


class NoVector(Exception):
    """What is asked with has no vector in a space and gets none there; `str()` says what to do."""


def query_vectors(
    request: SearchRequest, understood: Understanding, space: Space, *, paying: bool
) -> QueryVectors:
    """
    Args:
        paying: pictures and more than one sentence are encoded also where that costs money. Not for visitors:
            a few of them could use up what the library's own pictures wait for.

    Raises:
        EncoderError: the encoder does not answer or was set up wrongly.
        NoVector: an asset that is asked with is not in this space, which does not hold every asset; or
            nobody pays for its vector.
        SearchError: an asset or a picture cannot be used.
    """
    if not paying and isinstance(encoder_of(space), PaidEncoder):
        _refuse_paying(request, space)
    weighted: list[tuple[float, Vector]] = []
    if understood.wanted:
        weighted.append((1.0, text_vector(space, understood.wanted)))
    if request.likes:
        weighted.append((1.0, _mean_vector(request.likes, space)))
    weighted += _of_parts(request.all_parts, space)
    unwanted = tuple(text_vector(space, phrase) for phrase in understood.unwanted)
    weighted += [(-UNWANTED_WEIGHT, vector) for vector in unwanted]
    return QueryVectors(_unit(np.sum([weight * vector for weight, vector in weighted], axis=0)), unwanted)


def _refuse_paying(request: SearchRequest, space: Space) -> None:
    """
    Raises:
        NoVector: more than the words of one sentence would have to be bought.
    """
    sentences = bool(request.text.strip()) + sum(bool(part.text) for part in request.parts)
    if sentences > 1 or any(part.image is not None for part in request.all_parts):
        raise NoVector(_("Sign in to search with pictures or with several sentences."))
    assets = [part.asset for part in request.all_parts if part.asset is not None]
    if len(_kept(assets, space)) < len(assets) or (request.likes and not _kept(request.likes, space)):
        raise NoVector(_("This picture is still being indexed; try again in a minute."))


def _of_parts(parts: Sequence[Part], space: Space) -> list[tuple[float, Vector]]:
    """The pictures reach the encoder as one batch."""
    pictures = [part.image for part in parts if part.image is not None]
    encoded: Iterator[Vector] = iter(encoder_of(space).encode_images(pictures) if pictures else ())
    kept = _kept([part.asset for part in parts if part.asset is not None], space)
    found: list[tuple[float, Vector]] = []
    vector: Vector | None
    for part in parts:
        if part.image is not None:
            vector = next(encoded)
        elif part.asset is not None:
            vector = kept.get(part.asset.pk)
            if vector is None:
                vector = _fresh(part.asset, space)
        else:
            vector = text_vector(space, part.text.strip())
        found.append((part.weight, vector))
    return found


def _unit(vector: NDArray[np.floating]) -> Vector:
    return np.asarray(vector / max(float(np.linalg.norm(vector)), 1e-12), dtype=np.float32)


class _TextVectors:
    """Vectors of recent queries: people page, filter and repeat, and a text tower is slow."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._lock = Lock()
        self._kept: OrderedDict[tuple[str, str], Vector] = OrderedDict()

    def get(self, space: Space, text: str) -> Vector:
        key = (space.slug, text)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        vector = encoder_of(space).encode_texts([text])[0]
        with self._lock:
            self._kept[key] = vector
            if len(self._kept) > self._size:
                self._kept.popitem(last=False)
        return vector


_text_vectors = _TextVectors(4096)


@telemetry.LEG_SECONDS.labels("vector of the text").time()
def text_vector(space: Space, text: str) -> Vector:
    """The unit vector of a text; recent ones are kept."""
    return _text_vectors.get(space, text)


def _kept(assets: Sequence[Asset], space: Space) -> dict[int, Vector]:
    """The vectors of these assets that were computed before, by key; one query."""
    files = {asset.current.sha256: asset.pk for asset in assets if asset.current is not None}
    if not files:
        return {}
    rows = Embedding.objects.filter(space=space, sha256__in=files).values_list("sha256", "vector")
    return {files[sha256]: np.frombuffer(vector, dtype="<f4").astype(np.float32) for sha256, vector in rows}


def _fresh(asset: Asset, space: Space) -> Vector:
    """The vector of an asset that has not been indexed yet."""
    if asset.current is None:
        raise SearchError(_("This asset has no file to compare with."))
    if space.coverage == SpaceCoverage.CHOSEN:  # whether it is worth its price, the policy says
        raise NoVector(_("This picture is not in that space."))
    try:
        picture = open_for_encoding(asset.current)
    except (PictureError, StorageUnavailable) as error:
        raise SearchError(str(error)) from error
    return encoder_of(space).encode_images([picture])[0]


def _mean_vector(assets: Sequence[Asset], space: Space) -> Vector:
    """The unit vector amid the kept ones, in one query; a fresh one of the first where none is kept."""
    kept = list(_kept(assets, space).values())
    return _unit(np.mean(kept, axis=0)) if kept else _fresh(assets[0], space)
