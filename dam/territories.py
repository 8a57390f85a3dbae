"""Territories of a licence: countries as people write them, kept as codes (ISO 3166-1 alpha-2)."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

from django.core.exceptions import ValidationError
from django.utils import translation
from django.utils.translation import gettext as _
from django_countries import countries

LANGUAGES = ("en", "zh-hans")
ALSO = {"uk": "GB"}  # reserved for the United Kingdom in ISO 3166-1, and what people write


def codes_of(words: Iterable[str]) -> list[str]:
    """The codes of these countries, each once, in the order of the alphabet.

    Args:
        words: codes of two or three letters, or names in English or Chinese.

    Raises:
        ValidationError: one of them is no country.
    """
    codes = known()
    given = [word.strip() for word in words if word.strip()]
    if unknown := [word for word in given if word.casefold() not in codes]:
        raise ValidationError(
            _("“%(word)s” is no country. Write its code (DE, CN) or its name, in English or Chinese."),
            code="unknown_territory",
            params={"word": unknown[0]},
        )
    return sorted({codes[word.casefold()] for word in given})


def names_of(codes: Iterable[str]) -> str:
    """These countries as people read them, in their language."""
    return _(", ").join(countries.name(code) for code in codes)


def check(value: Any) -> None:
    """A validator of what a column keeps.

    Raises:
        ValidationError: it is no list of countries.
    """
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        raise ValidationError(_("Give a list of countries."), code="no_list")
    codes_of(value)


@cache
def known() -> dict[str, str]:
    """What people write, without regard to case → the code."""
    found = dict(ALSO)
    for language in LANGUAGES:
        with translation.override(language):
            found |= {str(name).casefold(): code for code, name in countries}
    found |= {countries.alpha3(code).casefold(): code for code, _name in countries}
    return found | {code.casefold(): code for code, _name in countries}
