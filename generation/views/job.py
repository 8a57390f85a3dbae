"""A job's page: its cells filling in, counts, cost, and what can be done with it."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from django.contrib import messages
from django.contrib.admin import AdminSite
from django.core.exceptions import ValidationError
from django.core.paginator import Page, Paginator
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from dam.addresses import thumbnail_url
from dam.keys import is_key
from dam.people import signed_in
from generation import jobs
from generation.claiming import why_waiting
from generation.forms import budget_field
from generation.jobs import JobError, JobProgress
from generation.models import ACTIVE_STATES, GenerationItem, GenerationJob, ItemState, JobState
from generation.parameters import parameters_in_words
from generation.progress import watch
from generation.quality.wording import quality_of
from generation.wording import money

CELLS_A_PAGE = 120
VERBS: dict[str, tuple[Callable[..., Any], Any]] = {
    "pause": (jobs.pause, gettext_lazy("The job is paused.")),
    "resume": (jobs.resume, gettext_lazy("The job goes on.")),
    "cancel": (jobs.cancel, gettext_lazy("The job is cancelled.")),
    "retry": (jobs.retry, gettext_lazy("What failed is tried again.")),
}


def job_page(request: HttpRequest, site: AdminSite, key: str) -> HttpResponse:
    """One job with a page of its cells."""
    job = _job(key)
    watched = watch(job)
    context: dict[str, Any] = {
        **site.each_context(request),
        "title": str(job),
        "opts": GenerationJob._meta,
        "job": job,
        "page": _cells(request, job),
        "state_wanted": request.GET.get("state", ""),
        "watched": watched,
        "progress": watched.progress,
        "counts": _counts(watched.progress),
        "committed": money(job.committed, job.currency),
        "verbs": _verbs(job, watched.progress),
        "takes_budget": jobs.may_change_budget(job, signed_in(request)),
        "budget": money(job.budget, job.currency) if job.budget is not None else _("no bound"),
        "waiting": why_waiting(job),
        "parameters": parameters_in_words(job.parameters),
        "can_be_reviewed": job.items.awaiting_review().exists(),
    }
    return TemplateResponse(request, "generation/job.html", context)


def job_progress(request: HttpRequest, key: str) -> JsonResponse:
    """What the job's page asks for every few seconds."""
    job = _job(key)
    watched = watch(job)
    progress = watched.progress
    return JsonResponse(
        {
            "state": job.state,
            "state_label": job.get_state_display(),
            "active": watched.is_active,
            "waiting": why_waiting(job),
            "unscored": watched.unscored,
            "total": progress.total,
            "done": progress.done,
            "counts": [{"state": state, "count": count} for state, _label, count in _counts(progress)],
            "verbs": [verb for verb, _label, _icon in _verbs(job, progress)],
            "cells": [_cell(item) for item in _cells(request, job)],
            "newest": [_newest(item) for item in watched.newest],
            "cost": watched.spent,
            "share_of_budget": watched.share_of_budget,
            "committed": money(job.committed, job.currency),
            "rate": watched.rate,
            "time": watched.time,
            "said": _said(job, progress),
        }
    )


def job_verb(request: HttpRequest, key: str, verb: str) -> HttpResponse:
    """Pause, resume, cancel or retry; then back to the page."""
    job = _job(key)
    if verb not in VERBS or request.method != "POST":
        raise Http404
    act, said = VERBS[verb]
    try:
        act(job, actor=request.user, **_new_budget(request, verb))
    except JobError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, said)
    return redirect("admin:generation_generationjob_change", job.pk)


def _job(key: str) -> GenerationJob:
    if not is_key(key):
        raise Http404
    return get_object_or_404(GenerationJob.objects.select_related("owner"), pk=int(key))


def _new_budget(request: HttpRequest, verb: str) -> dict[str, Decimal]:
    amount = request.POST.get("budget", "").strip()
    if verb != "retry" or not amount:
        return {}
    try:
        return {"budget": budget_field().clean(amount)}
    except ValidationError as error:
        raise JobError(_("The budget is not an amount of money.")) from error


def _cells(request: HttpRequest, job: GenerationJob) -> Page:
    items = job.items.select_related("output__current").prefetch_related("inputs__asset__current")
    state = request.GET.get("state", "")
    if state in ItemState.values:
        items = items.filter(state=state)
    return Paginator(items.order_by("position"), CELLS_A_PAGE).get_page(request.GET.get("page"))


def _cell(item: GenerationItem) -> dict[str, Any]:
    output = item.output
    return {
        "id": str(item.public_id),
        "state": item.state,
        "label": item.get_state_display(),
        "reason": item.reason,
        "picture": thumbnail_url(output) if output else "",
        "address": reverse("admin:dam_asset_change", args=[output.pk]) if output else "",
        "title": output.display_title if output else "",
        "quality": _quality(item),
    }


def _newest(item: GenerationItem) -> dict[str, str]:
    output = item.output
    if output is None:
        return {}
    return {
        "id": str(item.public_id),
        "picture": thumbnail_url(output),
        "address": reverse("admin:generation_review_look", args=[item.public_id]),
        "title": output.display_title,
    }


def _quality(item: GenerationItem) -> dict[str, Any] | None:
    if item.state != ItemState.SUCCEEDED:
        return None
    found = quality_of(item)
    shown = found.label if found.percent is None else f"{found.percent} %"
    kind = "none" if found.score is None else "poor" if found.is_poor else "good"
    return {"shown": shown, "kind": kind, "sentence": found.sentence}


def _counts(progress: JobProgress) -> list[tuple[str, str, int]]:
    return [(state.value, str(state.label), progress.count(state)) for state in ItemState]


def _said(job: GenerationJob, progress: JobProgress) -> str:
    """One sentence for whoever does not see the page; the script reads it out now and then."""
    made = _("%(state)s: %(done)s of %(total)s pictures are done.") % {
        "state": job.get_state_display(),
        "done": progress.done,
        "total": progress.total,
    }
    failed = progress.count(ItemState.FAILED) + progress.count(ItemState.BLOCKED)
    if not failed:
        return made
    return f"{made} " + ngettext(
        "%(count)d failed or was blocked.", "%(count)d failed or were blocked.", failed
    ) % {"count": failed}


def _verbs(job: GenerationJob, progress: JobProgress) -> list[tuple[str, str, str]]:
    """What can be done with the job now: name, label, icon."""
    verbs = []
    if job.state in ACTIVE_STATES:
        verbs.append(("pause", _("Pause"), "pause"))
    if job.state == JobState.PAUSED:
        verbs.append(("resume", _("Resume"), "play_arrow"))
    if job.state in (*ACTIVE_STATES, JobState.PAUSED):
        verbs.append(("cancel", _("Cancel"), "close"))
    if progress.count(ItemState.FAILED) or progress.count(ItemState.OVER_BUDGET):
        verbs.append(("retry", _("Try again"), "replay"))
    return verbs
