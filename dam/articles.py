"""What may be said about a SKU: the grammar of its attributes, its code and its barcode."""

from __future__ import annotations

import json
import math
import re
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

MAX_ATTRIBUTES = 60
MAX_NAME = 64
MAX_TEXT = 500
# Beyond it, a spreadsheet no longer shows every digit.
MAX_NUMBER = 10**15
# A letter first: a database would take a name of digits for a place in a list.
ATTRIBUTE_NAME = re.compile(r"[^\W\d_][\w ./()&+-]*")
# Addresses of the API beside those of the SKUs.
TAKEN_CODES = frozenset({"sync", "export"})
BARCODE_LENGTHS = (8, 12, 13, 14)

AttributeValue = str | int | float


def check_attributes(attributes: Any) -> None:
    """
    Raises:
        ValidationError: it is no object of names with texts or numbers, or beyond the bounds of this module.
    """
    if not isinstance(attributes, dict):
        raise ValidationError(_("Attributes are names with values, such as {“colour”: “navy”}."))
    if len(attributes) > MAX_ATTRIBUTES:
        raise ValidationError(
            _("There are %(count)d attributes; a SKU has at most %(limit)d."),
            params={"count": len(attributes), "limit": MAX_ATTRIBUTES},
        )
    for name, value in attributes.items():
        check_attribute_name(name)
        check_attribute_value(name, value)


def check_attribute_name(name: str) -> None:
    """
    Raises:
        ValidationError: it has a sign that names do not have, or is too long.
    """
    if len(name) > MAX_NAME or name != name.strip() or not ATTRIBUTE_NAME.fullmatch(name):
        raise ValidationError(
            _(
                "“%(name)s” is no name of an attribute: it begins with a letter and has at most %(limit)d "
                "letters, digits, spaces and signs of . / ( ) & + - _."
            ),
            params={"name": name[: MAX_NAME + 1], "limit": MAX_NAME},
        )


def check_attribute_value(name: str, value: Any) -> None:
    """
    Raises:
        ValidationError: it is neither a text nor a number, empty or beyond the bounds.
    """
    if isinstance(value, str):
        wrong = not value.strip() or len(value) > MAX_TEXT or "\0" in value
    else:
        wrong = (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not math.isfinite(value)
            or abs(value) > MAX_NUMBER
        )
    if wrong:
        raise ValidationError(
            _(
                "The attribute “%(name)s” needs a text of 1 to %(length)d characters, or a number between "
                "-%(limit)s and %(limit)s."
            ),
            params={"name": name, "length": MAX_TEXT, "limit": f"{MAX_NUMBER:,}"},
        )


def split_attribute(wanted: str) -> tuple[str, str]:
    """Name and value of “name:value”; an empty value stands for any.

    Raises:
        ValidationError: the part before the colon is no name of an attribute.
    """
    name, _colon, value = (part.strip() for part in wanted.partition(":"))
    check_attribute_name(name)
    return name, value


def value_of(text: str) -> AttributeValue:
    """A number where the text is written as one is printed, else the text: “38” is one, “0038” is not."""
    try:
        number = json.loads(text)
    except ValueError:
        return text
    plain = isinstance(number, int | float) and not isinstance(number, bool)
    return number if plain and abs(number) <= MAX_NUMBER and text_of(number) == text else text


def text_of(value: AttributeValue) -> str:
    """A value as a table shows it."""
    return value if isinstance(value, str) else json.dumps(value)


def check_code(code: str) -> None:
    """
    Raises:
        ValidationError: the code is a word that the API uses as an address of its own.
    """
    if code.lower() in TAKEN_CODES:
        raise ValidationError(
            _("“%(code)s” cannot be a code: the API has it as an address."), params={"code": code}
        )


def check_barcode(barcode: str) -> None:
    """
    Raises:
        ValidationError: it is no GTIN (EAN, UPC), or its last digit does not fit the others.
    """
    if len(barcode) not in BARCODE_LENGTHS or not (barcode.isascii() and barcode.isdigit()):
        raise ValidationError(
            _("“%(barcode)s” is no barcode: an EAN, UPC or GTIN has 8, 12, 13 or 14 digits."),
            params={"barcode": barcode},
        )
    # GS1 General Specifications, 7.9: digits weigh 3 and 1 by turns, from the right.
    total = sum(int(digit) * (3, 1)[place % 2] for place, digit in enumerate(reversed(barcode[:-1])))
    if (total + int(barcode[-1])) % 10:
        raise ValidationError(
            _("The barcode “%(barcode)s” has a wrong digit: its last one does not fit the others."),
            params={"barcode": barcode},
        )
