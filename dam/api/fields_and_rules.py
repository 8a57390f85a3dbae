"""Endpoints of custom fields and of rules for required fields: accounts read, administrators write."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ModelViewSet

from dam import custom_fields, field_rules
from dam.api.permissions import AdministratorsWrite
from dam.api.preconditions import IfMatch
from dam.api.problems import Conflict
from dam.models import AssetKind, CustomField, FieldRule
from dam.people import signed_in
from dam.roles import sees_library


class ChoiceSerializer(serializers.Serializer):
    """One choice of a field; `value` is what is kept."""

    value = serializers.CharField(max_length=40)
    label = serializers.CharField(max_length=80, required=False, allow_blank=True)  # type: ignore[assignment]
    label_zh = serializers.CharField(max_length=80, required=False, allow_blank=True)


class CustomFieldSerializer(serializers.ModelSerializer):
    """A field that the library has beside those built in."""

    choices = ChoiceSerializer(many=True, required=False)
    kinds = serializers.ListField(
        child=serializers.ChoiceField(AssetKind.choices), required=False, help_text="Empty: all kinds."
    )

    class Meta:
        model = CustomField
        fields = (
            "slug", "label", "label_zh", "help_text", "help_text_zh", "type", "choices", "kinds", "position",
            "active", "public", "created", "updated",
        )  # fmt: skip
        read_only_fields = ("created", "updated")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """What the definition would be, as a whole."""
        attrs = {**attrs, **{name: [*map(dict, attrs[name])] for name in ("choices",) if name in attrs}}
        _raise_problems(custom_fields.problems_with(_changed(self.instance or CustomField(), attrs)))
        return attrs


class FieldRuleSerializer(serializers.ModelSerializer):
    """Which fields must be filled before assets of a kind enter a state."""

    required = serializers.ListField(  # type: ignore[assignment]  # the stubs mean Field.required
        child=serializers.CharField(max_length=60),
        help_text=f"Of {', '.join(field_rules.BUILT_IN)}, and custom fields as “custom.SLUG”.",
    )

    class Meta:
        model = FieldRule
        fields = ("id", "kind", "state", "required", "created", "updated")
        read_only_fields = ("created", "updated")

    def to_representation(self, rule: FieldRule) -> dict[str, Any]:
        """Fields of which the caller is not told are not named here either."""
        told: dict[str, Any] = super().to_representation(rule)
        shown = {field.name for field in custom_fields.shown_to(self.context["request"].user).values()}
        told["required"] = [
            name for name in told["required"] if custom_fields.slug_in(name) is None or name in shown
        ]
        return told

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        _raise_problems(field_rules.problems_with(_changed(self.instance or FieldRule(), attrs)))
        return attrs


class DefinitionViewSet(IfMatch, ModelViewSet):
    """What both share: few rows, so no pages; written through the verbs."""

    permission_classes = (IsAuthenticated, AdministratorsWrite)
    pagination_class = None
    filterset_class = None
    http_method_names = ("get", "post", "patch", "delete", "head", "options")
    verbs: Any

    def perform_create(self, serializer: Any) -> None:
        self._save(serializer, serializer.Meta.model())

    def perform_update(self, serializer: Any) -> None:
        self._save(serializer, serializer.instance)

    def perform_destroy(self, instance: Any) -> None:
        self.verbs.delete(instance, actor=signed_in(self.request))

    def _save(self, serializer: Any, row: Any) -> None:
        for name, value in serializer.validated_data.items():
            setattr(row, name, value)
        self.verbs.save(row, actor=signed_in(self.request))
        serializer.instance = row


class CustomFieldViewSet(DefinitionViewSet):
    """The library's own fields: editors see those retired too; those below contributor only public ones."""

    queryset = CustomField.objects.none()
    serializer_class = CustomFieldSerializer
    lookup_field = "slug"
    lookup_value_regex = "[a-z0-9_]+"
    verbs = custom_fields

    def get_queryset(self) -> QuerySet[CustomField]:
        fields = CustomField.objects.all()
        if not custom_fields.sees_all(self.request.user):
            fields = fields.filter(public=True)
        return fields if sees_library(self.request.user) else fields.filter(active=True)

    def _save(self, serializer: Any, row: Any) -> None:
        """A value that was written since the definition was checked stops a change of slug or type."""
        try:
            super()._save(serializer, row)
        except custom_fields.FieldInUse as error:
            raise Conflict(str(error), "in_use") from error

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Delete it, if no asset has a value of it; otherwise retire it by `active: false`."""
        try:
            return super().destroy(request, *args, **kwargs)
        except custom_fields.FieldInUse as error:
            raise Conflict(str(error), "in_use") from error


class FieldRuleViewSet(DefinitionViewSet):
    """What must be filled before which step."""

    queryset = FieldRule.objects.all()
    serializer_class = FieldRuleSerializer
    lookup_value_regex = r"\d+"
    verbs = field_rules


def _changed(row: Any, attrs: dict[str, Any]) -> Any:
    """The row as it would be; not saved."""
    kept = {column.attname: getattr(row, column.attname) for column in row._meta.concrete_fields}
    return type(row)(**{**kept, **attrs})


def _raise_problems(problems: dict[str, str]) -> None:
    if problems:
        raise serializers.ValidationError(problems)
