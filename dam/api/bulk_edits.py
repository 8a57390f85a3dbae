"""Endpoints of bulk edits."""

from __future__ import annotations

from functools import partial
from typing import Any
from urllib.parse import urlencode

from django.db import transaction
from django.db.models import QuerySet
from django.http import QueryDict
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, status
from rest_framework.decorators import action
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from dam import bulk_edits
from dam.api.filters import AssetFilter
from dam.api.permissions import ContributorsWrite
from dam.api.problems import Conflict
from dam.bulk_edits import CannotEdit, Change
from dam.models import Asset, AssetState, BulkEdit
from dam.people import signed_in
from dam.tasks import publish_bulk_edit

MOST_IDS = 10_000


class BulkEditSerializer(serializers.ModelSerializer):
    """A change of many assets, and how far it is."""

    owner = serializers.CharField(source="owner.username", read_only=True, allow_null=True)
    outcomes = serializers.SerializerMethodField(help_text="Numbers of assets by what became of them.")

    class Meta:
        model = BulkEdit
        fields = (
            "id", "state", "changes", "add_tags", "remove_tags", "to_state", "total", "outcomes", "owner",
            "created", "finished",
        )  # fmt: skip

    def get_outcomes(self, edit: BulkEdit) -> dict[str, int]:
        return dict(bulk_edits.outcomes(edit))


class NewBulkEditSerializer(serializers.Serializer):
    """Which assets, by ids or by the filters of the list, and what becomes of them."""

    ids = serializers.ListField(child=serializers.UUIDField(), required=False, max_length=MOST_IDS)
    filters = serializers.DictField(
        child=serializers.CharField(), required=False, help_text="As in the query of /assets/."
    )
    changes = serializers.DictField(
        required=False, help_text=f"Of {', '.join(bulk_edits.FIELDS)}, custom.SLUG."
    )
    add_tags = serializers.ListField(
        child=serializers.CharField(max_length=80), required=False, max_length=50
    )
    remove_tags = serializers.ListField(
        child=serializers.CharField(max_length=80), required=False, max_length=50
    )
    state = serializers.ChoiceField(choices=AssetState.choices, required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("ids" in attrs) == ("filters" in attrs):
            raise serializers.ValidationError("Give either “ids” or “filters”.")
        return attrs


class BulkEditViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, GenericViewSet):
    """Changes of many assets at once, in the background, with a way back."""

    queryset = BulkEdit.objects.none()
    serializer_class = BulkEditSerializer
    permission_classes = (IsAuthenticated, ContributorsWrite)
    lookup_value_regex = r"\d+"
    conflicts = ("undo", "stop")

    def get_queryset(self) -> QuerySet[BulkEdit]:
        return bulk_edits.edits_of(signed_in(self.request))

    @extend_schema(request=NewBulkEditSerializer, responses={202: BulkEditSerializer})
    def create(self, request: Request) -> Response:
        """Begin; those that the caller may not change are left as they are, and counted."""
        given = NewBulkEditSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        asked = given.validated_data
        change = Change(
            asked.get("changes", {}),
            add_tags=asked.get("add_tags", ()),
            remove_tags=asked.get("remove_tags", ()),
            state=asked.get("state", ""),
        )
        try:
            edit = bulk_edits.start(self._chosen(asked), change, actor=signed_in(request))
        except CannotEdit as error:
            raise serializers.ValidationError(str(error)) from error
        transaction.on_commit(partial(publish_bulk_edit, edit.pk))
        return Response(self.get_serializer(edit).data, status=status.HTTP_202_ACCEPTED)

    def _chosen(self, asked: dict[str, Any]) -> QuerySet[Asset]:
        visible = Asset.objects.visible_to(self.request.user)
        if "ids" in asked:
            return visible.filter(public_id__in=asked["ids"])
        query = QueryDict(urlencode(asked["filters"], errors="replace"))
        filters = AssetFilter(query, queryset=visible, request=self.request)
        if not filters.is_valid():
            raise serializers.ValidationError({"filters": filters.errors})
        return filters.qs

    @extend_schema(request=None, responses=BulkEditSerializer)
    @action(detail=True, methods=["post"], permission_classes=[IsAuthenticated])
    def undo(self, request: Request, pk: Any) -> Response:
        """Give each asset back what it had before, unless it was changed again since."""
        return self._do(request, bulk_edits.undo)

    @extend_schema(request=None, responses=BulkEditSerializer)
    @action(detail=True, methods=["post"], permission_classes=[IsAuthenticated])
    def stop(self, request: Request, pk: Any) -> Response:
        """Leave the rest as it is."""
        return self._do(request, bulk_edits.stop)

    def _do(self, request: Request, deed: Any) -> Response:
        edit = self.get_object()
        try:
            deed(edit, actor=signed_in(request))
        except CannotEdit as error:
            raise Conflict(str(error), "at_work") from error
        transaction.on_commit(partial(publish_bulk_edit, edit.pk))
        edit.refresh_from_db()
        return Response(self.get_serializer(edit).data)
