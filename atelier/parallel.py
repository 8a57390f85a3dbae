"""The same for many things in several threads, answered in their order, with few of them in memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

AT_ONCE = 8
AHEAD = 256

Thing = TypeVar("Thing")
Answer = TypeVar("Answer")


def each(do: Callable[[Thing], Answer], things: Iterable[Thing]) -> Iterator[tuple[Thing, Answer]]:
    """Every thing with its answer. What `do` raises is raised in its turn, and nothing more is begun."""
    ahead: deque[tuple[Thing, Future[Answer]]] = deque()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        try:
            for thing in things:
                ahead.append((thing, pool.submit(do, thing)))
                if len(ahead) == AHEAD:
                    yield _first(ahead)
            while ahead:
                yield _first(ahead)
        finally:
            pool.shutdown(cancel_futures=True)


def _first(ahead: deque[tuple[Thing, Future[Answer]]]) -> tuple[Thing, Answer]:
    thing, future = ahead.popleft()
    return thing, future.result()
