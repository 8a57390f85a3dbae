"""Idempotency-Key on every POST of the API (draft-ietf-httpapi-idempotency-key-header), whatever the view.

What is refused is not kept: it did nothing, so the key may come again with the request put right. Callers
without an account create nothing, so a key of theirs is not looked at.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from contextlib import nullcontext
from http import HTTPStatus
from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _
from rest_framework.exceptions import APIException
from rest_framework.request import Request

from dam import idempotency
from dam.api import tus
from dam.api.problems import CONTENT_TYPE, problem
from dam.idempotency import Answer, Claim
from dam.models import ApiKey

HEADER, REPLAYED = "Idempotency-Key", "Idempotent-Replayed"
LONGEST = 255
# What is kept of an answer's headers beside its body; the others are made anew for each answer.
KEPT_HEADERS = (
    "Content-Type", "Content-Language", "Location", "Cache-Control", "Tus-Resumable", "Upload-Offset",
    "Upload-Expires", "Atelier-State", "Atelier-Asset", "Atelier-Problem",
)  # fmt: skip
FORMS = ("multipart/form-data", "application/x-www-form-urlencoded")
ABOUT_UPLOADS = (
    "Upload-Length", "Upload-Metadata", "Upload-Checksum", "Upload-Offset", "Content-Length",
    "X-HTTP-Method-Override",
)  # fmt: skip

View = Callable[..., HttpResponseBase]


class IdempotentPosts:
    """Middleware: stands between the addresses and the views of the API."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: View, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> HttpResponseBase | None:
        """The answer of before, or that of the view, kept; None: the request has no key that counts."""
        header = request.headers.get(HEADER)
        if header is None or request.method != "POST" or not hasattr(view, "cls"):
            return None
        if not (caller := _caller(request, view)):
            return None
        key = header.strip().strip('"')
        if not 0 < len(key) <= LONGEST:
            sentence = _("The header Idempotency-Key must have 1 to %(most)d characters.") % {"most": LONGEST}
            return _refuse(HTTPStatus.BAD_REQUEST, sentence, "invalid_header")
        try:
            found = idempotency.claim(caller, key, _fingerprint(request))
        except idempotency.KeyReused:
            sentence = _("This Idempotency-Key was used for another request. Choose a new one.")
            return _refuse(HTTPStatus.UNPROCESSABLE_ENTITY, sentence, "key_reused")
        except idempotency.UnderWay:
            sentence = _("The first request with this Idempotency-Key is still under way. Ask again soon.")
            return _refuse(HTTPStatus.CONFLICT, sentence, "under_way", retry_after=1)
        except RequestDataTooBig:
            sentence = _("The request is too large to be sent with an Idempotency-Key.")
            return _refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, sentence, "too_large")
        if isinstance(found, Answer):
            return _replay(found)
        return _carry_out(found, request, lambda: view(request, *args, **kwargs))


def _carry_out(held: Claim, request: HttpRequest, answer: Callable[[], HttpResponseBase]) -> HttpResponseBase:
    # The deed and its answer commit together. The body of an upload comes in as slowly as its sender likes,
    # which no transaction waits for: were it begun twice, the one that nobody continues expires.
    whole = request.content_type != tus.CONTENT_TYPE
    try:
        with idempotency.at_work(held), transaction.atomic() if whole else nullcontext():
            response = _rendered(answer())
            done = response.status_code < HTTPStatus.MULTIPLE_CHOICES
            if done:
                idempotency.keep(held, _to_keep(response))
            elif whole:
                transaction.set_rollback(True)
    except idempotency.ClaimLost:
        sentence = _("Another request with this Idempotency-Key was faster. Ask again for its answer.")
        return _refuse(HTTPStatus.CONFLICT, sentence, "under_way", retry_after=1)
    except BaseException:
        idempotency.let_go(held)
        raise
    if not done:
        idempotency.let_go(held)
    return response


def _caller(request: HttpRequest, view: Any) -> str:
    """Whose key it is; empty: nobody's, or whom the view will refuse."""
    asking = Request(request, authenticators=[one() for one in view.cls.authentication_classes])
    try:
        user, shown = asking.user, asking.auth
    except APIException:
        return ""
    if isinstance(shown, ApiKey):
        return f"key:{shown.pk}" if user.is_authenticated else ""
    return f"account:{user.pk}" if user.is_authenticated else ""


def _fingerprint(request: HttpRequest) -> str:
    """Of all that makes it this request. Forms are read as such, since their boundaries differ each time."""
    digest = hashlib.sha256()

    def add(*parts: Any) -> None:
        digest.update(json.dumps(parts).encode() + b"\n")

    add(request.get_full_path(), request.content_type)
    if request.content_type == tus.CONTENT_TYPE or "Upload-Length" in request.headers:
        add([request.headers.get(name) for name in ABOUT_UPLOADS])
    elif request.content_type in FORMS:
        add(sorted((name, list(values)) for name, values in request.POST.lists()))
        for name in sorted(request.FILES):
            for file in request.FILES.getlist(name):
                add(name, file.name)
                for block in file.chunks():
                    digest.update(block)
                file.seek(0)
    else:
        digest.update(request.body)
    return digest.hexdigest()


def _rendered(response: HttpResponseBase) -> HttpResponseBase:
    render = getattr(response, "render", None)
    return render() if callable(render) else response


def _to_keep(response: HttpResponseBase) -> Answer:
    headers = {name: response[name] for name in KEPT_HEADERS if name in response}
    body = response.content if isinstance(response, HttpResponse) else None  # a stream is too large
    return Answer(response.status_code, headers, body)


def _replay(answer: Answer) -> HttpResponse:
    if answer.body is None:
        sentence = _("This was done already (%(status)d); the answer was too large to keep.")
        response: HttpResponse = _refuse(
            HTTPStatus.CONFLICT, sentence % {"status": answer.status}, "answer_not_kept"
        )
        if location := answer.headers.get("Location"):
            response["Location"] = location
    else:
        response = HttpResponse(answer.body, status=answer.status, headers=answer.headers)
    response[REPLAYED] = "true"
    return response


def _refuse(status: HTTPStatus, sentence: str, code: str, retry_after: int | None = None) -> JsonResponse:
    body = problem(status.value, sentence, code=code)
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    return JsonResponse(body, status=status.value, content_type=CONTENT_TYPE, headers=headers)
