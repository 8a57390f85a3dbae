"""How long people stay signed in, and how they are signed out everywhere at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_logged_in
from django.contrib.sessions.models import Session
from django.dispatch import receiver
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import timezone

BEGAN = "began"  # in the session: when its time began, in seconds


@receiver(user_logged_in, dispatch_uid="atelier.sessions")
def note_beginning(sender: Any, request: HttpRequest, user: User, **more: Any) -> None:
    """The session is written at that moment anyway."""
    request.session[BEGAN] = int(timezone.now().timestamp())


def end_sessions(user: User, keep: str | None = None) -> int:
    """Sign somebody out in every browser, but for the session of this key; how many those were."""
    ended = 0
    for session in Session.objects.filter(expire_date__gt=timezone.now()).iterator():
        if session.session_key != keep and session.get_decoded().get(SESSION_KEY) == str(user.pk):
            session.delete()
            ended += 1
    return ended


def begin_anew(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Middleware: whoever comes back keeps the session. It is written when half of its time is over, not at
    every request, and only where the request has looked at it: what everybody gets stays without a cookie.
    """

    def middleware(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        session = request.session
        if session.accessed and SESSION_KEY in session:
            now = timezone.now().timestamp()
            if now - session.get(BEGAN, 0) > settings.SESSION_COOKIE_AGE / 2:
                session[BEGAN] = int(now)
        return response

    return middleware
