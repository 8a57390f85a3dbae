"""Judges a batch of results: what their pixels, their size and their sources say about them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from dam.pictures import on_white
from generation.quality import lettering, pixels, scales
from generation.quality.judgement import Asked, Case, Check, CheckName, Judgement
from generation.quality.likeness import beholder_of
from search.encoders.base import Encoder

K = 1024  # pixels


def judge(cases: Sequence[Case], encoder: Encoder) -> list[Judgement]:
    """The judgement of each case.

    Raises:
        EncoderError: the encoder does not answer.
    """
    opaque = [replace(case, result=on_white(case.result)) for case in cases]
    looked_at = beholder_of(encoder).look(opaque)
    return [
        Judgement(
            (*_of_pixels(case), *found),
            tuple(source.role for source in case.sources if source.picture is None),
        )
        for case, found in zip(opaque, looked_at, strict=True)
    ]


def _of_pixels(case: Case) -> Iterator[Check]:
    busyness = pixels.busyness(case.result)
    yield Check(CheckName.CONTENT, scales.BUSYNESS.score(busyness), figures={"busyness": busyness})
    acutance = pixels.acutance(case.result)
    yield Check(CheckName.SHARPNESS, scales.ACUTANCE.score(acutance), figures={"acutance": acutance})
    if size := _size(case.asked):
        yield size
    if case.asked.photograph:
        yield _lettering(case)


def _lettering(case: Case) -> Check:
    """A hint: letters that the sources show, too, as a print or a label, are no flaw."""
    theirs = sum(
        lettering.letters(on_white(source.picture)) for source in case.sources if source.picture is not None
    )
    letters = max(0, lettering.letters(case.result) - theirs)
    score = max(scales.LEAST_OF_LETTERS, scales.LETTERS.score(letters))
    return Check(CheckName.LETTERING, score, figures={"letters": letters})


def _size(asked: Asked) -> Check | None:
    """Shape and size against what was asked for; None where nothing was."""
    width, height = asked.size
    scored: dict[str, tuple[float, float]] = {}
    if ratio := re.fullmatch(r"([1-9]\d*):([1-9]\d*)", asked.aspect_ratio):
        wanted = int(ratio[1]) / int(ratio[2])
        scored["ratio"] = width / height, scales.RATIO.score(abs(math.log(width / height / wanted)))
    if size := re.fullmatch(r"([1-9]\d*)K", asked.image_size):
        scored["side"] = max(width, height), scales.SIDE.score(max(width, height) / (K * int(size[1])))
    if not scored:
        return None
    figures = {name: measured for name, (measured, _score) in scored.items()}
    return Check(CheckName.SIZE, min(score for _measured, score in scored.values()), figures=figures)
