"""Errors of the API as problem+json (RFC 9457)."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from django.db import DataError
from django.http import HttpRequest, JsonResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.csrf import csrf_exempt
from rest_framework.exceptions import (
    APIException,
    AuthenticationFailed,
    NotAuthenticated,
    PermissionDenied,
    Throttled,
    ValidationError,
)
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import exception_handler

from dam.api.throttles import quotas_of
from dam.custom_values import BadValues
from dam.errors import IngestError
from dam.field_rules import Incomplete

CONTENT_TYPE = "application/problem+json"
REFUSALS = (NotAuthenticated, AuthenticationFailed, PermissionDenied)
# What each refusal of a file means in HTTP; anything else is 422, "understood, but not usable".
INGEST_STATUS = {
    "empty": HTTPStatus.BAD_REQUEST,
    "too_large": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "not_a_picture": HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    "unsupported": HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    "storage": HTTPStatus.SERVICE_UNAVAILABLE,
}


class RejectedFile(APIException):
    """A file that ingest refused, with its sentence and code."""

    def __init__(self, error: IngestError) -> None:
        super().__init__(str(error), code=error.code)
        self.status_code = INGEST_STATUS.get(error.code, HTTPStatus.UNPROCESSABLE_ENTITY).value


def too_large(limit: int) -> RejectedFile:
    """Of a file that is only asked about: it has more than so many bytes."""
    return RejectedFile(
        IngestError(
            "too_large",
            gettext_lazy("The file is larger than %(limit)s MB. Make it smaller and ask again."),
            limit=f"{limit / 1024**2:g}",
        )
    )


def refuse_longer(request: Request, most: int, limit: int) -> None:
    """Before any of the body is read.

    Args:
        most: bytes of the body.
        limit: bytes that are named as what a file may have.

    Raises:
        RejectedFile: it is longer.
    """
    if int(request.META.get("CONTENT_LENGTH") or 0) > most:
        raise too_large(limit)


class Conflict(APIException):
    """The request is fine, but the library is in a state that does not allow it.

    Args:
        members: what the problem document says besides its sentence.
    """

    status_code = HTTPStatus.CONFLICT.value

    def __init__(self, detail: str, code: str | None = None, **members: Any) -> None:
        super().__init__(detail, code=code)
        self.members = members


class BadLink(APIException):
    """A signed address that was changed, or signed by somebody else."""

    status_code = HTTPStatus.FORBIDDEN.value
    default_detail = gettext_lazy("This address was changed after it was signed. Ask for a new link.")
    default_code = "tampered"


class Gone(APIException):
    """What a link led to is over."""

    status_code = HTTPStatus.GONE.value
    default_detail = gettext_lazy("This link has expired. Ask for a new one.")
    default_code = "expired"


class Unavailable(APIException):
    """Nothing is wrong with the request, but it cannot be met now.

    Args:
        retry_after: seconds after which it is worth asking again; None: when somebody has mended it.
    """

    status_code = HTTPStatus.SERVICE_UNAVAILABLE.value

    def __init__(self, detail: str, code: str, retry_after: int | None = None) -> None:
        super().__init__(detail, code=code)
        if retry_after is not None:
            self.wait = retry_after  # REST framework makes it the header “Retry-After”


def problem_handler(exc: Exception, context: dict[str, Any]) -> Response | None:
    """Turn what REST framework would answer into a problem document."""
    exc = _counted(exc, context)
    response = exception_handler(_known_to_framework(exc), context)
    if response is None:
        return None
    if isinstance(response.data, dict) and set(response.data) == {"detail"}:
        detail = response.data["detail"]
        response.data = problem(
            response.status_code, str(detail), code=getattr(detail, "code", ""), **getattr(exc, "members", {})
        )
    else:
        detail = _("The request has errors; see “errors”.")
        response.data = problem(response.status_code, detail, code="invalid", errors=response.data)
    if isinstance(exc, Incomplete):
        response.data["missing"] = exc.missing
    response.content_type = CONTENT_TYPE
    return response


def _counted(exc: Exception, context: dict[str, Any]) -> Exception:
    """Refusals count as other answers do, or keys could be guessed without end; REST framework asks throttles
    of those only whom it lets in."""
    request = context["request"]
    if isinstance(exc, REFUSALS) and not quotas_of(request._request):
        try:
            context["view"].check_throttles(request)
        except Throttled as too_much:
            return too_much
    return exc


def _known_to_framework(exc: Exception) -> Exception:
    """What verbs and the database refuse of single values, as REST framework says such things."""
    if isinstance(exc, Incomplete):
        return Conflict(str(exc), "incomplete")
    if isinstance(exc, DataError):
        sentence = _("A value holds characters or a number that cannot be stored. Send it without them.")
        return ValidationError(sentence)
    if isinstance(exc, BadValues):
        return ValidationError({"custom": {slug: [sentence] for slug, sentence in exc.problems.items()}})
    return exc


def problem(status: int, detail: str, **members: Any) -> dict[str, Any]:
    """A problem document; members that are empty are left out."""
    return {
        "type": "about:blank",
        "title": _title(status),
        "status": status,
        "detail": detail,
        **{name: value for name, value in members.items() if value},
    }


def _title(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:  # a protocol's own, as tus's 460
        return ""


@csrf_exempt  # there is nothing here to forge a request to
def no_such_address(request: HttpRequest) -> JsonResponse:
    """Any address below the API that is none of its own."""
    detail = _("There is no such address in the API.")
    return JsonResponse(problem(404, detail, code="not_found"), status=404, content_type=CONTENT_TYPE)
