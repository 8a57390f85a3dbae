"""Endpoints of the audit log: for administrators, to read and to take out."""

from __future__ import annotations

import django_filters
from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import mixins, serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.viewsets import GenericViewSet

from dam.api.permissions import AdministratorsOnly
from dam.audit_export import audit_download
from dam.models import AuditEntry


class AuditEntrySerializer(serializers.ModelSerializer):
    """Who did what to what, and when."""

    actor = serializers.CharField(source="actor_name", help_text="Empty for the command line and the worker.")
    type = serializers.CharField(source="target_type")
    target = serializers.CharField(source="target_id")

    class Meta:
        model = AuditEntry
        fields = ("id", "at", "actor", "action", "type", "target", "details")


class AuditFilter(django_filters.FilterSet):
    """By whom, what, on what, and when (ISO 8601)."""

    actor = django_filters.CharFilter(field_name="actor_name", label=_("User name"))
    action = django_filters.CharFilter(field_name="action", lookup_expr="startswith", label=_("Begins with"))
    type = django_filters.CharFilter(field_name="target_type")
    target = django_filters.CharFilter(field_name="target_id", label=_("Id, slug or code"))
    since = django_filters.IsoDateTimeFilter(field_name="at", lookup_expr="gte")
    until = django_filters.IsoDateTimeFilter(field_name="at", lookup_expr="lt")

    class Meta:
        model = AuditEntry
        fields = ("actor", "action", "type", "target", "since", "until")


class AuditViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, GenericViewSet):
    """The audit log: written once, never changed. For administrators."""

    queryset = AuditEntry.objects.none()
    serializer_class = AuditEntrySerializer
    permission_classes = (AdministratorsOnly,)
    filterset_class = AuditFilter
    lookup_value_regex = r"\d+"

    def get_queryset(self) -> QuerySet[AuditEntry]:
        return AuditEntry.objects.all()

    @extend_schema(
        responses={(200, "text/csv"): OpenApiResponse(description="All entries under the filters.")}
    )
    @action(detail=False, pagination_class=None)
    def export(self, request: Request) -> StreamingHttpResponse:
        """The entries as CSV, the oldest first."""
        return audit_download(self.filter_queryset(self.get_queryset()))
