"""Endpoints of the trash: what lies there and until when, restoring, deleting for good."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django.utils import timezone
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import mixins, serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from dam import editing, trashed, workflow
from dam.api.filters import AssetFilter
from dam.api.lookups import PUBLIC_ID
from dam.api.permissions import ContributorsOnly
from dam.api.problems import Conflict, Unavailable
from dam.api.serializers import AssetSerializer
from dam.models import Asset
from dam.people import signed_in
from dam.tasks import publish_emptying
from dam.trashed import NO_BROKER


class TrashedAssetSerializer(AssetSerializer):
    """An asset in the trash, with the day on which it will be gone."""

    trashed_at = serializers.DateTimeField(read_only=True)
    deleted_on = serializers.SerializerMethodField(
        help_text="The day on which it will be deleted for good; null: it stays until somebody does it."
    )

    class Meta(AssetSerializer.Meta):
        fields = (*AssetSerializer.Meta.fields, "trashed_at", "deleted_on")  # type: ignore[assignment]

    def to_representation(self, asset: Asset) -> dict[str, Any]:
        trashed_at = asset.trashed_at and self.fields["trashed_at"].to_representation(asset.trashed_at)
        gone = {"trashed_at": trashed_at, "deleted_on": self.get_deleted_on(asset)}
        return super().to_representation(asset) | gone

    def get_deleted_on(self, asset: Asset) -> str | None:
        day = trashed.leaves_on(asset)
        return day.isoformat() if day else None


class EmptiedSerializer(serializers.Serializer):
    """What became of the trash."""

    deleted = serializers.IntegerField(help_text="Assets that were deleted for good.")
    left = serializers.IntegerField(help_text="Assets that stay, since something depends on them.")


class RestoreActions(GenericViewSet):
    """What the endpoint of assets has for the trash."""

    @extend_schema(request=None, responses=AssetSerializer)
    @action(detail=True, methods=["post"], filterset_class=None, pagination_class=None)
    def restore(self, request: Request, public_id: Any) -> Response:
        """Bring it back from the trash, in the state before; what is not there stays as it is."""
        lying = trashed.visible_to(request.user).filter(public_id=public_id).first()
        if lying is not None:
            editing.restore([lying], actor=signed_in(request))
        return Response(self.get_serializer(self.get_object()).data)


class TrashViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, GenericViewSet):
    """What lies in the trash: all of it for editors, for contributors what was theirs."""

    queryset = Asset.objects.none()
    serializer_class = TrashedAssetSerializer
    permission_classes = (ContributorsOnly,)
    filterset_class = AssetFilter
    lookup_field = "public_id"
    lookup_value_regex = PUBLIC_ID

    def get_queryset(self) -> QuerySet[Asset]:
        return trashed.visible_to(self.request.user).with_listing()  # type: ignore[attr-defined]

    @extend_schema(request=None, responses=AssetSerializer)
    @action(detail=True, methods=["post"], filterset_class=None, pagination_class=None)
    def restore(self, request: Request, public_id: Any) -> Response:
        """Bring it back, in the state before it was thrown away."""
        asset = self.get_object()
        editing.restore([asset], actor=signed_in(request))
        back = get_object_or_404(Asset.objects.with_listing(), pk=asset.pk)
        return Response(AssetSerializer(back, context=self.get_serializer_context()).data)

    @extend_schema(
        responses={
            204: None,
            409: OpenApiResponse(description="Something depends on it; the answer says what."),
        }
    )
    def destroy(self, request: Request, public_id: Any) -> Response:
        """Delete it for good, with its files, versions and renditions; for administrators.

        What other things depend on is not deleted: the answer names them and says what to do.
        """
        asset = self.get_object()
        try:
            editing.delete_forever([asset], actor=signed_in(request))
        except editing.AssetsInUse as error:
            raise Conflict(str(error), "in_use") from error
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(
        request=None,
        responses={
            200: EmptiedSerializer,
            202: OpenApiResponse(description="There are many: they are being deleted in the background."),
        },
    )
    @action(detail=False, methods=["post"], filterset_class=None, pagination_class=None)
    def empty(self, request: Request) -> Response:
        """Delete for good all that lies in the trash; for administrators. What is depended on stays."""
        actor = signed_in(request)
        workflow.check_role(actor, workflow.DELETING)
        if trashed.visible_to(actor).count() > trashed.AT_ONCE:
            if not publish_emptying(actor.pk, timezone.now().isoformat()):
                raise Unavailable(str(NO_BROKER), "no_broker")
            return Response(status=status.HTTP_202_ACCEPTED)
        return Response(EmptiedSerializer(trashed.empty(actor=actor)).data)
