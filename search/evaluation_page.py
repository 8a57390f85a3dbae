"""The pages of search quality: figures over time, judging results, one run with its worst queries, tables."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_POST

from dam.keys import is_key
from dam.models import Asset
from dam.people import signed_in
from dam.table_downloads import csv_download
from search import evaluation_runs, judging
from search.dispatch import request_evaluation
from search.evaluation_chart import chart
from search.evaluation_models import Grade, Language, RunState
from search.models import EvaluationQuery, EvaluationRun, QueryResult
from search.rankings import NoRanking

MEASURES = {
    "ndcg": gettext_lazy("nDCG"),
    "map": gettext_lazy("mAP"),
    "recall": gettext_lazy("Recall"),
    "p_at_10": gettext_lazy("Precision at 10"),
}
DEPTHS = (5, 10, 20, 50)
RUNS = 400
QUERIES = 200
WORST = 5
SHOWN = 10
PAGE = 30
LARGEST_TABLE = 20 * 1024 * 1024


def addresses(site: AdminSite) -> list[URLPattern]:
    """Where the pages lie."""

    def guarded(view: Callable[..., HttpResponseBase], permission: str) -> Any:
        def page(request: HttpRequest, **parts: Any) -> HttpResponseBase:
            if not request.user.has_perm(permission):
                raise PermissionDenied
            return view(request, site, **parts)

        return site.admin_view(page)

    look = "search.view_evaluationquery"
    return [
        path("quality/", guarded(evaluation_page, look), name="search_evaluation"),
        path("quality/<int:key>/", guarded(run_page, look), name="search_evaluation_run"),
        path("quality/judge/<int:key>/", guarded(judge_page, look), name="search_judge"),
        path("quality/judgements.csv", guarded(export, look), name="search_judgements_export"),
        path(
            "quality/judgements/",
            guarded(require_POST(take), "search.add_judgement"),
            name="search_judgements_import",
        ),
    ]


def evaluation_page(request: HttpRequest, site: AdminSite) -> HttpResponse:
    """Figures per encoder and language, over time; with POST all judged queries are asked anew."""
    if request.method == "POST":
        return _run(request)
    measure = request.GET.get("measure", "ndcg")
    measure = measure if measure in MEASURES else "ndcg"
    language = request.GET.get("language", evaluation_runs.ALL)
    language = language if language in Language.values else evaluation_runs.ALL
    runs = list(
        EvaluationRun.objects.filter(state=RunState.DONE).select_related("space").order_by("-created")[:RUNS]
    )
    latest = {run.encoder: run for run in reversed(runs)}
    live = next((run for run in runs if run.space and run.space.state == "live"), None)
    context: dict[str, Any] = {
        **site.each_context(request),
        "title": _("Search quality"),
        "measure": measure,
        "measures": MEASURES.items(),
        "language": language,
        "languages": [(evaluation_runs.ALL, _("All languages")), *Language.choices],
        "chart": chart(runs[::-1], measure, language),
        "latest": [(run, _by_language(run)) for run in latest.values()],
        "worst": _results(list(live.results.select_related("query").order_by("ndcg")[:WORST]))
        if live
        else [],
        "live_run": live,
        "queries": _queries(),
        "waiting": EvaluationRun.objects.filter(state__in=(RunState.QUEUED, RunState.RUNNING)).count(),
        "failed": EvaluationRun.objects.filter(state=RunState.FAILED).order_by("-created").first(),
        "depths": DEPTHS,
        "may_run": request.user.has_perm("search.add_evaluationrun"),
        "may_judge": request.user.has_perm("search.add_judgement"),
    }
    return TemplateResponse(request, "search/evaluation.html", context)


def _queries() -> list[EvaluationQuery]:
    right = Count("judgements", filter=Q(judgements__grade__gte=Grade.PARTLY))
    counted = EvaluationQuery.objects.annotate(judged=Count("judgements"), right=right)
    return list(counted.order_by("judged", "pk")[:QUERIES])


def _by_language(run: EvaluationRun) -> list[dict[str, Any]]:
    labels = {evaluation_runs.ALL: _("All"), **dict(Language.choices)}
    return [{"label": labels[name], **run.metrics[name]} for name in labels if name in run.metrics]


def _run(request: HttpRequest) -> HttpResponse:
    if not request.user.has_perm("search.add_evaluationrun"):
        raise PermissionDenied
    k = request.POST.get("k", "10")
    try:
        runs = evaluation_runs.start(
            actor=signed_in(request), k=int(k) if is_key(k) and int(k) in DEPTHS else 10
        )
    except evaluation_runs.NothingJudged as error:
        messages.error(request, str(error))
    else:
        request_evaluation()
        said = ngettext(
            "%(count)d encoder is measured in the background.",
            "%(count)d encoders are measured in the background.",
            len(runs),
        )
        messages.success(request, said % {"count": len(runs)})
    return redirect("admin:search_evaluation")


def run_page(request: HttpRequest, site: AdminSite, key: int) -> HttpResponse:
    """One run: its queries, the worst first, with what came first and what was said about it."""
    run = get_object_or_404(EvaluationRun.objects.select_related("space", "by"), pk=key)
    results = run.results.select_related("query").order_by("ndcg", "pk")
    page = Paginator(results, PAGE).get_page(request.GET.get("page"))
    context = {
        **site.each_context(request),
        "title": _("Evaluation of %(encoder)s") % {"encoder": run.encoder},
        "run": run,
        "figures": _by_language(run),
        "page": page,
        "results": _results(list(page)),
    }
    return TemplateResponse(request, "search/evaluation_run.html", context)


def _results(results: list[QueryResult]) -> list[dict[str, Any]]:
    """Each with its first assets and their grades as they are now, in two queries."""
    keys = {key for result in results for key in result.first[:SHOWN]}
    assets = {
        asset.pk: asset for asset in Asset.objects.in_library().filter(pk__in=keys).select_related("current")
    }
    queries = EvaluationQuery.objects.prefetch_related("judgements").in_bulk(
        [one.query_id for one in results]
    )
    shown = []
    for result in results:
        grades = {one.asset_key: one for one in queries[result.query_id].judgements.all()}
        first = [(assets[key], grades.get(key)) for key in result.first[:SHOWN] if key in assets]
        shown.append({"result": result, "query": result.query, "first": first})
    return shown


def judge_page(request: HttpRequest, site: AdminSite, key: int) -> HttpResponse:
    """What any space finds for a query; with POST one of them gets a grade."""
    query = get_object_or_404(EvaluationQuery, pk=key)
    if request.method == "POST":
        return _judge(request, query)
    problem, pooled = "", []
    try:
        pooled = judging.pool(query, signed_in(request))
    except NoRanking as error:
        problem = str(error)
    grades = dict(query.judgements.values_list("asset_key", "grade"))
    after = EvaluationQuery.objects.filter(pk__gt=query.pk).order_by("pk").first()
    context = {
        **site.each_context(request),
        "title": _("Judge: %(query)s") % {"query": query},
        "query": query,
        "picture": Asset.objects.filter(pk=query.picture_key).select_related("current").first()
        if query.picture_key
        else None,
        "items": [(asset, grades.get(asset.pk)) for asset in pooled],
        "judged": sum(asset.pk in grades for asset in pooled),
        "grades": [(Grade.RIGHT, Grade.RIGHT.label, 1), (Grade.PARTLY, Grade.PARTLY.label, 2),
                   (Grade.WRONG, Grade.WRONG.label, 3)],
        "after": after,
        "problem": problem,
        "may_judge": request.user.has_perm("search.add_judgement"),
    }  # fmt: skip
    return TemplateResponse(request, "search/judge.html", context)


def _judge(request: HttpRequest, query: EvaluationQuery) -> HttpResponse:
    if not request.user.has_perm("search.add_judgement"):
        raise PermissionDenied
    name, _sep, given = request.POST.get("judgement", "").partition(":")
    visible = Asset.objects.visible_to(signed_in(request))
    try:
        asset = get_object_or_404(visible, public_id=UUID(name))
        grade = Grade(int(given)) if given else None
    except ValueError:
        return JsonResponse({"detail": _("Choose a picture and a grade.")}, status=400)
    judging.judge(query, asset, grade, actor=signed_in(request))
    if request.headers.get("X-Requested-With") == "fetch":
        return JsonResponse({"grade": grade})
    return redirect("admin:search_judge", query.pk)


def export(request: HttpRequest, site: AdminSite) -> StreamingHttpResponse:
    """Every judgement as CSV."""
    return csv_download(judging.rows(), "judgements.csv")


def take(request: HttpRequest, site: AdminSite) -> HttpResponse:
    """Take judgements from a table, CSV or XLSX."""
    upload = request.FILES.get("table")
    if upload is None or upload.size is None or upload.size > LARGEST_TABLE:
        messages.error(request, _("Choose a CSV file of at most 20 MB."))
        return redirect("admin:search_evaluation")
    try:
        count, made = judging.take_table(upload, actor=signed_in(request))
    except judging.BadTable as error:
        messages.error(request, str(error))
    else:
        said = ngettext("%(count)d judgement taken in", "%(count)d judgements taken in", count) % {
            "count": count
        }
        new = ngettext("%(count)d new query", "%(count)d new queries", made) % {"count": made}
        messages.success(request, f"{said}, {new}.")
    return redirect("admin:search_evaluation")
