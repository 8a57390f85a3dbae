"""Endpoint that merges tags."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from dam import tag_merging
from dam.api.problems import Conflict
from dam.api.serializers import TagSerializer
from dam.models import Tag
from dam.people import signed_in


class MergeTagsSerializer(serializers.Serializer):
    """The tags that go into the one of the address."""

    others = serializers.ListField(
        child=serializers.CharField(max_length=80),
        allow_empty=False,
        max_length=100,
        help_text="Their slugs.",
    )

    def validate_others(self, slugs: list[str]) -> list[Tag]:
        found = {tag.slug: tag for tag in Tag.objects.filter(slug__in=slugs)}
        if missing := [slug for slug in slugs if slug not in found]:
            raise serializers.ValidationError(
                _("No such tag: %(slugs)s.") % {"slugs": ", ".join(missing)}, code="not_found"
            )
        return [found[slug] for slug in dict.fromkeys(slugs)]


class MergedTagSerializer(TagSerializer):
    """The tag that stayed, with how many assets carry it now."""

    assets = serializers.IntegerField(read_only=True)

    class Meta(TagSerializer.Meta):
        fields = (*TagSerializer.Meta.fields, "assets")


class TagMergeActions(GenericViewSet):
    """What the endpoint of tags has for merging."""

    @extend_schema(request=MergeTagsSerializer, responses=MergedTagSerializer)
    @action(detail=True, methods=["post"], pagination_class=None)
    def merge(self, request: Request, slug: str) -> Response:
        """Take over the assets, the tags below and the words of the others, which are removed."""
        kept = self.get_object()
        given = MergeTagsSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        try:
            number = tag_merging.merge(kept, given.validated_data["others"], actor=signed_in(request))
        except tag_merging.CannotMerge as error:
            raise Conflict(str(error), "cannot_merge") from error
        tag = Tag.objects.select_related("parent").get(pk=kept.pk)
        return Response({**TagSerializer(tag).data, "assets": number})
