"""Whether a picture was generated: for everybody by id, hash or file; and all about it for contributors."""

from __future__ import annotations

import hashlib
import re
from typing import Any
from uuid import UUID

from django.conf import settings
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.parsers import MultiPartParser
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView
from rest_framework.viewsets import GenericViewSet

from dam import lineage, workflow
from dam.api.lineage import SHOWN_PARENTS, RelativeSerializer
from dam.api.permissions import ContributorsOnly
from dam.api.problems import RejectedFile, Unavailable, refuse_longer, too_large
from dam.api.throttles import PerScope
from dam.errors import IngestError
from dam.lineage import Relative
from dam.models import Asset, Making, Scope
from dam.people import signed_in
from dam.provenance import inquiry
from dam.provenance.inquiry import Answer, Certainty
from dam.workload import RETRY_AFTER, Busy

MAX_BYTES = 30 * 1024 * 1024  # of a file that somebody asks about
DIGEST = re.compile(r"[0-9a-fA-F]{64}\Z")
BLOCK = 256 * 1024


class AIGCSerializer(serializers.Serializer):
    """China's label for AI-made content, as GB 45438-2025 names its fields."""

    Label = serializers.CharField(help_text="“1”: made by AI; “2”: possibly; “3”: suspected.")
    ContentProducer = serializers.CharField()
    ProduceID = serializers.CharField()
    ReservedCode1 = serializers.CharField()
    ContentPropagator = serializers.CharField()
    PropagateID = serializers.CharField()
    ReservedCode2 = serializers.CharField()


class CredentialsSerializer(serializers.Serializer):
    """What a signed manifest (C2PA) in the file says."""

    state = serializers.ChoiceField(
        ["valid", "trusted", "invalid", "unread", "unreadable"],
        help_text="valid: these are the bytes that were signed; trusted: and the signer is known; "
        "invalid: they are not; unread: this installation cannot read manifests.",
    )
    generator = serializers.CharField(required=False)
    issuer = serializers.CharField(required=False, help_text="Who signed it.")
    signed_at = serializers.CharField(required=False)
    source_types = serializers.ListField(child=serializers.CharField(), required=False)


class ProvenanceSerializer(serializers.Serializer):
    """What is known of how a picture was made; never its prompt, nor what it was made from."""

    generated = serializers.BooleanField(
        source="is_generated", allow_null=True, help_text="null: nobody knows."
    )
    making = serializers.SerializerMethodField(help_text="How; null: nobody says.")
    said_by = serializers.ChoiceField(["library", "file", ""])
    certainty = serializers.ChoiceField(
        [one.value for one in Certainty],
        help_text="exact: the library has it; label: the file's own word; alike: it looks like a picture "
        "that the library has; none: nobody knows it.",
    )
    likeness = serializers.IntegerField(
        allow_null=True, help_text="Where it only looks like that picture: how much, in percent."
    )
    sentence = serializers.SerializerMethodField(help_text="The answer in the caller's language.")
    asset = serializers.SerializerMethodField(help_text="That picture, if the caller may see it.")
    provider = serializers.CharField(help_text="Empty: not known, or not to be told.")
    model = serializers.CharField(help_text="Empty: not known, or not to be told.")
    made_at = serializers.DateTimeField(allow_null=True)
    digital_source_type = serializers.CharField(help_text="IPTC's code, as its address; empty: none.")
    aigc = AIGCSerializer(allow_null=True)
    content_credentials = CredentialsSerializer(allow_null=True)

    @extend_schema_field(serializers.ChoiceField(Making.choices, allow_null=True))
    def get_making(self, answer: Answer) -> str | None:
        return answer.making.value if answer.making else None

    def get_sentence(self, answer: Answer) -> str:
        return " ".join(answer.sentences)

    @extend_schema_field(serializers.UUIDField(allow_null=True))
    def get_asset(self, answer: Answer) -> str | None:
        return str(answer.asset.public_id) if answer.asset else None


class AssetProvenanceSerializer(ProvenanceSerializer):
    """The same with what only contributors are told, and the prompt for those who may change the picture."""

    item = serializers.SerializerMethodField(help_text="The id under which it was made; empty: not here.")
    prompt = serializers.SerializerMethodField(help_text="The exact prompt; null: not yours to know.")
    parameters = serializers.SerializerMethodField(help_text="null: not yours to know.")
    labels = serializers.SerializerMethodField(help_text="What Atelier wrote into its file, by name.")
    made_from = serializers.SerializerMethodField(help_text=f"The first {SHOWN_PARENTS}, in order.")

    def get_item(self, answer: Answer) -> str:
        return answer.made.item if answer.made else ""

    @extend_schema_field(serializers.CharField(allow_null=True))
    def get_prompt(self, answer: Answer) -> str | None:
        return answer.made.prompt if answer.made and self.context["may_change"] else None

    @extend_schema_field(serializers.DictField(allow_null=True))
    def get_parameters(self, answer: Answer) -> dict[str, Any] | None:
        return dict(answer.made.parameters) if answer.made and self.context["may_change"] else None

    @extend_schema_field(serializers.DictField())
    def get_labels(self, answer: Answer) -> dict[str, Any]:
        return dict(answer.declared.own)

    @extend_schema_field(RelativeSerializer(many=True))
    def get_made_from(self, answer: Answer) -> Any:
        return RelativeSerializer(self.context["parents"], many=True, context=self.context).data


class FileSerializer(serializers.Serializer):
    """The file that is asked about."""

    file = serializers.FileField(help_text=f"At most {MAX_BYTES // 1024**2} MB; nothing of it is kept.")


class ProvenanceView(APIView):
    """Whether a file is a generated picture; for everybody."""

    permission_classes = (AllowAny,)
    key_scope = Scope.READ
    parser_classes = (MultiPartParser,)
    throttle_scope = "provenance"

    def get_throttles(self) -> list[BaseThrottle]:
        """Files are decoded, which costs more than a look into the table."""
        usual = super().get_throttles()
        return [*usual, PerScope()] if self.request.method == "POST" else usual

    @extend_schema(
        operation_id="provenance_by_hash",
        parameters=[
            OpenApiParameter("sha256", str, required=True, description="Of the file, in hexadecimal.")
        ],
        responses=ProvenanceSerializer,
    )
    def get(self, request: Request) -> Response:
        """By the hash of a file; a copy that was encoded anew has another one: send that as a file."""
        digest = request.query_params.get("sha256", "")
        if not DIGEST.match(digest):
            raise ValidationError({"sha256": [_("Give the SHA-256 of the file as 64 hexadecimal digits.")]})
        return Response(ProvenanceSerializer(inquiry.of_digest(digest, request.user)).data)

    @extend_schema(
        operation_id="provenance_by_file",
        request={"multipart/form-data": FileSerializer},
        responses={
            200: ProvenanceSerializer,
            413: OpenApiResponse(description="The file is too large."),
            415: OpenApiResponse(description="This is no picture."),
            429: OpenApiResponse(description="Too many files within a minute."),
        },
    )
    def post(self, request: Request) -> Response:
        """By the file itself: known by its hash, its label or what it looks like. Nothing of it is kept."""
        limit = min(MAX_BYTES, settings.DAM_MAX_FILE_BYTES)
        refuse_longer(request, MAX_BYTES + BLOCK, limit)
        given = FileSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        file = given.validated_data["file"]
        if file.size > MAX_BYTES:
            raise too_large(limit)
        digest = hashlib.sha256()
        for block in file.chunks(BLOCK):
            digest.update(block)
        try:
            answer = inquiry.of_file(file.file, digest.hexdigest(), request.user)
        except IngestError as error:
            raise RejectedFile(error) from error
        except Busy as error:
            raise Unavailable(str(error), "busy", RETRY_AFTER) from error
        return Response(ProvenanceSerializer(answer).data)


class AssetProvenanceView(APIView):
    """Whether an asset is a generated picture; for everybody who may see it."""

    permission_classes = (AllowAny,)

    @extend_schema(
        operation_id="provenance_of_asset",
        parameters=[OpenApiParameter("public_id", OpenApiTypes.UUID, OpenApiParameter.PATH)],
        responses=ProvenanceSerializer,
    )
    def get(self, request: Request, public_id: UUID) -> Response:
        """By the id of an asset."""
        visible = Asset.objects.visible_to(request.user).select_related("current")
        return Response(
            ProvenanceSerializer(inquiry.of_asset(get_object_or_404(visible, public_id=public_id))).data
        )


class ProvenanceActions(GenericViewSet):
    """What the endpoint of assets has for provenance."""

    @extend_schema(responses=AssetProvenanceSerializer)
    @action(detail=True, permission_classes=[ContributorsOnly], filterset_class=None, pagination_class=None)
    def provenance(self, request: Request, public_id: Any) -> Response:
        """How it was made: provider, model, prompt, inputs, labels, manifest; as far as you may know."""
        asset: Asset = self.get_object()
        viewer = signed_in(request)
        parents = [
            Relative(link.parent, link.role) for link in lineage.made_from(asset, viewer)[:SHOWN_PARENTS]
        ]
        context = {
            **self.get_serializer_context(),
            "parents": parents,
            "may_change": workflow.may_change(viewer, asset),
        }
        return Response(AssetProvenanceSerializer(inquiry.of_asset(asset), context=context).data)
