"""Endpoints of the library: assets, tags, SKUs, collections."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import F, QuerySet
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema, extend_schema_view
from rest_framework import mixins, status
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.parsers import FormParser, JSONParser, MultiPartParser
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.viewsets import ModelViewSet

from dam import editing, organising, usage, workflow
from dam.api.alt_suggestions import AltSuggestionActions
from dam.api.browsing import FacetActions
from dam.api.collaboration import CommentActions
from dam.api.coverage import CoverageActions
from dam.api.duplicates import DuplicateActions
from dam.api.filters import AssetFilter, SKUFilter
from dam.api.lineage import LineageActions
from dam.api.lookups import PUBLIC_ID
from dam.api.metadata import MetadataActions
from dam.api.metadata_tables import MetadataTableActions
from dam.api.pagination import InPlace
from dam.api.permissions import ContributorsWrite, EditorsWrite
from dam.api.preconditions import IfMatch
from dam.api.problems import Conflict, RejectedFile
from dam.api.provenance import ProvenanceActions
from dam.api.renditions import RenditionActions
from dam.api.serializers import (
    AddedSerializer,
    AssetSerializer,
    CollectionItemsSerializer,
    CollectionSerializer,
    SKUDetailSerializer,
    SKUSerializer,
    TagSerializer,
    UploadSerializer,
)
from dam.api.sharing import ShareActions
from dam.api.sku_tables import SKUTableActions
from dam.api.tags import TagMergeActions
from dam.api.trash import RestoreActions
from dam.api.usage import EVEN_IF_USED, UsageActions, UsageSerializer, even_if_used, in_use
from dam.api.versions import VersionActions
from dam.carrying import Carried, carried
from dam.ingest import IngestError, ingest
from dam.models import SKU, Asset, AssetOrigin, AssetState, Collection, Tag
from dam.organising import shown_to
from dam.people import signed_in
from dam.roles import sees_library

ASSET_ID = OpenApiParameter("public_id", OpenApiTypes.UUID, OpenApiParameter.PATH)


@extend_schema_view(
    list=extend_schema(
        parameters=[
            OpenApiParameter(
                "custom.SLUG",
                description="A value of this custom field; repeated, or of several fields: all must hold.",
            )
        ]
    )
)
class AssetViewSet(
    IfMatch,
    mixins.ListModelMixin,
    mixins.RetrieveModelMixin,
    mixins.UpdateModelMixin,
    AltSuggestionActions,
    CommentActions,
    DuplicateActions,
    FacetActions,
    LineageActions,
    MetadataActions,
    MetadataTableActions,
    ProvenanceActions,
    RenditionActions,
    RestoreActions,
    UsageActions,
    VersionActions,
):
    """Assets that the caller may see: editors the library, others the storefront and their own."""

    queryset = Asset.objects.none()
    serializer_class = AssetSerializer
    permission_classes = (ContributorsWrite,)
    filterset_class = AssetFilter
    lookup_field = "public_id"
    lookup_value_regex = PUBLIC_ID
    http_method_names = ("get", "post", "patch", "delete", "head", "options")
    conflicts = ("create", "links", "merge")
    takes_files = ("create", "add_version", "take_from_file")

    def get_queryset(self) -> QuerySet[Asset]:
        return Asset.objects.visible_to(self.request.user).with_listing()

    def get_parsers(self) -> list[Any]:
        return [MultiPartParser(), JSONParser(), FormParser()]

    @extend_schema(
        request={"multipart/form-data": UploadSerializer},
        responses={
            201: AssetSerializer,
            200: OpenApiResponse(AssetSerializer, "The file was in the library already: that asset."),
        },
    )
    def create(self, request: Request) -> Response:
        """Take a picture into the library."""
        upload = UploadSerializer(data=request.data, context=self.get_serializer_context())
        upload.is_valid(raise_exception=True)
        file = upload.validated_data["file"]
        try:
            result = ingest(
                file,
                filename=file.name,
                owner=signed_in(request),
                origin=AssetOrigin.UPLOADED,
                metadata=upload.metadata(),
            )
        except IngestError as error:
            raise RejectedFile(error) from error
        asset = self.get_queryset().filter(pk=result.asset.pk).first()
        if asset is None:  # the same file as one that somebody else keeps private
            raise Conflict(
                _("This file is in the library already, and it is not yours to open."), "duplicate"
            )
        body = {**AssetSerializer(asset, context=self.get_serializer_context()).data}
        if result.notice:
            body["notice"] = result.notice
        created = status.HTTP_201_CREATED if result.created else status.HTTP_200_OK
        return Response(
            body, status=created, headers={"Location": self.reverse_action("detail", [asset.public_id])}
        )

    @extend_schema(
        parameters=[EVEN_IF_USED],
        responses={
            204: OpenApiResponse(description="It is in the trash; nothing used it."),
            200: OpenApiResponse(UsageSerializer, "It is in the trash; the answer says by what it was used."),
            409: OpenApiResponse(description="Others would lose something; nothing was done."),
        },
    )
    def destroy(self, request: Request, public_id: Any) -> Response:
        """Move to the trash; `POST …/restore/` brings it back with its SKUs and collections.

        SKUs, collections and assignments do not stand in the way, as restoring brings their links back: the
        answer tells of them. Where others would lose something meanwhile (a collection that a link shows
        outside, pictures or generation jobs made from it, the watermark of a preset), nothing is done and
        the answer is 409, unless the caller says that it knows. `GET …/usage/` tells the same before.
        """
        asset, actor = self.get_object(), signed_in(request)
        workflow.check_steps(actor, [asset], AssetState.TRASHED)
        (used,) = usage.of([asset], actor)
        told = UsageSerializer(used).data
        if used.breaks and not even_if_used(request):
            raise in_use(used.sentence, told["by"])
        editing.trash([asset], actor=actor)
        return Response(told) if used else Response(status=status.HTTP_204_NO_CONTENT)


class OrganiserViewSet(IfMatch, ModelViewSet):
    """What tags, SKUs and collections share: writing goes through the library's verbs."""

    http_method_names = ("get", "post", "patch", "delete", "head", "options")
    conflicts = ("destroy",)

    def perform_create(self, serializer: Any) -> None:
        self.write(serializer, serializer.Meta.model())

    def perform_update(self, serializer: BaseSerializer) -> None:
        self.write(serializer, serializer.instance)

    def write(self, serializer: BaseSerializer, thing: Any) -> None:
        for name, value in serializer.validated_data.items():
            setattr(thing, name, value)
        organising.save(thing, actor=signed_in(self.request))
        serializer.instance = thing

    @extend_schema(
        parameters=[EVEN_IF_USED],
        responses={
            204: None,
            409: OpenApiResponse(description="Assets carry it, or links show it; the answer says how many."),
        },
    )
    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Delete it; its assets stay. What assets carry or links show takes `even_if_used=true`."""
        return super().destroy(request, *args, **kwargs)

    def perform_destroy(self, instance: organising.Organiser) -> None:
        hangs = carried(instance, signed_in(self.request))
        told = " ".join(hangs.sentences)
        if hangs.below:
            raise Conflict(told, "in_use", used_by=_numbers(hangs))
        if hangs and not even_if_used(self.request):
            raise in_use(told, _numbers(hangs))
        organising.delete(instance, actor=signed_in(self.request))


def _numbers(hangs: Carried) -> dict[str, int]:
    return {"assets": hangs.assets, "links": len(hangs.links), "below": len(hangs.below)}


class TagViewSet(TagMergeActions, OrganiserViewSet):
    """Tags: all of them for editors, for others those on assets they may see."""

    queryset = Tag.objects.none()
    serializer_class = TagSerializer
    permission_classes = (EditorsWrite,)
    lookup_field = "slug"
    conflicts = ("merge",)

    def get_queryset(self) -> QuerySet[Tag]:
        return shown_to(self.request.user, Tag, "tags").select_related("parent")


class SKUViewSet(CoverageActions, SKUTableActions, OrganiserViewSet):
    """SKUs: all of them for editors, for others those on assets they may see."""

    queryset = SKU.objects.none()
    serializer_class = SKUSerializer
    permission_classes = (EditorsWrite,)
    filterset_class = SKUFilter
    lookup_field = "code"
    lookup_value_regex = "[^/]+"

    def get_queryset(self) -> QuerySet[SKU]:
        return shown_to(self.request.user, SKU, "skus").select_related("parent")

    @extend_schema(responses=SKUDetailSerializer)
    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The SKU with its variants and its pictures by role, as far as the caller may see them."""
        detail = SKUDetailSerializer(self.get_object(), context=self.get_serializer_context())
        return Response(detail.data)

    @extend_schema(responses=AssetSerializer(many=True))
    @action(detail=True, serializer_class=AssetSerializer, filterset_class=None)
    def assets(self, request: Request, code: str) -> Response:
        """The assets that show this SKU, as far as the caller may see them."""
        sku = self.get_object()
        shown = Asset.objects.visible_to(request.user).filter(sku_links__sku=sku).distinct().with_listing()
        return self.get_paginated_response(self.get_serializer(self.paginate_queryset(shown), many=True).data)


class CollectionViewSet(OrganiserViewSet, ShareActions):
    """Collections: all of them for editors, for others their own."""

    queryset = Collection.objects.none()
    serializer_class = CollectionSerializer
    permission_classes = (IsAuthenticated, ContributorsWrite)
    lookup_value_regex = r"\d+"

    def get_queryset(self) -> QuerySet[Collection]:
        collections = Collection.objects.select_related("owner")
        if sees_library(self.request.user):
            return collections
        return collections.filter(owner=signed_in(self.request))

    def perform_create(self, serializer: BaseSerializer) -> None:
        self.write(serializer, Collection(owner=signed_in(self.request)))

    @extend_schema(responses=AssetSerializer(many=True))
    @action(detail=True, serializer_class=AssetSerializer, pagination_class=InPlace)
    def items(self, request: Request, pk: int) -> Response:
        """The collection's assets in its order, as far as the caller may see them."""
        shown = Asset.objects.visible_to(request.user).filter(collection_links__collection=self.get_object())
        shown = shown.annotate(place=F("collection_links__position"), link=F("collection_links__pk"))
        shown = shown.with_listing()
        return self.get_paginated_response(self.get_serializer(self.paginate_queryset(shown), many=True).data)

    @extend_schema(request=CollectionItemsSerializer, responses=AddedSerializer)
    @items.mapping.post
    def add_items(self, request: Request, pk: int) -> Response:
        """Put assets into the collection; those that are in it stay where they are."""
        collection = self.get_object()
        given = CollectionItemsSerializer(data=request.data, context=self.get_serializer_context())
        given.is_valid(raise_exception=True)
        added = editing.add_to_collection(
            collection, given.validated_data["assets"], actor=signed_in(request)
        )
        return Response({"added": added})

    @extend_schema(request=CollectionItemsSerializer, responses={204: None})
    @action(detail=True, methods=["post"], url_path="items/order")
    def order(self, request: Request, pk: int) -> Response:
        """Put these of its assets first, in the order given; the others follow in the order they were in."""
        collection = self.get_object()
        given = CollectionItemsSerializer(data=request.data, context=self.get_serializer_context())
        given.is_valid(raise_exception=True)
        try:
            editing.order_collection(collection, given.validated_data["assets"], actor=signed_in(request))
        except editing.NotCollected as error:
            raise ValidationError({"assets": [str(error)]}) from error
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(parameters=[ASSET_ID], responses={204: None})
    @action(detail=True, methods=["delete"], url_path=f"items/(?P<public_id>{PUBLIC_ID})")
    @transaction.atomic
    def remove_item(self, request: Request, pk: int, public_id: str) -> Response:
        """Take an asset out of the collection; the asset itself stays."""
        collection = self.get_object()
        asset = get_object_or_404(collection.assets, public_id=public_id)
        editing.remove_from_collection(collection, [asset], actor=signed_in(request))
        return Response(status=status.HTTP_204_NO_CONTENT)
