"""Prompt templates by name: those of Atelier and those that the studio wrote, version by version."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models import Max
from django.utils.translation import gettext as _

from dam.audit import record
from dam.keys import is_key
from generation import prompts
from generation.models import JobKind, PromptTemplate
from generation.prompts import BUILT_IN, DEFAULTS, GIVEN, Slot, SlotType, Template, TemplateError

if TYPE_CHECKING:
    from django.contrib.auth.models import User

MOST_SLOTS = 12
_SLOT_KEYS = {"name", "type", "label", "label_zh", "default", "required", "choices"}


def find_template(name: str, kind: str) -> Template:
    """The template of this name (`key`, or `key@version` for one that is not the latest) for a kind of job.

    Raises:
        TemplateError: there is none, or it is for another kind.
    """
    key, _at, version = (name or DEFAULTS[kind]).partition("@")
    template = _built_in(key, version) or _own(key, version)
    if template is None:
        known = ", ".join(sorted(known.key for known in templates_for(kind)))
        raise TemplateError(
            _("There is no template “%(name)s”. Known: %(known)s.") % {"name": name, "known": known}
        )
    if template.kind != kind:
        raise TemplateError(
            _("The template “%(name)s” is for “%(kind)s”.")
            % {"name": name, "kind": JobKind(template.kind).label}
        )
    return template


def templates_for(kind: str) -> list[Template]:
    """The latest version of each template for a kind of job, the default first; in one query."""
    own = PromptTemplate.objects.filter(kind=kind).order_by("key", "-version")
    latest: dict[str, Template] = {}
    for row in own:
        latest.setdefault(row.key, as_template(row))
    return [*(template for template in BUILT_IN.values() if template.kind == kind), *latest.values()]


def as_template(row: PromptTemplate) -> Template:
    """A row as plans use it."""
    return Template(
        key=row.key,
        version=str(row.version),
        kind=row.kind,
        name=row.name,
        name_zh=row.name_zh,
        texts={"en": row.text, "zh": row.text_zh},
        slots=tuple(_slot(slot) for slot in row.slots),
        negative={"en": row.negative or row.negative_zh, "zh": row.negative_zh or row.negative},
    )


def save_template(row: PromptTemplate, *, actor: User | None) -> PromptTemplate:
    """Keep this as the next version of its key; earlier versions stay as they are.

    Raises:
        TemplateError: a text, a slot or the key is wrong.
    """
    check(row)
    with transaction.atomic():
        latest = PromptTemplate.objects.filter(key=row.key).aggregate(latest=Max("version"))["latest"]
        row.pk, row.version, row.created_by = None, (latest or 0) + 1, actor
        row._state.adding = True
        row.save()
        record(actor, "template.saved", row, key=row.key, version=row.version)
    return row


def copy_of(template: Template) -> PromptTemplate:
    """A template of one's own to begin with: this one's words and slots, without a key, not kept yet."""
    return PromptTemplate(
        kind=template.kind,
        name=template.name,
        name_zh=template.name_zh,
        text=template.texts["en"],
        text_zh=template.texts["zh"],
        slots=[_kept(slot) for slot in template.slots],
        negative=template.negative.get("en", ""),
        negative_zh=template.negative.get("zh", ""),
    )


def check(row: PromptTemplate) -> None:
    """
    Raises:
        TemplateError: the key is taken, a slot is wrong, or a text names what is no slot.
    """
    if row.key in BUILT_IN:
        raise TemplateError(_("“%(key)s” comes with Atelier; choose another key.") % {"key": row.key})
    other = PromptTemplate.objects.filter(key=row.key).exclude(kind=row.kind).first()
    if other is not None:
        raise TemplateError(
            _("The key “%(key)s” belongs to a template for “%(kind)s”.")
            % {"key": row.key, "kind": other.get_kind_display()}
        )
    slots = check_slots(row.slots)
    names = {slot.name for slot in slots}
    for label, text in ((_("English"), row.text), (_("Chinese"), row.text_zh)):
        named = prompts.names_in(text)
        if "pictures" not in named:
            raise TemplateError(_("The text (%(language)s) needs {pictures}.") % {"language": label})
        if unknown := sorted(named - names - GIVEN):
            raise TemplateError(
                _("The text (%(language)s) names {%(slot)s}, which is no slot. Add the slot, or take it out.")
                % {"language": label, "slot": unknown[0]}
            )
    row.slots = [_kept(slot) for slot in slots]


def check_slots(given: Any) -> list[Slot]:
    """
    Raises:
        TemplateError: the slots are no list of slots, or one of them is wrong.
    """
    if not isinstance(given, list) or not all(isinstance(slot, dict) for slot in given):
        raise TemplateError(_("Slots are a list of objects, each with at least a “name”."))
    if len(given) > MOST_SLOTS:
        raise TemplateError(_("A template has at most %(most)s slots.") % {"most": MOST_SLOTS})
    slots = [_checked(slot) for slot in given]
    names = [slot.name for slot in slots]
    if twice := next((name for name in names if names.count(name) > 1 or name in GIVEN), None):
        raise TemplateError(_("The name “%(name)s” is taken; give the slot another.") % {"name": twice})
    return slots


def _checked(given: Mapping[str, Any]) -> Slot:
    name = given.get("name")
    if not isinstance(name, str) or prompts.names_in("{" + name + "}") != {name}:
        raise TemplateError(_("Each slot needs a “name” of small letters, digits and _."))
    if unknown := sorted(set(given) - _SLOT_KEYS):
        raise TemplateError(
            _("The slot “%(name)s” has “%(key)s”, which means nothing. It may have: %(known)s.")
            % {"name": name, "key": unknown[0], "known": ", ".join(sorted(_SLOT_KEYS))}
        )
    if given.get("type", SlotType.TEXT) not in list(SlotType):
        raise TemplateError(
            _("The slot “%(name)s” is of no known type. Types: %(known)s.")
            % {"name": name, "known": ", ".join(SlotType)}
        )
    choices = given.get("choices", [])
    if not isinstance(choices, list) or not all(isinstance(choice, str) for choice in choices):
        raise TemplateError(_("The choices of the slot “%(name)s” are a list of texts.") % {"name": name})
    slot = _slot(given)
    if slot.type == SlotType.CHOICE and not slot.choices:
        raise TemplateError(_("The slot “%(name)s” needs its choices.") % {"name": name})
    if slot.default:
        slot.value(slot.default)
    return slot


def _slot(given: Mapping[str, Any]) -> Slot:
    return Slot(
        name=given["name"],
        type=SlotType(given.get("type", SlotType.TEXT)),
        label=str(given.get("label", "")),
        label_zh=str(given.get("label_zh", "")),
        default=str(given.get("default", "")),
        required=bool(given.get("required", True)),
        choices=tuple(given.get("choices", ())),
    )


def _kept(slot: Slot) -> dict[str, Any]:
    return {
        "name": slot.name,
        "type": str(slot.type),
        "label": slot.label,
        "label_zh": slot.label_zh,
        "default": slot.default,
        "required": slot.required,
        "choices": list(slot.choices),
    }


def preview(template: Template, values: Mapping[str, str], *, language: str) -> str:
    """What the template says of inputs that stand for real ones.

    Raises:
        TemplateError: a slot's value is missing or wrong.
    """
    words = prompts.Words(
        sentence=_("an elf archer wearing a crown of fire"),
        instruction=_("Put a plain white background behind it"),
        slots=template.filled(values),
        negative=template.negative.get(language, ""),
    )
    return prompts.render(template, _samples(template.kind), language=language, words=words)


def _samples(kind: str) -> Sequence[prompts.NamedInput]:
    roles = {
        JobKind.OUTFITS: ("model", "garment"),
        JobKind.SCENES: ("product", "scene"),
        JobKind.COMPOSITION: ("character", "accessory"),
        JobKind.TRY_ON: ("model", "garment"),
        JobKind.EDIT: ("reference",),
    }[JobKind(kind)]
    return [prompts.NamedInput(role, _("Title"), _("Title")) for role in roles]


def _built_in(key: str, version: str) -> Template | None:
    template = BUILT_IN.get(key)
    return template if template and version in ("", template.version) else None


def _own(key: str, version: str) -> Template | None:
    rows = PromptTemplate.objects.filter(key=key)
    if version:
        rows = rows.filter(version=int(version)) if is_key(version) else rows.none()
    row = rows.order_by("-version").first()
    return as_template(row) if row else None
