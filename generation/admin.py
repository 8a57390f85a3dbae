"""Generation in the admin: the studio, the review page, the jobs."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from functools import partial, wraps
from typing import Any, cast
from uuid import UUID

from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db.models import Count, DecimalField, OuterRef, Prefetch, Q, QuerySet, Subquery, Sum
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.template.loader import render_to_string
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from unfold.admin import ModelAdmin
from unfold.decorators import display

from dam.audit import record
from dam.roles import Role, has_role
from generation import budget, dead_letters, jobs, templates
from generation.forms import TEMPLATE_FIELDS, RuleForm, TemplateForm
from generation.jobs import JobError
from generation.models import (
    FINAL_STATES,
    CombinationRule,
    DeadLetter,
    GenerationItem,
    GenerationJob,
    JobState,
    PromptTemplate,
    Review,
    SpendingCap,
    Studio,
    StyleSet,
)
from generation.prompts import BUILT_IN, LANGUAGES, SlotType
from generation.views.costs import costs_page
from generation.views.fill import fill_page
from generation.views.job import job_page, job_progress, job_verb
from generation.views.made import made_page
from generation.views.providers import providers_page
from generation.views.review import give_verdict, look_page, review_page, undo_verdict
from generation.views.studio import found_tiles, studio_page
from generation.views.tryon import try_on_page, try_on_picture
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
            path("made/<str:item>/", view(self.made), name="generation_made"),
            path("try-on/", view(self.try_on), name="generation_try_on"),
            path("try-on/<str:photo>/", view(try_on_picture), name="generation_try_on_picture"),
            path("try-on/<str:photo>/<uuid:item>/", view(try_on_picture), name="generation_try_on_result"),
        ]

    def page(self, request: HttpRequest) -> HttpResponse:
        return studio_page(request, self.admin_site)

    def fill(self, request: HttpRequest) -> HttpResponse:
        return fill_page(request, self.admin_site)

    def made(self, request: HttpRequest, item: str) -> HttpResponse:
        return made_page(request, self.admin_site, item)

    def try_on(self, request: HttpRequest) -> HttpResponse:
        return try_on_page(request, self.admin_site)


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


class MaterialAdmin(ModelAdmin):
    """What plans are made with: kept by editors, each change audited."""

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return has_role(request.user, Role.EDITOR)

    has_view_permission = has_change_permission
    has_delete_permission = has_change_permission

    def has_add_permission(self, request: HttpRequest) -> bool:
        return has_role(request.user, Role.EDITOR)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return has_role(request.user, Role.EDITOR)

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """One at a time."""
        return {}

    class Media:
        css = {"all": ("generation/studio.css",)}

    @property
    def _word(self) -> str:
        return {StyleSet: "style", CombinationRule: "rule"}.get(self.model, "template")

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        record(cast(User, request.user), f"{self._word}.saved", obj)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        record(cast(User, request.user), f"{self._word}.deleted", obj)
        super().delete_model(request, obj)


@admin.register(StyleSet)
class StyleSetAdmin(MaterialAdmin):
    """Style sets: words, and reference pictures."""

    list_display = ("__str__", "shown_pictures", "slug")
    search_fields = ("slug", "name", "name_zh")
    prepopulated_fields = {"slug": ("name",)}
    autocomplete_fields = ("pictures",)
    readonly_fields = ("shown_pictures",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[StyleSet]:
        return super().get_queryset(request).prefetch_related("pictures__current")

    @display(description=gettext_lazy("pictures"))
    def shown_pictures(self, style: StyleSet) -> str:
        if style.pk is None:
            return "–"
        return render_to_string("dam/row_pictures.html", {"assets": list(style.pictures.all())[:3]})


@admin.register(CombinationRule)
class CombinationRuleAdmin(MaterialAdmin):
    """What does not go together in one picture."""

    form = RuleForm
    list_display = ("__str__", "shown_terms", "at_most", "shown_others", "active")

    @display(description=gettext_lazy("tags and kinds"))
    def shown_terms(self, rule: CombinationRule) -> str:
        return ", ".join(rule.terms)

    @display(description=gettext_lazy("do not go with"))
    def shown_others(self, rule: CombinationRule) -> str:
        return ", ".join(rule.others) or "–"


@admin.register(PromptTemplate)
class PromptTemplateAdmin(MaterialAdmin):
    """Prompt templates; a change is kept as the next version."""

    form = TemplateForm
    list_display = ("__str__", "key", "version", "kind", "created", "created_by")
    list_filter = ("kind",)
    list_select_related = ("created_by",)
    readonly_fields = ("version", "shown_preview")
    list_before_template = "generation/template_list.html"

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return super().changelist_view(
            request, {**(extra_context or {}), "built_in": list(BUILT_IN.values())}
        )

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """A new one begins with the words of the template that the address names."""
        template = BUILT_IN.get(request.GET.get("from", ""))
        if template is None:
            return super().get_changeform_initial_data(request)
        row = templates.copy_of(template)
        return {name: getattr(row, name) for name in TEMPLATE_FIELDS}

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Jobs name the version that they were made with."""
        return False

    def save_model(self, request: HttpRequest, obj: PromptTemplate, form: Any, change: bool) -> None:
        templates.save_template(obj, actor=cast(User, request.user))

    @display(description=gettext_lazy("preview"))
    def shown_preview(self, template: PromptTemplate) -> str:
        if template.pk is None:
            return "–"
        known = templates.as_template(template)
        values = {slot.name: slot.default or "1" for slot in known.slots if not slot.choices}
        values |= {slot.name: slot.default or slot.choices[0] for slot in known.slots if slot.choices}
        values |= {
            slot.name: slot.default or slot.display_label
            for slot in known.slots
            if slot.type == SlotType.TEXT
        }
        shown = [(language, templates.preview(known, values, language=language)) for language in LANGUAGES]
        return render_to_string("generation/template_preview.html", {"shown": shown})


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
            path("providers/", view(self.providers), name="generation_providers"),
            path("<str:key>/progress/", view(job_progress), name="generation_job_progress"),
            path("<str:key>/do/<str:verb>/", view(job_verb), name="generation_job_verb"),
            *super().get_urls(),
        ]

    def costs(self, request: HttpRequest) -> HttpResponseBase:
        return costs_page(request, self.admin_site)

    def providers(self, request: HttpRequest) -> HttpResponseBase:
        return providers_page(request, self.admin_site)

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


@admin.register(DeadLetter)
class DeadLetterAdmin(ModelAdmin):
    """What ended without a picture: looked at, and run again."""

    list_display = ("shown", "cause_label", "reason", "provider", "job_link", "attempts", "finished")
    list_display_links = None
    list_filter = ("cause", "job__provider", "state")
    list_select_related = ("job",)
    search_fields = ("reason", "job__title", "=public_id")
    show_full_result_count = False
    actions = ("run_again",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[DeadLetter]:
        return super().get_queryset(request).filter(pk__in=dead_letters.dead_items().order_by().values("pk"))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Editors run them again; the fields themselves are never edited."""
        return has_role(request.user, Role.EDITOR)

    has_view_permission = has_change_permission

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        return redirect("admin:generation_deadletter_changelist")

    @display(description=gettext_lazy("picture"))
    def shown(self, item: GenerationItem) -> str:
        return _("No. %(number)s") % {"number": item.position + 1}

    @display(description=gettext_lazy("cause"), ordering="cause", label="danger")
    def cause_label(self, item: GenerationItem) -> str:
        return item.get_cause_display() or item.get_state_display()

    @display(description=gettext_lazy("provider"), ordering="job__provider")
    def provider(self, item: GenerationItem) -> str:
        return item.job.provider

    @display(description=gettext_lazy("job"), ordering="job")
    def job_link(self, item: GenerationItem) -> str:
        address = reverse("admin:generation_generationjob_change", args=[item.job_id])
        return format_html('<a class="at-link" href="{}">{}</a>', address, item.job)

    @admin.action(description=gettext_lazy("Run again"))
    def run_again(self, request: HttpRequest, chosen: QuerySet[GenerationItem]) -> None:
        try:
            count = dead_letters.run_again(chosen, actor=cast(User, request.user))
        except JobError as error:
            messages.error(request, str(error))
        else:
            said = ngettext(
                "%(count)d picture is queued again.", "%(count)d pictures are queued again.", count
            )
            messages.success(request, said % {"count": count})


@admin.register(SpendingCap)
class SpendingCapAdmin(ModelAdmin):
    """How much persons and teams may spend in a day."""

    list_display = ("whose", "amount", "currency", "today")
    list_display_links = ("whose",)
    list_select_related = ("user", "team")
    autocomplete_fields = ("user", "team")

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return has_role(request.user, Role.ADMINISTRATOR)

    has_change_permission = has_view_permission
    has_delete_permission = has_view_permission

    def has_add_permission(self, request: HttpRequest) -> bool:
        return has_role(request.user, Role.ADMINISTRATOR)

    @display(description=gettext_lazy("person or team"))
    def whose(self, cap: SpendingCap) -> str:
        return str(cap.user or cap.team)

    @display(description=gettext_lazy("spent or set aside today"))
    def today(self, cap: SpendingCap) -> str:
        return money(budget.spent_today(cap), cap.currency)
