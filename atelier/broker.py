"""Redis as the broker, whose loss a worker survives while it is at work.

A worker that loses its broker takes the connection apart and goes on with its tasks. What it acknowledges or
puts back after that goes by a channel that no longer knows where Redis is: kombu raises AttributeError, which
nothing expects, and the worker ends. Here the channel remembers the address. Where Redis is back, the message
is acknowledged; where it is not, that is an error of the connection, which Celery writes in the log.
"""

from __future__ import annotations

from typing import Any

from kombu.transport import redis
from redis.exceptions import ConnectionError as RedisConnectionError


class Channel(redis.Channel):
    """A channel that outlives its connection."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._address = self._connparams()

    def _connparams(self, asynchronous: bool = False) -> dict[str, Any]:
        if self.connection is not None and self.connection.client is not None:
            return super()._connparams(asynchronous)  # type: ignore[misc]  # missing in kombu-stubs
        if asynchronous:  # for consuming, which belongs to the connection
            raise RedisConnectionError("The connection to the broker is gone.")
        return dict(self._address)


class Transport(redis.Transport):
    """For the setting `broker_transport`."""

    Channel = Channel
