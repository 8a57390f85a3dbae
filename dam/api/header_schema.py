"""What the API's documentation says of headers: which an operation takes, and which come with its answers."""

from __future__ import annotations

from typing import Any, Literal

from drf_spectacular.utils import OpenApiParameter

from dam.api.answer_headers import TAGGED
from dam.api.preconditions import CHANGING, IfMatch
from dam.api.problems import CONTENT_TYPE
from dam.api.schema import ProblemSchema, ProblemSerializer

IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    str,
    OpenApiParameter.HEADER,
    description="Sent again with the same request within a day, it is done once and answered as it was.",
)
IF_MATCH = OpenApiParameter(
    "If-Match",
    str,
    OpenApiParameter.HEADER,
    description="The ETag under which it was seen; what was changed since is left as it is.",
)
IF_NONE_MATCH = OpenApiParameter(
    "If-None-Match", str, OpenApiParameter.HEADER, description="The ETag of the copy that the caller has."
)
ETAG = OpenApiParameter("ETag", str, OpenApiParameter.HEADER, response=[200])
QUOTA = [
    OpenApiParameter(
        name,
        str,
        OpenApiParameter.HEADER,
        response=[200, 201, 202, 204, 401, 403, 429],
        description=description,
    )
    for name, description in (
        ("RateLimit-Policy", "Requests (q) in so many seconds (w), by policy."),
        ("RateLimit", "What is left of them (r), and in how many seconds there are more (t)."),
    )
]
IN_ANOTHER_STATE = (
    "The state in which things are does not allow it; “detail” says why. Or the first request with this "
    "Idempotency-Key is still under way."
)
KEY_REUSED = "It was understood, and cannot be used. Or the Idempotency-Key was used for another request."
CHANGED = "It was changed since the caller has seen it; nothing was done."
SAME = "The caller's copy is what there is."


class HeaderSchema(ProblemSchema):
    """Adds the headers that middleware and base classes read and write."""

    def get_override_parameters(self) -> list[Any]:
        found = list(QUOTA) if self.view.throttle_classes else []
        if self._takes_key():
            found.append(IDEMPOTENCY_KEY)
        if self._takes_match():
            found.append(IF_MATCH)
        if self._is_tagged():
            found += [IF_NONE_MATCH, ETAG]
        return found

    def _get_response_bodies(self, direction: Literal["request", "response"] = "response") -> dict[str, Any]:
        bodies: dict[str, Any] = super()._get_response_bodies(direction)
        if self._takes_key():
            self._add_problem(bodies, "409", IN_ANOTHER_STATE)
            self._add_problem(bodies, "422", KEY_REUSED)
        if self._takes_match():
            self._add_problem(bodies, "412", CHANGED)
        if self._is_tagged():
            bodies["304"] = {"description": SAME}
        return dict(sorted(bodies.items()))

    def _add_problem(self, bodies: dict[str, Any], code: str, description: str) -> None:
        if code not in bodies:
            told = self._get_response_for_code(ProblemSerializer, code, [CONTENT_TYPE], "response")
            bodies[code] = {**told, "description": description}

    def _takes_key(self) -> bool:
        """Callers without an account have no keys."""
        needs_account, _needs_role = self._needs()
        return self.method == "POST" and needs_account

    def _takes_match(self) -> bool:
        return isinstance(self.view, IfMatch) and getattr(self.view, "action", "") in CHANGING

    def _is_tagged(self) -> bool:
        return self.method == "GET" and getattr(self.view, "action", "") in TAGGED
