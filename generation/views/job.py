"""A job's page: its cells filling in, counts, cost, and what can be done with it."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

from django.contrib import messages
from django.contrib.admin import AdminSite
from django.core.paginator import Page, Paginator
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from dam.addresses import thumbnail_url
from generation import jobs
from generation.claiming import why_waiting
from generation.jobs import JobError, JobProgress, progress_of
from generation.models import ACTIVE_STATES, GenerationItem, GenerationJob, ItemState, JobState
from generation.providers.registry import UnknownProvider, get_provider
from generation.quality.wording import quality_of
from generation.wording import duration, money

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
    page = _cells(request, job)
    progress = progress_of(job)
    context: dict[str, Any] = {
        **site.each_context(request),
        "title": str(job),
        "opts": GenerationJob._meta,
        "job": job,
        "page": page,
        "state_wanted": request.GET.get("state", ""),
        "progress": progress,
        "counts": _counts(progress),
        "numbers": _numbers(job, progress),
        "verbs": _verbs(job, progress),
        "budget": money(job.budget, job.currency) if job.budget is not None else _("no bound"),
        "waiting": why_waiting(job),
        "can_be_reviewed": job.items.awaiting_review().exists(),
    }
    return TemplateResponse(request, "generation/job.html", context)


def job_progress(request: HttpRequest, key: str) -> JsonResponse:
    """What the job's page asks for every two seconds."""
    job = _job(key)
    progress = progress_of(job)
    return JsonResponse(
        {
            "state": job.state,
            "state_label": job.get_state_display(),
            "active": job.state in ACTIVE_STATES or bool(progress.count(ItemState.RUNNING)),
            "waiting": why_waiting(job),
            "total": progress.total,
            "done": progress.done,
            "counts": [{"state": state, "count": count} for state, _label, count in _counts(progress)],
            "verbs": [verb for verb, _label, _icon in _verbs(job, progress)],
            "cells": [_cell(item) for item in _cells(request, job)],
            **_numbers(job, progress),
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
    except (JobError, InvalidOperation) as error:
        sentence = str(error) if isinstance(error, JobError) else _("The budget is not an amount of money.")
        messages.error(request, sentence)
    else:
        messages.success(request, said)
    return redirect("admin:generation_generationjob_change", job.pk)


def _job(key: str) -> GenerationJob:
    if not key.isdigit():
        raise Http404
    return get_object_or_404(GenerationJob.objects.select_related("owner"), pk=int(key))


def _new_budget(request: HttpRequest, verb: str) -> dict[str, Decimal]:
    amount = request.POST.get("budget", "").strip()
    if verb != "retry" or not amount:
        return {}
    budget = Decimal(amount)
    if not budget.is_finite() or budget < 0:
        raise InvalidOperation
    return {"budget": budget}


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


def _quality(item: GenerationItem) -> dict[str, Any] | None:
    if item.state != ItemState.SUCCEEDED:
        return None
    found = quality_of(item)
    shown = found.label if found.percent is None else f"{found.percent} %"
    kind = "none" if found.score is None else "poor" if found.is_poor else "good"
    return {"shown": shown, "kind": kind, "sentence": found.sentence}


def _counts(progress: JobProgress) -> list[tuple[str, str, int]]:
    return [(state.value, str(state.label), progress.count(state)) for state in ItemState]


def _numbers(job: GenerationJob, progress: JobProgress) -> dict[str, str]:
    return {
        "cost": money(progress.cost, job.currency),
        "committed": money(job.committed, job.currency),
        "time": _time(job, progress),
    }


def _time(job: GenerationJob, progress: JobProgress) -> str:
    """How long it took, or what is left at the pace of the pictures made so far."""
    if job.finished:
        return _("took %(time)s") % {"time": duration((job.finished - job.created).total_seconds())}
    left = progress.total - progress.done
    if job.state == JobState.PAUSED or not left:
        return "–"
    if progress.done:
        pace = (timezone.now() - job.created).total_seconds() / progress.done
    else:
        pace = _promised_pace(job)
    return _("about %(time)s left") % {"time": duration(left * pace)}


def _promised_pace(job: GenerationJob) -> float:
    try:
        capability = get_provider(job.provider).capability
    except UnknownProvider:
        return 0.0
    return capability.seconds_per_picture / max(1, capability.parallel_calls)


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
