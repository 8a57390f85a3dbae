"""API keys in requests: “Authorization: Bearer atl_…”, and which scope an operation takes.

The scope is asked here, before any permission of a view: a new view that says nothing of keys is closed to
those that only read.
"""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import AnonymousUser, User
from django.utils.translation import gettext as _
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request

from dam import api_keys
from dam.models import ApiKey, Scope

KEYWORD = "Bearer"


class KeyAuthentication(BaseAuthentication):
    """Programs that show an API key.

    A view names in `key_scope` what its changes take, or in `key_scopes` what single actions (or methods,
    where it has no actions) do; without either it is “contribute”. Reading takes no scope of its own.
    """

    def authenticate(self, request: Request) -> tuple[User | AnonymousUser, ApiKey] | None:
        keyword, _space, shown = get_authorization_header(request).decode("latin-1").partition(" ")
        if keyword.lower() != KEYWORD.lower():
            return None
        try:
            key = api_keys.find(shown.strip(), request.headers.get("Origin"))
        except api_keys.KeyRefused as error:
            refusal = PermissionDenied if error.code == "origin" else AuthenticationFailed
            raise refusal(str(error), error.code) from error
        check_scopes(key, needed(request, request.parser_context.get("view")))
        api_keys.note_use(key)
        return api_keys.user_of(key), key

    def authenticate_header(self, request: Request) -> str:
        return KEYWORD


def needed(request: Request, view: Any) -> tuple[Scope, ...]:
    """The scopes that this operation takes, all of them."""
    if view is None or request.method in SAFE_METHODS:
        return (Scope.READ,)
    action = getattr(view, "action", None) or (request.method or "").lower()
    every: dict[str, tuple[Scope, ...]] = getattr(view, "key_scopes", {})
    return every.get(action) or (getattr(view, "key_scope", Scope.CONTRIBUTE),)


def check_scopes(key: Any, scopes: tuple[Scope, ...]) -> None:
    """For views that know only from the body what is asked of them; who comes without a key has every scope.

    Raises:
        PermissionDenied: the key lacks one of them.
    """
    missing = [scope for scope in scopes if isinstance(key, ApiKey) and not api_keys.allows(key, scope)]
    if missing:
        raise PermissionDenied(
            _("This takes an API key with the scope “%(scope)s”.") % {"scope": missing[0].value}, "scope"
        )


class KeyScheme(OpenApiAuthenticationExtension):
    """The same for the API's documentation."""

    target_class = KeyAuthentication
    name = "apiKey"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "bearerFormat": "atl_…"}
