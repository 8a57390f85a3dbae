"""What the API's documentation says of errors: each operation with those that it can answer."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Literal

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.types import OpenApiTypes
from rest_framework import serializers
from rest_framework.parsers import JSONParser
from rest_framework.permissions import SAFE_METHODS, IsAuthenticated

from dam.api.problems import CONTENT_TYPE

MEANINGS = {
    HTTPStatus.BAD_REQUEST: "Something in the request is not as it should be; “errors” says what.",
    HTTPStatus.UNAUTHORIZED: "It takes an account.",
    HTTPStatus.FORBIDDEN: "The account's role, or whose thing it is, does not allow it.",
    HTTPStatus.NOT_FOUND: "There is no such thing, or it is not for the caller to see.",
    HTTPStatus.CONFLICT: "The state in which things are does not allow it; “detail” says why.",
    HTTPStatus.PRECONDITION_FAILED: "It speaks no version of the tus protocol that this site does.",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The file is larger than this site takes.",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "The body, or the file in it, is of no kind that is taken here.",
    HTTPStatus.UNPROCESSABLE_ENTITY: "It was understood, and cannot be used; “detail” says why.",
    HTTPStatus.TOO_MANY_REQUESTS: "Too many requests; “Retry-After” says when to go on.",
    HTTPStatus.SERVICE_UNAVAILABLE: (
        "The database, or another part that it takes, is away for a moment; “Retry-After” says when to go on."
    ),
}
ANSWERS = {"200": "It went well.", "201": "It is made.", "202": "It will be done.", "204": "It is done."}
SPREADSHEET = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
# What is answered as a table, in either format.
TABLE = {(200, "text/csv"): OpenApiTypes.BINARY, (200, SPREADSHEET): OpenApiTypes.BINARY}
OF_A_FILE = (
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNPROCESSABLE_ENTITY,
)


class ProblemSerializer(serializers.Serializer):
    """A problem document (RFC 9457)."""

    type = serializers.CharField(default="about:blank")
    title = serializers.CharField(help_text="The status in words.")
    status = serializers.IntegerField()
    detail = serializers.CharField(help_text="A sentence: what is wrong, and what to do.")
    code = serializers.CharField(required=False, help_text="For programs.")
    errors = serializers.JSONField(  # type: ignore[assignment]  # the stubs mean Serializer.errors
        required=False, help_text="Sentences by field."
    )


class ProblemSchema(AutoSchema):
    """Adds the errors that follow from an operation's address, permissions and throttles.

    A view names in `conflicts` those of its actions that the state of things may forbid, and in
    `takes_files` those that refuse files.
    """

    def _get_response_bodies(self, direction: Literal["request", "response"] = "response") -> dict[str, Any]:
        bodies: dict[str, Any] = super()._get_response_bodies(direction)
        for code, body in bodies.items():
            body["description"] = body.get("description") or ANSWERS.get(code, "")
        for status in self._problems():
            bodies.setdefault(str(status.value), {"description": MEANINGS[status]})
        for code, body in bodies.items():
            if code.startswith(("4", "5")) and "content" not in body:
                problem = self._get_response_for_code(ProblemSerializer, code, [CONTENT_TYPE], direction)
                body["content"] = problem["content"]
        return dict(sorted(bodies.items()))

    def get_summary(self) -> str | None:
        """The first sentence of what the operation does, for lists of operations."""
        first = (self.get_description() or "").partition("\n\n")[0].replace("\n", " ")
        return super().get_summary() or first.partition(". ")[0].rstrip(".")

    def map_parsers(self) -> list[Any]:
        """Forms are taken too, but a generated client needs to know one way: JSON, where that is taken."""
        offered = super().map_parsers()
        return [JSONParser.media_type] if JSONParser.media_type in offered else offered

    def _get_paginator(self) -> Any:
        """Only what is read comes in pages, not what a deed answers."""
        return super()._get_paginator() if self.method in SAFE_METHODS else None

    def _map_serializer_field(
        self, field: Any, direction: Literal["request", "response"], bypass_extensions: bool = False
    ) -> Any:
        """REST framework forgets of a choice that is only read that it may be empty."""
        if direction == "response" and isinstance(field, serializers.ChoiceField) and _may_be_empty(field):
            field.allow_blank = True
        return super()._map_serializer_field(field, direction, bypass_extensions)

    def _problems(self) -> list[HTTPStatus]:
        action = getattr(self.view, "action", "")
        needs_account, needs_role = self._needs()
        body = self._get_request_body()
        parameters = self._get_parameters()
        query = [parameter for parameter in parameters if parameter["in"] in ("query", "header")]
        fits = {
            HTTPStatus.BAD_REQUEST: bool(query or body),
            HTTPStatus.UNAUTHORIZED: needs_account,
            HTTPStatus.FORBIDDEN: needs_role or (needs_account and self.method not in SAFE_METHODS),
            HTTPStatus.NOT_FOUND: "{" in self.path,
            HTTPStatus.CONFLICT: action in getattr(self.view, "conflicts", ()),
            HTTPStatus.PRECONDITION_FAILED: any(one["name"] == "Tus-Resumable" for one in parameters),
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE: bool(body),
            HTTPStatus.TOO_MANY_REQUESTS: bool(self.view.throttle_classes),
            HTTPStatus.SERVICE_UNAVAILABLE: True,
            **dict.fromkeys(OF_A_FILE, action in getattr(self.view, "takes_files", ())),
        }
        return [status for status, is_so in fits.items() if is_so]

    def _needs(self) -> tuple[bool, bool]:
        """Whether it takes an account, and one of a certain role; as the view's own permissions have it."""
        refusing = [
            permission
            for permission in self.view.get_permissions()
            if not permission.has_permission(self.view.request, self.view)
        ]
        return bool(refusing), any(not isinstance(one, IsAuthenticated) for one in refusing)


def _may_be_empty(field: serializers.ChoiceField) -> bool:
    """Whether the column that a serializer of a model shows so may hold no choice."""
    model = getattr(getattr(field.parent, "Meta", None), "model", None)
    columns = {column.name: column for column in model._meta.fields} if model else {}
    column = columns.get(field.source or field.field_name)
    return column is not None and column.blank and bool(column.choices)
