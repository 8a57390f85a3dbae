"""The page of the encoder: what search uses, a reindex with its progress, spaces beside, the way back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.db.models import Exists, OuterRef, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, JsonResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.timesince import timeuntil
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from dam.people import signed_in
from dam.roles import Role, has_role
from search import dropping, reindex
from search.dispatch import request_drain
from search.encoders.base import EncoderError
from search.index import IndexMismatch, IndexUnavailable
from search.models import OPEN_REINDEX, IndexEntry, Reindex, ReindexState, Space, SpaceState

AT_WORK = (ReindexState.CHECKING, ReindexState.RUNNING)
SUGGESTIONS = (
    "starter",
    "openclip:xlm-roberta-base-ViT-B-32/laion5b_s13b_b90k",
    "openclip:ViT-B-32/openai",
    "openclip:ViT-L-14/openai",
)
PAST = 10
REFUSALS = (EncoderError, IndexUnavailable, IndexMismatch, reindex.ReindexError)


def addresses(site: AdminSite) -> list[URLPattern]:
    """Where the pages lie."""

    def guarded(view: Callable[..., HttpResponse]) -> Any:
        def page(request: HttpRequest, **parts: Any) -> HttpResponse:
            if not request.user.has_perm("search.view_space"):
                raise PermissionDenied
            return view(request, site, **parts)

        return site.admin_view(page)

    return [
        path("reindex/", guarded(reindex_page), name="search_reindex"),
        path("reindex/<int:key>/progress/", guarded(progress_view), name="search_reindex_progress"),
        path("reindex/<int:key>/<slug:verb>/", guarded(reindex_verb), name="search_reindex_verb"),
        path("<int:key>/do/<slug:verb>/", guarded(space_verb), name="search_space_verb"),
        path("<int:key>/drop/", guarded(drop_page), name="search_space_drop"),
    ]


def reindex_page(request: HttpRequest, site: AdminSite) -> HttpResponse:
    """How it stands; with POST a reindex to the typed encoder begins."""
    if request.method == "POST":
        return _deed(request, lambda: _start(request, request.POST.get("encoder", "").strip()))
    run = reindex.open_reindex()
    context: dict[str, Any] = {
        **site.each_context(request),
        "title": _("Search encoder"),
        "run": run,
        "progress": _progress(run) if run else None,
        "problems": reindex.recently_failed(run) if run and run.space_id else [],
        "verbs": _verbs(run) if run else [],
        "spaces": list(_spaces()),
        "past": Reindex.objects.exclude(state__in=OPEN_REINDEX).select_related("by").order_by("-pk")[:PAST],
        "may_change": has_role(request.user, Role.ADMINISTRATOR),
        "suggestions": SUGGESTIONS,
    }
    return TemplateResponse(request, "search/reindex.html", context)


def _spaces() -> QuerySet[Space]:
    """With `indexed`: whether it holds anything but computed vectors, as one that was dropped does not."""
    entries = IndexEntry.objects.filter(space=OuterRef("pk"))
    return Space.objects.annotate(indexed=Exists(entries)).order_by("state", "-pk")


def _start(request: HttpRequest, encoder_id: str) -> str:
    if not encoder_id:
        raise reindex.ReindexError(_("Choose or type an encoder."))
    reindex.start(
        encoder_id, actor=signed_in(request), switch_when_complete="switch_when_complete" in request.POST
    )
    return _("The reindex begins as soon as a worker is free. Search stays as it is meanwhile.")


def _deed(request: HttpRequest, deed: Callable[[], str]) -> HttpResponse:
    """Administrators alone; what was done or refused, as a message on the page."""
    if not has_role(request.user, Role.ADMINISTRATOR):
        raise PermissionDenied
    try:
        messages.success(request, deed())
    except REFUSALS as error:
        messages.error(request, str(error))
    request_drain()
    return redirect("admin:search_reindex")


def _verbs(run: Reindex) -> list[tuple[str, str, str]]:
    """What can be done with it: the verb, its label, its icon."""
    pause = ("pause", _("Pause"), "pause")
    resume = ("resume", _("Resume"), "play_arrow")
    cancel = ("cancel", _("Cancel"), "close")
    by_state = {
        ReindexState.CHECKING: [cancel],
        ReindexState.RUNNING: [pause, cancel],
        ReindexState.PAUSED: [resume, cancel],
        ReindexState.FAILED: [resume, cancel],
        ReindexState.COMPLETE: [("switch", _("Switch"), "swap_horiz"), cancel],
    }
    return by_state.get(ReindexState(run.state), [])


def progress_view(request: HttpRequest, site: AdminSite, key: int) -> JsonResponse:
    """Numbers for the page, which asks for them while it is at work."""
    return JsonResponse(_progress(get_object_or_404(Reindex.objects.select_related("space"), pk=key)))


def _progress(run: Reindex) -> dict[str, Any]:
    now = reindex.progress(run)
    left = now.seconds_left
    return {
        "state": run.state,
        "label": run.get_state_display(),
        "at_work": run.state in AT_WORK,
        "done": now.done,
        "total": now.total,
        "failed": now.failed,
        "rate": now.rate or "–",
        "left": timeuntil(timezone.now() + timedelta(seconds=left)) if left is not None else "–",
        "error": run.last_error,
    }


def reindex_verb(request: HttpRequest, site: AdminSite, key: int, verb: str) -> HttpResponse:
    """Pause, resume, cancel, switch, or try again what failed."""
    run = get_object_or_404(Reindex.objects.select_related("space"), pk=key)
    actor = signed_in(request)
    deeds: dict[str, Callable[[], str]] = {
        "pause": _then(lambda: reindex.pause(run, actor=actor), _("Paused.")),
        "resume": _then(lambda: reindex.resume(run, actor=actor), _("It goes on.")),
        "cancel": _then(
            lambda: reindex.cancel(run, actor=actor),
            _("Cancelled. What was computed is kept."),
        ),
        "retry": lambda: _retried(reindex.retry_failed(run)),
        "switch": lambda: _switched(request, run.space),
    }
    if verb not in deeds:
        raise Http404
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    return _deed(request, deeds[verb])


def _then(do: Callable[[], None], sentence: str) -> Callable[[], str]:
    """A deed that says so when it is done."""

    def deed() -> str:
        do()
        return sentence

    return deed


def _retried(count: int) -> str:
    return ngettext("%(count)d entry is tried again.", "%(count)d entries are tried again.", count) % {
        "count": count
    }


def _switched(request: HttpRequest, space: Space | None) -> str:
    if space is None:
        raise reindex.ReindexError(_("There is no space to switch to."))
    anyway = "anyway" in request.POST
    reindex.switch(space, actor=signed_in(request), despite_failures=anyway)
    return _("Search uses %(encoder)s now. The space before is kept up to date for the way back.") % {
        "encoder": space.encoder
    }


def space_verb(request: HttpRequest, site: AdminSite, key: int, verb: str) -> HttpResponse:
    """Switch to a space that is kept up to date, let it go, or let a retired one catch up."""
    space = get_object_or_404(Space, pk=key)
    deeds: dict[str, Callable[[], str]] = {
        "switch": lambda: _switched(request, space),
        "let_go": _then(
            lambda: dropping.let_go(space, actor=signed_in(request)),
            _("New pictures are not encoded for it any more; it has to catch up before it is used again."),
        ),
        "catch_up": lambda: _start(request, space.encoder),
    }
    if verb not in deeds:
        raise Http404
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    return _deed(request, deeds[verb])


def drop_page(request: HttpRequest, site: AdminSite, key: int) -> HttpResponse:
    """Ask, then drop."""
    space = get_object_or_404(_spaces(), pk=key)
    if not has_role(request.user, Role.ADMINISTRATOR):
        raise PermissionDenied
    if request.method == "POST":
        vectors = "vectors" in request.POST
        return _deed(
            request,
            _then(
                lambda: dropping.drop(space, vectors=vectors, actor=signed_in(request)),
                _("%(encoder)s is dropped by the worker.") % {"encoder": space.encoder},
            ),
        )
    context = {
        **site.each_context(request),
        "title": _("Drop a vector space"),
        "space": space,
        "droppable": space.state in (SpaceState.STANDBY, SpaceState.RETIRED),
    }
    return TemplateResponse(request, "search/space_drop.html", context)
