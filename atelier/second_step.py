"""Between the password and the code: whoever has shown only the first is nobody yet.

The mark stands in the session, so that no request of those without a second factor asks the database more.
"""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import AnonymousUser, User
from django.contrib.auth.signals import user_logged_in
from django.dispatch import receiver
from django.http import HttpRequest
from django_otp.middleware import OTPMiddleware

from atelier import second_factor

ASKED = "second_step"  # in the session, while the code is still asked for


@receiver(user_logged_in, dispatch_uid="atelier.second_step")
def ask_for_code(sender: Any, request: HttpRequest, user: User, **more: Any) -> None:
    """The password was right; where there is a second factor, that is half of it."""
    if second_factor.has_one(user):
        request.session[ASKED] = True


class SecondStep(OTPMiddleware):
    """Middleware: who has signed in by half is `request.half_signed_in`, and `request.user` is nobody."""

    def _verify_user_sync(self, request: HttpRequest, user: Any) -> Any:
        user = super()._verify_user_sync(request, user)
        if not user.is_authenticated or second_factor.is_whole(user):
            return user
        if ASKED not in request.session and not second_factor.is_required(user):
            return user
        request.half_signed_in = user  # type: ignore[attr-defined]
        return AnonymousUser()


def half_signed_in(request: HttpRequest) -> User | None:
    """Who has given the password in this session and not yet the code."""
    request.user.is_authenticated  # noqa: B018  the middleware looks when it is asked
    user: User | None = getattr(request, "half_signed_in", None)
    return user
