"""The fields that a library has beside those built in: defined by administrators, read by everybody there.

They are few, so whoever needs them reads them all, once for each request or verb.
"""

from __future__ import annotations

import re
from typing import Any

from django.db import connection, transaction
from django.db.models import QuerySet
from django.db.models.fields.json import KeyTextTransform, KeyTransform
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from dam import audit, workflow
from dam.audit import Actor
from dam.custom_values import PREFIX, Fields, cleaned
from dam.models import Asset, AssetKind, CustomField, FieldRule, FieldType
from dam.roles import Role
from dam.signals import assets_changed

MANAGING = Role.ADMINISTRATOR
MAX_FIELDS, MAX_CHOICES, MAX_LABEL = 60, 200, 80
CHOICE_VALUE = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")


class FieldInUse(ValueError):
    """The field cannot be deleted, since assets have values of it; `str()` says how many and what to do."""


def by_slug() -> dict[str, CustomField]:
    """All of them, retired ones too, in their order; one query."""
    return {field.slug: field for field in CustomField.objects.all()}


def usage(field: CustomField) -> int:
    """How many assets have a value of it, those in the trash among them; reads the whole table."""
    return _having(field).count()


def is_used(field: CustomField) -> bool:
    """Whether at least one asset has a value of it."""
    return field.pk is not None and _having(field).exists()


def with_value(assets: QuerySet[Asset], field: CustomField, value: Any) -> QuerySet[Asset]:
    """Those of the assets that have this value (of several choices: this one among them).

    Raises:
        BadValues: the field has no such value.
    """
    # A choice that was removed is still looked for.
    several = field.type == FieldType.CHOICES
    wanted = cleaned(field, [value] if several else value, [value] if several else value)
    if connection.vendor == "postgresql":
        return assets.filter(custom__contains={field.slug: wanted})
    name = f"custom_{field.pk}"
    if several and wanted:
        found = assets.alias(**{name: KeyTextTransform(field.slug, "custom")})
        return found.filter(**{f"{name}__contains": f'"{wanted[0]}"'})
    return assets.alias(**{name: KeyTransform(field.slug, "custom")}).filter(**{name: wanted})


def problems_with(field: CustomField) -> dict[str, str]:
    """What is wrong with a definition beyond single columns, by column."""
    problems: dict[str, str] = {}
    if field.pk is None and CustomField.objects.count() >= MAX_FIELDS:
        problems["slug"] = _("A library has at most %(limit)d custom fields. Delete one first.") % {
            "limit": MAX_FIELDS
        }
    if sentence := _change_problem(field):
        problems["type"] = sentence
    if sentence := _choices_problem(field):
        problems["choices"] = sentence
    if not isinstance(field.kinds, list) or set(map(str, field.kinds)) - set(AssetKind.values):
        problems["kinds"] = _("Kinds are a list of: %(kinds)s.") % {"kinds": ", ".join(AssetKind.values)}
    return problems


@transaction.atomic
def save(field: CustomField, *, actor: Actor) -> None:
    """Create or update; assets are found by new labels of its choices at once.

    Raises:
        NotPermitted: the account is no administrator.
    """
    workflow.check_role(actor, MANAGING)
    before = CustomField.objects.filter(pk=field.pk).first() if field.pk else None
    field.kinds = [kind for kind in AssetKind.values if kind in field.kinds]
    if not field.has_choices:
        field.choices = []
    field.save()
    audit.record(
        actor,
        "custom_field.updated" if before else "custom_field.created",
        field,
        **({"before": _story(before)} if before else {}),
        after=_story(field),
    )
    if before and before.choices != field.choices:
        _tell_assets(field)


@transaction.atomic
def delete(field: CustomField, *, actor: Actor) -> None:
    """Remove it, and from the rules that ask for it.

    Raises:
        NotPermitted: the account is no administrator.
        FieldInUse: assets have values of it; nothing was deleted.
    """
    workflow.check_role(actor, MANAGING)
    if count := usage(field):
        raise FieldInUse(
            ngettext(
                "%(count)d asset has a value of “%(field)s”, which would be lost. Retire the field instead "
                "(“active” off), or empty it there first.",
                "%(count)d assets have a value of “%(field)s”, which would be lost. Retire the field instead "
                "(“active” off), or empty it there first.",
                count,
            )
            % {"count": count, "field": str(field)}
        )
    for rule in FieldRule.objects.all():
        if field.name in rule.required:
            rule.required = [name for name in rule.required if name != field.name]
            rule.save(update_fields=["required", "updated"])
    audit.record(actor, "custom_field.deleted", field, before=_story(field))
    field.delete()


def slug_in(name: str) -> str | None:
    """The slug of a name like “custom.season”; None: it names no custom field."""
    return name.removeprefix(PREFIX) if name.startswith(PREFIX) else None


def asked_for(fields: Fields, kind: str) -> list[CustomField]:
    """The fields that assets of this kind have and people fill."""
    return [field for field in fields.values() if field.active and field.is_for(kind)]


def _having(field: CustomField) -> QuerySet[Asset]:
    return Asset.objects.filter(custom__has_key=field.slug)


def _change_problem(field: CustomField) -> str:
    """Values are kept by slug and as their type has them, so neither changes under them."""
    before = CustomField.objects.filter(pk=field.pk).first() if field.pk else None
    if before is None or (before.slug, before.type) == (field.slug, field.type) or not is_used(before):
        return ""
    return _(
        "Assets have values of “%(field)s”, so its slug and type stay “%(slug)s” and “%(type)s”. "
        "Make another field, and retire this one."
    ) % {"field": str(before), "slug": before.slug, "type": before.get_type_display()}


def _choices_problem(field: CustomField) -> str:
    if not field.has_choices:
        return ""
    choices = field.choices
    if not isinstance(choices, list) or not all(isinstance(choice, dict) for choice in choices):
        return _("Choices are a list of objects with “value”, “label” and “label_zh”.")
    if not 0 < len(choices) <= MAX_CHOICES:
        return _("Give 1 to %(limit)d choices.") % {"limit": MAX_CHOICES}
    values = [choice.get("value") for choice in choices]
    for choice in choices:
        value, labels = choice.get("value"), [choice.get("label", ""), choice.get("label_zh", "")]
        if not isinstance(value, str) or not CHOICE_VALUE.fullmatch(value):
            return _(
                "“%(value)s” is no value of a choice: it has 1 to 40 letters a–z, digits, “-” and “_”."
            ) % {"value": str(value)[:60]}
        if values.count(value) > 1:
            return _("The choice “%(value)s” is there twice.") % {"value": value}
        if not all(
            isinstance(label, str) and len(label) <= MAX_LABEL and "\0" not in label for label in labels
        ):
            return _("The labels of “%(value)s” are texts of at most %(limit)d characters.") % {
                "value": value,
                "limit": MAX_LABEL,
            }
        if unknown := choice.keys() - {"value", "label", "label_zh"}:
            return _("Choices have no “%(name)s”.") % {"name": str(min(unknown))[:60]}
    return ""


def _tell_assets(field: CustomField) -> None:
    if keys := list(_having(field).order_by("pk").values_list("pk", flat=True)):
        assets_changed.send(sender=CustomField, asset_ids=keys)


def _story(field: CustomField) -> dict[str, Any]:
    return {
        "slug": field.slug,
        "label": field.label,
        "label_zh": field.label_zh,
        "type": field.type,
        "choices": [choice["value"] for choice in field.choices],
        "kinds": field.kinds,
        "active": field.active,
    }
