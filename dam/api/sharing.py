"""Endpoints of the links that show a collection to people without an account."""

from __future__ import annotations

from typing import Any

from django.shortcuts import get_object_or_404
from django.urls import reverse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from dam import sharing
from dam.models import ShareLink
from dam.people import signed_in

LINK_ID = OpenApiParameter("number", OpenApiTypes.INT, OpenApiParameter.PATH)


class ShareLinkSerializer(serializers.ModelSerializer):
    """A link to a collection; whoever has its address sees the approved pictures."""

    url = serializers.SerializerMethodField()
    open = serializers.BooleanField(source="is_open", read_only=True)
    has_password = serializers.SerializerMethodField()
    password = serializers.CharField(write_only=True, required=False, allow_blank=True, max_length=128)
    created_by = serializers.CharField(source="created_by.username", read_only=True, allow_null=True)

    class Meta:
        model = ShareLink
        fields = (
            "id", "url", "label", "open", "expires_at", "has_password", "password", "max_downloads",
            "downloads", "created", "created_by", "revoked_at",
        )  # fmt: skip
        read_only_fields = ("id", "downloads", "created", "revoked_at")

    def get_url(self, link: ShareLink) -> str:
        address: str = self.context["request"].build_absolute_uri(reverse("share", args=[link.token]))
        return address

    def get_has_password(self, link: ShareLink) -> bool:
        return bool(link.password)


class ShareActions(GenericViewSet):
    """What the endpoint of collections has for links."""

    @extend_schema(responses=ShareLinkSerializer(many=True))
    @action(detail=True, pagination_class=None)
    def links(self, request: Request, pk: Any) -> Response:
        """The links to the collection, the newest first; those that have ended too."""
        rows = self.get_object().share_links.select_related("created_by")
        return Response(ShareLinkSerializer(rows, many=True, context=self.get_serializer_context()).data)

    @extend_schema(request=ShareLinkSerializer, responses={201: ShareLinkSerializer})
    @links.mapping.post
    def add_link(self, request: Request, pk: Any) -> Response:
        """Make a link; the address in the answer is what to send."""
        collection = self.get_object()
        given = ShareLinkSerializer(data=request.data, context=self.get_serializer_context())
        given.is_valid(raise_exception=True)
        try:
            link = sharing.create(collection, actor=signed_in(request), **given.validated_data)
        except sharing.ShareRefused as error:
            raise serializers.ValidationError(str(error)) from error
        body = ShareLinkSerializer(link, context=self.get_serializer_context()).data
        return Response(body, status=status.HTTP_201_CREATED)

    @extend_schema(parameters=[LINK_ID], responses={204: None})
    @action(detail=True, methods=["delete"], url_path=r"links/(?P<number>\d+)")
    def revoke_link(self, request: Request, pk: Any, number: str) -> Response:
        """End a link now; it stays in the list."""
        link = get_object_or_404(self.get_object().share_links, pk=number)
        sharing.revoke(link, actor=signed_in(request))
        return Response(status=status.HTTP_204_NO_CONTENT)
