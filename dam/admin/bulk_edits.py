"""Bulk edits in the admin: the form for the chosen assets, the list, and one with its progress."""

from __future__ import annotations

from functools import partial
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST
from unfold.admin import ModelAdmin
from unfold.decorators import display
from unfold.views import ChangeList
from unfold.widgets import UnfoldAdminSelectWidget

from dam import bulk_edits, custom_fields
from dam.admin.changelist import PlainChangeList
from dam.bulk_edits import CannotEdit, Change
from dam.custom_values import text_of
from dam.field_rules import label_of
from dam.forms import SharedFieldsForm, WordsField
from dam.models import Asset, AssetKind, BulkEdit, BulkOutcome, BulkState
from dam.people import signed_in
from dam.tasks import publish_bulk_edit

SHOWN_LEFT = 60


class BulkEditForm(SharedFieldsForm):
    """What becomes of all the chosen assets; only fields whose box is ticked are changed."""

    kind = forms.ChoiceField(
        label=gettext_lazy("Kind"), choices=AssetKind.choices, widget=UnfoldAdminSelectWidget, required=False
    )
    add_tags = WordsField(label=gettext_lazy("Add tags"), required=False)
    remove_tags = WordsField(label=gettext_lazy("Remove tags"), required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.with_box = (*bulk_edits.FIELDS, *self.own)
        self.order_fields(self.with_box)

    def rows(self) -> list[tuple[Any, bool, bool]]:
        """Each field, whether it has a box, and whether that is ticked."""
        return [(self[name], name in self.with_box, f"change_{name}" in self.data) for name in self.fields]

    def change(self) -> Change:
        """What was asked for."""
        given = self.cleaned_data
        fields = {name: given[name] for name in self.with_box if f"change_{name}" in self.data}
        return Change(fields, add_tags=given["add_tags"], remove_tags=given["remove_tags"])


def ask(model_admin: Any, request: HttpRequest, chosen: QuerySet[Asset]) -> HttpResponse:
    """Ask what is to be changed, then begin."""
    form = BulkEditForm(request.POST if "confirmed" in request.POST else None)
    if form.is_valid():
        try:
            return begin(request, chosen, form.change())
        except CannotEdit as error:
            form.add_error(None, str(error))
    context = {
        **model_admin.admin_site.each_context(request),
        "title": _("Edit the chosen assets"),
        "opts": model_admin.opts,
        "form": form,
        "action": request.POST["action"],
        "index": request.POST.get("index", "0"),
        "select_across": request.POST.get("select_across", "0"),
        "selected": request.POST.getlist(ACTION_CHECKBOX_NAME),
        "chosen": chosen[:12],
    }
    return TemplateResponse(request, "dam/bulk_edit_form.html", context)


def begin(request: HttpRequest, chosen: QuerySet[Asset], change: Change) -> HttpResponse:
    """Begin in the background and show its page.

    Raises:
        CannotEdit: there is nothing to do.
    """
    edit = bulk_edits.start(chosen, change, actor=signed_in(request))
    transaction.on_commit(partial(publish_bulk_edit, edit.pk))
    return redirect("admin:dam_bulkedit_change", edit.pk)


@admin.register(BulkEdit)
class BulkEditAdmin(ModelAdmin):
    list_display = ("__str__", "what", "state", "total", "owner", "created", "finished")
    list_filter = ("state",)
    list_select_related = ("owner",)
    list_per_page = list_max_show_all = 50
    show_full_result_count = False
    actions = None
    when_empty = gettext_lazy(
        "Choose assets in the list and “Edit …” there: their fields, tags or state change in the "
        "background, and can be given back."
    )

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return PlainChangeList

    def get_queryset(self, request: HttpRequest) -> QuerySet[BulkEdit]:
        return bulk_edits.edits_of(signed_in(request))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @display(description=gettext_lazy("changes"))
    def what(self, edit: BulkEdit) -> str:
        """What is changed, in a line."""
        own = custom_fields.by_slug() if any(map(custom_fields.slug_in, edit.changes)) else {}
        parts = [f"{label_of(name, own)}: {_said(value)}" for name, value in edit.changes.items()]
        parts += [f"+ {tag}" for tag in edit.add_tags] + [f"− {tag}" for tag in edit.remove_tags]
        return ", ".join(map(str, [*parts, *([f"→ {edit.to_state}"] if edit.to_state else [])]))

    def get_urls(self) -> list[URLPattern]:
        guard = self.admin_site.admin_view
        return [
            path("<int:key>/progress/", guard(self.progress_view), name="dam_bulkedit_progress"),
            path("<int:key>/undo/", guard(self.undo_view), name="dam_bulkedit_undo"),
            path("<int:key>/stop/", guard(self.stop_view), name="dam_bulkedit_stop"),
            *super().get_urls(),
        ]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """How far it is, and what was left as it was."""
        edit = get_object_or_404(self.get_queryset(request), pk=object_id)
        left = (BulkOutcome.SKIPPED, BulkOutcome.KEPT)
        shown = Asset.objects.visible_to(signed_in(request)).select_related("current")
        rows = edit.items.filter(outcome__in=left).order_by("pk").values_list("asset_id", flat=True)
        context = {
            **self.admin_site.each_context(request),
            "title": _("Bulk edit"),
            "opts": self.opts,
            "edit": edit,
            "what": self.what(edit),
            "progress": _progress(edit),
            "left": list(shown.filter(pk__in=list(rows[:SHOWN_LEFT]))),
        }
        return TemplateResponse(request, "dam/bulk_edit.html", context)

    def progress_view(self, request: HttpRequest, key: int) -> JsonResponse:
        """Numbers for the page, which asks for them while it is at work."""
        return JsonResponse(_progress(get_object_or_404(self.get_queryset(request), pk=key)))

    def undo_view(self, request: HttpRequest, key: int) -> HttpResponse:
        """Begin to undo."""
        return self._deed(request, key, bulk_edits.undo)

    def stop_view(self, request: HttpRequest, key: int) -> HttpResponse:
        """Leave the rest."""
        return self._deed(request, key, bulk_edits.stop)

    def _deed(self, request: HttpRequest, key: int, deed: Any) -> HttpResponse:
        edit = get_object_or_404(self.get_queryset(request), pk=key)
        return require_POST(_do)(request, edit, deed)


def _said(value: Any) -> str:
    """A value as a table has it, so that nothing hides; a dash for what is emptied."""
    return text_of(value) or "–"


def _do(request: HttpRequest, edit: BulkEdit, deed: Any) -> HttpResponse:
    try:
        deed(edit, actor=signed_in(request))
    except CannotEdit as error:
        messages.error(request, str(error))
    else:
        transaction.on_commit(partial(publish_bulk_edit, edit.pk))
    return redirect("admin:dam_bulkedit_change", edit.pk)


def _progress(edit: BulkEdit) -> dict[str, Any]:
    counts = bulk_edits.outcomes(edit)
    undoing = edit.state in (BulkState.UNDOING, BulkState.UNDONE)
    waiting = counts[BulkOutcome.CHANGED if undoing else BulkOutcome.WAITING]
    return {
        "state": edit.state,
        "label": edit.get_state_display(),
        "at_work": edit.state in bulk_edits.AT_WORK,
        "total": edit.total,
        "done": edit.total - waiting,
        "changed": counts[BulkOutcome.CHANGED],
        "skipped": counts[BulkOutcome.SKIPPED],
        "undone": counts[BulkOutcome.UNDONE],
        "kept": counts[BulkOutcome.KEPT],
    }
