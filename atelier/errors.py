"""What a caller reads when a request fails outside of a view: a problem in the API, a page elsewhere."""

from __future__ import annotations

import sys
from http import HTTPStatus

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string
from django.utils.translation import gettext as _
from django.views import defaults

from dam.api.problems import CONTENT_TYPE, problem

API = "/api/"
RETRY_AFTER_SECONDS = 5


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """The request itself is at fault, as when it is larger than the server takes."""
    if not request.path.startswith(API):
        return defaults.bad_request(request, exception)
    return _problem(HTTPStatus.BAD_REQUEST, _("The server cannot read this request."), "bad_request")


def server_error(request: HttpRequest) -> HttpResponse:
    """A fault of ours, of which the log has more, or a database that is away, which passes."""
    if _is_away(sys.exception()):
        return _database_away(request)
    if not request.path.startswith(API):
        return defaults.server_error(request)
    return _problem(
        HTTPStatus.INTERNAL_SERVER_ERROR, _("Something went wrong here. Try again later."), "error"
    )


def _is_away(error: BaseException | None) -> bool:
    """Whether the database could not be asked, or did not come to an end with it. SQLite says the same of a
    table that is missing, by a code of its own."""
    if not isinstance(error, OperationalError | InterfaceError):
        return False
    return getattr(error.__cause__, "sqlite_errorname", "") != "SQLITE_ERROR"


def _database_away(request: HttpRequest) -> HttpResponse:
    """Asks no database: neither for who reads it nor for their language."""
    sentence = _(
        "The database does not answer at the moment. Nothing that was saved is lost; "
        "try again in a few seconds."
    )
    status = HTTPStatus.SERVICE_UNAVAILABLE
    response = (
        _problem(status, sentence, "database_away")
        if request.path.startswith(API)
        else HttpResponse(render_to_string("503.html", {"sentence": sentence}), status=status)
    )
    response["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return response


def _problem(status: HTTPStatus, detail: str, code: str) -> JsonResponse:
    return JsonResponse(problem(status, detail, code=code), status=status, content_type=CONTENT_TYPE)
