"""Whether a result shows what its sources show, in the space of an encoder and by colours.

A source's subject is looked for in windows of the result, since a garment is a small part of a photograph
and an encoder tells what a whole picture shows. What a batch needs encoded reaches the encoder at once.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dam.pictures import on_white
from dam.sample import openmoji
from dam.svg import rasterise
from generation.models import InputRole
from generation.quality import scales, style
from generation.quality.judgement import Case, Check, CheckName, Source
from generation.quality.regions import ColourMap, Subject, Window, everything_of, subject_of
from search.encoders.base import Encoder, Vectors

Vector = NDArray[np.float32]

KEPT = 512  # sources; a night's job uses the same ones over and over
UNRELATED = 16  # drawings that have nothing in common
UNRELATED_SIDE = 320  # pixels


@dataclass(frozen=True)
class Known:
    """What was measured on a source: its subject, and the vectors of subject and whole picture."""

    subject: Subject
    vectors: Vectors

    @property
    def whole(self) -> Vector:
        return self.vectors[1]


@dataclass(frozen=True)
class Look:
    """A source and the windows of a result in which it may be."""

    source: Source
    known: Known
    windows: Sequence[Window]


@lru_cache(maxsize=1)
def beholder_of(encoder: Encoder) -> Beholder:
    """The one of this process for an encoder."""
    return Beholder(encoder)


class Beholder:
    """Compares results with their sources in the space of one encoder."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._known: OrderedDict[tuple[bool, str], Known] = OrderedDict()

    def look(self, cases: Sequence[Case]) -> list[list[Check]]:
        """The checks of each case that take an encoder.

        Raises:
            EncoderError: the encoder does not answer.
        """
        self._learn([source for case in cases for source in case.sources])
        looks = [self._looks(case) for case in cases]
        pictures = [
            picture
            for case, of_case in zip(cases, looks, strict=True)
            for picture in [case.result, *(case.result.crop(w.box) for look in of_case for w in look.windows)]
        ]
        vectors = iter(self._encoder.encode_images(pictures))
        pairs = zip(cases, looks, strict=True)
        found = [list(self._checks(case, of_case, vectors)) for case, of_case in pairs]
        self._forget()
        return found

    def _learn(self, sources: Sequence[Source]) -> None:
        new: dict[tuple[bool, str], tuple[Subject, Image.Image]] = {}
        for source in sources:
            key = _key(source)
            if key in self._known:
                self._known.move_to_end(key)
            elif key not in new and source.picture is not None:
                new[key] = _subject(source.role, source.picture), on_white(source.picture)
        pictures = [picture for subject, whole in new.values() for picture in (subject.picture, whole)]
        vectors = self._encoder.encode_images(pictures)
        for number, (key, (subject, _whole)) in enumerate(new.items()):
            self._known[key] = Known(subject, vectors[2 * number : 2 * number + 2])

    def _forget(self) -> None:
        while len(self._known) > KEPT:
            self._known.popitem(last=False)

    def _looks(self, case: Case) -> list[Look]:
        colours = ColourMap(case.result)
        shown = [source for source in case.sources if source.picture is not None and not _is_style(source)]
        return [
            Look(source, known := self._known[_key(source)], colours.windows(known.subject))
            for source in shown
        ]

    def _checks(self, case: Case, looks: Sequence[Look], vectors: Iterator[Vector]) -> Iterator[Check]:
        whole = next(vectors)
        for look in looks:
            yield self._likeness(look, np.stack([next(vectors) for _window in look.windows]))
        references = [source for source in case.sources if source.picture is not None and _is_style(source)]
        if references:
            near = np.mean([self._nearness(whole @ self._known[_key(one)].whole) for one in references])
            pictures = [source.picture for source in references if source.picture is not None]
            yield style.check(case.result, pictures, float(near))

    def _likeness(self, look: Look, windows: Vectors) -> Check:
        nearness = max(self._nearness(windows @ vector) for vector in look.known.vectors)
        colours = max(window.colours for window in look.windows)
        is_scene = look.source.role == InputRole.SCENE
        scale, weight = (
            (scales.SCENE, scales.SCENE_COLOUR_WEIGHT)
            if is_scene
            else (scales.LIKENESS, scales.COLOUR_WEIGHT)
        )
        return Check(
            CheckName.LIKENESS,
            scale.score(nearness + weight * colours),
            look.source.role,
            look.source.position,
            {"nearness": nearness, "colours": colours},
        )

    def _nearness(self, cosines: NDArray[np.floating]) -> float:
        """The best cosine, from 0 for unrelated pictures to 1 for the same one: encoders differ in theirs."""
        return float((np.max(cosines) - self._unrelated) / max(1 - self._unrelated, 1e-6))

    @cached_property
    def _unrelated(self) -> float:
        """The mean cosine of pictures that have nothing in common: drawings that every installation has."""
        every = openmoji.drawings()
        chosen = every[:: max(1, len(every) // UNRELATED)][:UNRELATED]
        pictures = [Image.open(BytesIO(rasterise(one.svg, UNRELATED_SIDE))) for one in chosen]
        vectors = self._encoder.encode_images(pictures)
        cosines = vectors @ vectors.T
        return float(cosines[~np.eye(len(cosines), dtype=bool)].mean())


def _key(source: Source) -> tuple[bool, str]:
    return source.role == InputRole.SCENE, source.key


def _is_style(source: Source) -> bool:
    return source.role == InputRole.REFERENCE and not source.is_edited


def _subject(role: str, picture: Image.Image) -> Subject:
    """A scene is all of its picture."""
    return everything_of(picture) if role == InputRole.SCENE else subject_of(picture)
