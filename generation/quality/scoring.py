"""Scores what was delivered: claims it in batches, judges it, writes scores down or why there are none."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import timedelta

from django.db import transaction
from django.db.models import F
from PIL import Image

from dam import clock
from generation.delivery import inputs_of
from generation.models import GenerationItem, GenerationJob, ItemInput, ItemState, JobKind, QualityState
from generation.providers.registry import UnknownProvider, get_provider
from generation.quality import again
from generation.quality.judgement import Asked, Case, Judgement, Problem, Source
from generation.quality.judging import judge
from search.encoders.base import Encoder, EncoderError
from search.encoders.registry import get_encoder, is_paid
from search.pictures import PictureError, open_for_encoding
from search.spaces import encoder_of, live_space

logger = logging.getLogger(__name__)

BATCH = 8
LEASE = timedelta(minutes=5)
LATER = timedelta(minutes=5)
MAX_ATTEMPTS = 3
RESULT_PIXELS = 768  # of the result's shorter side
# What is used where the searched space belongs to a vendor: scoring costs nothing.
LOCAL_ENCODER = "starter"


def score_due() -> int:
    """Score everything that was delivered and not scored; how many got their scores.

    Several workers may do so at once; a batch that a crash cut off is due again when its lease is over.
    """
    unscored = GenerationItem.objects.filter(state=ItemState.SUCCEEDED, quality_state=QualityState.DUE)
    clock.mend(unscored, "quality_due", max(LEASE, LATER))
    scored = 0
    while batch := _claimed():
        try:
            encoder = _encoder()
        except EncoderError as error:
            _postpone(batch, error)
            break
        scored += _score(batch, encoder)
    return scored


def _encoder() -> Encoder:
    """That of the searched space, which a worker has in memory anyway; a local one instead of a vendor's.

    Raises:
        EncoderError: it was set up wrongly.
    """
    space = live_space()
    return get_encoder(LOCAL_ENCODER) if is_paid(space.encoder) else encoder_of(space)


def _claimed() -> list[GenerationItem]:
    """The next ones, now this worker's. Who was cut off at one too often is told to have none."""
    claimed: list[GenerationItem] = []
    due = GenerationItem.objects.unscored().select_related("job", "output__current")
    for item in due.order_by("quality_due", "pk")[:BATCH]:
        if not _take(item):
            continue
        if item.quality_attempts > MAX_ATTEMPTS:
            _fail(item, Problem.CUT_OFF)
        else:
            claimed.append(item)
    return claimed


def _take(item: GenerationItem) -> bool:
    """Claim by conditional update: of two workers that saw the same item, one changes the row."""
    taken = GenerationItem.objects.filter(
        pk=item.pk, quality_state=QualityState.DUE, quality_due__lte=clock.Now()
    ).update(quality_due=clock.after(LEASE), quality_attempts=F("quality_attempts") + 1)
    item.quality_attempts += 1
    return bool(taken)


def _score(items: Sequence[GenerationItem], encoder: Encoder) -> int:
    cases = [(item, case) for item in items if (case := _case_or_reason(item)) is not None]
    try:
        judgements = judge([case for _item, case in cases], encoder)
    except EncoderError as error:
        _postpone([item for item, _case in cases], error)
        return 0
    except Exception:  # whatever a picture makes the libraries raise ends its own scoring, not the others'
        logger.exception("a batch of %s results cannot be scored", len(cases))
        if len(cases) == 1:
            _fail(cases[0][0], Problem.UNFORESEEN)
            return 0
        return sum(_score([item], encoder) for item, _case in cases)
    for (item, _case), judgement in zip(cases, judgements, strict=True):
        _write(item, judgement, encoder.space.encoder)
    return len(cases)


def _case_or_reason(item: GenerationItem) -> Case | None:
    """The pictures of an item; None where its result cannot be opened, which is written down."""
    if item.output is None or item.output.current is None:
        _fail(item, Problem.GONE)
        return None
    try:
        result = open_for_encoding(item.output.current, RESULT_PIXELS)
    except PictureError as error:
        logger.warning("result of item %s: %s", item.public_id, error)
        _fail(item, Problem.UNREADABLE)
        return None
    version = item.output.current
    asked = _asked(item, (version.width, version.height))
    return Case(result, [_source(item, link) for link in inputs_of(item)], asked)


def _source(item: GenerationItem, link: ItemInput) -> Source:
    """An input; without a picture where it is gone since, which costs its own check and no other."""
    version = link.asset.current
    picture: Image.Image | None = None
    try:
        picture = open_for_encoding(version) if version else None
    except PictureError as error:
        logger.warning("input %s of item %s: %s", link.asset.public_id, item.public_id, error)
    is_edited = item.job.kind == JobKind.EDIT and link.position == 0
    return Source(link.role, link.position, picture, version.sha256 if version else "", is_edited)


def _asked(item: GenerationItem, size: tuple[int, int]) -> Asked:
    parameters = {**item.job.parameters, **item.parameters}
    try:
        photographs = get_provider(item.job.provider).capability.makes_photographs
    except UnknownProvider:
        photographs = True
    ratio, longer = parameters.get("aspect_ratio", ""), parameters.get("image_size", "")
    return Asked(size, str(ratio), str(longer), photographs)


def _write(item: GenerationItem, judgement: Judgement, encoder: str) -> None:
    """The scores, and the second try that they may lead to, in one transaction: both are there or none."""
    scores = {**judgement.as_json(), "encoder": encoder}
    mine = GenerationItem.objects.filter(pk=item.pk)
    with transaction.atomic():
        # Locked before its item, as a reviewer's verdict does it.
        jobs = GenerationJob.objects.select_for_update(no_key=True)
        job = jobs.get(pk=item.job_id) if again.is_asked(item.job) else None
        written = mine.filter(quality_state=QualityState.DUE).update(
            quality_state=QualityState.SCORED, quality=judgement.score, scores=scores
        )
        # A worker whose lease had run out may come second: what the first one wrote and did stands.
        if written and job is not None and (followed := again.make_again(job, mine.get(), judgement)):
            mine.update(scores={**scores, "followed": followed})


def _fail(item: GenerationItem, problem: Problem) -> None:
    """There are no scores, and why. The picture is in the review like any other."""
    GenerationItem.objects.filter(pk=item.pk, quality_state=QualityState.DUE).update(
        quality_state=QualityState.FAILED, scores={"problem": problem}
    )


def _postpone(items: Sequence[GenerationItem], error: EncoderError) -> None:
    """Nothing is wrong with these: they wait until the encoder answers, however long that takes."""
    logger.warning("%s results wait to be scored: %s", len(items), error)
    GenerationItem.objects.filter(pk__in=[item.pk for item in items], quality_state=QualityState.DUE).update(
        quality_due=clock.after(LATER),
        quality_attempts=0,
        scores={"problem": Problem.NO_ENCODER, "reason": str(error)},
    )
