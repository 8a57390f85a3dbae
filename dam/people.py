"""Who is asking."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from rest_framework.request import Request


def signed_in(request: HttpRequest | Request) -> User:
    """The user of a request that only signed-in people can make."""
    if not isinstance(request.user, User):
        raise PermissionDenied
    return request.user


def client_address(request: HttpRequest) -> str:
    """Whose request it is. What a request says of itself is believed of our own proxy only, which writes
    the address that it has seen behind all others."""
    said = request.META.get("HTTP_X_FORWARDED_FOR", "") if settings.BEHIND_PROXY else ""
    return said.rpartition(",")[2].strip() or request.META.get("REMOTE_ADDR", "")
