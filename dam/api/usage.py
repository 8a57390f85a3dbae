"""Endpoint that tells what uses an asset, and what deletions answer where something is in use."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from dam import usage
from dam.api.permissions import ContributorsOnly
from dam.api.problems import Conflict
from dam.people import signed_in

EVEN_IF_USED = OpenApiParameter(
    "even_if_used", bool, description="True: delete it whatever uses it, after its usage was read."
)
REPEAT = _("Repeat the request with “even_if_used=true” to delete it all the same.")


class UseSerializer(serializers.Serializer):
    """One thing that uses the asset."""

    id = serializers.CharField(help_text="Its public name: a code, a slug, an id.")
    name = serializers.CharField()
    detail = serializers.CharField(help_text="In which way, such as a role; may be empty.")


class UsedBySerializer(serializers.Serializer):
    """The uses of one kind that the caller may see."""

    kind = serializers.CharField(source="source.kind", help_text="Such as “skus” or “collections”.")
    count = serializers.IntegerField()
    first = UseSerializer(many=True, help_text="The first of them.")


class UsageSerializer(serializers.Serializer):
    """What uses an asset."""

    used = serializers.BooleanField(source="__bool__")
    sentence = serializers.CharField(help_text="The same in words; empty where nothing uses it.")
    hinders_deletion = serializers.IntegerField(
        source="hindering",
        help_text="Uses in the way of deleting it for good, those that the caller may not see among them.",
    )
    by = UsedBySerializer(many=True)


class UsageActions(GenericViewSet):
    """What the endpoint of assets has for usage."""

    @extend_schema(responses=UsageSerializer)
    @action(detail=True, permission_classes=[ContributorsOnly], filterset_class=None, pagination_class=None)
    def usage(self, request: Request, public_id: Any) -> Response:
        """By what the asset is used, as far as the caller may see it: what a deletion would ask about."""
        (found,) = usage.of([self.get_object()], signed_in(request))
        return Response(UsageSerializer(found).data)


def even_if_used(request: Request) -> bool:
    """Whether the caller knows that it is in use, and wants it deleted all the same."""
    return request.query_params.get("even_if_used") == "true"


def in_use(sentence: str, used_by: Any) -> Conflict:
    """The answer to a deletion that would take something from others."""
    return Conflict(f"{sentence} {REPEAT}", "in_use", used_by=used_by)
