"""The fields that a library has beside those built in: defined by administrators, read by everybody there.

They are few, so whoever needs them reads them all, once for each request or verb.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Sequence
from functools import reduce
from operator import or_
from typing import Any

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db import connection, transaction
from django.db.models import Q, QuerySet
from django.db.models.fields.json import KeyTextTransform, KeyTransform
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from dam import audit, workflow
from dam.audit import Actor
from dam.custom_values import PREFIX, Fields, cleaned
from dam.models import Asset, AssetKind, CustomField, FieldRule, FieldType
from dam.roles import Role, has_role
from dam.signals import assets_changed

MANAGING = Role.ADMINISTRATOR
MAX_FIELDS, MAX_CHOICES, MAX_LABEL = 60, 200, 80
BATCH = 1000  # assets that are told of new labels at once
SLUG = re.compile(r"[a-z0-9_]+")
CHOICE_VALUE = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")


class FieldInUse(ValueError):
    """The field cannot go or change so, since assets have values of it; `str()` says why and what to do."""


def by_slug() -> dict[str, CustomField]:
    """All of them, retired ones too, in their order; one query."""
    return {field.slug: field for field in CustomField.objects.all()}


def held(slugs: Iterable[str]) -> dict[str, CustomField]:
    """Those of the fields that there are. Until the end of the transaction none of them is deleted or
    becomes another: whoever writes values of them asks for them so."""
    wanted = sorted({slug for slug in slugs if SLUG.fullmatch(slug)})  # no database takes every text
    if not wanted:
        return {}
    if connection.vendor != "postgresql":  # one transaction writes at a time
        return {slug: field for slug, field in by_slug().items() if slug in wanted}
    # The weakest lock, so that those who write values do not wait for each other.
    rows = CustomField.objects.raw(
        "SELECT * FROM dam_customfield WHERE slug = ANY(%s) ORDER BY id FOR KEY SHARE", [wanted]
    )
    return {field.slug: field for field in rows}


def shown_to(user: AbstractBaseUser | AnonymousUser | None) -> dict[str, CustomField]:
    """Those of which the account is told: contributors of all, others of the public ones."""
    fields = by_slug()
    if sees_all(user):
        return fields
    return {slug: field for slug, field in fields.items() if field.public}


def sees_all(user: AbstractBaseUser | AnonymousUser | None) -> bool:
    """Whether the account is told of fields that are not public."""
    return has_role(user, Role.CONTRIBUTOR)


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
    return assets.none() if wanted is None else _with_any(assets, field, [wanted])


def problems_with(field: CustomField) -> dict[str, str]:
    """What is wrong with a definition beyond single columns, by column."""
    problems: dict[str, str] = {}
    if field.pk is None and CustomField.objects.count() >= MAX_FIELDS:
        problems["slug"] = _("A library has at most %(limit)d custom fields. Delete one first.") % {
            "limit": MAX_FIELDS
        }
    if sentence := _slug_problem(field):
        problems["slug"] = sentence
    elif sentence := _change_problem(field):
        problems["type"] = sentence
    if sentence := _choices_problem(field):
        problems["choices"] = sentence
    if not isinstance(field.kinds, list) or set(map(str, field.kinds)) - set(AssetKind.values):
        problems["kinds"] = _("Kinds are a list of: %(kinds)s.") % {"kinds": ", ".join(AssetKind.values)}
    return problems


@transaction.atomic
def save(field: CustomField, *, actor: Actor) -> None:
    """Create or update. Assets that are found by other words then count as changed: a thousand at once, more
    in the background.

    Raises:
        FieldInUse: assets have values of it, so neither its slug nor its type can change.
        NotPermitted: the account is no administrator.
    """
    workflow.check_role(actor, MANAGING)
    before = None
    if field.pk:
        before = CustomField.objects.select_for_update(no_key=True).get(pk=field.pk)
        field.told_up_to, field.told_choices = before.told_up_to, before.told_choices
        if not _is_same(before, field):
            _wait_for_writers(field)
            if sentence := _change_problem(field):
                raise FieldInUse(sentence)
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
    if before:
        _note_telling(field, before)
        if tell_assets(field):
            from dam.tasks import publish_telling  # tasks import the verbs

            transaction.on_commit(lambda: publish_telling(field.pk))


@transaction.atomic
def tell_assets(field: CustomField) -> bool:
    """Make some of the assets that wait to be told of new labels count as changed.

    Returns:
        Whether more of them wait.
    """
    locked = CustomField.objects.select_for_update(no_key=True).filter(pk=field.pk).first()
    if locked is None or locked.told_up_to is None:
        return False
    waiting = _concerned(locked).filter(pk__gt=locked.told_up_to).order_by("pk")
    keys = list(waiting.values_list("pk", flat=True)[:BATCH])
    field.told_up_to = keys[-1] if len(keys) == BATCH else None
    field.told_choices = [] if field.told_up_to is None else locked.told_choices
    field.save(update_fields=["told_up_to", "told_choices"])
    if keys:
        assets_changed.send(sender=CustomField, asset_ids=keys)
    return field.told_up_to is not None


def tell(key: int, *, seconds: float) -> bool:
    """Tell the assets that wait for about so long; each thousand commits on its own.

    Returns:
        Whether more of them wait.
    """
    ends = time.monotonic() + seconds
    field = CustomField.objects.filter(pk=key).first()
    while field is not None and tell_assets(field):
        if time.monotonic() > ends:
            return True
    return False


def telling() -> list[int]:
    """Keys of the fields of which assets wait to be told."""
    return list(CustomField.objects.exclude(told_up_to=None).values_list("pk", flat=True))


@transaction.atomic
def delete(field: CustomField, *, actor: Actor) -> None:
    """Remove it, and from the rules that ask for it.

    Raises:
        NotPermitted: the account is no administrator.
        FieldInUse: assets have values of it; nothing was deleted.
    """
    workflow.check_role(actor, MANAGING)
    _wait_for_writers(field)
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


def _with_any(assets: QuerySet[Asset], field: CustomField, wanted: Sequence[Any]) -> QuerySet[Asset]:
    """Those that have one of these values, as they are kept; of several choices, a list of one of them."""
    if connection.vendor == "postgresql":
        return assets.filter(reduce(or_, (Q(custom__contains={field.slug: one}) for one in wanted)))
    name = f"custom_{field.pk}"
    if field.type == FieldType.CHOICES:
        found = assets.alias(**{name: KeyTextTransform(field.slug, "custom")})
        return found.filter(reduce(or_, (Q(**{f"{name}__contains": f'"{one[0]}"'}) for one in wanted)))
    found = assets.alias(**{name: KeyTransform(field.slug, "custom")})
    return found.filter(reduce(or_, (Q(**{name: one}) for one in wanted)))


def _having(field: CustomField) -> QuerySet[Asset]:
    return Asset.objects.filter(custom__has_key=field.slug)


def _is_same(before: CustomField, field: CustomField) -> bool:
    """Whether values of the one are values of the other."""
    return (before.slug, before.type) == (field.slug, field.type)


def _wait_for_writers(field: CustomField) -> None:
    """From here on nobody writes values of it, until the transaction ends: see `held`."""
    list(CustomField.objects.select_for_update().filter(pk=field.pk))


def _slug_problem(field: CustomField) -> str:
    """A slug under which assets have values already would give them to a field that may be quite another."""
    if CustomField.objects.filter(slug=field.slug).exists() or not _having(field).exists():
        return ""
    return _(
        "Assets still have values under “%(slug)s”, of a field that was deleted. Choose another slug."
    ) % {"slug": field.slug}


def _change_problem(field: CustomField) -> str:
    """Values are kept by slug and as their type has them, so neither changes under them."""
    before = CustomField.objects.filter(pk=field.pk).first() if field.pk else None
    if before is None or _is_same(before, field) or not is_used(before):
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


def _note_telling(field: CustomField, before: CustomField) -> None:
    """Note which assets are found by other words now, beside those that still wait to be told."""
    if not _is_same(before, field):  # so there are no values
        return
    now = {choice["value"]: _labels(choice) for choice in field.choices}
    relabelled = [choice["value"] for choice in before.choices if _labels(choice) != now.get(choice["value"])]
    everybody = field.public != before.public
    if not relabelled and not everybody:
        return
    if before.told_up_to is not None:
        everybody = everybody or not before.told_choices
        relabelled = list(dict.fromkeys([*before.told_choices, *relabelled]))
    field.told_up_to, field.told_choices = 0, [] if everybody else relabelled
    field.save(update_fields=["told_up_to", "told_choices"])


def _labels(choice: dict[str, str]) -> tuple[str, str]:
    return choice.get("label", ""), choice.get("label_zh", "")


def _concerned(field: CustomField) -> QuerySet[Asset]:
    """The assets that its noted change concerns."""
    if not field.told_choices:
        return _having(field)
    several = field.type == FieldType.CHOICES
    return _with_any(Asset.objects.all(), field, [[one] if several else one for one in field.told_choices])


def _story(field: CustomField) -> dict[str, Any]:
    return {
        "slug": field.slug,
        "label": field.label,
        "label_zh": field.label_zh,
        "type": field.type,
        "choices": [choice["value"] for choice in field.choices],
        "kinds": field.kinds,
        "active": field.active,
        "public": field.public,
    }
