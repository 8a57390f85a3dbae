"""What a caller reads when a request fails outside of a view: a problem in the API, a page elsewhere."""

from __future__ import annotations

from http import HTTPStatus

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.translation import gettext as _
from django.views import defaults

from dam.api.problems import CONTENT_TYPE, problem

API = "/api/"


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """The request itself is at fault, as when it is larger than the server takes."""
    if not request.path.startswith(API):
        return defaults.bad_request(request, exception)
    return _problem(HTTPStatus.BAD_REQUEST, _("The server cannot read this request."), "bad_request")


def server_error(request: HttpRequest) -> HttpResponse:
    """A fault of ours; the log has more."""
    if not request.path.startswith(API):
        return defaults.server_error(request)
    return _problem(
        HTTPStatus.INTERNAL_SERVER_ERROR, _("Something went wrong here. Try again later."), "error"
    )


def _problem(status: HTTPStatus, detail: str, code: str) -> JsonResponse:
    return JsonResponse(problem(status, detail, code=code), status=status, content_type=CONTENT_TYPE)
