"""The pages of one's own account: the code after the password, the second factor, signing out everywhere."""

from __future__ import annotations

from typing import Any

import django_otp
from django.contrib import messages
from django.contrib.admin import AdminSite
from django.contrib.auth import REDIRECT_FIELD_NAME, authenticate
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from atelier import second_factor
from atelier.second_step import ASKED, half_signed_in
from atelier.sessions import end_sessions
from dam import audit
from dam.people import signed_in


@never_cache
@sensitive_post_parameters("code")
@require_http_methods(["GET", "POST"])
def second_step(request: HttpRequest, site: AdminSite) -> HttpResponseBase:
    """The code after the password. Who has to have a second factor and has none gets one here."""
    user = half_signed_in(request)
    if user is None:
        return redirect("admin:index" if request.user.is_authenticated else "admin:login")
    if not second_factor.has_one(user):
        return _enrol(request, site, user, "atelier/second_step.html", asks_password=False)
    problem = ""
    if request.method == "POST":
        device = second_factor.check(user, request.POST.get("code", ""))
        if device is not None:
            _complete(request, user, device)
            return HttpResponseRedirect(_onwards(request))
        problem = _(
            "This is not the code, or it was tried too often. Wait for the next code of your app and "
            "type that; each recovery code counts once."
        )
    context = {
        **site.each_context(request),
        "title": _("Second step"),
        "problem": problem,
        "next": request.POST.get(REDIRECT_FIELD_NAME) or request.GET.get(REDIRECT_FIELD_NAME, ""),
    }
    return TemplateResponse(request, "atelier/second_step.html", context)


@never_cache
@sensitive_post_parameters("code", "password")
@require_http_methods(["GET", "POST"])
def account_security(request: HttpRequest, site: AdminSite) -> HttpResponseBase:
    """What protects one's own account, and what of it can be changed."""
    user = signed_in(request)
    deed = request.POST.get("do", "")
    if deed == "sign-out":
        return _sign_out_elsewhere(request, user)
    if second_factor.has_one(user):
        return _change(request, site, user, deed)
    if deed in ("begin", "confirm"):
        return _enrol(request, site, user, "atelier/account_security.html", asks_password=True)
    return _page(request, site, user)


def _enrol(
    request: HttpRequest, site: AdminSite, user: User, template: str, *, asks_password: bool
) -> HttpResponseBase:
    """Show the secret, and turn the second factor on when the app has it.

    Args:
        asks_password: of an open session, which may be another's; not where it has just been given.
    """
    problem = ""
    if request.method == "POST" and "code" in request.POST:
        if asks_password and not _knows_password(request, user):
            problem = _("This is not your password, so nothing was changed.")
        elif (done := second_factor.confirm(user, request.POST["code"])) is not None:
            device, codes = done
            _complete(request, user, device)
            end_sessions(user, keep=request.session.session_key)
            return _page(request, site, user, codes=codes)
        else:
            problem = _(
                "This is not the code that the app shows now. Look again, and at the clock of the device."
            )
    device = second_factor.begin(user)
    context: dict[str, Any] = {
        **site.each_context(request),
        "title": _("Second step"),
        "problem": problem,
        "enrols": True,
        "asks_password": asks_password,
        "picture": second_factor.picture_of(device),
        "secret": second_factor.secret_of(device),
    }
    return TemplateResponse(request, template, context)


def _knows_password(request: HttpRequest, user: User) -> bool:
    """Asked as at signing in: wrong ones are counted, so an open session is no place to guess it."""
    given = request.POST.get("password", "")
    return authenticate(request, username=user.get_username(), password=given) == user


def _change(request: HttpRequest, site: AdminSite, user: User, deed: str) -> HttpResponseBase:
    """New recovery codes, or no second factor any more: both only with a code, not with an open screen."""
    if deed not in ("codes", "off"):
        return _page(request, site, user)
    if second_factor.check(user, request.POST.get("code", "")) is None:
        problem = _("This is not a code of your app or one of your recovery codes, so nothing was changed.")
        return _page(request, site, user, problem=problem)
    if deed == "codes":
        return _page(request, site, user, codes=second_factor.renew_codes(user))
    second_factor.turn_off(user, user)
    messages.success(request, _("The second step is turned off: the password alone opens your account."))
    return redirect("admin:account_security")


def _sign_out_elsewhere(request: HttpRequest, user: User) -> HttpResponseBase:
    ended = end_sessions(user, keep=request.session.session_key)
    audit.record(user, "user.signed_out_elsewhere", user, sessions=ended)
    sentence = ngettext(
        "You are signed out in %(count)d other browser.",
        "You are signed out in %(count)d other browsers.",
        ended,
    )
    messages.success(request, sentence % {"count": ended})
    return redirect("admin:account_security")


def _complete(request: HttpRequest, user: User, device: Any) -> None:
    """From here on the session is signed in, under another key than the half of it was."""
    request.user = user
    django_otp.login(request, device)
    request.session.pop(ASKED, None)
    request.session.cycle_key()


def _onwards(request: HttpRequest) -> str:
    address = request.POST.get(REDIRECT_FIELD_NAME, "")
    safe = url_has_allowed_host_and_scheme(
        address, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return address if safe else reverse("admin:index")


def _page(request: HttpRequest, site: AdminSite, user: User, **more: Any) -> HttpResponseBase:
    context = {
        **site.each_context(request),
        "title": _("Sign-in and security"),
        "has_one": second_factor.has_one(user),
        "required": second_factor.is_required(user),
        "codes_left": second_factor.codes_left(user),
        **more,
    }
    return TemplateResponse(request, "atelier/account_security.html", context)
