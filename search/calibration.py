"""What scores mean in a space: how near sentences in general lie to its pictures, and how near those come
that describe nothing there.

A flat threshold does not work: what is near in one space, or for one kind of picture, is far in another. So
each space keeps the vectors of some hundred sentences (`background.txt`). What a query scores with a picture
is compared with what these score with the same picture. Sentences that name nothing that can be seen are
asked of the library as it is; how near those come by chance is the bar for everything else. It rises with the
number of pictures, as extremes do, and is measured anew when that has grown.
"""

from __future__ import annotations

import hashlib
import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path

import numpy as np
from django.core.cache import cache
from django.db import transaction
from django.db.models import Max, OuterRef, QuerySet, Subquery
from django.utils import timezone
from django.utils.translation import gettext as _
from numpy.typing import NDArray

from dam.models import AssetVersion
from search import spend
from search.among import Among
from search.encoders.base import EncoderError
from search.encoders.paid import PaidEncoder
from search.encoders.registry import get_encoder, is_paid
from search.index import CALL_SECONDS, IndexHit, IndexMismatch, IndexUnavailable
from search.models import Calibration, Embedding, Space, SpaceState
from search.prepared import Given, Prepared
from search.spaces import encoder_of, index_of, worked_spaces

logger = logging.getLogger(__name__)

Floats = NDArray[np.float32]

FILE = Path(__file__).with_name("background.txt")
UNSEEN = "~"  # marks sentences that name nothing that can be seen
BATCH = 64
NEAREST = 3
# Chosen on photos of clothing (`python -m tests.benchmarks --only relevance`) and the sample library.
# Below the bar stay 97 of 100 of those sentences; a library of scanned forms must not raise it without end.
STAY_BELOW = 0.97
LOWEST_BAR, HIGHEST_BAR = 2.0, 3.0
GROWTH = 1.25
PUT_OFF_SECONDS = 600
COUNT_SECONDS = 24 * 3600  # so long a count of all is built upon
LEAST_PICTURES = 20


@dataclass(frozen=True)
class Calibrated:
    """
    Attributes:
        background: unit vectors of sentences in general, float32 [n, d].
        bar: standard deviations above the background from which a match is no chance.
    """

    background: Floats
    bar: float

    def levels(self, pictures: Floats) -> tuple[Floats, Floats]:
        """Mean and standard deviation of what the background scores with each picture."""
        scores = self.background @ pictures.T
        return scores.mean(axis=0), np.maximum(scores.std(axis=0), 1e-6)


@lru_cache(maxsize=1)
def sentences() -> tuple[list[str], list[bool]]:
    """The background's sentences in both languages, and which of them name nothing that can be seen."""
    texts, unseen = [], []
    for line in FILE.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            for text in line.removeprefix(UNSEEN).split("|"):
                texts.append(text.strip())
                unseen.append(line.startswith(UNSEEN))
    return texts, unseen


def of(space: Space) -> Calibrated | None:
    """The space's calibration, or None where it has none yet: nothing is cut then."""
    return None if space.calibrated is None else _loaded(space.pk, space.dimension, space.calibrated)


@lru_cache(maxsize=16)
def _loaded(space: int, dimension: int, when: datetime) -> Calibrated | None:
    row = Calibration.objects.filter(space=space).first()
    if row is None:
        return None
    return Calibrated(_matrix(row.background, dimension), row.bar)


def _matrix(kept: bytes | memoryview, dimension: int) -> Floats:
    return np.frombuffer(kept, dtype="<f4").reshape(-1, dimension).astype(np.float32)


def calibrate_due() -> int:
    """Calibrate the spaces that never were, or whose library has grown by a quarter; how many. Those beside
    the live ones too: they are compared as if they were live, and may be switched to.

    A space that cannot be calibrated now stays due and keeps no other from it.

    Raises:
        EncoderError, IndexUnavailable: an encoder that costs nothing or Milvus does not answer.
    """
    done, trouble = 0, None
    for space in worked_spaces():
        try:
            if not _is_due(space) or _is_put_off(space):
                continue
            calibrate(space)
            done += 1
        except (EncoderError, IndexMismatch, IndexUnavailable) as error:
            if isinstance(error, EncoderError) and _vendor_of(space) is not None:
                _put_off(space, error)
            else:
                trouble = trouble or error
    if trouble is not None:
        raise trouble
    return done


def held_up() -> dict[str, str]:
    """Why spaces that are to be calibrated cannot be paid for, by their encoder; no vendor is asked.

    Raises:
        EncoderError: the settings of the budget are no amounts.
    """
    found: dict[str, str] = {}
    kept = Space.objects.exclude(state__in=(SpaceState.RETIRED, SpaceState.DROPPING)).order_by("id")
    for space in kept:
        if (refused := _refusal(space)) is not None and _is_due(space):
            found[space.encoder] = _(
                "Search does not yet leave out what is irrelevant among the vectors of %(encoder)s. %(why)s"
            ) % {"encoder": space.encoder, "why": refused}
    return found


def _refusal(space: Space) -> spend.NotPaid | None:
    """Why the sentences cannot be paid for now; None where they can, or need not be."""
    encoder = _vendor_of(space)
    if encoder is None or Calibration.objects.filter(space=space, digest=_digest()).exists():
        return None
    texts, _unseen = sentences()
    return spend.refusal(encoder, encoder.background_calls(texts)[0].ceiling)


def _vendor_of(space: Space) -> PaidEncoder | None:
    """The space's encoder, where each call of it costs money."""
    try:
        encoder = get_encoder(space.encoder) if is_paid(space.encoder) else None
    except EncoderError:  # whoever needs it says so
        return None
    return encoder if isinstance(encoder, PaidEncoder) else None


def _is_put_off(space: Space) -> bool:
    """Whether asking the vendor now would be in vain: for want of money, or soon after an outage."""
    return cache.get(_put_off_name(space)) is not None or _refusal(space) is not None


def _put_off(space: Space, error: EncoderError) -> None:
    """What was paid and lost is not to be paid again at each sweep."""
    logger.warning("“%s” is calibrated later: %s", space.encoder, error)
    if not isinstance(error, spend.NotPaid):  # those are known to be over as soon as they are
        cache.set(_put_off_name(space), str(error), getattr(error, "retry_after", None) or PUT_OFF_SECONDS)


def _put_off_name(space: Space) -> str:
    return f"search.calibration.put_off.{space.slug}"


def _is_due(space: Space) -> bool:
    first = Embedding.objects.filter(space=space).values_list("pk")[:LEAST_PICTURES]
    if len(first) < LEAST_PICTURES:
        return False
    row = Calibration.objects.filter(space=space).only("digest", "pictures").first()
    return row is None or row.digest != _digest() or _is_more(space, GROWTH * row.pictures)


def _is_more(space: Space, limit: float) -> bool:
    """Whether the space has more pictures than that. All are counted only where those that were there at the
    last count, and what came since, would be more: of a million, none of the usual sweeps counts them.
    """
    name = f"search.pictures.{space.slug}"
    there, last = cache.get(name, (math.inf, 0))
    pictures = Embedding.objects.filter(space=space)
    newest = Embedding.objects.aggregate(newest=Max("pk"))["newest"] or 0
    if there <= limit:
        there += pictures.filter(pk__gt=last).count()
    if there > limit:
        there = pictures.count()
    cache.set(name, (there, newest), COUNT_SECONDS)
    return there > limit


def calibrate(space: Space) -> Calibrated:
    """Measure a space and keep it. The sentences are encoded once, by a paid encoder within its budget;
    asking them costs one call of the index.

    Raises:
        EncoderError, IndexUnavailable: the encoder or Milvus does not answer.
    """
    background = _background(space)
    if background is None:
        background = _encoded(space)
    bar = _bar(space, background)
    now = timezone.now()
    with transaction.atomic():
        Calibration.objects.update_or_create(
            space=space,
            defaults={
                "background": background.astype("<f4").tobytes(),
                "digest": _digest(),
                "bar": bar,
                "pictures": Embedding.objects.filter(space=space).count(),
            },
        )
        Space.objects.filter(pk=space.pk).update(calibrated=now)
    space.calibrated = now
    return Calibrated(background, bar)


def _background(space: Space) -> Floats | None:
    """The vectors of the sentences as they are now, where they are kept."""
    row = Calibration.objects.filter(space=space, digest=_digest()).first()
    return None if row is None else _matrix(row.background, space.dimension)


def _encoded(space: Space) -> Floats:
    encoder, (texts, _unseen) = encoder_of(space), sentences()
    if isinstance(encoder, PaidEncoder):
        return encoder.encode_background(texts, spend.Accountant(space))
    batches = [texts[start : start + BATCH] for start in range(0, len(texts), BATCH)]
    return np.concatenate([encoder.encode_texts(batch) for batch in batches])


def _bar(space: Space, background: Floats) -> float:
    asked = background[np.asarray(sentences()[1])]
    # Of a large library they take as long as many searches, and nobody waits.
    answers = index_of(space).search_vectors(asked, limit=NEAREST, where="", seconds=CALL_SECONDS)
    vectors = kept_vectors(space, sorted({hit.id for hits in answers for hit in hits}))
    return bar_above(background, answers, vectors)


def bar_above(
    background: Floats, answers: Sequence[Sequence[IndexHit]], vectors: Mapping[int, Floats]
) -> float:
    """The bar, from what is nearest to each sentence that names nothing that can be seen."""
    plain = Calibrated(background, 0.0)
    heights = [height for hits in answers if (height := standing(plain, hits, vectors)) is not None]
    bar = float(np.quantile(heights, STAY_BELOW)) if heights else LOWEST_BAR
    return min(max(bar, LOWEST_BAR), HIGHEST_BAR)


def standing(calibrated: Calibrated, hits: Sequence[IndexHit], vectors: Mapping[int, Floats]) -> float | None:
    """How far the nearest pictures stand above the background, in its standard deviations."""
    near = [hit for hit in hits[:NEAREST] if hit.id in vectors]
    if not near:
        return None
    means, spreads = calibrated.levels(np.stack([vectors[hit.id] for hit in near]))
    scores = np.asarray([hit.score for hit in near])
    return float(((scores - means) / spreads).mean())


def kept_vectors(space: Space, keys: Sequence[int]) -> dict[int, Floats]:
    """The vectors of these assets' current files by key, as far as they are kept; one query."""
    rows = _KEPT.rows(space=space.pk, keys=keys) if keys else ()
    return {
        key: np.frombuffer(vector, dtype="<f4").astype(np.float32)
        for key, vector in rows
        if vector is not None
    }


def _kept_of_assets() -> QuerySet[AssetVersion, tuple[int, bytes | None]]:
    of_file = Embedding.objects.filter(space=Given("space"), sha256=OuterRef("sha256")).values("vector")
    files = AssetVersion.objects.filter(Among("current_of", Given("keys"))).order_by()
    return files.annotate(vector=Subquery(of_file)).values_list("current_of", "vector")


_KEPT = Prepared(_kept_of_assets)


@lru_cache(maxsize=1)
def _digest() -> str:
    return hashlib.sha256(FILE.read_bytes()).hexdigest()
