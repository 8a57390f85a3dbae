"""Endpoints of near duplicates: those of one asset, all open pairs, and what people do with them."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, status
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from dam import duplicates, merging
from dam.api.pagination import CursorPages
from dam.api.permissions import EditorsOnly
from dam.api.problems import Conflict
from dam.api.serializers import AssetSerializer, visible_assets
from dam.models import Asset, DuplicatePair
from dam.people import signed_in


class AlikeSerializer(serializers.Serializer):
    """An asset that looks like the one asked about."""

    asset = AssetSerializer()
    distance = serializers.IntegerField(help_text="In how many of 64 bits the two pictures differ.")
    turned = serializers.BooleanField(help_text="One is the other turned or mirrored.")


class MergeSerializer(serializers.Serializer):
    """The assets that go into the one of the address."""

    others = serializers.ListField(child=serializers.UUIDField(), allow_empty=False, max_length=100)

    def validate_others(self, ids: list[Any]) -> list[Asset]:
        return visible_assets(ids, self.context["request"].user)


class DuplicateActions(GenericViewSet):
    """What the endpoint of assets has for duplicates."""

    @extend_schema(responses=AlikeSerializer(many=True))
    @action(detail=True, filterset_class=None, pagination_class=None)
    def duplicates(self, request: Request, public_id: Any) -> Response:
        """Assets that look alike, as far as the caller may see them, the nearest first."""
        asset = self.get_object()
        if asset.current is None:
            raise NotFound(_("This asset has no file."))
        found = duplicates.alike(asset.current)
        shown = Asset.objects.visible_to(request.user).filter(pk__in=[one.asset_id for one in found])
        assets = {one.pk: one for one in shown.with_listing()}
        rows = [
            {"asset": assets[one.asset_id], "distance": one.nearness.distance, "turned": one.nearness.turned}
            for one in found
            if one.asset_id in assets
        ]
        return Response(AlikeSerializer(rows, many=True, context=self.get_serializer_context()).data)

    @extend_schema(request=MergeSerializer, responses=AssetSerializer)
    @action(
        detail=True, methods=["post"], filterset_class=None, pagination_class=None,
        permission_classes=[EditorsOnly],
    )  # fmt: skip
    def merge(self, request: Request, public_id: Any) -> Response:
        """Take over tags, SKUs, collections and lineage of the others, which go to the trash; for editors."""
        kept = self.get_object()
        given = MergeSerializer(data=request.data, context=self.get_serializer_context())
        given.is_valid(raise_exception=True)
        try:
            merging.merge(kept, given.validated_data["others"], actor=signed_in(request))
        except merging.MergeError as error:
            raise Conflict(str(error), "cannot_merge") from error
        asset = Asset.objects.with_listing().get(pk=kept.pk)
        return Response(AssetSerializer(asset, context=self.get_serializer_context()).data)


class PairSerializer(serializers.ModelSerializer):
    """Two assets that look alike."""

    first = AssetSerializer(help_text="The older one.")
    second = AssetSerializer()

    class Meta:
        model = DuplicatePair
        fields = ("id", "first", "second", "distance", "turned")


class MostAlikeFirst(CursorPages):
    """Pairs by how alike they are. Distances have few values, so a page may begin far down within one."""

    offset_cutoff = 1_000_000
    ordering = ("distance", "-id")


class PairViewSet(mixins.ListModelMixin, GenericViewSet):
    """Pairs of near duplicates that wait for a person's word, the most alike first; for editors."""

    queryset = DuplicatePair.objects.none()
    serializer_class = PairSerializer
    permission_classes = (EditorsOnly,)
    pagination_class = MostAlikeFirst
    filterset_class = None
    lookup_value_regex = r"\d+"

    def get_queryset(self) -> QuerySet[DuplicatePair]:
        ends = ("first", "second")
        return (
            duplicates.open_pairs()
            .select_related(*(f"{end}__{name}" for end in ends for name in ("current", "owner")))
            .prefetch_related(*(f"{end}__{name}" for end in ends for name in ("tags", "sku_links__sku")))
        )

    @extend_schema(request=None, responses={204: None})
    @action(detail=True, methods=["post"], pagination_class=None)
    def different(self, request: Request, pk: Any) -> Response:
        """They are two different pictures, and are not shown as a pair again."""
        duplicates.say_different([self.get_object()], actor=signed_in(request))
        return Response(status=status.HTTP_204_NO_CONTENT)
