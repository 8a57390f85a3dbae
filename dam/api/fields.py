"""Fields of the API that take what people write: lists with commas, tags by word, SKUs by code."""

from __future__ import annotations

import json
from typing import Any

from django.core.exceptions import ValidationError as DjangoValidationError
from django.utils.translation import gettext_lazy as _
from drf_spectacular.extensions import OpenApiSerializerFieldExtension
from drf_spectacular.utils import Direction, extend_schema_field
from rest_framework import serializers

from dam import territories
from dam.models import AssetSKU, SKURole, Tag
from dam.roles import Role, has_role

ROLE_SEPARATOR = ":"


@extend_schema_field(
    {
        "type": "object",
        "additionalProperties": True,
        "description": (
            "Values of the library's own fields by slug (see /custom-fields/). Write: those to be changed; "
            "null empties. A form sends them as “custom.SLUG”, or all as JSON."
        ),
    }
)
class CustomValues(serializers.Field):
    """Values of custom fields by slug; whether the fields take them is for the verb to say."""

    default_error_messages = {"not_values": _("Give an object of values by the slugs of custom fields.")}

    def get_value(self, dictionary: Any) -> Any:
        if self.field_name in dictionary:
            return dictionary[self.field_name]
        prefix = f"{self.field_name}."
        names = [name for name in dictionary if name.startswith(prefix)]
        if not names:
            return serializers.empty
        several = getattr(dictionary, "getlist", lambda name: [dictionary[name]])
        given = {name.removeprefix(prefix): several(name) for name in names}
        return {slug: values[0] if len(values) == 1 else values for slug, values in given.items()}

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if isinstance(data, str):
            try:
                data = json.loads(data)
            except ValueError:
                self.fail("not_values")
        if not isinstance(data, dict):
            self.fail("not_values")
        return {str(slug): value for slug, value in data.items()}

    def to_representation(self, value: dict[str, Any]) -> dict[str, Any]:
        return value


@extend_schema_field({"type": ["string", "null"]})
class AccountField(serializers.Field):
    """An account by its name, which only those who work in the library are told."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(read_only=True, **kwargs)

    def to_representation(self, account: Any) -> str | None:
        request = self.context.get("request")
        is_told = request is None or has_role(request.user, Role.CONTRIBUTOR)
        return account.get_username() if is_told else None


class WordList(serializers.ListField):
    """Words; a form may repeat the field or put commas between them."""

    child = serializers.CharField(max_length=80)

    def to_internal_value(self, data: Any) -> list[str]:
        if not isinstance(data, list):
            return super().to_internal_value(data)  # which says so
        parts: list[Any] = []
        for item in data:
            parts += (word.strip() for word in item.split(",")) if isinstance(item, str) else [item]
        return super().to_internal_value([part for part in parts if part != ""])


class TerritoryList(WordList):
    """Countries: written as codes or names, read as codes (ISO 3166-1 alpha-2)."""

    def to_internal_value(self, data: Any) -> list[str]:
        try:
            return territories.codes_of(super().to_internal_value(data))
        except DjangoValidationError as error:
            raise serializers.ValidationError(error.messages) from error


class TagList(WordList):
    """Reads as objects, is written as slugs or labels (or as the objects that were read)."""

    def get_attribute(self, instance: Any) -> Any:
        return sorted(instance.tags.all(), key=lambda tag: tag.slug)

    def to_representation(self, data: list[Tag]) -> list[dict[str, str]]:
        return [{"slug": tag.slug, "label": tag.label, "label_zh": tag.label_zh} for tag in data]

    def to_internal_value(self, data: Any) -> list[str]:
        if isinstance(data, list):
            data = [item.get("slug", item) if isinstance(item, dict) else item for item in data]
        return super().to_internal_value(data)


class TagListSchema(OpenApiSerializerFieldExtension):
    """What is read is more than what needs to be written."""

    target_class = "dam.api.fields.TagList"

    def map_serializer_field(self, auto_schema: Any, direction: Direction) -> dict[str, Any]:
        if direction == "request":
            written = {"type": "string", "maxLength": 80}
            told = "Slugs or labels of tags; unknown ones are created."
            return {"type": "array", "items": written, "description": told}
        names = ("slug", "label", "label_zh")
        read = {"type": "object", "properties": {name: {"type": "string"} for name in names}}
        return {"type": "array", "items": {**read, "required": list(names)}}


@extend_schema_field(
    {
        "type": "array",
        "items": {
            "type": "object",
            "properties": {
                "code": {"type": "string"},
                "role": {"type": "string", "enum": SKURole.values},
            },
        },
        "description": "Write: these objects, or “CODE” or “CODE:role” as text; unknown SKUs are created.",
    }
)
class SKUList(serializers.ListField):
    """SKUs with the role in which the asset shows them."""

    default_error_messages = {
        "not_a_sku": _("“%(value)s” is no SKU: give a code of at most 64 characters."),
        "not_a_role": _("“%(value)s” is no role; the roles are %(roles)s."),
    }

    def get_attribute(self, instance: Any) -> Any:
        return instance.sku_links.all()

    def to_representation(self, data: list[AssetSKU]) -> list[dict[str, str]]:
        return [{"code": link.sku.code, "role": link.role} for link in data]

    def to_internal_value(self, data: Any) -> list[tuple[str, str]]:
        return list(dict.fromkeys(self.one(item) for item in super().to_internal_value(data) if item))

    def one(self, item: Any) -> tuple[str, str]:
        """A code and a role, whichever way they were written."""
        if isinstance(item, dict):
            code, role = item.get("code", ""), item.get("role", SKURole.PACKSHOT)
        else:
            code, separator, role = str(item).rpartition(ROLE_SEPARATOR)
            if not separator or role not in SKURole.values:  # a code may hold a colon itself
                code, role = str(item), SKURole.PACKSHOT
        if not isinstance(code, str) or not 0 < len(code.strip()) <= 64:
            self.fail("not_a_sku", value=code)
        if role not in SKURole.values:
            self.fail("not_a_role", value=role, roles=", ".join(SKURole.values))
        return code.strip(), str(role)
