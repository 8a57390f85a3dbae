"""The review pages: results beside what they were made from, verdicts on one or many, taking them back."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from django.contrib import messages
from django.contrib.admin import AdminSite
from django.contrib.auth.models import User
from django.db.models import Count, F, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from dam.models import SKURole
from dam.workflow import NotPermitted
from generation import review
from generation.models import GenerationItem, GenerationJob, Verdict, VerdictEntry
from generation.review import Judged, ReviewError

RESULTS_A_PAGE = 24
MAX_AT_ONCE = 500
QUEUE_LOOKED_AT = 2000
REASONS_SHOWN = 3

# The worst first: what is sent back is made again while the rest is judged.
ORDERS: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "worst": (gettext_lazy("Worst first"), (F("quality").asc(nulls_last=True), "finished", "pk")),
    "best": (gettext_lazy("Best first"), (F("quality").desc(nulls_last=True), "finished", "pk")),
    "oldest": (gettext_lazy("Oldest first"), ("finished", "pk")),
}
# What was judged: the last first.
_JUDGED_ORDER = ("-reviewed_at", "-pk")
SHELVES: dict[str, tuple[Any, Verdict]] = {
    "waiting": (gettext_lazy("Waiting"), Verdict.NONE),
    "approved": (gettext_lazy("Approved"), Verdict.APPROVED),
    "rejected": (gettext_lazy("Rejected"), Verdict.REJECTED),
    "again": (gettext_lazy("Sent back"), Verdict.REGENERATE),
}


@dataclass(frozen=True)
class Stretch:
    """The results of a page: those from `start` on, of `total`. What is judged leaves the queue, so that
    pages by number would pass over as many as were judged before."""

    results: list[GenerationItem]
    start: int
    total: int

    @property
    def first(self) -> int:
        return self.start + 1

    @property
    def last(self) -> int:
        return self.start + len(self.results)

    @property
    def previous(self) -> int | None:
        return max(0, self.start - RESULTS_A_PAGE) if self.start else None

    @property
    def next(self) -> int | None:
        return self.last if self.last < self.total else None

    @property
    def has_others(self) -> bool:
        return len(self.results) < self.total


def review_page(request: HttpRequest, site: AdminSite) -> HttpResponse:
    """Results that wait for a verdict, the worst by their scores first, or in another of ORDERS with
    `?order=NAME`; of one job with `?job=ID`; those judged already with `?show=SHELF`; from one on with
    `?from=N`.
    """
    jobs = _uuids([request.GET.get("job", "")])
    order = _order(request.GET.get("order", ""))
    shelf = _shelf(request.GET.get("show", ""))
    shown = _stretch(_queue(jobs, shelf, order), request.GET.get("from", ""))
    context: dict[str, Any] = {
        **site.each_context(request),
        "title": _("Review"),
        "shown": shown,
        "waiting": shown.total,
        "order": order,
        "orders": [(name, label) for name, (label, _by) in ORDERS.items()],
        "kept": _kept(request.GET),
        "query": _query(_kept(request.GET)),
        "shelf": shelf,
        "shelves": _shelves(jobs),
        "sku_roles": SKURole.choices,
        "last": _words_of(review.last_deed(cast(User, request.user))),
        "job": GenerationJob.objects.filter(public_id__in=jobs).first(),
    }
    return TemplateResponse(request, "generation/review.html", context)


def look_page(request: HttpRequest, site: AdminSite, key: uuid.UUID) -> HttpResponse:
    """One result beside its inputs in full size, its history, and verdicts; `?input=N`, `?view=swipe`."""
    item = get_object_or_404(_shown(GenerationItem.objects.exclude(output=None)), public_id=key)
    jobs = _uuids([request.GET.get("job", "")])
    order = _order(request.GET.get("order", ""))
    shelf = _shelf(request.GET.get("show", ""))
    queue = list(_queue(jobs, shelf, order).values_list("public_id", flat=True)[:QUEUE_LOOKED_AT])
    inputs = list(item.inputs.all())
    number = _number(request.GET.get("input", ""), len(inputs))
    kept = _kept(request.GET)
    context: dict[str, Any] = {
        **site.each_context(request),
        "title": item.output.display_title if item.output else "",
        "item": item,
        "inputs": inputs,
        "number": number,
        "beside": inputs[number - 1].asset if inputs else None,
        "swipe": request.GET.get("view") == "swipe",
        "place": queue.index(key) + 1 if key in queue else 0,
        "queue_length": len(queue),
        "previous": _neighbour(queue, key, -1, kept),
        "next": _neighbour(queue, key, 1, kept),
        "kept": kept,
        "back": _page_address(kept),
        "history": list(review.history_of(item)),
        "last": _words_of(review.last_deed(cast(User, request.user))),
        "sku_roles": SKURole.choices,
    }
    return TemplateResponse(request, "generation/look.html", context)


def give_verdict(request: HttpRequest) -> HttpResponse:
    """A verdict on the ticked results: JSON for the page's script, else back to the page."""
    verdict = review.VERDICTS.get(request.POST.get("verdict", ""))
    if request.method != "POST" or verdict is None:
        raise Http404
    one = request.GET.get("only", "")
    ids = _uuids([one] if one else request.POST.getlist("items"))[:MAX_AT_ONCE]
    sku_role = request.POST.get("sku_role", "")
    judged = review.judge(
        verdict,
        GenerationItem.objects.filter(public_id__in=ids),
        actor=cast(User, request.user),
        note=request.POST.get("note", "").strip()[:2000],
        sku_role=sku_role if sku_role in SKURole.values else "",
    )
    if request.accepts("text/html"):
        return _back(request, judged)
    jobs = _uuids([request.POST.get("job", "")])
    last = review.last_deed(cast(User, request.user)) if judged.done else []
    return JsonResponse(
        {
            "done": [str(item.public_id) for item in judged.done],
            "refused": [
                {"id": str(item.public_id), "reason": str(reason)} for item, reason in judged.refused
            ],
            "waiting": _waiting(jobs).count(),
            "last": _words_of(last),
        }
    )


def undo_verdict(request: HttpRequest) -> HttpResponse:
    """Take back what was decided at one stroke, named by `deed`, then back to the page."""
    deeds = _uuids([request.POST.get("deed", "")])
    if request.method != "POST" or not deeds:
        raise Http404
    try:
        undone = review.undo(deeds[0], actor=cast(User, request.user))
    except (ReviewError, NotPermitted) as error:
        messages.error(request, str(error))
    else:
        sentence = ngettext("%(count)d verdict taken back.", "%(count)d verdicts taken back.", undone.count)
        messages.success(request, sentence % {"count": undone.count})
        for reason in undone.reasons[:REASONS_SHOWN]:
            messages.warning(request, reason)
    looked_at = _uuids([request.POST.get("look", "")])
    kept = _kept(request.POST)
    return redirect(_look_address(looked_at[0], kept) if looked_at else _page_address(kept))


def _back(request: HttpRequest, judged: Judged) -> HttpResponse:
    if judged.done:
        sentence = ngettext("%(count)d verdict given.", "%(count)d verdicts given.", len(judged.done))
        messages.success(request, sentence % {"count": len(judged.done)})
    for reason in list(dict.fromkeys(str(reason) for _item, reason in judged.refused))[:REASONS_SHOWN]:
        messages.error(request, reason)
    if not judged.done and not judged.refused:
        messages.warning(request, _("Choose the pictures first."))
    kept = _kept(request.POST)
    looked_at, after = _uuids([request.POST.get("look", "")]), _uuids([request.POST.get("next", "")])
    if looked_at and (judged.refused or after):
        return redirect(_look_address((looked_at if judged.refused else after)[0], kept))
    return redirect(_page_address(kept))


def _kept(sent: Any) -> dict[str, str]:
    """What the addresses of these pages carry on: job, order, shelf, and where the page begins."""
    jobs = _uuids([sent.get("job", "")])
    order, shelf = sent.get("order", ""), sent.get("show", "")
    found = {
        "job": str(jobs[0]) if jobs else "",
        "order": order if order in ORDERS else "",
        "show": shelf if shelf in SHELVES and shelf != "waiting" else "",
        "from": str(_start(sent.get("from", "")) or ""),
    }
    return {name: value for name, value in found.items() if value}


def _page_address(kept: dict[str, str]) -> str:
    return f"{reverse('admin:generation_review')}{_query(kept)}"


def _look_address(key: uuid.UUID, kept: dict[str, str]) -> str:
    return f"{reverse('admin:generation_review_look', args=[key])}{_query(kept)}"


def _query(kept: dict[str, str]) -> str:
    return f"?{urlencode(kept)}" if kept else ""


def _neighbour(
    queue: Sequence[uuid.UUID], key: uuid.UUID, step: int, kept: dict[str, str]
) -> dict[str, str] | None:
    """The one before or after; what is not in the queue any more has its first one after it."""
    if key not in queue:
        return _named(queue[0], kept) if queue and step > 0 else None
    place = queue.index(key) + step
    return _named(queue[place], kept) if 0 <= place < len(queue) else None


def _named(key: uuid.UUID, kept: dict[str, str]) -> dict[str, str]:
    return {"id": str(key), "address": _look_address(key, kept)}


def _start(text: str) -> int:
    """How many results come before the page."""
    return int(text) if text.isdecimal() and len(text) < 10 else 0


def _number(text: str, count: int) -> int:
    """From 1, within the inputs."""
    return min(max(int(text), 1), count) if text.isdecimal() and len(text) < 4 else 1


def _words_of(entries: Sequence[VerdictEntry]) -> dict[str, str] | None:
    """“Rejected: 3” and under which name that is taken back."""
    if not entries:
        return None
    label = Verdict(entries[0].verdict).label
    words = _("%(verdict)s: %(count)d") % {"verdict": label, "count": len(entries)}
    return {"deed": str(entries[0].deed), "words": words}


def _shelves(jobs: Sequence[uuid.UUID]) -> list[tuple[str, Any, int]]:
    """Name, label, how many lie there; one query."""
    items = GenerationItem.objects.filter(job__public_id__in=jobs) if jobs else GenerationItem.objects
    counts = items.aggregate(
        waiting=Count("pk", filter=Q(pk__in=GenerationItem.objects.awaiting_review().values("pk"))),
        **{
            name: Count("pk", filter=Q(verdict=verdict, output__isnull=False))
            for name, (_label, verdict) in SHELVES.items()
            if verdict
        },
    )
    return [(name, label, counts[name]) for name, (label, _verdict) in SHELVES.items()]


def _order(name: str) -> str:
    return name if name in ORDERS else next(iter(ORDERS))


def _shelf(name: str) -> str:
    return name if name in SHELVES else next(iter(SHELVES))


def _stretch(queue: QuerySet[GenerationItem], asked: str) -> Stretch:
    """From the one that is asked for, or the last ones where the queue has become shorter."""
    total = queue.count()
    start = _start(asked)
    if start >= total:
        start = max(0, total - 1) // RESULTS_A_PAGE * RESULTS_A_PAGE
    return Stretch(list(queue[start : start + RESULTS_A_PAGE]), start, total)


def _queue(jobs: Sequence[uuid.UUID], shelf: str, order: str) -> QuerySet[GenerationItem]:
    if shelf == "waiting":
        return _shown(_waiting(jobs)).order_by(*ORDERS[order][1])
    items = GenerationItem.objects.filter(verdict=SHELVES[shelf][1]).exclude(output=None)
    return _shown(_of_jobs(items, jobs)).order_by(*_JUDGED_ORDER)


def _waiting(jobs: Sequence[uuid.UUID]) -> QuerySet[GenerationItem]:
    return _of_jobs(GenerationItem.objects.awaiting_review(), jobs)


def _of_jobs(items: QuerySet[GenerationItem], jobs: Sequence[uuid.UUID]) -> QuerySet[GenerationItem]:
    return items.filter(job__public_id__in=jobs) if jobs else items


def _shown(items: QuerySet[GenerationItem]) -> QuerySet[GenerationItem]:
    return items.select_related("job", "output__current", "regenerates", "reviewed_by").prefetch_related(
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
