"""Endpoints of an asset's renditions: where they lie, and links that open without a login."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.http import HttpResponseRedirect
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from dam import links, presets
from dam.addresses import rendition_url
from dam.api.problems import Conflict
from dam.people import signed_in
from dam.presets import NoSuchPreset, Preset

ONE_DAY = 24 * 3600


class LinkRequestSerializer(serializers.Serializer):
    """What a link shall open, and for how long."""

    preset = serializers.CharField(
        default=links.ORIGINAL, help_text="Name of a preset, or “original” for the file as it came."
    )
    expires_in = serializers.IntegerField(default=ONE_DAY, help_text="Seconds.")

    def validate_preset(self, slug: str) -> Preset | None:
        if slug == links.ORIGINAL:
            return None
        try:
            return presets.find(slug)
        except NoSuchPreset as error:
            raise serializers.ValidationError(str(error)) from error

    def validate_expires_in(self, seconds: int) -> timedelta:
        shortest, longest = links.SHORTEST.total_seconds(), links.longest().total_seconds()
        if not shortest <= seconds <= longest:
            raise serializers.ValidationError(
                _("A link lasts from %(shortest)d to %(longest)d seconds.")
                % {"shortest": shortest, "longest": longest}
            )
        return timedelta(seconds=seconds)


class LinkSerializer(serializers.Serializer):
    """An address that opens one file without a login."""

    url = serializers.URLField()
    expires_at = serializers.DateTimeField()


class RenditionActions(GenericViewSet):
    """What the endpoint of assets has for renditions."""

    @extend_schema(
        parameters=[OpenApiParameter("preset", str, OpenApiParameter.PATH)],
        responses={302: OpenApiResponse(description="The picture lies at “Location”.")},
    )
    @action(
        detail=True, url_path=r"renditions/(?P<preset>[\w-]+)", filterset_class=None, pagination_class=None
    )
    def renditions(self, request: Request, public_id: Any, preset: str) -> HttpResponseRedirect:
        """A picture derived from the asset, in a preset that is open to the caller."""
        asset = self.get_object()
        offered = {one.slug: one for one in presets.open_to(request.user, asset, presets.active())}
        if preset not in offered:
            raise NotFound(str(NoSuchPreset(preset, offered)))
        if asset.current is None:
            raise NotFound(_("The asset has no file yet."))
        return HttpResponseRedirect(rendition_url(asset, offered[preset]))

    @extend_schema(request=LinkRequestSerializer, responses={201: LinkSerializer})
    @action(detail=True, methods=["post"], filterset_class=None, pagination_class=None)
    def links(self, request: Request, public_id: Any) -> Response:
        """A signed address that opens without a login until it expires; for editors and the asset's owner."""
        asset = self.get_object()
        given = LinkRequestSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        try:
            link = links.make_link(
                asset,
                given.validated_data["preset"],
                lasts=_lasts(given.validated_data["expires_in"]),
                actor=signed_in(request),
            )
        except links.LinkRefused as error:
            raise Conflict(str(error), "withheld") from error
        body = {"url": request.build_absolute_uri(link.path), "expires_at": link.expires}
        return Response(LinkSerializer(body).data, status=status.HTTP_201_CREATED)


def _lasts(given: timedelta | int) -> timedelta:
    """A default is no input, and so not validated."""
    return given if isinstance(given, timedelta) else timedelta(seconds=given)
