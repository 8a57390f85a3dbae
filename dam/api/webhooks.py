"""Endpoints of webhooks, their secrets and their messages: for administrators."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.viewsets import ModelViewSet

from dam import webhooks
from dam.api.pagination import NewestFirst
from dam.api.permissions import AdministratorsOnly
from dam.api.preconditions import IfMatch
from dam.api.problems import Conflict
from dam.models import DeliveryState, WebhookDelivery, WebhookEndpoint, WebhookEvent
from dam.people import signed_in
from dam.webhook_http import AddressRefused, check_url

NUMBER = OpenApiParameter("number", OpenApiTypes.INT, OpenApiParameter.PATH)
STATE = OpenApiParameter("state", OpenApiTypes.STR, enum=DeliveryState.values)


class WebhookSerializer(serializers.ModelSerializer):
    """An address outside that is told of events."""

    events = serializers.ListField(
        child=serializers.ChoiceField(choices=WebhookEvent.choices), allow_empty=False
    )
    created_by = serializers.CharField(source="created_by.username", read_only=True, allow_null=True)

    class Meta:
        model = WebhookEndpoint
        fields = (
            "id", "name", "url", "events", "active", "failures", "paused_until", "created", "created_by",
        )  # fmt: skip
        read_only_fields = ("failures", "paused_until", "created")

    def validate_url(self, url: str) -> str:
        try:
            check_url(url)
        except AddressRefused as error:
            raise serializers.ValidationError(str(error)) from error
        return url

    def validate_events(self, events: list[str]) -> list[str]:
        return list(dict.fromkeys(events))


class SecretSerializer(WebhookSerializer):
    """A webhook with its secret, in the only answer that shows it."""

    secret = serializers.CharField(read_only=True)

    class Meta(WebhookSerializer.Meta):
        fields = (*WebhookSerializer.Meta.fields, "secret")  # type: ignore[assignment]


class DeliverySerializer(serializers.ModelSerializer):
    """One message to one webhook, and what became of it."""

    class Meta:
        model = WebhookDelivery
        fields = (
            "id", "message_id", "event", "subject", "state", "attempts", "next_attempt_at", "last_status",
            "last_error", "response", "payload", "created", "delivered_at",
        )  # fmt: skip


class WebhookViewSet(IfMatch, ModelViewSet):
    """Webhooks: for administrators."""

    queryset = WebhookEndpoint.objects.none()
    serializer_class = WebhookSerializer
    permission_classes = (AdministratorsOnly,)
    pagination_class = NewestFirst
    filterset_class = None
    lookup_value_regex = r"\d+"
    http_method_names = ("get", "post", "patch", "delete", "head", "options")
    conflicts = ("replay",)

    def get_queryset(self) -> QuerySet[WebhookEndpoint]:
        return WebhookEndpoint.objects.select_related("created_by")

    @extend_schema(responses={201: SecretSerializer})
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Make a webhook; the answer has its secret, which is not shown again."""
        given = self.get_serializer(data=request.data)
        given.is_valid(raise_exception=True)
        endpoint = WebhookEndpoint(**given.validated_data)
        webhooks.save(endpoint, actor=signed_in(request))
        return Response(SecretSerializer(endpoint).data, status=status.HTTP_201_CREATED)

    def perform_update(self, serializer: BaseSerializer) -> None:
        endpoint = serializer.instance
        for name, value in serializer.validated_data.items():
            setattr(endpoint, name, value)
        webhooks.save(endpoint, actor=signed_in(self.request))  # type: ignore[arg-type]

    def perform_destroy(self, instance: WebhookEndpoint) -> None:
        webhooks.delete(instance, actor=signed_in(self.request))

    @extend_schema(request=None, responses=SecretSerializer)
    @action(detail=True, methods=["post"], url_path="rotate-secret")
    def rotate_secret(self, request: Request, pk: str) -> Response:
        """A new secret, shown in this answer only; the old one signs along for a day."""
        endpoint = self.get_object()
        webhooks.rotate_secret(endpoint, actor=signed_in(request))
        return Response(SecretSerializer(endpoint).data)

    @extend_schema(request=None, responses={202: DeliverySerializer})
    @action(detail=True, methods=["post"])
    def test(self, request: Request, pk: str) -> Response:
        """Send a test message; what becomes of it is among the deliveries."""
        delivery = webhooks.send_test(self.get_object(), actor=signed_in(request))
        return Response(DeliverySerializer(delivery).data, status=status.HTTP_202_ACCEPTED)

    @extend_schema(parameters=[STATE], responses=DeliverySerializer(many=True))
    @action(detail=True, serializer_class=DeliverySerializer)
    def deliveries(self, request: Request, pk: str) -> Response:
        """The messages to this webhook, the newest first."""
        rows = self.get_object().deliveries.all()
        if state := request.query_params.get("state"):
            serializers.ChoiceField(choices=DeliveryState.choices).run_validation(state)
            rows = rows.filter(state=state)
        return self.get_paginated_response(self.get_serializer(self.paginate_queryset(rows), many=True).data)

    @extend_schema(parameters=[NUMBER], request=None, responses={202: DeliverySerializer})
    @action(detail=True, methods=["post"], url_path=r"deliveries/(?P<number>\d+)/replay")
    def replay(self, request: Request, pk: str, number: str) -> Response:
        """Send a message again that arrived or was given up, with the same id."""
        delivery = get_object_or_404(self.get_object().deliveries, pk=number)
        try:
            webhooks.replay([delivery], actor=signed_in(request))
        except webhooks.CannotReplay as error:
            raise Conflict(str(error), "pending") from error
        delivery.refresh_from_db()
        return Response(DeliverySerializer(delivery).data, status=status.HTTP_202_ACCEPTED)
