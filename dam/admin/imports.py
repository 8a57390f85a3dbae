"""Imports in the admin: the list, a new one, and the page of one with what it found."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST
from unfold.admin import ModelAdmin
from unfold.decorators import display
from unfold.views import ChangeList

from dam import import_runs, workflow
from dam.admin.changelist import PlainChangeList
from dam.api.imports import error_sheet_response
from dam.forms import ImportForm
from dam.manifest import ImportProblem
from dam.models import Import, ImportState
from dam.people import signed_in
from dam.uploads import UploadRefused

ROWS = 100
VERBS: dict[str, Callable[..., None]] = {
    "start": import_runs.start,
    "stop": import_runs.stop,
    "resume": import_runs.resume,
}


@admin.register(Import)
class ImportAdmin(ModelAdmin):
    list_display = ("location", "source", "state_label", "progress", "rejected", "owner", "created")
    list_filter = ("state", "source")
    list_select_related = ("owner",)
    list_per_page = list_max_show_all = 50
    show_full_result_count = False
    actions = None
    when_empty = gettext_lazy(
        "An import takes in an archive, with a manifest that says what each picture is. It is checked first, "
        "and goes on where it was interrupted."
    )

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return PlainChangeList

    def get_queryset(self, request: HttpRequest) -> QuerySet[Import]:
        return import_runs.imports_of(signed_in(request))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @display(
        description=gettext_lazy("state"),
        ordering="state",
        label={
            ImportState.DONE: "success",
            ImportState.FAILED: "danger",
            ImportState.READY: "info",
            ImportState.STOPPED: "warning",
        },
    )
    def state_label(self, run: Import) -> tuple[str, str]:
        return run.state, run.get_state_display()

    @display(description=gettext_lazy("progress"))
    def progress(self, run: Import) -> str:
        return f"{run.done:,} / {run.total:,}"

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("<uuid:public_id>/", wrap(self.run_view), name="dam_import_run"),
            path("<uuid:public_id>/<slug:verb>/", wrap(self.verb_view), name="dam_import_verb"),
            path("<uuid:public_id>/errors.<str:ending>", wrap(self.errors_view), name="dam_import_errors"),
            *super().get_urls(),
        ]

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Say where from; what is too large for one request comes by the page's script, in pieces."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = ImportForm(request.POST or None, request.FILES or None, user=signed_in(request))
        if request.method == "POST" and form.is_valid():
            try:
                run = form.create()
            except (ImportProblem, UploadRefused) as problem:
                form.add_error(None, str(problem))
            else:
                return redirect("admin:dam_import_run", run.public_id)
        context = {
            **self.admin_site.each_context(request),
            "title": _("New import"),
            "form": form,
            "endpoint": reverse("upload-list"),
            "max_gigabytes": settings.DAM_MAX_ARCHIVE_BYTES // 1024**3,
        }
        status = 422 if form.is_bound else 200
        return TemplateResponse(request, "dam/import_new.html", context, status=status)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The list knows imports by their keys."""
        run = get_object_or_404(self.get_queryset(request), pk=object_id)
        return redirect("admin:dam_import_run", run.public_id)

    def run_view(self, request: HttpRequest, public_id: Any) -> HttpResponse:
        """How far it is, and what is wrong with which row."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        run = get_object_or_404(self.get_queryset(request), public_id=public_id)
        told = run.rows.exclude(problem="").order_by("number", "id")
        context = {
            **self.admin_site.each_context(request),
            "title": run.location,
            "run": run,
            "page": Paginator(told, ROWS).get_page(request.GET.get("page")),
            "address": reverse("import-detail", args=(run.public_id,)),
            "can_resume": run.state in (ImportState.STOPPED, ImportState.FAILED),
        }
        return TemplateResponse(request, "dam/import_run.html", context)

    @method_decorator(require_POST)
    def verb_view(self, request: HttpRequest, public_id: Any, verb: str) -> HttpResponse:
        """Start, stop or resume."""
        run = get_object_or_404(self.get_queryset(request), public_id=public_id)
        if verb not in VERBS:
            raise Http404(verb)
        if not self.has_add_permission(request):
            raise PermissionDenied
        try:
            VERBS[verb](run, actor=signed_in(request))
        except (import_runs.NotNow, workflow.NotPermitted) as error:
            messages.warning(request, str(error))
        return redirect("admin:dam_import_run", run.public_id)

    def errors_view(self, request: HttpRequest, public_id: Any, ending: str) -> HttpResponseBase:
        """The rejected rows as a table."""
        run = get_object_or_404(self.get_queryset(request), public_id=public_id)
        if ending not in ("csv", "xlsx") or not run.rejected:
            raise Http404(ending)
        return error_sheet_response(run, ending)
