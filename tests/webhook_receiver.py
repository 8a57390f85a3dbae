"""A system outside that webhooks speak to: it keeps what it got and answers as it is told."""

from __future__ import annotations

import json
import ssl
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Receiver:
    """A system outside: what it got, and what it answers next (200 when nothing else is said)."""

    url: str
    got: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    answers: list[tuple[int, dict[str, str], bytes]] = field(default_factory=list)
    drips: bool = False

    def events(self) -> list[str]:
        return [json.loads(body)["type"] for _path, _headers, body in self.got]


def serve(context: ssl.SSLContext | None = None) -> tuple[ThreadingHTTPServer, Receiver]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.got.append((self.path, dict(self.headers), body))
            if receiver.drips:
                self.drip()
                return
            status, headers, answer = receiver.answers.pop(0) if receiver.answers else (200, {}, b"thanks")
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer)

        def drip(self) -> None:
            """A header without an end, a byte at a time, until the other side has enough."""
            self.close_connection = True
            with suppress(OSError):
                self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
                while True:
                    self.wfile.write(b"x")
                    time.sleep(0.05)

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    receiver = Receiver(f"{'https' if context else 'http'}://127.0.0.1:{server.server_port}/hook?a=1")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server, receiver
