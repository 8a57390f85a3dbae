"""Redis as the broker, whose loss a worker survives while it is at work.

A worker that loses its broker takes the connection apart twice (celery's `Consumer` collects it and then
closes it). Kombu's channel puts unacknowledged messages back when it is closed; the second time it has no
address left to do so, raises AttributeError, and the worker ends. Here it leaves them where they are: Redis
gives them out again after the visibility timeout, and the sweeps find their work before.
"""

from __future__ import annotations

from typing import Any

from kombu.transport import redis


class QoS(redis.QoS):
    """What a channel has given out and nobody has acknowledged yet."""

    def restore_unacked_once(self, stderr: Any = None) -> None:
        """Nothing, where the connection has been taken apart."""
        connection = self.channel.connection
        if connection is not None and connection.client is not None:
            super().restore_unacked_once(stderr)


class Channel(redis.Channel):
    QoS = QoS


class Transport(redis.Transport):
    """For the setting `broker_transport`."""

    Channel = Channel
