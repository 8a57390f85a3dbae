"""Custom fields as fields of forms: one widget for each type, and what the form of an asset shows of them."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext as _
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminSelectMultipleWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from dam.custom_values import MAX_LONG_TEXT, MAX_TEXT, Fields, shown
from dam.models import Asset, CustomField, FieldType

BOXES = 12  # more choices than so many are a list


def form_fields(asset: Asset, fields: Fields) -> dict[str, forms.Field]:
    """Name → field, for those that the asset's kind has, and those that only have a value still."""
    found: dict[str, forms.Field] = {}
    for slug, field in fields.items():
        if field.active and field.is_for(asset.kind):
            found[field.name] = form_field(field, asset.custom.get(slug))
        elif slug in asset.custom:
            found[field.name] = _read_only(field, asset.custom[slug])
    return found


def form_field(field: CustomField, value: Any) -> forms.Field:
    """The field of a form. Choices of `value` that are gone are offered too, so that they can stay."""
    return _MAKERS[FieldType(field.type)](
        field, value, label=str(field), help_text=field.display_help, required=False
    )


def _read_only(field: CustomField, value: Any) -> forms.Field:
    why = (
        _("Retired: its value is kept and no longer asked for.")
        if not field.active
        else _("Assets of this kind have no such field; its value is kept.")
    )
    return forms.CharField(
        label=str(field),
        help_text=why,
        required=False,
        disabled=True,
        initial=shown(field, value),
        widget=UnfoldAdminTextInputWidget,
    )


def _text(field: CustomField, value: Any, **named: Any) -> forms.Field:
    return forms.CharField(max_length=MAX_TEXT, widget=UnfoldAdminTextInputWidget, **named)


def _long_text(field: CustomField, value: Any, **named: Any) -> forms.Field:
    return forms.CharField(
        max_length=MAX_LONG_TEXT, widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}), **named
    )


def _number(field: CustomField, value: Any, **named: Any) -> forms.Field:
    widget = UnfoldAdminTextInputWidget(attrs={"inputmode": "decimal", "autocomplete": "off"})
    return forms.FloatField(widget=widget, **named)


def _yes_no(field: CustomField, value: Any, **named: Any) -> forms.Field:
    # The field's usual widget sends a word where nothing is chosen; an upload takes only what is said.
    offered = [("", "—"), ("True", _("Yes")), ("False", _("No"))]
    return forms.NullBooleanField(widget=UnfoldAdminSelectWidget(choices=offered), **named)


def _date(field: CustomField, value: Any, **named: Any) -> forms.Field:
    return forms.DateField(widget=UnfoldAdminTextInputWidget(attrs={"type": "date"}), **named)


def _choice(field: CustomField, value: Any, **named: Any) -> forms.Field:
    offered = [("", "—"), *_offered(field, [value])]
    return forms.ChoiceField(choices=offered, widget=UnfoldAdminSelectWidget, **named)


def _choices(field: CustomField, value: Any, **named: Any) -> forms.Field:
    offered = _offered(field, value if isinstance(value, list) else [])
    widget = (
        UnfoldAdminCheckboxSelectMultipleWidget if len(offered) <= BOXES else UnfoldAdminSelectMultipleWidget
    )
    return forms.MultipleChoiceField(choices=offered, widget=widget, **named)


def _offered(field: CustomField, kept: list[Any]) -> list[tuple[str, str]]:
    labels = field.choice_labels()
    gone = [one for one in kept if isinstance(one, str) and one not in labels]
    return [*labels.items(), *((one, _("%(choice)s (no longer offered)") % {"choice": one}) for one in gone)]


_MAKERS = {
    FieldType.TEXT: _text,
    FieldType.LONG_TEXT: _long_text,
    FieldType.NUMBER: _number,
    FieldType.YES_NO: _yes_no,
    FieldType.DATE: _date,
    FieldType.CHOICE: _choice,
    FieldType.CHOICES: _choices,
}
