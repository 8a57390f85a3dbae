"""One automatic second try of a poor result, where its job asks for it and its budget holds one more."""

from __future__ import annotations

from decimal import Decimal

from django.utils import translation

from dam.audit import record
from generation.jobs import work_waiting
from generation.models import GenerationItem, GenerationJob, JobState, Verdict, to_micros
from generation.providers.registry import UnknownProvider, get_provider
from generation.quality.judgement import Followed, Judgement
from generation.quality.wording import complaints
from generation.review import new_item

# The job's parameter that asks for it.
PARAMETER = "retry_poor"
# The language that a job's prompts are in, as Django names it.
_LOCALES = {"en": "en", "zh": "zh-hans"}


def parameters(asked: bool) -> dict[str, bool]:
    """What a job's parameters hold where it is asked for, or not."""
    return {PARAMETER: True} if asked else {}


def is_asked(job: GenerationJob) -> bool:
    """Whether poor results of this job are made again."""
    return job.parameters.get(PARAMETER) is True


def make_again(job: GenerationJob, item: GenerationItem, judgement: Judgement) -> Followed | None:
    """Queue a poor result once more, as an item that regenerates it; what was done, or None.

    What a person sent back or has judged is theirs. To be called once for each item, in the transaction
    that writes its scores down, `job` locked: then neither a crash nor two workers lose or double it.
    """
    theirs = item.regenerates_id is not None or item.verdict != Verdict.NONE
    if theirs or not judgement.is_poor or job.state == JobState.CANCELLED or item.regenerations.exists():
        return None
    price = _price_of_another(job)
    if price is None:
        return None
    if job.budget is not None and job.committed_micros + to_micros(price) > to_micros(job.budget):
        return Followed.NO_BUDGET
    with translation.override(_LOCALES[job.parameters.get("language", "en")]):
        note = " ".join(complaints(judgement))
    again = new_item(job, item, note)
    record(None, "item.made_again", item, note=note, again=str(again.public_id))
    if job.state == JobState.FINISHED:
        GenerationJob.objects.filter(pk=job.pk).update(state=JobState.QUEUED, finished=None)
    work_waiting.send(GenerationJob, job_id=job.pk)
    return Followed.MADE_AGAIN


def _price_of_another(job: GenerationJob) -> Decimal | None:
    """What another try costs; None where it would give the same picture."""
    try:
        capability = get_provider(job.provider).capability
    except UnknownProvider:
        return None
    return capability.price_per_picture if capability.makes_photographs else None
