"""Endpoint of the coverage of SKUs: which have pictures of which shot types, and the totals."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import remove_query_param, replace_query_param
from rest_framework.viewsets import GenericViewSet

from dam.api.permissions import EditorsOnly
from dam.api.serializers import PictureSerializer, SKUSerializer
from dam.coverage import PER_PAGE, CoverageQuery, page_of, totals_of
from dam.models import Collection, SKURole, SKUStatus

MOST = 200  # rows of one page


class CoverageQuerySerializer(serializers.Serializer):
    """Which SKUs are looked at, and which pictures count: the filters of the page of coverage."""

    q = serializers.CharField(
        required=False,
        allow_blank=True,
        max_length=200,
        help_text="Words of code or name, or a whole barcode.",
    )
    missing = serializers.ChoiceField(
        SKURole.choices, required=False, allow_blank=True, help_text="A role of which they have no picture."
    )
    parent = serializers.CharField(  # type: ignore[assignment]  # the stubs mean Field.parent
        required=False, allow_blank=True, max_length=64, help_text="Code of an article; it and its variants."
    )
    status = serializers.ChoiceField(SKUStatus.choices, required=False, allow_blank=True)
    collection = serializers.PrimaryKeyRelatedField(
        queryset=Collection.objects.all(),
        required=False,
        allow_null=True,
        help_text="Id of a collection whose pictures show them.",
    )
    approved_only = serializers.BooleanField(default=False, help_text="Only approved pictures count.")
    after = serializers.CharField(
        required=False, allow_blank=True, max_length=64, help_text="The code after which to begin."
    )

    def query(self) -> CoverageQuery:
        """The filters that were sent."""
        sent = self.validated_data
        collection = sent.get("collection")
        return CoverageQuery(
            text=sent.get("q", ""),
            missing=sent.get("missing", ""),
            parent=sent.get("parent", ""),
            status=sent.get("status", ""),
            collection=collection.pk if collection else None,
            approved_only=sent["approved_only"],
        )


class CoveragePageSerializer(CoverageQuerySerializer):
    """The same, and which page."""

    before = serializers.CharField(
        required=False, allow_blank=True, max_length=64, help_text="The code before which to end."
    )
    limit = serializers.IntegerField(
        default=PER_PAGE, min_value=1, max_value=MOST, help_text="SKUs of a page."
    )

    def validate(self, sent: dict[str, Any]) -> dict[str, Any]:
        if sent.get("after") and sent.get("before"):
            raise serializers.ValidationError(_("Give “after” or “before”, not both."))
        return sent


class CoverageCellSerializer(serializers.Serializer):
    """The pictures of one SKU in one role."""

    role = serializers.ChoiceField(SKURole.choices)
    total = serializers.IntegerField()
    approved = serializers.IntegerField()
    missing = serializers.BooleanField(source="is_missing")
    picture = PictureSerializer(allow_null=True, help_text="The best of them.")


class CoverageRowSerializer(serializers.Serializer):
    """One SKU of the matrix."""

    sku = SKUSerializer()
    cells = CoverageCellSerializer(many=True)


class RoleTotalSerializer(serializers.Serializer):
    """How many of all SKUs under the filters have a picture in this role."""

    role = serializers.ChoiceField(SKURole.choices)
    covered = serializers.IntegerField()
    total = serializers.IntegerField()
    percent = serializers.IntegerField()


class CoverageSerializer(serializers.Serializer):
    """A page of the matrix, in the order of the codes."""

    next = serializers.URLField(allow_null=True)
    previous = serializers.URLField(allow_null=True)
    totals = RoleTotalSerializer(many=True, help_text="Of all pages.")
    results = CoverageRowSerializer(many=True)


class CoverageActions(GenericViewSet):
    """What the endpoint of SKUs has for coverage."""

    @extend_schema(parameters=[CoveragePageSerializer], responses=CoverageSerializer)
    @action(detail=False, permission_classes=[EditorsOnly], filterset_class=None, pagination_class=None)
    def coverage(self, request: Request) -> Response:
        """SKUs and the pictures that they have in each role, in pages, with the totals of all pages.

        Pictures of every state and owner count, but what was rejected or thrown away; so it is for editors.
        """
        asked = CoveragePageSerializer(data=request.query_params)
        asked.is_valid(raise_exception=True)
        query, sent = asked.query(), asked.validated_data
        page = page_of(query, after=sent.get("after", ""), before=sent.get("before", ""), most=sent["limit"])
        body = {
            "next": _neighbour(request, "after", page.after),
            "previous": _neighbour(request, "before", page.before),
            "totals": totals_of(query),
            "results": page.rows,
        }
        return Response(CoverageSerializer(body, context=self.get_serializer_context()).data)


def _neighbour(request: Request, name: str, code: str) -> str | None:
    """The address of a neighbouring page with the same filters."""
    if not code:
        return None
    address = request.build_absolute_uri()
    for place in ("after", "before"):
        address = remove_query_param(address, place)
    return replace_query_param(address, name, code)
