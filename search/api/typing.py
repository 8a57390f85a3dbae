"""What goes with a search over REST: suggestions while it is typed, and which result was opened."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.status import HTTP_204_NO_CONTENT
from rest_framework.views import APIView

from dam.models import Asset, Scope
from search import query_log
from search.suggesting import LABELS, LONGEST, suggest


class TypedSerializer(serializers.Serializer):
    """What has been typed so far."""

    q = serializers.CharField(
        max_length=LONGEST,
        help_text="The beginning of a word in English or Chinese, of its pinyin, of the initials of that.",
    )


class SuggestionSerializer(serializers.Serializer):
    """Something to search for."""

    text = serializers.CharField(help_text="What to search for.")
    kind = serializers.ChoiceField([str(kind) for kind in LABELS])
    label = serializers.CharField(help_text="The kind in the reader's language.")  # type: ignore[assignment]
    count = serializers.IntegerField(
        allow_null=True, help_text="Assets that have it, or people who searched for it; null: not counted."
    )
    detail = serializers.CharField(help_text="What a code stands for, or empty.")
    collection = serializers.IntegerField(allow_null=True, help_text="The id of a collection, else null.")


class SuggestionsSerializer(serializers.Serializer):
    """At most ten, the best first."""

    query = serializers.CharField()
    suggestions = SuggestionSerializer(many=True)


class SuggestionsView(APIView):
    """What somebody may be typing; of the storefront only for those who see no more."""

    permission_classes = (AllowAny,)

    @extend_schema(parameters=[TypedSerializer], responses=SuggestionsSerializer)
    def get(self, request: Request) -> Response:
        """Suggestions while typing."""
        typed = TypedSerializer(data=request.query_params)
        typed.is_valid(raise_exception=True)
        text = typed.validated_data["q"]
        found = SuggestionSerializer(suggest(text, user=request.user), many=True).data
        return Response({"query": text, "suggestions": found})


class ClickSerializer(serializers.Serializer):
    """Which result of which search was opened."""

    query_id = serializers.CharField(max_length=200, help_text="“query_id” of the search.")
    asset = serializers.UUIDField()
    position = serializers.IntegerField(
        min_value=1, max_value=query_log.MOST_CLICKED_PLACE, help_text="Its place among the results, from 1."
    )

    def validate_asset(self, public_id: Any) -> Asset:
        asset = Asset.objects.visible_to(self.context["request"].user).filter(public_id=public_id).first()
        if asset is None:
            raise serializers.ValidationError(_("There is no asset with this id."))
        return asset


class ClicksView(APIView):
    """Telling that a result was opened, so that questions with poor answers are found."""

    permission_classes = (AllowAny,)  # the signed id says which search it was; it can be told once
    key_scope = Scope.READ

    @extend_schema(request=ClickSerializer, responses={204: None})
    def post(self, request: Request) -> Response:
        """A result was opened."""
        told = ClickSerializer(data=request.data, context={"request": request})
        told.is_valid(raise_exception=True)
        given = told.validated_data
        try:
            query_log.click(given["query_id"], given["asset"], given["position"])
        except query_log.NoSuchSearch as error:
            raise serializers.ValidationError(
                {"query_id": [_("It names no search of the last day; search again.")]}
            ) from error
        return Response(status=HTTP_204_NO_CONTENT)
