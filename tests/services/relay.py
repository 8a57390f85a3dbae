"""A line to a server that can be broken, for all to see, or cut, so that nothing comes through."""

from __future__ import annotations

import contextlib
import socket
import threading
from types import TracebackType

HOST = "127.0.0.1"
BLOCK = 64 * 1024


class Relay:
    """Relays TCP to a server, as a router on the way does.

    Attributes:
        port: where clients find the server.
    """

    def __init__(self, host: str, port: int) -> None:
        self._server = (host, port)
        self._listener = socket.create_server((HOST, 0), backlog=512)
        self.port: int = self._listener.getsockname()[1]
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._refuses = False
        self._flows = threading.Event()
        self._flows.set()

    def __enter__(self) -> Relay:
        threading.Thread(target=self._accept, name=f"relay to {self._server}", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.close()
        self._break()
        self._flows.set()

    def refuse(self) -> None:
        """Open connections break, and new ones at once."""
        self._refuses = True
        self._break()

    def cut(self) -> None:
        """Nothing comes through, and nobody is told."""
        self._flows.clear()

    def mend(self) -> None:
        """What was sent meanwhile comes through, and new connections come about again."""
        self._refuses = False
        self._flows.set()

    def _break(self) -> None:
        with self._lock:
            ends, self._open = self._open, set()
        for end in ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _address = self._listener.accept()
                threading.Thread(target=self._relay, args=(client,), daemon=True).start()

    def _relay(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(self._server) if not self._refuses else None
        except OSError:  # it is down
            server = None
        if server is None:
            client.close()
            return
        for end in (client, server):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._lock:
            self._open |= {client, server}
        down = threading.Thread(target=self._carry, args=(server, client), daemon=True)
        down.start()
        self._carry(client, server)
        down.join()
        with self._lock:
            self._open -= {client, server}
        client.close()
        server.close()

    def _carry(self, source: socket.socket, to: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while block := source.recv(BLOCK):
                self._flows.wait()
                to.sendall(block)
        with contextlib.suppress(OSError):
            to.shutdown(socket.SHUT_WR)
