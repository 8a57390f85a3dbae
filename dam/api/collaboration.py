"""Endpoints of comments, assignments and notices."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from django.db.models import Q, QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import mixins, serializers, status
from rest_framework.decorators import action
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from dam import collaboration, notices
from dam.api.permissions import ContributorsOnly, ContributorsWrite
from dam.api.serializers import visible_assets
from dam.models import Asset, Assignment, Comment, Notice, NoticeKind
from dam.models.collaboration import LONGEST_COMMENT
from dam.people import signed_in
from dam.roles import Role, has_role

COMMENT_ID = OpenApiParameter("number", OpenApiTypes.INT, OpenApiParameter.PATH)


class CommentSerializer(serializers.ModelSerializer):
    """A remark on an asset."""

    author = serializers.CharField(source="author.username", read_only=True, allow_null=True)
    text = serializers.CharField(max_length=LONGEST_COMMENT)

    class Meta:
        model = Comment
        fields = ("id", "author", "text", "created")
        read_only_fields = ("id", "created")


class CommentActions(GenericViewSet):
    """What the endpoint of assets has for comments."""

    @extend_schema(responses=CommentSerializer(many=True))
    @action(detail=True, filterset_class=None, pagination_class=None, permission_classes=[ContributorsOnly])
    def comments(self, request: Request, public_id: Any) -> Response:
        """What was said about the asset, the oldest first."""
        said = self.get_object().comments.select_related("author")
        return Response(CommentSerializer(said, many=True).data)

    @extend_schema(request=CommentSerializer, responses={201: CommentSerializer})
    @comments.mapping.post
    def add_comment(self, request: Request, public_id: Any) -> Response:
        """Say something about an asset that one may open."""
        given = CommentSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        try:
            said = collaboration.comment(
                self.get_object(), given.validated_data["text"], author=signed_in(request)
            )
        except collaboration.NotTaken as error:
            raise serializers.ValidationError({"text": [str(error)]}) from error
        return Response(CommentSerializer(said).data, status=status.HTTP_201_CREATED)

    @extend_schema(parameters=[COMMENT_ID], responses={204: None})
    @action(
        detail=True,
        methods=["delete"],
        url_path=r"comments/(?P<number>\d+)",
        permission_classes=[ContributorsOnly],
    )
    def remove_comment(self, request: Request, public_id: Any, number: str) -> Response:
        """Take a comment of one's own back; administrators may remove any."""
        said = get_object_or_404(self.get_object().comments, pk=number)
        collaboration.remove_comment(said, actor=signed_in(request))
        return Response(status=status.HTTP_204_NO_CONTENT)


class AssignmentSerializer(serializers.ModelSerializer):
    """Something that somebody is asked to do with an asset."""

    asset = serializers.UUIDField(source="asset.public_id", read_only=True)
    assignee = serializers.CharField(source="assignee.username", read_only=True)
    assigned_by = serializers.CharField(source="assigned_by.username", read_only=True, allow_null=True)
    overdue = serializers.BooleanField(source="is_overdue", read_only=True)

    class Meta:
        model = Assignment
        fields = ("id", "asset", "assignee", "assigned_by", "task", "due_on", "overdue", "created", "done_at")
        read_only_fields = fields


class NewAssignmentSerializer(serializers.Serializer):
    """What is asked of whom."""

    assets = serializers.ListField(child=serializers.UUIDField(), allow_empty=False, max_length=1000)
    assignee = serializers.SlugRelatedField(
        slug_field="username", queryset=User.objects.filter(is_active=True), help_text="A user name."
    )
    task = serializers.CharField(max_length=500)
    due_on = serializers.DateField(required=False, allow_null=True)

    def validate_assets(self, ids: list[Any]) -> list[Asset]:
        return visible_assets(ids, self.context["request"].user)


class AssignmentViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, GenericViewSet):
    """Assignments: one's own and those that one gave; editors see all."""

    queryset = Assignment.objects.none()
    serializer_class = AssignmentSerializer
    permission_classes = (IsAuthenticated, ContributorsWrite)
    lookup_value_regex = r"\d+"

    def get_queryset(self) -> QuerySet[Assignment]:
        user = signed_in(self.request)
        rows = Assignment.objects.filter(asset__in=Asset.objects.visible_to(user))
        if not has_role(user, Role.EDITOR):
            rows = rows.filter(Q(assignee=user) | Q(assigned_by=user))
        if self.request.query_params.get("mine") == "true":
            rows = rows.filter(assignee=user)
        if self.request.query_params.get("open") == "true":
            rows = rows.filter(done_at=None)
        return rows.select_related("asset", "assignee", "assigned_by")

    @extend_schema(
        parameters=[
            OpenApiParameter("mine", bool, description="Only what one is asked to do oneself."),
            OpenApiParameter("open", bool, description="Only what is not done yet."),
        ]
    )
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The assignments, the newest first."""
        return super().list(request, *args, **kwargs)

    @extend_schema(request=NewAssignmentSerializer, responses={201: AssignmentSerializer(many=True)})
    def create(self, request: Request) -> Response:
        """Ask somebody to do something with one asset or several."""
        given = NewAssignmentSerializer(data=request.data, context=self.get_serializer_context())
        given.is_valid(raise_exception=True)
        asked = given.validated_data
        try:
            made = collaboration.assign(
                asked["assets"],
                to=asked["assignee"],
                task=asked["task"],
                due_on=asked.get("due_on"),
                actor=signed_in(request),
            )
        except collaboration.NotTaken as error:
            raise serializers.ValidationError(str(error)) from error
        return Response(AssignmentSerializer(made, many=True).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=None, responses=AssignmentSerializer)
    @action(detail=True, methods=["post"], permission_classes=[IsAuthenticated])
    def done(self, request: Request, pk: Any) -> Response:
        """Say that it is done."""
        assignment = self.get_object()
        collaboration.finish(assignment, actor=signed_in(request))
        assignment.refresh_from_db()
        return Response(AssignmentSerializer(assignment).data)


class NoticeSerializer(serializers.ModelSerializer):
    """Something that the caller is told."""

    kind = serializers.ChoiceField(choices=NoticeKind.choices)
    asset = serializers.UUIDField(source="asset.public_id", read_only=True, allow_null=True)
    sentence = serializers.SerializerMethodField()

    class Meta:
        model = Notice
        fields = ("id", "kind", "asset", "sentence", "details", "created", "read_at")

    def get_sentence(self, notice: Notice) -> str:
        return notices.sentence(notice)


class ReadSerializer(serializers.Serializer):
    """Which notices count as read; none given: all."""

    ids = serializers.ListField(child=serializers.IntegerField(min_value=1), required=False, max_length=1000)


class NoticeViewSet(mixins.ListModelMixin, GenericViewSet):
    """What the caller is told: comments, assignments, rights that end. One's own only."""

    queryset = Notice.objects.none()
    serializer_class = NoticeSerializer
    permission_classes = (IsAuthenticated,)

    def get_queryset(self) -> QuerySet[Notice]:
        return notices.of(signed_in(self.request)).select_related("asset")

    @extend_schema(
        request=ReadSerializer,
        responses={200: {"type": "object", "properties": {"read": {"type": "integer"}}}},
    )
    @action(detail=False, methods=["post"], pagination_class=None)
    def read(self, request: Request) -> Response:
        """Count notices as read."""
        given = ReadSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        number = notices.mark_read(signed_in(request), given.validated_data.get("ids"))
        return Response({"read": number})
