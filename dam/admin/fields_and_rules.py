"""Custom fields and the rules for required fields in the admin, for administrators only."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.decorators import display
from unfold.views import ChangeList
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget, UnfoldAdminTextareaWidget

from dam import custom_fields, field_rules
from dam.admin.changelist import PlainChangeList
from dam.admin.webhooks import ForAdministrators
from dam.models import AssetKind, CustomField, FieldRule
from dam.people import signed_in


class ChoicesField(forms.CharField):
    """Choices as lines: a value, its label in English and its label in Chinese, with bars between them."""

    widget = UnfoldAdminTextareaWidget

    def prepare_value(self, value: Any) -> Any:
        if not isinstance(value, list):
            return value
        parts = ([choice["value"], choice.get("label", ""), choice.get("label_zh", "")] for choice in value)
        return "\n".join(" | ".join(line).rstrip(" |") for line in parts)

    def to_python(self, value: Any) -> Any:
        lines = [line.replace("｜", "|") for line in (value or "").splitlines() if line.strip()]
        choices = []
        for line in lines:
            given, label, label_zh, *more = (*(part.strip() for part in line.split("|")), "", "")
            if any(more):
                raise forms.ValidationError(
                    _("“%(line)s” has too many parts: value | label in English | label in Chinese.")
                    % {"line": line[:80]}
                )
            choices.append({"value": given, "label": label, "label_zh": label_zh})
        return choices

    def validate(self, value: Any) -> None:
        """What the choices must be, the verb's side says."""

    def run_validators(self, value: Any) -> None:
        """As for `validate`."""

    def has_changed(self, initial: Any, data: Any) -> bool:
        return (initial or []) != self.to_python(data)


class CustomFieldForm(forms.ModelForm):
    """The definition of a field."""

    choices = ChoicesField(
        label=gettext_lazy("Choices"),
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 6}),
        help_text=gettext_lazy(
            "For the types with choices; one a line: value | label in English | label in Chinese, such as "
            "“ss26 | Spring/Summer 26 | 26春夏”. Assets keep the value, so labels can change."
        ),
    )
    kinds = forms.MultipleChoiceField(
        label=gettext_lazy("Kinds"),
        required=False,
        choices=AssetKind.choices,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text=gettext_lazy("None chosen: assets of all kinds have it."),
    )

    class Meta:
        model = CustomField
        fields = forms.ALL_FIELDS

    def clean(self) -> dict[str, Any]:
        return _with_problems(self, custom_fields.problems_with)


class FieldRuleForm(forms.ModelForm):
    """What is asked for before a state."""

    required = forms.MultipleChoiceField(
        label=gettext_lazy("Required fields"), widget=UnfoldAdminCheckboxSelectMultipleWidget
    )

    class Meta:
        model = FieldRule
        fields = ("kind", "state", "required")
        help_texts = {
            "kind": gettext_lazy("A rule for a kind comes on top of the one for all kinds."),
            "state": gettext_lazy("Approval also asks for what review asks for."),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        offered = field_rules.requirable(custom_fields.by_slug())
        self.fields["required"].choices = list(offered.items())  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        return _with_problems(self, field_rules.problems_with)


class RuleChangeList(PlainChangeList):
    """Reads the custom fields once for all rules."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        fields = custom_fields.by_slug()
        for rule in self.result_list:
            rule.labels = [field_rules.label_of(name, fields) for name in rule.required]


@admin.register(CustomField)
class CustomFieldAdmin(ForAdministrators):
    form = CustomFieldForm
    compressed_fields = False
    list_display = ("slug", "shown_label", "type", "kinds_line", "position", "active", "public")
    list_filter = ("type", "active", "public")
    search_fields = ("slug", "label", "label_zh")
    fieldsets = (
        (None, {"fields": ("slug", ("label", "label_zh"), ("help_text", "help_text_zh"), "public")}),
        (gettext_lazy("Values"), {"fields": ("type", "choices")}),
        (gettext_lazy("Where it is asked for"), {"fields": ("kinds", ("position", "active"))}),
    )
    actions = None

    @display(description=gettext_lazy("label"))
    def shown_label(self, field: CustomField) -> str:
        return str(field)

    @display(description=gettext_lazy("kinds"))
    def kinds_line(self, field: CustomField) -> str:
        labels: dict[str, Any] = dict(AssetKind.choices)
        return _(", ").join(str(labels[kind]) for kind in field.kinds) or _("All kinds")

    def save_model(self, request: HttpRequest, obj: CustomField, form: Any, change: Any) -> None:
        custom_fields.save(obj, actor=signed_in(request))

    def delete_model(self, request: HttpRequest, obj: CustomField) -> None:
        custom_fields.delete(obj, actor=signed_in(request))

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """A field with values is not deleted; its page, where it can be retired, says why."""
        try:
            return super().delete_view(request, object_id, extra_context)
        except custom_fields.FieldInUse as error:
            messages.error(request, str(error))
            return redirect("admin:dam_customfield_change", object_id)


@admin.register(FieldRule)
class FieldRuleAdmin(ForAdministrators):
    form = FieldRuleForm
    list_display = ("kind_label", "state_label", "required_line")
    actions = None

    def get_queryset(self, request: HttpRequest) -> QuerySet[FieldRule]:
        return super().get_queryset(request).order_by("kind", "-state")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return RuleChangeList

    @display(description=gettext_lazy("kind"))
    def kind_label(self, rule: FieldRule) -> str:
        return rule.get_kind_display()

    @display(description=gettext_lazy("before"))
    def state_label(self, rule: FieldRule) -> str:
        return rule.get_state_display()

    @display(description=gettext_lazy("required fields"))
    def required_line(self, rule: FieldRule) -> str:
        return _(", ").join(rule.labels)  # type: ignore[attr-defined]  # set by the list

    def save_model(self, request: HttpRequest, obj: FieldRule, form: Any, change: Any) -> None:
        field_rules.save(obj, actor=signed_in(request))

    def delete_model(self, request: HttpRequest, obj: FieldRule) -> None:
        field_rules.delete(obj, actor=signed_in(request))


def _with_problems(form: Any, problems_with: Any) -> dict[str, Any]:
    """Cleaned data, with what is wrong with the row as a whole at its fields."""
    cleaned = forms.ModelForm.clean(form) or {}
    if form.errors:
        return cleaned
    row = type(form.instance)(pk=form.instance.pk, **cleaned)
    for name, sentence in problems_with(row).items():
        form.add_error(name if name in form.fields else None, sentence)
    return cleaned
