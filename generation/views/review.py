"""The review page: results beside what they were made from, and verdicts on one or many."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from typing import Any

from django.contrib import messages
from django.contrib.admin import AdminSite
from django.core.paginator import Paginator
from django.db.models import F, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from dam.workflow import NotPermitted
from generation import review
from generation.models import GenerationItem, GenerationJob
from generation.review import ReviewError

RESULTS_A_PAGE = 24
MAX_AT_ONCE = 500
VERDICTS: dict[str, Callable[..., Any]] = {
    "approve": review.approve,
    "reject": review.reject,
    "regenerate": review.regenerate,
}


# The worst first: what is sent back is made again while the rest is judged.
ORDERS: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "worst": (gettext_lazy("Worst first"), (F("quality").asc(nulls_last=True), "finished", "pk")),
    "best": (gettext_lazy("Best first"), (F("quality").desc(nulls_last=True), "finished", "pk")),
    "oldest": (gettext_lazy("Oldest first"), ("finished", "pk")),
}


def review_page(request: HttpRequest, site: AdminSite) -> HttpResponse:
    """Results that wait for a verdict, the worst by their scores first, or in another of ORDERS with
    `?order=NAME`; of one job with `?job=ID`.
    """
    waiting = _waiting(_uuids([request.GET.get("job", "")]))
    order = _order(request.GET.get("order", ""))
    page = Paginator(waiting.order_by(*ORDERS[order][1]), RESULTS_A_PAGE).get_page(request.GET.get("page"))
    context: dict[str, Any] = {
        **site.each_context(request),
        "title": _("Review"),
        "page": page,
        "waiting": page.paginator.count,
        "order": order,
        "orders": [(name, label) for name, (label, _by) in ORDERS.items()],
        "job": GenerationJob.objects.filter(public_id__in=_uuids([request.GET.get("job", "")])).first(),
    }
    return TemplateResponse(request, "generation/review.html", context)


def give_verdict(request: HttpRequest) -> HttpResponse:
    """A verdict on the ticked results: JSON for the page's script, else back to the page."""
    verb = VERDICTS.get(request.POST.get("verdict", ""))
    if request.method != "POST" or verb is None:
        raise Http404
    one = request.GET.get("only", "")
    ids = _uuids([one] if one else request.POST.getlist("items"))[:MAX_AT_ONCE]
    note = request.POST.get("note", "").strip()[:2000]
    done, refused = _judge(verb, ids, request, note)
    if request.accepts("text/html"):
        return _back(request, done, refused)
    return JsonResponse({"done": done, "refused": refused, "waiting": _waiting([]).count()})


def _judge(
    verb: Callable[..., Any], ids: Sequence[uuid.UUID], request: HttpRequest, note: str
) -> tuple[list[str], list[dict[str, str]]]:
    """Each by itself: one that cannot be judged stops none of the others."""
    done, refused = [], []
    for item in GenerationItem.objects.filter(public_id__in=ids).select_related("job", "output"):
        try:
            verb(item, actor=request.user, note=note)
        except (ReviewError, NotPermitted) as error:
            refused.append({"id": str(item.public_id), "reason": str(error)})
        else:
            done.append(str(item.public_id))
    return done, refused


def _back(request: HttpRequest, done: Sequence[str], refused: Sequence[dict[str, str]]) -> HttpResponse:
    if done:
        sentence = ngettext("%(count)d verdict given.", "%(count)d verdicts given.", len(done))
        messages.success(request, sentence % {"count": len(done)})
    for refusal in refused:
        messages.error(request, refusal["reason"])
    if not done and not refused:
        messages.warning(request, _("Choose the pictures first."))
    jobs = _uuids([request.POST.get("job", "")])
    order = request.POST.get("order", "")
    kept = {"job": str(jobs[0]) if jobs else "", "order": order if order in ORDERS else ""}
    query = urlencode({name: value for name, value in kept.items() if value})
    return redirect(f"{reverse('admin:generation_review')}{'?' if query else ''}{query}")


def _order(name: str) -> str:
    return name if name in ORDERS else next(iter(ORDERS))


def _waiting(jobs: Sequence[uuid.UUID]) -> QuerySet[GenerationItem]:
    items = GenerationItem.objects.awaiting_review()
    if jobs:
        items = items.filter(job__public_id__in=jobs)
    return items.select_related("job", "output__current", "regenerates").prefetch_related(
        "inputs__asset__current"
    )


def _uuids(texts: Sequence[str]) -> list[uuid.UUID]:
    found = []
    for text in texts:
        try:
            found.append(uuid.UUID(text))
        except ValueError:
            continue
    return found
