"""Endpoints of what failed for good. For staff."""

from __future__ import annotations

from typing import Any, cast

from django.contrib.auth.models import User
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import mixins
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from dam.api.pagination import CursorPages
from dam.api.permissions import EditorsOnly
from dam.api.problems import Conflict
from dam.models import Scope
from generation import dead_letters
from generation.api.serializers import (
    DeadCountSerializer,
    DeadLettersSerializer,
    ItemSerializer,
)
from generation.api.views import listed_items
from generation.jobs import JobError
from generation.models import GenerationItem

_FIELDS = {
    "cause": "cause",
    "provider": "job__provider",
    "job": "job__public_id",
    "owner": "job__owner__username",
    "items": "public_id__in",
}


class LastFailedFirst(CursorPages):
    """By when they ended."""

    ordering = ("-finished", "-pk")
    page_size = 100
    max_page_size = 500


class DeadLetterViewSet(mixins.ListModelMixin, GenericViewSet):
    """Items that ended without a picture: looked at, counted, run again in bulk."""

    queryset = GenerationItem.objects.none()
    serializer_class = ItemSerializer
    permission_classes = (EditorsOnly,)
    key_scope = Scope.GENERATE
    pagination_class = LastFailedFirst
    filterset_fields = None
    conflicts = ("run_again",)

    def get_queryset(self) -> QuerySet[GenerationItem]:
        dead = _chosen(self.request.query_params)
        return listed_items().filter(pk__in=dead.order_by().values("pk"))

    @extend_schema(parameters=[DeadLettersSerializer])
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Those of a cause, a provider, a job or an owner, the latest first."""
        return super().list(request, *args, **kwargs)

    @extend_schema(parameters=[DeadLettersSerializer], responses=DeadCountSerializer(many=True))
    @action(detail=False, pagination_class=None)
    def counts(self, request: Request) -> Response:
        """How many there are by cause and provider."""
        found = dead_letters.counted(_chosen(request.query_params))
        return Response(DeadCountSerializer(found, many=True).data)

    @extend_schema(request=DeadLettersSerializer, responses={200: {"type": "object"}})
    @action(detail=False, methods=["post"], url_path="run-again")
    def run_again(self, request: Request) -> Response:
        """Queue those of a cause, a provider, a job or an owner once more."""
        try:
            count = dead_letters.run_again(_chosen(request.data), actor=cast(User, request.user))
        except JobError as error:
            raise Conflict(str(error)) from error
        return Response({"queued": count})


def _chosen(sent: Any) -> QuerySet[GenerationItem]:
    wanted = DeadLettersSerializer(data=sent)
    wanted.is_valid(raise_exception=True)
    return dead_letters.dead_items().filter(
        **{_FIELDS[name]: value for name, value in wanted.validated_data.items()}
    )
