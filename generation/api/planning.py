"""Endpoints of what plans are made with: selections from tables, prompt templates, styles, rules."""

from __future__ import annotations

from typing import Any, cast

from django.contrib.auth.models import User
from django.db import transaction
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.views import APIView
from rest_framework.viewsets import GenericViewSet, ModelViewSet

from dam.api.permissions import EditorsOnly
from dam.api.preconditions import IfMatch
from dam.audit import record
from dam.models import Asset, Scope
from generation import templates
from generation.api.problems import NOTHING_TO_PLAN, Unplannable
from generation.api.serializers import AssetBriefSerializer
from generation.models import CombinationRule, JobKind, PromptTemplate, StyleSet
from generation.orders import KINDS
from generation.prompts import LANGUAGES, Slot, SlotType, Template, TemplateError
from generation.rules import RuleError, check_terms
from generation.selection_tables import TableSelectionError, select_from_table


class TableSerializer(serializers.Serializer):
    """A table, and the selection that it is for."""

    selection = serializers.ChoiceField(list(KINDS))
    table = serializers.FileField(help_text="CSV or XLSX with a column asset, sku, collection or name.")


class TableFaultSerializer(serializers.Serializer):
    """What is wrong with a row."""

    row = serializers.IntegerField(source="number", help_text="As a spreadsheet numbers it.")
    sentence = serializers.CharField()


class SelectionSerializer(serializers.Serializer):
    """What a table names. `names` goes into an order as it is."""

    names = serializers.CharField()
    assets = AssetBriefSerializer(many=True)


class SelectionView(APIView):
    """Selections from tables."""

    permission_classes = (EditorsOnly,)
    key_scope = Scope.GENERATE
    parser_classes = (MultiPartParser,)

    @extend_schema(
        operation_id="generation_selection",
        request=TableSerializer,
        responses={
            200: SelectionSerializer,
            422: OpenApiResponse(description="Rows are wrong; “faults” says which, and why."),
        },
    )
    def post(self, request: Request) -> Response:
        """The assets that the rows of a table name. Keeps nothing."""
        sent = TableSerializer(data=request.data)
        sent.is_valid(raise_exception=True)
        kinds = KINDS[sent.validated_data["selection"]]
        try:
            chosen = select_from_table(sent.validated_data["table"].file, user=request.user, kinds=kinds)
        except TableSelectionError as error:
            faults = TableFaultSerializer(error.faults, many=True).data
            raise Unplannable(str(error), faults=faults) from error
        names = ",".join(str(asset.public_id) for asset in chosen)
        context = {"request": request}
        return Response(SelectionSerializer({"names": names, "assets": chosen}, context=context).data)


class TemplateSlotSerializer(serializers.Serializer):
    """A typed slot of a template."""

    name = serializers.CharField(max_length=40)
    type = serializers.ChoiceField([str(kind) for kind in SlotType], default=str(SlotType.TEXT))
    label = serializers.CharField(default="", allow_blank=True, max_length=80)  # type: ignore[assignment]
    label_zh = serializers.CharField(default="", allow_blank=True, max_length=80)
    default = serializers.CharField(default="", allow_blank=True, max_length=500)
    required = serializers.BooleanField(default=True)  # type: ignore[assignment]
    choices = serializers.ListField(child=serializers.CharField(max_length=120), default=list, max_length=50)


class TemplateSerializer(serializers.ModelSerializer):
    """A prompt template: texts in both languages with {pictures}, {slot} … in them."""

    slots = TemplateSlotSerializer(many=True, required=False)
    built_in = serializers.BooleanField(read_only=True, default=False)
    version = serializers.CharField(read_only=True)

    class Meta:
        model = PromptTemplate
        fields = (
            "key", "version", "kind", "name", "name_zh", "text", "text_zh", "slots", "negative",
            "negative_zh", "built_in",
        )  # fmt: skip

    def to_representation(self, template: Template) -> dict[str, Any]:
        return {
            "key": template.key,
            "version": template.version,
            "kind": template.kind,
            "name": template.name,
            "name_zh": template.name_zh,
            "text": template.texts["en"],
            "text_zh": template.texts["zh"],
            "slots": [_slot(slot) for slot in template.slots],
            "negative": template.negative.get("en", ""),
            "negative_zh": template.negative.get("zh", ""),
            "built_in": template.key in templates.BUILT_IN,
        }


def _slot(slot: Slot) -> dict[str, Any]:
    return dict(TemplateSlotSerializer(slot).data)


class PreviewSerializer(serializers.Serializer):
    """What a template says."""

    template = serializers.CharField(max_length=80, help_text="Key, or key@version.")
    kind = serializers.ChoiceField(JobKind.choices)
    slots = serializers.DictField(child=serializers.CharField(allow_blank=True, max_length=500), default=dict)
    language = serializers.ChoiceField(LANGUAGES, default="en")


class PromptSerializer(serializers.Serializer):
    """A rendered prompt."""

    template = serializers.CharField()
    prompt = serializers.CharField()


class TemplateViewSet(GenericViewSet):
    """Prompt templates, version by version."""

    queryset = PromptTemplate.objects.all()
    serializer_class = TemplateSerializer
    permission_classes = (EditorsOnly,)
    key_scope = Scope.GENERATE
    pagination_class = None
    filter_backends = ()

    @extend_schema(responses=TemplateSerializer(many=True))
    def list(self, request: Request) -> Response:
        """The latest version of each template, those that come with Atelier first."""
        found = [template for kind in JobKind.values for template in templates.templates_for(kind)]
        return Response(TemplateSerializer(found, many=True).data)

    @extend_schema(request=TemplateSerializer, responses={201: TemplateSerializer, 422: NOTHING_TO_PLAN})
    def create(self, request: Request) -> Response:
        """Keep a template, as the next version where its key is used already."""
        sent = TemplateSerializer(data=request.data)
        sent.is_valid(raise_exception=True)
        try:
            row = templates.save_template(
                PromptTemplate(**sent.validated_data), actor=cast(User, request.user)
            )
        except TemplateError as error:
            raise Unplannable(str(error)) from error
        return Response(TemplateSerializer(templates.as_template(row)).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=PreviewSerializer, responses={200: PromptSerializer, 422: NOTHING_TO_PLAN})
    @action(detail=False, methods=["post"])
    def preview(self, request: Request) -> Response:
        """What the template says with these slots. Keeps nothing."""
        sent = PreviewSerializer(data=request.data)
        sent.is_valid(raise_exception=True)
        asked = sent.validated_data
        try:
            template = templates.find_template(asked["template"], asked["kind"])
            prompt = templates.preview(template, asked["slots"], language=asked["language"])
        except TemplateError as error:
            raise Unplannable(str(error)) from error
        return Response(PromptSerializer({"template": template.label, "prompt": prompt}).data)


class StyleSerializer(serializers.ModelSerializer):
    """A style set: words in both languages and reference pictures."""

    pictures = serializers.SlugRelatedField(
        slug_field="public_id", many=True, required=False, queryset=Asset.objects.in_library()
    )

    class Meta:
        model = StyleSet
        fields = (
            "slug", "name", "name_zh", "words", "words_zh", "negative", "negative_zh", "pictures",
        )  # fmt: skip


class _Kept(IfMatch, ModelViewSet):
    """Rows that editors keep; each deed is audited."""

    permission_classes = (EditorsOnly,)
    key_scope = Scope.GENERATE
    pagination_class = None
    filter_backends = ()
    http_method_names = ["get", "post", "patch", "delete", "head", "options"]
    word = ""

    @transaction.atomic
    def perform_create(self, serializer: BaseSerializer) -> None:
        record(self._actor, f"{self.word}.saved", serializer.save())

    @transaction.atomic
    def perform_update(self, serializer: BaseSerializer) -> None:
        record(self._actor, f"{self.word}.saved", serializer.save())

    @transaction.atomic
    def perform_destroy(self, instance: Any) -> None:
        record(self._actor, f"{self.word}.deleted", instance)
        instance.delete()

    @property
    def _actor(self) -> User:
        return cast(User, self.request.user)


class StyleViewSet(_Kept):
    """Style sets."""

    queryset = StyleSet.objects.prefetch_related("pictures")
    serializer_class = StyleSerializer
    lookup_field = "slug"
    word = "style"


class RuleSerializer(serializers.ModelSerializer):
    """A combination rule."""

    terms = serializers.ListField(
        child=serializers.CharField(max_length=80), allow_empty=False, help_text="Tags, or kind:accessory."
    )
    others = serializers.ListField(child=serializers.CharField(max_length=80), required=False)

    class Meta:
        model = CombinationRule
        fields = ("id", "name", "name_zh", "terms", "at_most", "others", "active")

    def validate_terms(self, terms: list[str]) -> list[str]:
        try:
            kept = check_terms(terms)
        except RuleError as error:
            raise serializers.ValidationError(str(error)) from error
        if not kept:
            raise serializers.ValidationError(_("Name at least one tag or kind."))
        return kept

    def validate_others(self, terms: list[str]) -> list[str]:
        return self.validate_terms(terms) if terms else []


class RuleViewSet(_Kept):
    """Combination rules: what does not go together in one picture."""

    queryset = CombinationRule.objects.all()
    serializer_class = RuleSerializer
    word = "rule"
