"""If-Match: what somebody else has changed meanwhile is not overwritten or deleted unseen."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from django.db import transaction
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.http import parse_etags
from django.utils.translation import gettext_lazy as _
from rest_framework.exceptions import APIException
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.viewsets import GenericViewSet

from dam.api.answer_headers import etag_of

CHANGES = ("PATCH", "PUT", "DELETE")
CHANGING = ("update", "partial_update", "destroy")  # the actions that these methods are


class Changed(APIException):
    """What the caller has seen is not what there is."""

    status_code = HTTPStatus.PRECONDITION_FAILED.value
    default_detail = _("It was changed since you have seen it. Get it again, and decide anew.")
    default_code = "changed"


class IfMatch(GenericViewSet):
    """For things whose tag is that of what `retrieve` shows: to be the first base of a view set.

    The row is locked from before it is compared until the change commits.
    """

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.method not in CHANGES or "If-Match" not in request.headers:
            return super().dispatch(request, *args, **kwargs)
        with transaction.atomic():
            return super().dispatch(request, *args, **kwargs)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if request.method in CHANGES and self.action in CHANGING:
            tags = parse_etags(request.headers.get("If-Match", ""))
            if tags and "*" not in tags and self._tag(request) not in tags:
                raise Changed

    def _tag(self, request: Request) -> str:
        thing = self.get_object()
        list(type(thing)._default_manager.select_for_update(no_key=True).filter(pk=thing.pk))
        shown = self.retrieve(request, **self.kwargs)  # type: ignore[attr-defined]
        return etag_of(JSONRenderer().render(shown.data))
