"""What is said between a process and the one that decodes for it: plain values, bytes and an open file.

Nothing is unpickled on either side: whoever decodes strangers' files has nothing to say but plain values.
"""

from __future__ import annotations

import json
import mmap
import os
import socket
import struct
from io import BytesIO
from typing import IO, Any, cast

LENGTHS = struct.Struct("!II")  # of the values as JSON, and of the bytes behind them
BUFFER = 1024 * 1024  # so that a picture leaves without waiting for its reader; the system may allow less

Values = dict[str, Any]


class Channel:
    """One end of a pair of connected stream sockets (AF_UNIX)."""

    def __init__(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)
        self._socket = connection

    def wait_at_most(self, seconds: float) -> None:
        """From now on both directions raise `TimeoutError` after so many seconds without a byte."""
        self._socket.settimeout(seconds)

    def send(self, values: Values, content: bytes = b"", descriptor: int | None = None) -> None:
        """Send values, bytes, and an open file.

        Raises:
            OSError: the other end is closed, or takes nothing.
        """
        text = json.dumps(values).encode()
        message = LENGTHS.pack(len(text), len(content)) + text
        if descriptor is not None:
            sent = socket.send_fds(self._socket, [message], [descriptor])
            message = message[sent:]
        self._socket.sendall(message + content if content else message)

    def receive(self, most: int) -> tuple[Values, bytes]:
        """The next values, with the bytes that came along; each of them at most so long.

        Raises:
            EOFError: the other end is closed.
            OSError: it is broken, or says nothing.
            ValueError: what it says is not what `send` sends, or longer.
        """
        return self._rest(self._exactly(LENGTHS.size), most)

    def receive_file(self, most: int) -> tuple[Values, IO[bytes]]:
        """As `receive`, with the open file that was sent. It is mapped, not read: whoever gave it finds its
        place in it where it was."""
        lengths, descriptors, _flags, _address = socket.recv_fds(self._socket, LENGTHS.size, 1)
        if not lengths:
            raise EOFError
        values, _content = self._rest(lengths, most)
        (descriptor,) = descriptors
        try:
            if not os.fstat(descriptor).st_size:
                return values, BytesIO()
            return values, cast(IO[bytes], mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ))
        finally:
            os.close(descriptor)

    def close(self) -> None:
        """The other end is told, unless another process holds this one too."""
        self._socket.close()

    def _rest(self, lengths: bytes, most: int) -> tuple[Values, bytes]:
        text, content = LENGTHS.unpack(lengths)
        if max(text, content) > most:
            raise ValueError("too long")
        values = json.loads(self._exactly(text))
        if not isinstance(values, dict):
            raise ValueError("not an object")
        return values, self._exactly(content)

    def _exactly(self, count: int) -> bytes:
        received = bytearray(count)
        view = memoryview(received)
        while view:
            length = self._socket.recv_into(view)
            if not length:
                raise EOFError
            view = view[length:]
        return bytes(received)
