"""Work that no answer waits for: done once the answer has left, or at once where nobody waits for one."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextvars import ContextVar

from django.http import HttpRequest, HttpResponse

logger = logging.getLogger(__name__)

Work = Callable[[], object]
Serve = Callable[[HttpRequest], HttpResponse]

_waiting: ContextVar[list[Work] | None] = ContextVar("work for after the answer", default=None)


def afterwards(work: Work) -> None:
    """Do it when the answer to the request that is being served has been sent. A process that dies in between
    loses it, so it is for what can be lost: a line of a log, what a cache keeps.
    """
    waiting = _waiting.get()
    if waiting is None:
        work()
    else:
        waiting.append(work)


def answer_first(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Middleware: servers close a response when they have sent it (PEP 3333), and then it is done."""

    def serve(request: HttpRequest) -> HttpResponse:
        waiting: list[Work] = []
        token = _waiting.set(waiting)
        try:
            response = get_response(request)
        finally:
            _waiting.reset(token)
        if waiting:
            response.close = _doing(waiting, response.close)  # type: ignore[method-assign]
        return response

    return serve


def _doing(waiting: Sequence[Work], close: Callable[[], None]) -> Callable[[], None]:
    def do_and_close() -> None:
        try:
            for work in waiting:
                _do(work)
        finally:
            close()

    return do_and_close


def _do(work: Work) -> None:
    try:
        work()
    except Exception:  # nobody is there to be told
        logger.exception("What was left for after an answer failed.")
