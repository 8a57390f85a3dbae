"""A server on loopback in place of a vendor's paid API: what reaches it is kept, what it says is scripted.

The protocol is the subclass's: `call` reads a request, `well` answers it as the vendor does.
"""

from __future__ import annotations

import json
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Generic, Self, TypeVar

Body = dict[str, Any]
Call = TypeVar("Call")
POLL_SECONDS = 0.02


@dataclass(frozen=True)
class Answer:
    """What the server says, `delay` seconds after the request came.

    A body of bytes goes out as it is; None cuts the line.
    """

    status: int
    body: Body | bytes | None
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # of the usual 5, a burst of calls is partly refused and partly late


class LoopbackServer(ABC, Generic[Call]):
    """`with Server() as server:`; `server.script([...])` sets the next answers, then it answers well.

    `url` is its address, `calls` the ledger of what reached it.
    """

    json_type = "application/json"

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self._script: deque[Callable[[Call], Answer]] = deque()
        self._lock = threading.Lock()
        self._http = _Server(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(
            target=self._http.serve_forever, kwargs={"poll_interval": POLL_SECONDS}, daemon=True
        )

    @abstractmethod
    def call(self, method: str, path: str, headers: Mapping[str, str], body: Body) -> Call:
        """The request, as tests look at it."""

    @abstractmethod
    def well(self, call: Call) -> Answer:
        """What the vendor answers when nothing is wrong."""

    def parsed(self, headers: Mapping[str, str], raw: bytes) -> Body:
        """The body of a POST; a server that takes more than JSON reads it itself."""
        return json.loads(raw) if raw else {}

    def complaint(self, call: Call) -> Answer | None:
        """What the vendor refuses whatever the script says."""
        return None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def script(self, behaviours: Iterable[Callable[[Call], Answer]]) -> None:
        with self._lock:
            self._script.extend(behaviours)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join(timeout=5)

    def answer(self, call: Call) -> Answer:
        """Note the call and say what is its turn."""
        with self._lock:
            self.calls.append(call)
            behaviour = self._script.popleft() if self._script else self.well
        return self.complaint(call) or behaviour(call)

    def _handler(server: LoopbackServer[Call]) -> type[BaseHTTPRequestHandler]:  # noqa: N805
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                arrived = time.monotonic()
                raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                self._do(server.parsed(self.headers, raw), arrived)

            def do_GET(self) -> None:
                self._do({}, time.monotonic())

            def _do(self, body: Body, arrived: float) -> None:
                answer = server.answer(server.call(self.command, self.path, self.headers, body))
                time.sleep(max(0.0, arrived + answer.delay - time.monotonic()))
                if answer.body is None:
                    self.close_connection = True
                    return
                raw = isinstance(answer.body, bytes)
                content = answer.body if raw else json.dumps(answer.body).encode()
                self.send_response(answer.status)
                self.send_header("Content-Type", "text/html" if raw else server.json_type)
                self.send_header("Content-Length", str(len(content)))
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                with suppress(BrokenPipeError, ConnectionResetError):  # the client has gone meanwhile
                    self.wfile.write(content)

            def log_message(self, *args: object) -> None:
                pass

        return Handler
