"""Endpoints of saved searches, and of the numbers beside the filters of assets."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, status
from rest_framework.decorators import action
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from dam import facets, saved_searches
from dam.api.permissions import ContributorsOnly
from dam.api.preconditions import IfMatch
from dam.models import SavedSearch
from dam.people import signed_in


class FacetsSerializer(serializers.Serializer):
    """How many assets of those that the caller may see there are, and of each sort."""

    total = serializers.IntegerField()
    complete = serializers.BooleanField(help_text="False: there are more; the numbers are lower bounds.")
    state = serializers.DictField(child=serializers.IntegerField())
    kind = serializers.DictField(child=serializers.IntegerField())
    origin = serializers.DictField(child=serializers.IntegerField())
    colour = serializers.DictField(child=serializers.IntegerField())


class FacetActions(GenericViewSet):
    """What the endpoint of assets has for counting."""

    @extend_schema(responses=FacetsSerializer)
    @action(detail=False, pagination_class=None)
    def facets(self, request: Request) -> Response:
        """Numbers of assets under the filters, at a cost that does not grow with the library."""
        keys, complete = facets.probe(self.filter_queryset(self.get_queryset()))
        cube = facets.of_assets(keys, complete=complete)
        body: dict[str, Any] = {"total": cube.total({}), "complete": complete}
        for dimension in facets.DIMENSIONS:
            body[dimension.removesuffix("_family")] = dict(cube.by(dimension, {}))
        return Response(body)


class SavedSearchSerializer(serializers.ModelSerializer):
    """Filters of the list of assets under a name."""

    owner = serializers.CharField(source="owner.username", read_only=True)

    class Meta:
        model = SavedSearch
        fields = ("id", "name", "query", "shared", "owner", "created")
        read_only_fields = ("id", "owner", "created")
        # `save` replaces a search of the same name and says itself what is wrong.
        extra_kwargs = {"query": {"required": True, "allow_blank": True, "max_length": 10_000}}
        validators = ()


class SavedSearchViewSet(
    IfMatch, mixins.ListModelMixin, mixins.RetrieveModelMixin, mixins.DestroyModelMixin, GenericViewSet
):
    """One's own saved searches and those for everybody."""

    queryset = SavedSearch.objects.none()
    serializer_class = SavedSearchSerializer
    permission_classes = (ContributorsOnly,)
    lookup_value_regex = r"\d+"

    def get_queryset(self) -> QuerySet[SavedSearch]:
        return saved_searches.for_user(signed_in(self.request))

    @extend_schema(responses={201: SavedSearchSerializer, 200: SavedSearchSerializer})
    def create(self, request: Request) -> Response:
        """Save filters, as a query string; one's own search of the same name is replaced."""
        given = self.get_serializer(data=request.data)
        given.is_valid(raise_exception=True)
        try:
            search, created = saved_searches.save(signed_in(request), **given.validated_data)
        except saved_searches.SearchNotSaved as error:
            raise serializers.ValidationError(str(error)) from error
        shown = status.HTTP_201_CREATED if created else status.HTTP_200_OK
        return Response(self.get_serializer(search).data, status=shown)

    def perform_destroy(self, instance: SavedSearch) -> None:
        user = signed_in(self.request)
        if not saved_searches.may_delete(user, instance):
            raise PermissionDenied
        saved_searches.delete(instance, actor=user)
