"""What a custom field takes: values as people, tables and programs write them, as they are kept and shown.

A value is kept as JSON: texts, numbers, true and false, days as ISO 8601, choices by their values. What is
empty is not kept at all, so that a field is filled exactly if the asset has its slug.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Any

from django.utils.formats import date_format, number_format
from django.utils.translation import gettext as _

from dam.models import AssetKind, CustomField, FieldType

PREFIX = "custom."  # before the slug, where fields of all sorts stand side by side
MAX_TEXT, MAX_LONG_TEXT = 500, 10_000
MAX_NUMBER = 10**15  # beyond it, a spreadsheet no longer shows every digit
SHOWN_CHOICES, SHOWN_CHARACTERS = 20, 60
SEPARATORS = str.maketrans("；，,", ";;;")
YES, NO = ("yes", "true", "1", "是"), ("no", "false", "0", "否")

Fields = Mapping[str, CustomField]  # by slug


class BadValues(ValueError):
    """Fields do not take what was given; `str()` says why, `problems` has a sentence for each slug."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__(" ".join(problems.values()))
        self.problems = dict(problems)


def merged(kept: Mapping[str, Any], given: Mapping[str, Any], fields: Fields, kind: str) -> dict[str, Any]:
    """The values of an asset of this kind after a change; what is given as None or empty goes.

    What stays as it is stays, also where the field would no longer take it: a choice that was removed, a
    field that was retired or is of other kinds.

    Raises:
        BadValues: a field does not take its value, or there is no such field.
    """
    values, problems = dict(kept), {}
    for slug, value in given.items():
        try:
            new = _cleaned(slug, value, kept.get(slug), fields, kind)
        except BadValues as bad:
            problems.update(bad.problems)
            continue
        if new is None:
            values.pop(slug, None)
        else:
            values[slug] = new
    if problems:
        raise BadValues(problems)
    return values


def cleaned(field: CustomField, value: Any, kept: Any = None) -> Any:
    """The value as it is kept; None: it is empty.

    Args:
        kept: what the asset has now; choices among it are taken although the field has them no more.

    Raises:
        BadValues: the field does not take it.
    """
    if isinstance(value, str):
        value = value.strip()
    if value is None or value == "" or value == [] or value == ():
        return None
    return _CLEANERS[FieldType(field.type)](field, value, kept)


def from_cells(
    cells: Mapping[str, str], kept: Mapping[str, Any], fields: Fields, kind: str
) -> dict[str, Any]:
    """The values of an asset after what the cells of a table's row say, by columns like “custom.season”.

    Columns that are not there change nothing; an empty cell empties.

    Raises:
        BadValues: a field does not take its cell.
    """
    given = {slug: cells[f"{PREFIX}{slug}"] for slug in fields if f"{PREFIX}{slug}" in cells}
    return merged(kept, given, fields, kind)


def text_of(value: Any) -> str:
    """A value as a table has it; what `cleaned` takes back."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return "; ".join(map(str, value))
    return value if isinstance(value, str) else json.dumps(value)


def shown(field: CustomField, value: Any) -> str:
    """A value as people read it, in their language."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return _("Yes") if value else _("No")
    if not _is_of(field, value):
        return text_of(value)
    if field.has_choices:
        labels = field.choice_labels()
        chosen = value if isinstance(value, list) else [value]
        return _(", ").join(labels.get(one, str(one)) for one in chosen)
    if field.type == FieldType.DATE:
        return date_format(date.fromisoformat(value), "DATE_FORMAT")
    return value if isinstance(value, str) else str(number_format(value, use_l10n=True))


def as_begun(field: CustomField, value: Any) -> Any:
    """What the field of a form begins with; nothing where the value is of another type."""
    if value is None or not _is_of(field, value):
        return None
    return date.fromisoformat(value) if field.type == FieldType.DATE else value


def words_of(values: Mapping[str, Any], fields: Fields) -> list[str]:
    """The texts by which an asset is found: of text fields, and the labels of choices in both languages."""
    found: list[str] = []
    for slug, value in values.items():
        field = fields.get(slug)
        if field is None:
            continue
        if field.type in (FieldType.TEXT, FieldType.LONG_TEXT):
            found.append(str(value))
        elif field.has_choices:
            chosen = value if isinstance(value, list) else [value]
            by_value = {choice["value"]: choice for choice in field.choices}
            for one in chosen:
                choice = by_value.get(one, {})
                found += [str(one), choice.get("label", ""), choice.get("label_zh", "")]
    return [text for text in found if text]


def no_such_field(slug: str) -> str:
    """The sentence about a slug that names none."""
    return _("There is no custom field “%(slug)s”.") % {"slug": sayable(slug)}


def _cleaned(slug: str, value: Any, kept: Any, fields: Fields, kind: str) -> Any:
    field = fields.get(slug)
    if field is None:
        raise BadValues({sayable(slug): no_such_field(slug)})
    if value == kept or (isinstance(value, str) and value == text_of(kept)):
        return kept
    new = cleaned(field, value, kept)
    if new is None or new == kept:
        return new
    if not field.active:
        raise _bad(field, _("“%(field)s” is retired: its value stays as it is, or is emptied."))
    if not field.is_for(kind):
        raise _bad(
            field, _("“%(field)s” is no field of the kind “%(kind)s”."), kind=str(AssetKind(kind).label)
        )
    return new


def _text(field: CustomField, value: Any, kept: Any) -> str:
    if not isinstance(value, str):
        raise _bad(field, _("“%(field)s” takes a text."))
    limit = MAX_TEXT if field.type == FieldType.TEXT else MAX_LONG_TEXT
    if len(value) > limit:
        raise _bad(
            field,
            _("“%(field)s” has %(length)s characters; at most %(limit)s fit."),
            length=len(value),
            limit=limit,
        )
    if not is_storable(value):
        raise _bad(
            field, _("“%(field)s” holds a character that no database keeps. Type the text anew, or paste it.")
        )
    # A line in a form and in a table is one line.
    return " ".join(value.split()) if field.type == FieldType.TEXT else value.replace("\r\n", "\n")


def is_storable(text: str) -> bool:
    """Whether every database keeps all of its characters."""
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)


def sayable(text: str, limit: int = 80) -> str:
    """The text in a length and of characters that any answer and table can hold."""
    return text[:limit].encode(errors="replace").decode()


def _is_of(field: CustomField, value: Any) -> bool:
    """Whether a value is kept as this field keeps them; what another field left behind is shown as text."""
    kind = FieldType(field.type)
    if kind == FieldType.CHOICES:
        return isinstance(value, list) and all(isinstance(one, str) for one in value)
    if kind in (FieldType.NUMBER, FieldType.YES_NO):
        return isinstance(value, bool if kind == FieldType.YES_NO else int | float)
    if kind == FieldType.DATE:
        return isinstance(value, str) and _day(value) is not None
    return isinstance(value, str)


def _number(field: CustomField, value: Any, kept: Any) -> int | float:
    number: Any = value
    if isinstance(value, str):
        try:
            number = float(value)
        except ValueError:
            number = None
    # Compared before anything converts it: an integer may be too large for that.
    usable = isinstance(number, int | float) and not isinstance(number, bool) and abs(number) <= MAX_NUMBER
    if not usable:
        raise _bad(
            field,
            _("“%(field)s” takes a number between -%(limit)s and %(limit)s; “%(value)s” is none."),
            value=_short(value),
            limit=f"{MAX_NUMBER:,}",
        )
    return int(number) if number == int(number) else float(number)


def _yes_no(field: CustomField, value: Any, kept: Any) -> bool:
    if isinstance(value, bool):
        return value
    word = _short(value).lower()
    if word not in (*YES, *NO):
        raise _bad(
            field,
            _("“%(field)s” takes “yes” or “no”; “%(value)s” is neither."),
            value=_short(value),
        )
    return word in YES


def _date(field: CustomField, value: Any, kept: Any) -> str:
    if isinstance(value, datetime):
        value = value.date()
    if isinstance(value, date):
        return value.isoformat()
    if not isinstance(value, str) or (day := _day(value)) is None:
        raise _bad(
            field,
            _("“%(field)s” takes a date written like 2027-12-31; “%(value)s” is none."),
            value=_short(value),
        )
    return day.isoformat()


def _day(text: str) -> date | None:
    """The day that is written like 2027-12-31; None: it is not."""
    try:
        return date.fromisoformat(text) if len(text) == len("2027-12-31") else None
    except ValueError:
        return None


def _choice(field: CustomField, value: Any, kept: Any) -> str:
    return _chosen(field, value, [kept])


def _choices(field: CustomField, value: Any, kept: Any) -> list[str] | None:
    """Each once, in the order in which the field has them; those that it has no more come last."""
    if isinstance(value, str):
        value = [part.strip() for part in value.translate(SEPARATORS).split(";") if part.strip()]
    if not isinstance(value, list | tuple):
        raise _bad(field, _("“%(field)s” takes a list of choices."))
    had = kept if isinstance(kept, list) else []
    found = dict.fromkeys(_chosen(field, one, had) for one in value)
    order = [choice["value"] for choice in field.choices]
    return sorted(found, key=lambda one: order.index(one) if one in order else len(order)) or None


def _chosen(field: CustomField, value: Any, kept: Iterable[Any]) -> str:
    """The choice that is meant by a value, or by a label in either language."""
    if isinstance(value, str):
        values = {choice["value"]: choice["value"] for choice in field.choices}
        values |= {one: one for one in kept if isinstance(one, str)}
        labels = {
            choice[name].casefold(): choice["value"]
            for choice in reversed(field.choices)
            for name in ("label", "label_zh")
            if choice.get(name)
        }
        if found := values.get(value) or values.get(value.lower()) or labels.get(value.casefold()):
            return found
    offered = [choice["value"] for choice in field.choices]
    more = " …" if len(offered) > SHOWN_CHOICES else ""
    raise _bad(
        field,
        _("“%(value)s” is no choice of “%(field)s”; possible are: %(choices)s."),
        value=_short(value),
        choices=", ".join(offered[:SHOWN_CHOICES]) + more,
    )


def _short(value: Any) -> str:
    try:
        text = str(value)
    except ValueError:  # Python writes out no integers of thousands of digits
        return "…"
    return sayable(text, SHOWN_CHARACTERS) + ("…" if len(text) > SHOWN_CHARACTERS else "")


def _bad(field: CustomField, sentence: str, **details: Any) -> BadValues:
    return BadValues({field.slug: sentence % {"field": str(field), **details}})


_CLEANERS = {
    FieldType.TEXT: _text,
    FieldType.LONG_TEXT: _text,
    FieldType.NUMBER: _number,
    FieldType.YES_NO: _yes_no,
    FieldType.DATE: _date,
    FieldType.CHOICE: _choice,
    FieldType.CHOICES: _choices,
}
