"""Telling that a job is done: systems outside by webhook, its owner by mail; each end of a job once.

An end is written down in the transaction that writes the webhooks' messages. A letter is claimed before it
is sent: a crash in between loses it, and never doubles it.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from smtplib import SMTPException

from django.conf import settings
from django.core.mail import send_mail
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from dam import clock, webhooks
from dam.models import WebhookEvent
from generation.jobs import JobProgress, progress_of
from generation.models import (
    GenerationItem,
    GenerationJob,
    ItemState,
    JobEnd,
    JobState,
    QualityState,
)
from generation.wording import money

logger = logging.getLogger(__name__)

# What ended longer ago was before anybody asked to be told.
LOOK_BACK = timedelta(days=2)
# A job that makes poor results again is done when they are scored; scores that do not come are not awaited.
SCORES_WITHIN = timedelta(hours=1)
MOST_ATTEMPTS = 8
_MADE = (ItemState.SUCCEEDED, ItemState.BLOCKED, ItemState.FAILED, ItemState.OVER_BUDGET)


def tell() -> int:
    """Tell of what came to its end. Returns how many ends that are."""
    told = sum(_note(job) for job in _ended())
    _send_letters()
    return told


def _ended() -> QuerySet[GenerationJob]:
    """Jobs whose end nobody was told of yet."""
    now = timezone.now()
    known = JobEnd.objects.filter(job=OuterRef("pk"), finished=OuterRef("finished"))
    unscored = GenerationItem.objects.filter(
        job=OuterRef("pk"), state=ItemState.SUCCEEDED, quality_state=QualityState.DUE
    )
    jobs = GenerationJob.objects.filter(state=JobState.FINISHED, finished__gte=now - LOOK_BACK)
    waiting = jobs.filter(
        Exists(unscored), parameters__retry_poor=True, finished__gte=now - SCORES_WITHIN
    ).values("pk")
    return jobs.exclude(Exists(known)).exclude(pk__in=waiting).select_related("owner").order_by("pk")


@transaction.atomic
def _note(job: GenerationJob) -> bool:
    """Write the end down with the messages of it; whether it is worth telling and nobody else did."""
    if job.finished is None:
        return False
    before = job.ends.order_by("-finished").first()
    end, is_new = JobEnd.objects.get_or_create(job=job, finished=job.finished)
    if not is_new:
        return False
    made = job.items.filter(state__in=_MADE)
    if before and not made.filter(finished__gt=before.finished).exists():
        # A picture was to be made again and then was not: nothing new.
        JobEnd.objects.filter(pk=end.pk).update(mail=JobEnd.Mail.NONE)
        return False
    webhooks.tell(WebhookEvent.JOB_FINISHED, _told(job, progress_of(job)), subject=job.public_id)
    return True


def _told(job: GenerationJob, progress: JobProgress) -> dict[str, object]:
    """What a message says of a job."""
    return {
        "id": job.public_id,
        "kind": job.kind,
        "title": job.title,
        "provider": job.provider,
        "owner": job.owner.get_username() if job.owner else None,
        "counts": dict(progress.counts),
        "cost": {"amount": float(progress.cost), "currency": job.currency},
        "budget": None if job.budget is None else float(job.budget),
        "created": job.created,
        "finished": job.finished,
        "url": _page_of(job),
    }


def _page_of(job: GenerationJob) -> str:
    """The address of its page as others may follow it."""
    return settings.SITE_URL + reverse("admin:generation_generationjob_change", args=[job.pk])


def _send_letters() -> None:
    """Where there is no mail server (EMAIL_URL) nothing is sent, and nothing waits for one."""
    due = JobEnd.objects.filter(mail=JobEnd.Mail.WAITING, not_before__lte=clock.Now())
    if not settings.EMAIL_HOST:
        due.update(mail=JobEnd.Mail.NONE)
        return
    for end in due.select_related("job__owner").order_by("pk"):
        # Claimed and committed before it is sent: two workers, or a crash, never send it twice.
        if JobEnd.objects.filter(pk=end.pk, mail=JobEnd.Mail.WAITING).update(mail=JobEnd.Mail.SENDING):
            _settle(end, _send(end))


def _send(end: JobEnd) -> str:
    owner = end.job.owner
    if owner is None or not owner.email or not owner.is_active:
        return JobEnd.Mail.NONE
    progress = progress_of(end.job)
    with translation.override(end.job.language):
        subject = _("Atelier: “%(job)s” is done") % {"job": end.job}
        counts = [(state.label, progress.count(state)) for state in ItemState if progress.count(state)]
        letter = render_to_string(
            "generation/letter.txt",
            {
                "job": end.job,
                "counts": counts,
                "cost": money(progress.cost, end.job.currency),
                "page": _page_of(end.job),
                "to_review": end.job.items.awaiting_review().count(),
            },
        )
        try:
            send_mail(" ".join(subject.split()), letter, None, [owner.email])
        except (OSError, SMTPException) as error:
            logger.warning("the letter about job %s was not sent: %s", end.job_id, error)
            return JobEnd.Mail.WAITING
    return JobEnd.Mail.SENT


def _settle(end: JobEnd, became: str) -> None:
    """Down with what became of it; what was not taken is tried again later, and not for ever."""
    attempts = end.attempts + 1
    if became == JobEnd.Mail.WAITING and attempts >= MOST_ATTEMPTS:
        became = JobEnd.Mail.NONE
        logger.error("the letter about job %s is given up after %s attempts", end.job_id, attempts)
    JobEnd.objects.filter(pk=end.pk).update(
        mail=became, attempts=attempts, not_before=clock.after(timedelta(minutes=2**attempts))
    )
