"""Kombu's Redis transport, patched so that a Redis that refuses to work counts as a lost connection.

If Redis answers that it refuses to work, for example because it has become a read-only replica, kombu raises
redis-py's ResponseError. Celery does not expect it there, and a running worker ends. An error of the connection
makes the worker reconnect until Redis works again.
"""

from queue import Empty
from typing import Any, Final

import redis
import structlog
from kombu.transport import redis as kombu_redis
from kombu.transport import virtual

from common.logs import name_of
from common.outages import refused

# A key of the broker holds something else than a queue. Waiting for its repair is better than ending.
DAMAGED: Final = "WRONGTYPE"

log = structlog.get_logger(__name__)


class BrokerRefusesError(OSError):
    """The broker answered that it refuses to work. Its cause is the error of redis-py."""


class _EndsAtRefusal:
    """A connection that disconnects when Redis refuses to work."""

    def read_response(self, *args: Any, **options: Any) -> Any:
        """Return the answer. Raise BrokerRefusesError if Redis refuses to work."""
        try:
            return super().read_response(*args, **options)  # type: ignore[misc]
        except redis.ResponseError as error:
            if refused(error) is None and not str(error).startswith(DAMAGED):
                raise
            self.disconnect()  # type: ignore[attr-defined]
            raise BrokerRefusesError(str(error)) from error


class _Connection(_EndsAtRefusal, redis.Connection):
    """A TCP connection."""


class _SSLConnection(_EndsAtRefusal, redis.SSLConnection):
    """A TLS connection."""


class _QoS(kombu_redis.QoS):
    def ack(self, delivery_tag: Any) -> None:
        """Acknowledge a message. If Redis cannot be told, acknowledge it only in this process.

        Otherwise, kombu would count the message as being worked on, and never take another one. Redis delivers
        it once more after an hour; by then it has expired.
        """
        channel: Any = self.channel
        try:
            super().ack(delivery_tag)
        except channel.connection_errors:
            virtual.QoS.ack(self, delivery_tag)


class _Channel(kombu_redis.Channel):
    QoS = _QoS
    connection_class = _Connection
    connection_class_ssl = _SSLConnection

    def _brpop_read(self, **options: Any) -> Any:
        """Read a message. Drop it if it cannot be read: messages are hints, and it must not end the worker."""
        try:
            return super()._brpop_read(**options)  # type: ignore[misc]
        except (ValueError, TypeError) as error:
            log.error("message_unreadable", reason=name_of(error))
            raise Empty from None


class Transport(kombu_redis.Transport):
    """Kombu's Redis transport, using the connections of this module."""

    Channel = _Channel
