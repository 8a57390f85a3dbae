"""Endpoints of trying on: each person's own pictures and what is made of them; nobody has another's."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, cast

from django.contrib.auth.models import User
from django.http import FileResponse
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound
from rest_framework.parsers import JSONParser, MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework.viewsets import GenericViewSet

from dam.api.lookups import PUBLIC_ID
from dam.api.permissions import EditorsOnly
from dam.models import Asset, Scope
from generation import tryon
from generation.api.problems import NOTHING_TO_PLAN, Unplannable
from generation.api.serializers import ChoicesSerializer, JobSerializer, SelectionField
from generation.jobs import JobError
from generation.models import ItemState, PersonPhoto, TryOn
from generation.selection import DEFAULT_LIMIT, SelectionError, select_assets
from generation.tryon import TryOnError
from generation.views.tryon import private_file


class ConsentSerializer(serializers.Serializer):
    """The text that is to be accepted."""

    text = serializers.CharField()


class NewPhotoSerializer(serializers.Serializer):
    """A person's own picture."""

    photo = serializers.FileField()
    consent = serializers.BooleanField(help_text="True: the text of `consent/` was shown and accepted.")


class PhotoSerializer(serializers.ModelSerializer):
    """A person's picture, of which its owner alone is told."""

    id = serializers.UUIDField(source="public_id", read_only=True)

    class Meta:
        model = PersonPhoto
        fields = ("id", "consent", "consented_at", "expires")
        read_only_fields = fields


class TryOnRequestSerializer(serializers.Serializer):
    """What is tried on."""

    garments = SelectionField()
    accessories = SelectionField(required=False)
    provider = serializers.CharField(required=False, max_length=32)
    language = serializers.ChoiceField(("en", "zh"), required=False)
    budget = serializers.DecimalField(
        max_digits=12, decimal_places=4, min_value=Decimal(0), required=False, allow_null=True
    )

    validate_provider = ChoicesSerializer.validate_provider


class ResultSerializer(serializers.Serializer):
    """A try-on: what was worn, and whether its picture is there."""

    item = serializers.UUIDField(source="item.public_id")
    state = serializers.ChoiceField(ItemState.choices, source="item.state")
    reason = serializers.CharField(source="item.reason")
    worn = serializers.SerializerMethodField()
    ready = serializers.SerializerMethodField()

    def get_worn(self, row: TryOn) -> list[str]:
        return [str(link.asset.public_id) for link in row.item.inputs.all()]

    def get_ready(self, row: TryOn) -> bool:
        return bool(row.result)


class ConsentView(APIView):
    """What a person agrees to."""

    permission_classes = (EditorsOnly,)

    @extend_schema(operation_id="generation_try_on_consent", responses=ConsentSerializer)
    def get(self, request: Request) -> Response:
        """The text that is to be accepted before a picture is taken."""
        return Response({"text": tryon.consent_text()})


class TryOnViewSet(GenericViewSet):
    """A person's own pictures."""

    queryset = PersonPhoto.objects.none()
    serializer_class = PhotoSerializer
    permission_classes = (EditorsOnly,)
    key_scope = Scope.GENERATE
    parser_classes = (JSONParser, MultiPartParser)
    pagination_class = None
    filter_backends = ()
    lookup_field = "public_id"
    lookup_value_regex = PUBLIC_ID

    @extend_schema(responses=PhotoSerializer(many=True))
    def list(self, request: Request) -> Response:
        """One's own pictures that are there."""
        return Response(PhotoSerializer(tryon.photos_of(self._user), many=True).data)

    @extend_schema(
        request={"multipart/form-data": NewPhotoSerializer},
        responses={201: PhotoSerializer, 422: NOTHING_TO_PLAN},
    )
    def create(self, request: Request) -> Response:
        """Keep a picture of a person privately, until it is deleted."""
        sent = NewPhotoSerializer(data=request.data)
        sent.is_valid(raise_exception=True)
        file, consent = sent.validated_data["photo"], sent.validated_data["consent"]
        try:
            photo = tryon.take_photo(file.file, owner=self._user, consent=consent)
        except TryOnError as error:
            raise Unplannable(str(error)) from error
        return Response(PhotoSerializer(photo).data, status=status.HTTP_201_CREATED)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, public_id: Any) -> Response:
        """Delete the picture and everything made of it, at once."""
        tryon.delete_photo(self._photo(public_id), actor=self._user)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(responses={(200, "image/jpeg"): OpenApiTypes.BINARY})
    @action(detail=True)
    def picture(self, request: Request, public_id: Any) -> FileResponse:
        """The picture itself."""
        return private_file(self._photo(public_id))

    @extend_schema(request=TryOnRequestSerializer, responses={201: JobSerializer, 422: NOTHING_TO_PLAN})
    @action(detail=True, methods=["post"])
    def run(self, request: Request, public_id: Any) -> Response:
        """A job that dresses the person in each garment, with each accessory where some are given."""
        sent = TryOnRequestSerializer(data=request.data)
        sent.is_valid(raise_exception=True)
        asked = dict(sent.validated_data)
        photo = self._photo(public_id)
        try:
            garments = self._selected(asked.pop("garments"), "garment")
            accessories = self._selected(asked.pop("accessories", ""), "accessory")
            job = tryon.try_on(photo, garments, accessories, **asked)
        except (TryOnError, JobError, SelectionError) as error:
            raise Unplannable(str(error)) from error
        context = self.get_serializer_context()
        return Response(JobSerializer(job, context=context).data, status=status.HTTP_201_CREATED)

    @extend_schema(responses=ResultSerializer(many=True))
    @action(detail=True)
    def results(self, request: Request, public_id: Any) -> Response:
        """What was asked to be made of the picture, the newest first."""
        return Response(ResultSerializer(tryon.results_of(self._photo(public_id)), many=True).data)

    @extend_schema(responses={(200, "image/png"): OpenApiTypes.BINARY})
    @action(detail=True, url_path=f"results/(?P<item>{PUBLIC_ID})")
    def result(self, request: Request, public_id: Any, item: str) -> FileResponse:
        """A picture that was made of it."""
        return private_file(self._photo(public_id), item)

    @property
    def _user(self) -> User:
        return cast(User, self.request.user)

    def _photo(self, public_id: str) -> PersonPhoto:
        photo = tryon.find_photo(public_id, self._user)
        if photo is None:
            raise NotFound(_("The person's picture was deleted."))
        return photo

    def _selected(self, spec: str, kind: str) -> Sequence[Asset]:
        return select_assets(spec, user=self._user, kinds=(kind,), limit=DEFAULT_LIMIT) if spec else ()
