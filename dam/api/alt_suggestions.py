"""Endpoints of suggested alternative texts."""

from __future__ import annotations

from typing import Any

from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from dam import alt_suggestions
from dam.api.permissions import ContributorsOnly
from dam.api.problems import Conflict
from dam.models import AltTextSuggestion, Asset
from dam.people import signed_in

NUMBER = OpenApiParameter("number", OpenApiTypes.INT, OpenApiParameter.PATH)


class AltSuggestionSerializer(serializers.ModelSerializer):
    """Texts that a machine suggests for the file of an asset."""

    class Meta:
        model = AltTextSuggestion
        fields = (
            "id", "source", "sha256", "alt_text", "alt_text_zh", "description", "description_zh", "state",
            "created", "decided_at",
        )  # fmt: skip
        read_only_fields = fields


class TakenOverSerializer(serializers.Serializer):
    """What accepting wrote."""

    filled = serializers.ListField(
        child=serializers.CharField(), help_text="Fields that were empty; others keep what people wrote."
    )


class AltSuggestionActions(GenericViewSet):
    """What the endpoint of assets has for suggested alternative texts."""

    @extend_schema(responses=AltSuggestionSerializer(many=True))
    @action(
        detail=True,
        url_path="alt-texts",
        filterset_class=None,
        pagination_class=None,
        permission_classes=[ContributorsOnly],
    )
    def alt_suggestions(self, request: Request, public_id: Any) -> Response:
        """All that were made for the asset, the newest first, and what became of them."""
        asset: Asset = self.get_object()
        return Response(AltSuggestionSerializer(asset.alt_suggestions.order_by("-pk"), many=True).data)

    @extend_schema(request=None, parameters=[NUMBER], responses=TakenOverSerializer)
    @action(
        detail=True,
        methods=["post"],
        url_path=r"alt-texts/(?P<number>\d{1,18})/accept",
        permission_classes=[ContributorsOnly],
    )
    def accept_alt_suggestion(self, request: Request, public_id: Any, number: str) -> Response:
        """Write its texts into the fields that are empty."""
        return Response({"filled": self._decide(alt_suggestions.accept, number)})

    @extend_schema(request=None, parameters=[NUMBER], responses={204: None})
    @action(
        detail=True,
        methods=["post"],
        url_path=r"alt-texts/(?P<number>\d{1,18})/dismiss",
        permission_classes=[ContributorsOnly],
    )
    def dismiss_alt_suggestion(self, request: Request, public_id: Any, number: str) -> Response:
        """Take it away; the same model does not offer it again for this file."""
        self._decide(alt_suggestions.dismiss, number)
        return Response(status=204)

    def _decide(self, verdict: Any, number: str) -> Any:
        suggestion = get_object_or_404(self.get_object().alt_suggestions, pk=number)
        try:
            return verdict(suggestion, actor=signed_in(self.request))
        except alt_suggestions.AlreadyDecided as error:
            raise Conflict(str(error), "already_decided") from error
