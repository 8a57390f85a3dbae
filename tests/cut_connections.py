"""A wire that breaks: relays TCP to a server and cuts the connection when so many bytes have gone up."""

from __future__ import annotations

import contextlib
import socket
import threading
from types import TracebackType
from urllib.parse import urlsplit

HOST = "127.0.0.1"
BLOCK = 16 * 1024


class CutConnections:
    """`with CutConnections(url, after=100_000) as wire:` breaks once; later connections hold.

    Args:
        stays_broken: until `mend` is called; with the first cut, every other connection is cut too.

    Attributes:
        url: what the client talks to.
        cuts: how many connections were cut.
    """

    def __init__(self, url: str, after: int, *, stays_broken: bool = False) -> None:
        parts = urlsplit(url)
        self._server = (parts.hostname or HOST, parts.port or 80)
        self._left: int | None = after
        self._lock = threading.Lock()
        self._listener = socket.create_server((HOST, 0))
        self.url = f"http://{HOST}:{self._listener.getsockname()[1]}"
        self.cuts = 0
        self._stays_broken = stays_broken
        self._open: set[socket.socket] = set()

    def __enter__(self) -> CutConnections:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.close()

    def mend(self) -> None:
        """Let connections through again."""
        self._stays_broken = False

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _address = self._listener.accept()
                if self.cuts and self._stays_broken:
                    client.close()
                    continue
                server = socket.create_connection(self._server)
                self._open |= {client, server}
                threading.Thread(target=self._relay, args=(client, server), daemon=True).start()

    def _relay(self, client: socket.socket, server: socket.socket) -> None:
        """Both ways until one end is done; closed last, when nobody reads from them any more."""
        down = threading.Thread(target=self._down, args=(client, server), daemon=True)
        down.start()
        self._up(client, server)
        down.join()
        for end in (client, server):
            self._open.discard(end)
            end.close()

    def _up(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while block := client.recv(BLOCK):
                with self._lock:
                    if self._left is not None:
                        block = block[: self._left]
                        self._left -= len(block)
                    if is_last := self._left == 0:
                        self._left = None
                server.sendall(block)
                if is_last:
                    self.cuts += 1
                    break
        # A browser would go on over another connection that it has kept open.
        for end in self._open.copy() if self.cuts and self._stays_broken else (client, server):
            _shut(end)

    def _down(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while block := server.recv(BLOCK):
                client.sendall(block)
        for end in (client, server):
            _shut(end)


def _shut(end: socket.socket) -> None:
    """Tell both sides at once; closing alone would wait for whoever still reads from it."""
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
