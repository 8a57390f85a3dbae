"""Throttles of the API that tell each caller how much is left."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rest_framework.request import Request
from rest_framework.throttling import (
    AnonRateThrottle,
    ScopedRateThrottle,
    SimpleRateThrottle,
    UserRateThrottle,
)

if TYPE_CHECKING:  # views read the settings that name these classes
    from rest_framework.views import APIView


@dataclass(frozen=True)
class Quota:
    """Requests that a caller has under one policy; `window` and `reset` in seconds."""

    policy: str
    limit: int
    window: int
    remaining: int
    reset: int


class _Telling(SimpleRateThrottle):
    """Notes on the request what is left of the quota, for `dam.api.answer_headers`."""

    def allow_request(self, request: Request, view: APIView) -> bool:
        allowed = super().allow_request(request, view)
        if getattr(self, "key", None) is not None:
            quotas_of(request._request).append(self._quota())
        return allowed

    def _quota(self) -> Quota:
        known: Any = self  # REST framework sets these while it counts
        oldest = known.history[-1] if known.history else known.now
        return Quota(
            policy=known.scope,
            limit=known.num_requests,
            window=known.duration,
            remaining=max(0, known.num_requests - len(known.history)),
            reset=max(0, math.ceil(known.duration - (known.now - oldest))),
        )


def quotas_of(request: Any) -> list[Quota]:
    """What throttles have noted on this request of Django's."""
    found: list[Quota] = request.__dict__.setdefault("quotas", [])
    return found


class PerAddress(_Telling, AnonRateThrottle):
    """Callers without an account, by their address."""


class PerAccount(_Telling, UserRateThrottle):
    """Accounts, whichever way they come in."""


class PerScope(_Telling, ScopedRateThrottle):
    """What a view asks for besides."""
