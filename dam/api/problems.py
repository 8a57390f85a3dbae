"""Errors of the API as problem+json (RFC 9457)."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from rest_framework.response import Response
from rest_framework.views import exception_handler


def problem_handler(exc: Exception, context: dict[str, Any]) -> Response | None:
    """Turn what REST framework would answer into a problem document."""
    response = exception_handler(exc, context)
    if response is None:
        return None
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(response.status_code).phrase,
        "status": response.status_code,
    }
    if isinstance(response.data, dict) and set(response.data) == {"detail"}:
        body["detail"] = str(response.data["detail"])
    else:
        body["detail"] = "The request has errors; see “errors”."
        body["errors"] = response.data
    response.data = body
    response.content_type = "application/problem+json"
    return response
