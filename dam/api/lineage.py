"""Endpoint of an asset's lineage: what it was made from, what was made from it."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from dam import lineage
from dam.addresses import thumbnail_url
from dam.api.pagination import NewestFirst
from dam.api.permissions import ContributorsOnly
from dam.api.serializers import absolute
from dam.lineage import Relative
from dam.models import AssetState
from dam.people import signed_in

SHOWN_PARENTS = 200
COUNTED = 10_000  # links that are counted at most, so that the answer costs the same for any number


class RelativeSerializer(serializers.Serializer):
    """One of the assets that it was made from, or that were made from it."""

    id = serializers.UUIDField(source="asset.public_id")
    title = serializers.CharField(source="asset.title")
    title_zh = serializers.CharField(source="asset.title_zh")
    state = serializers.ChoiceField(AssetState.choices, source="asset.state")
    thumbnail = serializers.SerializerMethodField()
    role = serializers.CharField(help_text="As what it went in, such as “garment”.")
    usable = serializers.BooleanField(source="is_usable", help_text="Whether its rights allow its use today.")
    why_unusable = serializers.CharField(help_text="A sentence; empty where it may be used.")

    def get_thumbnail(self, relative: Relative) -> str:
        return absolute(thumbnail_url(relative.asset), self.context)


class MadeFromSerializer(serializers.Serializer):
    """What it was made from, in the order in which it went in."""

    count = serializers.IntegerField()
    results = RelativeSerializer(many=True, help_text=f"The first {SHOWN_PARENTS} of them.")


class UsedInSerializer(serializers.Serializer):
    """What was made from it, the newest first."""

    count = serializers.IntegerField(help_text=f"{COUNTED}: there are as many, or more.")
    next = serializers.URLField(allow_null=True)
    previous = serializers.URLField(allow_null=True)
    results = RelativeSerializer(many=True)


class LineageSerializer(serializers.Serializer):
    """What it was made from and what was made from it; one that went in twice is there twice."""

    made_from = MadeFromSerializer()
    used_in = UsedInSerializer()


class LineageActions(GenericViewSet):
    """What the endpoint of assets has for lineage."""

    @extend_schema(
        parameters=[
            OpenApiParameter("cursor", str, description="Which page of `used_in`."),
            OpenApiParameter(
                "limit",
                int,
                description=f"How many of `used_in`: {NewestFirst.page_size}, "
                f"or another number up to {NewestFirst.max_page_size}.",
            ),
        ],
        responses=LineageSerializer,
    )
    @action(
        detail=True, permission_classes=[ContributorsOnly], filterset_class=None, pagination_class=NewestFirst
    )
    def lineage(self, request: Request, public_id: Any) -> Response:
        """What it was made from and what was made from it, as far as the caller may see it.

        What was made from it comes in pages: `used_in.next` is the address of the next one.
        """
        asset, viewer = self.get_object(), signed_in(request)
        parents, children = lineage.made_from(asset, viewer), lineage.used_in(asset, viewer)
        page: Any = self.paginate_queryset(children)
        pages: Any = self.paginator
        body = {
            "made_from": {
                "count": _count(parents),
                "results": [Relative(link.parent, link.role) for link in parents[:SHOWN_PARENTS]],
            },
            "used_in": {
                "count": _count(children),
                "next": pages.get_next_link(),
                "previous": pages.get_previous_link(),
                "results": [Relative(link.child, link.role) for link in page],
            },
        }
        return Response(LineageSerializer(body, context=self.get_serializer_context()).data)


def _count(links: QuerySet) -> int:
    return links.order_by()[:COUNTED].count()
