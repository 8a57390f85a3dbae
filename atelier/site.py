"""The admin's site: Unfold's, with the second step of signing in and the page of one's own account."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.contrib.auth import REDIRECT_FIELD_NAME
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils.http import urlencode
from unfold.sites import UnfoldAdminSite

from atelier import account_pages
from atelier.second_step import half_signed_in


class AtelierAdminSite(UnfoldAdminSite):
    """Who has given only the password is led to the code wherever a sign-in is asked for."""

    def extra_urls(self) -> list[URLPattern]:
        account = self.admin_view(partial(account_pages.account_security, site=self))
        return [
            path("second-step/", partial(account_pages.second_step, site=self), name="second_step"),
            path("account/", account, name="account_security"),
        ]

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponseBase:
        if request.method == "GET" and half_signed_in(request) is not None:
            onwards = urlencode({REDIRECT_FIELD_NAME: request.GET.get(REDIRECT_FIELD_NAME, "")})
            return redirect(f"{reverse('admin:second_step')}?{onwards}")
        answer: HttpResponseBase = super().login(request, extra_context)
        return answer
