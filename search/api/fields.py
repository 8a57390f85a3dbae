"""Fields of search's endpoints: values that may be repeated, and where a page begins."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from dam.colours import FAMILIES
from search.paging import read_cursor
from search.request import HEX, MAX_VALUES, SearchError


class AnyOf(serializers.ListField):
    """One value or several: `kind=garment&kind=prop`, or a list in JSON; empty ones do not count."""

    def __init__(self, child: serializers.Field, **kwargs: Any) -> None:
        kwargs = {"required": False, "default": (), "max_length": MAX_VALUES, **kwargs}
        super().__init__(child=child, **kwargs)

    def to_internal_value(self, data: Any) -> list[Any]:
        several = data if isinstance(data, list | tuple) else [data]
        return list(super().to_internal_value([value for value in several if value not in ("", None)]))


class ColourField(serializers.CharField):
    """A family of colours, or a picked colour as #rrggbb."""

    default_error_messages = {
        "no_colour": _("“{value}” is no colour. Give #rrggbb, or one of: {families}."),
    }

    def to_internal_value(self, data: Any) -> str:
        value = str(super().to_internal_value(data)).lower()
        if value not in FAMILIES and not HEX.fullmatch(value):
            self.fail("no_colour", value=value[:40], families=", ".join(FAMILIES))
        return value


@extend_schema_field(OpenApiTypes.STR)
class CursorField(serializers.Field):
    """Where the next page starts: opaque and signed, so that nobody guesses depths."""

    def to_representation(self, value: Any) -> str:
        return str(value)

    def to_internal_value(self, data: Any) -> str:
        if data == "":  # as for every other value, which is what its description's default says
            return ""
        try:
            read_cursor(str(data))
        except SearchError as error:
            raise serializers.ValidationError(str(error)) from error
        return str(data)
