"""Sign-ins that are tried too often: whose they are, and what the page says."""

from __future__ import annotations

from typing import Any

from axes.signals import user_locked_out
from django.conf import settings
from django.contrib import admin
from django.contrib.auth.models import User
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from dam import audit
from dam.models import AuditEntry

LOCKED_OUT = "user.locked_out"


def locked_out(
    request: HttpRequest, original_response: HttpResponse | None, credentials: dict[str, Any]
) -> HttpResponse:
    """The page in place of the form, for as long as nothing is tried."""
    wait = settings.AXES_COOLOFF_TIME
    context = {**admin.site.each_context(request), "minutes": int(wait.total_seconds() // 60)}
    response = render(request, "atelier/locked_out.html", context, status=429)
    response["Retry-After"] = str(int(wait.total_seconds()))
    return response


@receiver(user_locked_out, dispatch_uid="atelier.signing_in")
def note_lockout(sender: Any, username: str, ip_address: str, **more: Any) -> None:
    """Administrators read in the audit log whose account somebody tried to open, and from where: once for
    all that is tried while it is locked, so that nobody fills the log."""
    user = User.objects.filter(username=username).first()
    if user is None:
        return
    since = timezone.now() - settings.AXES_COOLOFF_TIME
    noted = AuditEntry.objects.filter(action=LOCKED_OUT, target_id=str(user.pk), at__gt=since)
    if not noted.filter(details__address=ip_address).exists():
        audit.record(None, LOCKED_OUT, user, address=ip_address)
