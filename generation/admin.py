"""Generation in the admin: the studio, the review page, the jobs."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from functools import partial, wraps
from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, DecimalField, OuterRef, Prefetch, Q, QuerySet, Subquery, Sum
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.template.loader import render_to_string
from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.admin import ModelAdmin
from unfold.decorators import display

from dam.roles import Role, has_role
from generation import jobs
from generation.jobs import JobError
from generation.models import FINAL_STATES, GenerationItem, GenerationJob, JobState, Review, Studio
from generation.views.costs import costs_page
from generation.views.fill import fill_page
from generation.views.job import job_page, job_progress, job_verb
from generation.views.review import give_verdict, look_page, review_page, undo_verdict
from generation.views.studio import found_tiles, studio_page
from generation.wording import money

_RESULTS_SHOWN = 3


def _for_editors(
    site: admin.AdminSite, view: Callable[..., HttpResponseBase]
) -> Callable[..., HttpResponseBase]:
    """Generating spends money and shows the whole library: that takes an editor."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not has_role(request.user, Role.EDITOR):
            raise PermissionDenied
        return view(request, *args, **kwargs)

    return site.admin_view(guarded)


class PageAdmin(ModelAdmin):
    """A page of the admin that is no list of rows: it has an address, and no place in the index."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        return False


@admin.register(Studio)
class StudioAdmin(PageAdmin):
    def get_urls(self) -> list[URLPattern]:
        view = partial(_for_editors, self.admin_site)
        return [
            path("", view(self.page), name="generation_studio"),
            path("find/", view(found_tiles), name="generation_studio_find"),
            path("fill/", view(self.fill), name="generation_fill"),
        ]

    def page(self, request: HttpRequest) -> HttpResponse:
        return studio_page(request, self.admin_site)

    def fill(self, request: HttpRequest) -> HttpResponse:
        return fill_page(request, self.admin_site)


@admin.register(Review)
class ReviewAdmin(PageAdmin):
    def get_urls(self) -> list[URLPattern]:
        view = partial(_for_editors, self.admin_site)
        return [
            path("", view(self.page), name="generation_review"),
            path("verdict/", view(give_verdict), name="generation_review_verdict"),
            path("undo/", view(undo_verdict), name="generation_review_undo"),
            path("<uuid:public_id>/", view(self.look), name="generation_review_look"),
        ]

    def look(self, request: HttpRequest, public_id: UUID) -> HttpResponse:
        return look_page(request, self.admin_site, public_id)

    def page(self, request: HttpRequest) -> HttpResponse:
        return review_page(request, self.admin_site)


def _items(job: str = "pk") -> QuerySet[GenerationItem, Any]:
    return GenerationItem.objects.filter(job=OuterRef(job)).order_by().values("job")


@admin.register(GenerationJob)
class GenerationJobAdmin(ModelAdmin):
    """Jobs are made in the studio and looked at here."""

    list_display = ("results", "shown", "state_label", "made", "spent", "provider", "owner", "created")
    list_display_links = ("shown",)
    list_filter = ("state", "kind", "provider")
    list_select_related = ("owner",)
    search_fields = ("title", "=public_id")
    show_full_result_count = False
    actions = ("pause_chosen", "resume_chosen", "cancel_chosen", "retry_chosen")

    def get_queryset(self, request: HttpRequest) -> QuerySet[GenerationJob]:
        final = Count("pk", filter=Q(state__in=FINAL_STATES))
        made = GenerationItem.objects.exclude(output=None).select_related("output__current")
        first = Prefetch("items", made.order_by("position")[:_RESULTS_SHOWN], to_attr="first_made")
        return (
            super()
            .get_queryset(request)
            .prefetch_related(first)
            .annotate(
                item_count=Subquery(_items().annotate(found=Count("pk")).values("found")),
                done_count=Subquery(_items().annotate(found=final).values("found")),
                cost=Subquery(
                    _items().annotate(found=Sum("cost")).values("found"), output_field=DecimalField()
                ),
            )
        )

    def get_urls(self) -> list[URLPattern]:
        view = partial(_for_editors, self.admin_site)
        return [
            path("costs/", view(self.costs), name="generation_costs"),
            path("<str:key>/progress/", view(job_progress), name="generation_job_progress"),
            path("<str:key>/do/<str:verb>/", view(job_verb), name="generation_job_verb"),
            *super().get_urls(),
        ]

    def costs(self, request: HttpRequest) -> HttpResponseBase:
        return costs_page(request, self.admin_site)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A job is the record of what was spent."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Editors pause, resume, cancel and try again; the fields themselves are never edited."""
        return has_role(request.user, Role.EDITOR)

    has_view_permission = has_change_permission

    def add_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return redirect("admin:generation_studio")

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        return job_page(request, self.admin_site, object_id)

    @display(description=gettext_lazy("results"))
    def results(self, job: Any) -> str:
        assets = [item.output for item in job.first_made]
        return render_to_string("dam/row_pictures.html", {"assets": assets})

    @display(description=gettext_lazy("job"), ordering="title")
    def shown(self, job: GenerationJob) -> str:
        return str(job)

    @display(
        description=gettext_lazy("state"),
        ordering="state",
        label={
            JobState.FINISHED: "success",
            JobState.RUNNING: "info",
            JobState.PAUSED: "warning",
            JobState.CANCELLED: "danger",
        },
    )
    def state_label(self, job: GenerationJob) -> tuple[str, str]:
        return job.state, job.get_state_display()

    @display(description=gettext_lazy("pictures"))
    def made(self, job: Any) -> str:
        return f"{job.done_count or 0} / {job.item_count or 0}"

    @display(description=gettext_lazy("cost"))
    def spent(self, job: Any) -> str:
        return money(job.cost or Decimal(0), job.currency)

    @admin.action(description=gettext_lazy("Pause"))
    def pause_chosen(self, request: HttpRequest, chosen: QuerySet[GenerationJob]) -> None:
        self._each(request, chosen, jobs.pause)

    @admin.action(description=gettext_lazy("Resume"))
    def resume_chosen(self, request: HttpRequest, chosen: QuerySet[GenerationJob]) -> None:
        self._each(request, chosen, jobs.resume)

    @admin.action(description=gettext_lazy("Cancel"))
    def cancel_chosen(self, request: HttpRequest, chosen: QuerySet[GenerationJob]) -> None:
        self._each(request, chosen, jobs.cancel)

    @admin.action(description=gettext_lazy("Try what failed again"))
    def retry_chosen(self, request: HttpRequest, chosen: QuerySet[GenerationJob]) -> None:
        self._each(request, chosen, jobs.retry)

    def _each(self, request: HttpRequest, chosen: QuerySet[GenerationJob], verb: Any) -> None:
        for job in chosen:
            try:
                verb(job, actor=request.user)
            except JobError as error:
                messages.error(request, f"{job}: {error}")
            else:
                messages.success(request, _("Done: %(job)s") % {"job": job})
