"""Search over REST: by words, by picture, by asset."""

from __future__ import annotations

from dataclasses import asdict, replace
from functools import partial
from typing import Any
from uuid import UUID

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.generics import get_object_or_404
from rest_framework.parsers import FormParser, JSONParser, MultiPartParser
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView

from dam import editing
from dam.api.permissions import ContributorsWrite
from dam.api.problems import refuse_longer
from dam.api.serializers import look_up, visible_assets
from dam.api.throttles import PerScope
from dam.models import SKU, Asset, Scope, SKURole
from dam.organising import shown_to
from dam.people import signed_in
from search.api.serializers import (
    AssetQuerySerializer,
    FiltersSerializer,
    HitSerializer,
    PictureQuerySerializer,
    ResultsSerializer,
    TextQuerySerializer,
)
from search.pictures import MOST_BYTES
from search.query import Hit, SearchError, SearchRequest, search
from search.query_log import Source, source_of
from search.sku_suggestions import NothingToGoBy, request_for
from search.word_models import Entrance


def answer(request: Request, wanted: SearchRequest, source: Source | None = None) -> Response:
    """Search with validated input and show the page; with a source, people typed it."""
    context: dict[str, Any] = {"request": request}
    try:
        found = search(wanted, user=request.user, source=source, meanwhile=partial(look_up, context))
    except SearchError as error:
        raise ValidationError({"detail": str(error)}) from error
    hits = [_with_ranking(hit) for hit in found.hits]
    return Response(
        {
            "query": wanted.text,
            "query_id": found.query_id,
            "encoder": found.encoder,
            "took_ms": round(found.took_ms, 1),
            "total": found.total,
            "groups": found.groups,
            "complete": found.complete,
            "degraded": found.degraded,
            "understood": asdict(found.understood),
            "facets": {name: [asdict(one) for one in counts] for name, counts in found.facets.items()},
            "empty_because": found.empty_because,
            "next": found.next or None,
            "results": HitSerializer(hits, many=True, context=context).data,
        }
    )


def _with_ranking(hit: Hit) -> Any:
    """HitSerializer reads the ranking from the asset itself."""
    asset: Any = hit.asset
    asset.score, asset.legs, asset.why = hit.score, hit.legs, hit.why
    asset.similar, asset.group = hit.similar, hit.group
    return asset


def _narrowed(wanted: SearchRequest, asked: FiltersSerializer) -> SearchRequest:
    """What else is wanted beside what the view looks for."""
    given = asked.filters()
    both: dict[str, Any] = {
        name: (*ours, *getattr(given, name)) for name, ours in vars(wanted.filters).items() if ours
    }
    return replace(
        wanted,
        filters=replace(given, **both),
        colours=asked.picked_colours(),
        facets=asked.validated_data["facets"],
        limit=asked.validated_data["limit"],
        after=asked.validated_data["cursor"],
    )


class SearchView(APIView):
    """Find assets. Callers without an account see what is on the storefront."""

    permission_classes = (AllowAny,)  # asking writes nothing; `visible_to` decides what is found
    key_scope = Scope.READ
    parser_classes = (MultiPartParser, JSONParser, FormParser)
    throttle_scope = "pictures"

    def get_throttles(self) -> list[BaseThrottle]:
        """Pictures of visitors are decoded and encoded for everybody who sends some."""
        usual = super().get_throttles()
        may_hold_pictures = self.request.content_type.lower().startswith("multipart/")
        return [*usual, PerScope()] if may_hold_pictures and not self.request.user.is_authenticated else usual

    @extend_schema(parameters=[TextQuerySerializer], responses=ResultsSerializer)
    def get(self, request: Request) -> Response:
        """Search by words, in English or Chinese."""
        asked = TextQuerySerializer(data=request.query_params, context={"request": request})
        asked.is_valid(raise_exception=True)
        return answer(request, asked.search_request(), source_of(request, Entrance.REST))

    @extend_schema(
        request={"application/json": AssetQuerySerializer, "multipart/form-data": PictureQuerySerializer},
        responses={
            200: ResultsSerializer,
            413: OpenApiResponse(description="The pictures are too large."),
            429: OpenApiResponse(description="A visitor's too many pictures within a minute."),
        },
    )
    def post(self, request: Request) -> Response:
        """Search by a picture, an asset, words, or several of them at once."""
        refuse_longer(request, MOST_BYTES, MOST_BYTES)
        asked = PictureQuerySerializer(data=request.data, context={"request": request})
        asked.is_valid(raise_exception=True)
        return answer(request, asked.search_request(), source_of(request, Entrance.REST))


class SimilarView(APIView):
    """Assets that look like one asset."""

    permission_classes = (AllowAny,)

    @extend_schema(parameters=[FiltersSerializer], responses=ResultsSerializer)
    def get(self, request: Request, public_id: UUID) -> Response:
        """More like this."""
        visible = Asset.objects.visible_to(request.user).select_related("current")
        asset = get_object_or_404(visible, public_id=public_id)
        asked = FiltersSerializer(data=request.query_params, context={"request": request})
        asked.is_valid(raise_exception=True)
        return answer(request, _narrowed(SearchRequest(like=asset), asked))


class AcceptedSerializer(serializers.Serializer):
    """Suggestions that are right: these assets show the SKU in this role."""

    assets = serializers.ListField(child=serializers.UUIDField(), allow_empty=False, max_length=200)
    role = serializers.ChoiceField(SKURole.choices, default=SKURole.PACKSHOT)

    def validate_assets(self, ids: list[Any]) -> list[Asset]:
        return visible_assets(ids, self.context["request"].user)


class LinkedSerializer(serializers.Serializer):
    """How many links are new."""

    linked = serializers.IntegerField()


class SKUSuggestionsView(APIView):
    """Pictures that may show a SKU, and saying that they do."""

    permission_classes = (ContributorsWrite,)

    @extend_schema(parameters=[FiltersSerializer], responses=ResultsSerializer)
    def get(self, request: Request, code: str) -> Response:
        """Pictures like those of the SKU, or like its name and attributes where it has none."""
        sku = self._sku(request, code)
        asked = FiltersSerializer(data=request.query_params, context={"request": request})
        asked.is_valid(raise_exception=True)
        try:
            wanted = request_for(sku, request.user)
        except NothingToGoBy as error:
            raise ValidationError({"detail": str(error)}) from error
        return answer(request, _narrowed(wanted, asked))

    @extend_schema(request=AcceptedSerializer, responses=LinkedSerializer)
    def post(self, request: Request, code: str) -> Response:
        """These assets show the SKU in this role."""
        sku = self._sku(request, code)
        given = AcceptedSerializer(data=request.data, context={"request": request})
        given.is_valid(raise_exception=True)
        accepted = given.validated_data
        linked = editing.link_assets(sku, accepted["assets"], accepted["role"], actor=signed_in(request))
        return Response({"linked": linked})

    def _sku(self, request: Request, code: str) -> SKU:
        return get_object_or_404(shown_to(request.user, SKU, "skus").select_related("parent"), code=code)
